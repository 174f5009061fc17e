"""Calibration: whether posteriors and intervals recover known parameters.

Data are simulated from known parameters on the design at hand and estimated again, many times, and
the results are compared with the truth. With parameters drawn from the prior (simulation-based
calibration) the rank of the truth among the posterior draws is uniform for every quantity, if
prior, simulation, density and sampler agree. With parameters held at the estimate the coverage of
intervals is their frequentist one.

References
----------
Talts, Betancourt, Simpson, Vehtari and Gelman (2018), arXiv:1804.06788. Modrak and others (2023),
Bayesian Analysis 20, 461, for the likelihood as one of the quantities. Cook, Gelman and Rubin
(2006), Journal of Computational and Graphical Statistics 15, 675.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import joblib
import numpy as np
import pandas as pd

from bayeslme import engine
from bayeslme.bayes.checks.calibration import Calibration
from bayeslme.bayes.checks.replication import Draws, Replication, Task, replicate
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.draws import check_drawable, draw_priors
from bayeslme.bayes.priors.priors import Priors, PriorsLike
from bayeslme.bayes.sampling.fitted_variances import refused
from bayeslme.bayes.sampling.map import natural_values
from bayeslme.data.design import build
from bayeslme.errors import FitError, SpecError
from bayeslme.fit.arguments import check_seed
from bayeslme.spec.model import LmeSpec

if TYPE_CHECKING:
    from bayeslme.data.types import Design

Truth = Literal["prior", "estimate"]
Kind = Literal["posterior", "wald", "profile"]


def calibrate(
    spec: LmeSpec,
    data: pd.DataFrame,
    replications: int = 200,
    *,
    truth: Truth = "prior",
    intervals: Sequence[Kind] = ("posterior", "wald"),
    draws: int = 499,
    priors: PriorsLike = None,
    level: float = 0.95,
    seed: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Calibration:
    """Simulate data from known parameters, estimate them again, and compare.

    Parameters
    ----------
    spec : LmeSpec
        ``fit.spec``, or from ``translate``.
    data : DataFrame
        Its design is kept; its response resolves the priors, once, and is then replaced.
    replications : int
    truth : {"prior", "estimate"}
        Where parameters come from: ``"prior"`` draws new ones for each replication
        (simulation-based calibration), ``"estimate"`` holds them at the fit of `data`
        (frequentist coverage).
    intervals : sequence of {"posterior", "wald", "profile"}
        Which are compared: equal-tailed ones of the posterior, nlme's approximate ones, those of
        the profile likelihood. Ranks need ``"posterior"``.
    draws : int
        Posterior draws of a replication, by the collapsed sampler.
    priors : None, preset name or mapping
        By default the specification's, or the default preset.
    level : float
        Probability of the intervals.
    seed : int, optional
        Results do not depend on `workers`.
    workers : int, optional
        Processes, each with a single thread for linear algebra; by default one a core.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Calibration

    Raises
    ------
    SpecError
        For an argument out of range, improper priors, or a model the collapsed sampler cannot draw
        from.
    FitError
        If not a single replication succeeded.

    Examples
    --------
    >>> import bayeslme
    >>> spec = bayeslme.translate("lme(distance ~ age, random = ~ 1 | Subject)")
    >>> data = bayeslme.load_data("orthodont")
    >>> found = bayeslme.calibrate(spec, data, 20, seed=1, workers=1, progress=False)
    >>> found.uniform
    True
    """
    _check(spec, replications, truth, intervals, draws, level, workers)
    design = build(spec, data)
    parameters = build_parameters(design)
    resolved = resolve_priors(parameters, spec.priors if priors is None else priors)
    if parameters.problem.needs_fitted_values and (reason := refused(parameters)):
        raise SpecError(f"calibrate: {reason}, so that it needs NUTS each time")
    check_seed(seed)
    root = np.random.SeedSequence(seed)
    first, *rest = root.spawn(replications + 1)
    values = _truths(
        truth, design, parameters, resolved, replications, np.random.default_rng(first)
    )
    task = Task(design, resolved, draws, level, tuple(intervals))
    each = [{k: v[i : i + 1] for k, v in values.items()} for i in range(replications)]
    found = _run(task, each, rest, workers, progress)
    if all(r.message for r in found) and not any(r.limits for r in found):
        raise FitError(f"calibrate: every replication failed; the first: {found[0].message}")
    return Calibration.of(found, spec, resolved, draws=draws, level=level, truth=truth)


def _truths(
    truth: str,
    design: Design,
    parameters: ModelParameters,
    priors: Priors,
    count: int,
    rng: np.random.Generator,
) -> Draws:
    """True parameters of every replication, variable name to array (count, ...)."""
    if truth == "prior":
        check_drawable(priors)
        return draw_priors(parameters, priors, count, rng)
    estimate = engine.estimate(design)
    one = natural_values(parameters, engine.natural_point(design, estimate))
    one["fixef"] = estimate.beta
    return {k: np.broadcast_to(v, (count, *np.shape(v))) for k, v in one.items()}


def _run(
    task: Task,
    values: list[Draws],
    seeds: list[np.random.SeedSequence],
    workers: int | None,
    progress: bool,
) -> list[Replication]:
    """All replications, in order."""
    from rich.progress import Progress

    jobs = [joblib.delayed(replicate)(task, v, s) for v, s in zip(values, seeds, strict=True)]
    count = joblib.cpu_count() if workers is None else workers
    with joblib.parallel_config("loky", n_jobs=count, inner_max_num_threads=1):
        made = joblib.Parallel(return_as="generator", batch_size=1)(jobs)
        if not progress:
            return list(made)
        with Progress(*Progress.get_default_columns(), transient=True) as bar:
            return list(bar.track(made, total=len(jobs), description="calibrating"))


def _check(
    spec: Any,
    replications: Any,
    truth: str,
    intervals: Sequence[str],
    draws: Any,
    level: float,
    workers: Any,
) -> None:
    if not isinstance(spec, LmeSpec):
        raise SpecError(
            f"spec: fit.spec, or one from translate, is needed, not a {type(spec).__name__}"
        )
    counts = [("replications", replications, 1), ("draws", draws, 19)]
    counts += [] if workers is None else [("workers", workers, 1)]
    for name, value, least in counts:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise SpecError(f"{name}: a whole number of at least {least} is needed, not {value!r}")
    if truth not in get_args(Truth):
        raise SpecError(f"truth: {truth!r} is neither 'prior' nor 'estimate'")
    unknown = [k for k in intervals if k not in get_args(Kind)]
    if unknown or not intervals or isinstance(intervals, str):
        given = intervals if isinstance(intervals, str) or not unknown else unknown[0]
        raise SpecError(
            f"intervals: a list of 'posterior', 'wald', 'profile' is needed, not {given!r}"
        )
    if not 0.0 < level < 1.0:
        raise SpecError(f"level: a number between 0 and 1 is needed, not {level!r}")
