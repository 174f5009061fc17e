"""Effective draws per second: the posterior of one random-intercept model under the same priors.

Where nutpie samples, the time is taken in ``nutpie.sample``, after a first draw that makes numba
compile; PyMC's own sampler says itself how long it took. Everything else is building and compiling.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.frames import SIZE, slopes

CALL = "lme(y ~ x1 + x2, data = d, random = ~ 1 | g)"
PRIORS = {
    "fixef": "Normal(mu=0, sigma=5)",
    "sd_g": "HalfNormal(sigma=3)",
    "sigma": "HalfNormal(sigma=3)",
}
BAMBI_NAMES = ("Intercept", "x1", "x2", "1|g_sigma", "sigma")
TUNE = 1000
OUR_NAMES = ("fixef", "sd_g", "sigma")


def _fit(groups: int) -> tuple[Any, Any]:
    import bayeslme

    return bayeslme.translate(CALL), slopes(groups * SIZE)


class Clock:
    """Seconds spent in ``nutpie.sample``, a first draw that compiles left out."""

    def __init__(self) -> None:
        import nutpie

        self.sampling = self.compiling = 0.0
        self._plain = nutpie.sample
        nutpie.sample = self._sample

    def _sample(self, compiled: Any, **options: Any) -> Any:
        start = time.perf_counter()
        self._plain(compiled, **{**options, "draws": 1, "tune": 1, "chains": 1})
        between = time.perf_counter()
        result = self._plain(compiled, **options)
        self.compiling += between - start
        self.sampling += time.perf_counter() - between
        return result


def _least(posterior: Any, names: tuple[str, ...]) -> float:
    import arviz as az

    effective = az.ess(posterior, var_names=list(names))
    return float(min(np.min(effective[name]) for name in effective.data_vars))


def _report(effective: float, clock: Clock, whole: float) -> dict[str, Any]:
    return {
        "effective": effective,
        "sampling": clock.sampling,
        "compiling": whole - clock.sampling,
        "per_second": effective / clock.sampling,
    }


def nuts(groups: int, draws: int, chains: int) -> dict[str, Any]:
    """The marginal form by NUTS."""
    spec, frame = _fit(groups)
    fit = spec.fit(frame)
    clock, start = Clock(), time.perf_counter()
    posterior = fit.sample(
        draws=draws,
        tune=TUNE,
        chains=chains,
        method="nuts",
        priors=PRIORS,
        seed=1,
        progress=False,
    )
    whole = time.perf_counter() - start
    return _report(_least(posterior.data["posterior"], OUR_NAMES), clock, whole)


def bambi(groups: int, draws: int, chains: int, sampler: str) -> dict[str, Any]:
    """The same model with the same priors through bambi, whose random effects are parameters."""
    spec, frame = _fit(groups)
    clock, start = Clock(), time.perf_counter()
    model = spec.to_bambi(frame, priors=PRIORS)
    trace = model.fit(
        draws=draws,
        tune=TUNE,
        chains=chains,
        cores=2,
        inference_method=sampler,
        random_seed=1,
        progressbar=False,
    )
    whole = time.perf_counter() - start
    posterior = trace["posterior"]
    clock.sampling = clock.sampling or float(posterior.attrs["sampling_time"])
    return _report(_least(posterior, BAMBI_NAMES), clock, whole)


def collapsed(groups: int, draws: int, chains: int) -> dict[str, Any]:
    """The package's default sampler, which compiles nothing."""
    spec, frame = _fit(groups)
    fit = spec.fit(frame)
    start = time.perf_counter()
    posterior = fit.sample(draws=draws, chains=chains, priors=PRIORS, seed=1, progress=False)
    whole = time.perf_counter() - start
    effective = _least(posterior.data["posterior"], OUR_NAMES)
    weights = posterior.data["sample_stats"].attrs.get("weights_ess", np.inf)
    effective = min(effective, float(weights))
    return {
        "effective": effective,
        "sampling": whole,
        "compiling": 0.0,
        "per_second": effective / whole,
    }


def trees(draws: int, chains: int) -> dict[str, Any]:
    """The lecture's trees, whose variance is a power of the fitted values: first and second call.

    "First" is a fresh process after the imports of the classical fit, which stands before it.
    """
    import bayeslme

    data = bayeslme.load_data("trees")
    fit = bayeslme.lme(
        "dds.log ~ dbh.log + dbh + BAL + BA + SITES",
        data,
        "~ 1 | PLot/MP",
        correlation=bayeslme.CorAR1(),
        weights=bayeslme.VarPower(),
    )
    seconds = []
    for seed in (1, 2):
        start = time.perf_counter()
        posterior = fit.sample(draws=draws, chains=chains, seed=seed, progress=False)
        seconds.append(time.perf_counter() - start)
    import arviz as az

    names = ["fixef", "sd_PLot", "sd_MP", "corstruct", "varfunc", "sigma"]
    worst = az.rhat(posterior.data["posterior"], var_names=names)
    stats = posterior.data["sample_stats"].attrs
    return {
        "first": seconds[0],
        "warm": seconds[1],
        "effective": min(_least(posterior.data["posterior"], tuple(names)), stats["weights_ess"]),
        "r_hat": float(max(np.max(worst[name]) for name in names)),
        "k_hat": stats["k_hat"],
    }
