"""Marginal likelihoods against integrals that can be done otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import halfnorm, multivariate_normal, norm, t

import bayeslme
from bayeslme.bayes.model_parameters import build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.draws import log_share_inside
from bayeslme.data.design import build
from bayeslme.errors import FitError, SpecError


@pytest.fixture(scope="module")
def rails() -> pd.DataFrame:
    return bayeslme.load_data("Rail").iloc[:9]


def alike(column: pd.Series) -> np.ndarray:
    codes = pd.factorize(column)[0]
    return np.equal.outer(codes, codes)


def evidence(posterior: Any) -> tuple[float, float]:
    table = bayeslme.bayes_factor({"a": posterior, "b": posterior})
    return float(table["log_evidence"].iloc[0]), float(table["mcse"].iloc[0])


def over_both(density: Any, most_sigma: float, most_sd: float) -> float:
    """Log of the integral over sigma and one standard deviation by Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(120)
    sigma, sd = (0.5 * most * (nodes + 1) for most in (most_sigma, most_sd))
    grid = [v[..., None, None] for v in np.meshgrid(sigma, sd, indexing="ij")]
    log_area = np.log(np.outer(weights, weights) * most_sigma * most_sd / 4)
    return float(logsumexp(density(*grid)[..., 0, 0] + log_area))


def log_normal(residual: np.ndarray, cov: np.ndarray) -> np.ndarray:
    squares = residual @ np.linalg.solve(cov, residual[:, None])
    log_det = np.linalg.slogdet(cov)[1]
    log = -0.5 * (squares[..., 0] + log_det + len(residual) * np.log(2 * np.pi))
    return np.asarray(log)[..., None, None]


def half_normal(x: np.ndarray, scale: float) -> np.ndarray:
    return np.asarray(halfnorm(scale=scale).logpdf(x))


def test_a_linear_model_of_known_sigma_is_exact(orthodont: pd.DataFrame) -> None:
    priors = {"fixef": "Normal(mu=[17, 0.5], sigma=[5, 1])"}
    fit = bayeslme.gls("distance ~ age", orthodont, control={"sigma": 2.0})
    found, error = evidence(fit.sample(draws=10, priors=priors, seed=1))
    x = np.column_stack([np.ones(108), orthodont["age"]])
    cov = 4.0 * np.eye(108) + x @ np.diag([25.0, 1.0]) @ x.T
    expected = multivariate_normal(x @ [17, 0.5], cov).logpdf(orthodont["distance"])
    assert found == pytest.approx(expected, rel=1e-8)
    assert error == 0.0


def test_variances_are_integrated_out(rails: pd.DataFrame) -> None:
    """Over both standard deviations by quadrature, everything else is normal."""
    priors = {
        "fixef": "Normal(60, 30)",
        "sd_Rail": "HalfNormal(sigma=20)",
        "sigma": "HalfNormal(sigma=10)",
    }
    fit = bayeslme.lme("travel ~ 1", rails, "~ 1 | Rail")
    found, error = evidence(fit.sample(priors=priors, seed=1))
    y, same = rails["travel"].to_numpy(), alike(rails["Rail"])

    def density(sigma: np.ndarray, sd: np.ndarray) -> np.ndarray:
        cov = sd**2 * same + sigma**2 * np.eye(9) + 30.0**2
        return log_normal(y - 60.0, cov) + half_normal(sd, 20.0) + half_normal(sigma, 10.0)

    assert error < 0.02
    assert found == pytest.approx(over_both(density, 60.0, 120.0), abs=4 * error)


def test_priors_of_coefficients_that_are_not_normal_count(rails: pd.DataFrame) -> None:
    fit = bayeslme.gls("travel ~ 1", rails, control={"sigma": 20.0})
    found, error = evidence(fit.sample(priors={"fixef": "StudentT(3, 60, 5)"}, seed=1))
    y = rails["travel"].to_numpy()

    def density(mean: float) -> float:
        return float(np.exp(norm(mean, 20).logpdf(y).sum() + 40) * t(3, 60, 5).pdf(mean))

    integral, _ = quad(density, 0.0, 120.0, epsabs=0.0)
    # The scales of the heavy tail are summed over a grid, which is good for 2e-5 of a density.
    assert found == pytest.approx(np.log(integral) - 40, abs=4 * error + 2e-5)
    assert error < 0.02


def test_zeros_of_a_standard_deviation_are_inside() -> None:
    """Batches that do not differ: the proposal is folded at zero there."""
    data = bayeslme.load_data("Dyestuff2").iloc[:15]
    priors = {"fixef": "Normal(5, 5)", "sd_Batch": "HalfNormal(2)", "sigma": "HalfNormal(5)"}
    fit = bayeslme.lme("Yield ~ 1", data, "~ 1 | Batch")
    found, error = evidence(fit.sample(priors=priors, seed=1))
    y, same = data["Yield"].to_numpy(), alike(data["Batch"])

    def density(sigma: np.ndarray, sd: np.ndarray) -> np.ndarray:
        cov = sd**2 * same + sigma**2 * np.eye(15) + 25.0
        return log_normal(y - 5.0, cov) + half_normal(sd, 2.0) + half_normal(sigma, 5.0)

    assert found == pytest.approx(over_both(density, 30.0, 12.0), abs=4 * error)


@pytest.mark.parametrize(
    ("structure", "priors", "share"),
    [
        # Rousseeuw and Molenberghs (1994), American Statistician 48, 276: the volume at order 4
        ("corSymm(form = ~ 1 | Subject)", None, 32 * np.pi**2 / 27 / 2**6),
        ("corARMA(form = ~ 1 | Subject, p = 2)", {"corstruct": "Uniform(-1, 1)"}, 0.75),
    ],
)
def test_joint_regions_have_the_mass_that_is_left(
    structure: str, priors: Any, share: float, orthodont: pd.DataFrame
) -> None:
    spec = bayeslme.translate(f"gls(distance ~ age, correlation = {structure})")
    parameters = build_parameters(build(spec, orthodont))
    found, error = log_share_inside(
        resolve_priors(parameters, priors)["corstruct"], parameters.problem.correlation
    )
    assert np.exp(found) == pytest.approx(share, abs=4 * error * share + 1e-12)


def test_the_better_model_comes_first(orthodont: pd.DataFrame) -> None:
    one = bayeslme.lme("distance ~ age", orthodont, "~ 1 | Subject")
    models = {
        "no slope": one.update(fixed=". ~ 1"),
        "slope": one,
        "two variances": one.update(weights=bayeslme.VarIdent(form="~ 1 | Sex")),
    }
    posteriors = {name: fit.sample(draws=500, seed=1) for name, fit in models.items()}
    table = bayeslme.bayes_factor(posteriors)
    assert list(table.index) == ["two variances", "slope", "no slope"]
    assert table["probability"].sum() == pytest.approx(1.0)
    assert table["log_bayes_factor"].iloc[0] == 0.0
    assert table["log_bayes_factor"].is_monotonic_decreasing


def test_what_has_no_evidence_is_refused(orthodont: pd.DataFrame, posterior: Any) -> None:
    fit = bayeslme.lme("distance ~ age", orthodont, "~ 1 | Subject")
    flat = fit.sample(draws=100, priors="flat", seed=1)
    proper = fit.sample(draws=100, seed=1)
    with pytest.raises(SpecError, match="'fixef' is improper"):
        bayeslme.bayes_factor({"flat": flat, "proper": proper})
    with pytest.raises(FitError, match=r"'nuts' has no importance weights \(nuts\)"):
        bayeslme.bayes_factor({"proper": proper, "nuts": posterior})
    other = bayeslme.lme("distance ~ age", orthodont.iloc[:80], "~ 1 | Subject")
    with pytest.raises(SpecError, match="bayes_factor: 'b' has other responses"):
        bayeslme.bayes_factor({"a": proper, "b": other.sample(draws=100, seed=1)})
    with pytest.raises(SpecError, match="at least two names"):
        bayeslme.bayes_factor({"a": proper})
