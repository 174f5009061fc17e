"""The boundary-avoiding preset, and flat priors where they are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import bayeslme
from bayeslme.bayes import settings
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.data.design import build
from bayeslme.errors import FitError, SpecError

SLOPE = "lme(distance ~ age, random = ~ age | Subject)"


def balanced_mode(y: np.ndarray, rate: float) -> tuple[float, float]:
    """Mode of the restricted likelihood of a balanced one-way parameters times tau exp(-rate tau).

    From the sums of squares alone (Searle, Casella and McCulloch 1992, section 3.5); y (G, m).
    """
    groups, m = y.shape
    within = float(((y - y.mean(axis=1, keepdims=True)) ** 2).sum())
    between = float(m * ((y.mean(axis=1) - y.mean()) ** 2).sum())

    def loss(par: np.ndarray) -> float:
        tau, sigma = np.exp(par)
        total = sigma**2 + m * tau**2
        restricted = groups * (m - 1) * np.log(sigma**2) + (groups - 1) * np.log(total)
        restricted += within / sigma**2 + between / total
        return float(restricted / 2 - np.log(tau) + rate * tau)

    found = minimize(
        loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}
    )
    tau, sigma = np.exp(found.x)
    return float(tau), float(sigma)


def test_a_variance_that_reml_puts_at_zero_is_kept_away_from_it() -> None:
    data = bayeslme.load_data("Dyestuff2")
    classical = bayeslme.lme("Yield ~ 1", data, "~ 1 | Batch")
    assert float(classical.varcorr()["Batch"].sd.iloc[0]) < 1e-6
    mode = bayeslme.lme("Yield ~ 1", data, "~ 1 | Batch", priors="boundary-avoiding")
    y = np.stack([g["Yield"].to_numpy() for _, g in data.groupby("Batch", observed=True)])
    tau, sigma = balanced_mode(y, settings.PRIORS.boundary_avoiding_rate / y.std())
    assert float(mode.varcorr()["Batch"].sd.iloc[0]) == pytest.approx(tau, rel=1e-4)
    assert mode.sigma == pytest.approx(sigma, rel=1e-4)
    assert mode.method == "MAP" and tau > 0.2


def test_the_penalty_is_the_root_of_the_determinant(orthodont: Any) -> None:
    """Differences of the log prior are those of log det(Sigma) / 2, the rate apart."""
    parameters = build_parameters(build(bayeslme.translate(SLOPE), orthodont))
    priors = resolve_priors(parameters, "boundary-avoiding")
    sd = np.array([[2.0, 0.3], [0.7, 0.9]])
    cor = np.stack([[[1.0, r], [r, 1.0]] for r in (-0.6, 0.95)])
    density = priors.log_density(
        {"fixef": np.zeros((2, 2)), "sd_Subject": sd, "cor_Subject": cor, "sigma": np.ones(2)}
    )
    ours = density["sd_Subject"] + density["cor_Subject"]
    rates = np.array([p.numbers()["beta"] for p in priors["sd_Subject"].priors])
    sigma = cor * sd[:, :, None] * sd[:, None, :]
    expected = np.linalg.slogdet(sigma)[1] / 2 - sd @ rates
    assert ours[1] - ours[0] == pytest.approx(expected[1] - expected[0])
    assert np.all(density["fixef"] == 0) and np.all(density["sigma"] == 0)


def test_a_correlation_at_its_bound_is_pulled_inside() -> None:
    """Four people only: REML ends at a perfect correlation."""
    data = bayeslme.load_data("sleepstudy")
    few = data[data["Subject"].isin(data["Subject"].unique()[4:8])]
    call = "lme(Reaction ~ Days, random = ~ Days | Subject)"
    spec = bayeslme.translate(call)
    classical = spec.fit(few).varcorr()["Subject"]
    mode = spec.update(priors="boundary-avoiding").fit(few).varcorr()["Subject"]
    smallest = [np.linalg.eigvalsh(v.corr.to_numpy())[0] for v in (classical, mode)]
    assert smallest[0] < 1e-3
    assert smallest[1] > 0.05


def test_away_from_the_boundary_the_estimate_barely_moves(orthodont: Any) -> None:
    spec = bayeslme.translate("lme(distance ~ age, random = ~ 1 | Subject)")
    classical = spec.fit(orthodont)
    mode = spec.update(priors="boundary-avoiding").fit(orthodont)
    low, estimate, high = classical.intervals()["Subject"].iloc[0]
    moved = float(mode.varcorr()["Subject"].sd.iloc[0])
    assert estimate < moved < estimate + (high - low) / 4
    assert mode.fixef.to_numpy() == pytest.approx(classical.fixef.to_numpy(), rel=1e-6)


def test_the_preset_is_sampled_and_named(orthodont: Any) -> None:
    fit: Any = bayeslme.translate("lme(distance ~ age, random = ~ 1 | Subject)").fit(orthodont)
    drawn = fit.sample(draws=250, priors="boundary-avoiding", seed=1)
    assert str(drawn.priors).startswith("Priors (boundary-avoiding):")
    assert "Gamma(alpha=2, beta=" in str(drawn.priors)
    mixed = {"preset": "boundary-avoiding", "sigma": "PC(upper=10)"}
    parameters = build_parameters(fit.design)
    assert "sigma" in str(resolve_priors(parameters, mixed))
    assert str(resolve_priors(parameters, mixed)).startswith(
        "Priors (boundary-avoiding where not named):"
    )


def test_unknown_presets_list_the_known_ones(orthodont: Any) -> None:
    parameters = build_parameters(build(bayeslme.translate(SLOPE), orthodont))
    with pytest.raises(SpecError, match="presets are default, flat, boundary-avoiding"):
        resolve_priors(parameters, "weak")


@pytest.mark.parametrize("preset", ["flat", "boundary-avoiding"])
def test_a_flat_range_is_refused(preset: str, orthodont: Any) -> None:
    fit: Any = bayeslme.translate(
        "gls(distance ~ age, correlation = corExp(form = ~ age | Subject))"
    ).fit(orthodont)
    with pytest.raises(FitError, match=r"'corstruct' \(range\) gives an improper posterior"):
        fit.sample(draws=10, priors=preset)


@pytest.mark.parametrize(
    ("weights", "coef"),
    [
        ("varConstPower(form = ~ age)", "const"),
        ("varComb(varIdent(form = ~ 1 | Sex), varConstPower(form = ~ age | Sex))", "B.const.Male"),
    ],
)
def test_a_flat_constant_of_a_variance_is_refused(weights: str, coef: str, orthodont: Any) -> None:
    """With sigma falling as it grows the model becomes one of equal variances, at no cost."""
    fit: Any = bayeslme.translate(f"gls(distance ~ age, weights = {weights})").fit(orthodont)
    with pytest.raises(FitError, match=rf"'varfunc' \({coef}\) gives an improper posterior"):
        fit.sample(draws=10, priors="flat")


def test_flat_priors_over_a_bounded_joint_region_are_proper(orthodont: Any) -> None:
    fit: Any = bayeslme.translate(
        "gls(distance ~ age, correlation = corARMA(form = ~ 1 | Subject, p = 2))"
    ).fit(orthodont)
    drawn = fit.sample(draws=250, priors="flat", seed=1)
    phi = drawn.values["corstruct"]
    assert np.all((phi.sum(axis=1) < 1) & (phi[:, 1] - phi[:, 0] < 1))


@pytest.mark.filterwarnings("ignore:group .* has one level:UserWarning")
@pytest.mark.parametrize("groups", [1, 2])
def test_a_flat_variance_of_few_groups_is_refused(groups: int, orthodont: Any) -> None:
    some = orthodont[orthodont["Subject"].isin(orthodont["Subject"].unique()[:groups])]
    fit: Any = bayeslme.translate("lme(distance ~ age, random = ~ 1 | Subject)").fit(some)
    with pytest.raises(FitError, match=rf"'sd_Subject' .* {groups} group\(s\) gives an improper"):
        fit.sample(draws=10, priors="flat")
    given = fit.sample(draws=100, priors={"preset": "flat", "sd_Subject": "HalfNormal(5)"}, seed=1)
    assert np.isfinite(given.summary().fixed["SD"]).all()
