"""What the tests of the Bayesian floor share: models, priors, and how posteriors are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np

import bayeslme
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.posterior.rows.simulate import colour
from bayeslme.data.design import build
from bayeslme.engine.problem import Problem

BRMS: dict[str, Any] = json.loads(Path(__file__).with_name("brms.json").read_text())

GROWTH = (
    "lme(distance ~ Sex * I(age - 11), data = Orthodont, random = ~ 1 | Subject, "
    "weights = varIdent(form = ~ 1 | Sex), correlation = corAR1())"
)
GROWTH_PRIORS = {
    "fixef": "Normal(mu=[24, 0, 0, 0], sigma=[10, 10, 5, 5])",
    "sigma": "HalfNormal(sigma=3)",
    "sd_Subject": "HalfNormal(sigma=5)",
    "varfunc": "LogNormal(mu=0, sigma=1)",
    "corstruct": "Uniform(lower=-1, upper=1)",
}

# One specification of each kind: random-effects structures, row structures, without random effects.
KINDS = {
    "varIdent and corAR1": GROWTH,
    "slope": "lme(distance ~ age, random = ~ age | Subject)",
    "pdDiag": "lme(distance ~ age, random = list(Subject = pdDiag(~ age)))",
    "pdIdent": "lme(distance ~ age, random = list(Subject = pdIdent(~ age - 1)))",
    "pdCompSymm": "lme(distance ~ age, random = list(Subject = pdCompSymm(~ Sex - 1)))",
    "pdBlocked": "lme(distance ~ age, random = list(Subject = pdBlocked(list("
    "pdIdent(~ 1), pdSymm(~ age + I(age^2) - 1)))))",
    "three effects": "lme(distance ~ age, random = ~ age + I(age^2) | Subject, "
    "weights = varComb(varIdent(form = ~ 1 | Sex), varPower(form = ~ age)))",
    "corARMA": "lme(distance ~ age, random = ~ 1 | Subject, correlation = corARMA(p = 1, q = 1))",
    "corSymm": "lme(distance ~ age, random = ~ 1 | Subject, correlation = corSymm(), "
    "subset = age < 14)",
    "corCAR1 and varPower": "lme(distance ~ age, random = ~ 1 | Subject, "
    "correlation = corCAR1(form = ~ age | Subject), weights = varPower(form = ~ age))",
    "corCompSymm and varExp": "gls(distance ~ age, "
    "correlation = corCompSymm(form = ~ 1 | Subject), weights = varExp(form = ~ age | Sex))",
    "corExp with nugget": "gls(distance ~ age, "
    "correlation = corExp(form = ~ age | Subject, nugget = TRUE))",
    "lm": "lm(distance ~ Sex * age)",
}


def parameters_of(call: str, data: Any) -> ModelParameters:
    """Layout of an R call on a data frame."""
    return build_parameters(build(bayeslme.translate(call), data))


def z_score(draws: np.ndarray, mean: float, error: float) -> float:
    """Difference of a posterior mean from a published one in Monte Carlo standard errors.

    Parameters
    ----------
    draws : array, shape (chains, draws)
    mean, error : float
        Published mean and its Monte Carlo standard error.
    """
    own = float(np.std(draws) / np.sqrt(az.ess(draws, method="mean")))
    return (float(np.mean(draws)) - mean) / float(np.hypot(own, error))


def growth_draws(posterior: Any) -> dict[str, np.ndarray]:
    """Draws of the growth model under the names brms gives them, (chains, draws)."""
    drawn = posterior.data["posterior"]
    fixef = drawn["fixef"].to_numpy()
    return {
        "b_Intercept": fixef[..., 0],
        "b_SexFemale": fixef[..., 1],
        "b_a": fixef[..., 2],
        "b_SexFemale:a": fixef[..., 3],
        "sd_Subject__Intercept": drawn["sd_Subject"].to_numpy()[..., 0],
        "b_sigma_SexFemale": np.log(drawn["varfunc"].to_numpy()[..., 0]),
        "ar[1]": drawn["corstruct"].to_numpy()[..., 0],
        "r_Subject[M16,Intercept]": drawn["ranef_Subject"].sel(Subject="M16").to_numpy()[..., 0],
        "r_Subject[F01,Intercept]": drawn["ranef_Subject"].sel(Subject="F01").to_numpy()[..., 0],
    }


def innovation(posterior: Any) -> np.ndarray:
    """Log of the innovation standard deviation of boys, brms's intercept of log sigma."""
    drawn = posterior.data["posterior"]
    phi = drawn["corstruct"].to_numpy()[..., 0]
    return np.asarray(np.log(drawn["sigma"].to_numpy()) + 0.5 * np.log1p(-(phi**2)))


def brms_weights(posterior: Any) -> np.ndarray:
    """Normalised weights (chains, draws) that turn the priors of ``GROWTH_PRIORS`` into brms's.

    brms has N(0.5, 1) on log sigma of the innovations at the mean of Sex, which 11 girls of 27
    children make, in the place of HalfNormal(3) on sigma; and N(0, 10) on all coefficients.
    """
    drawn = posterior.data["posterior"]
    sigma, fixef = drawn["sigma"].to_numpy(), drawn["fixef"].to_numpy()
    at_mean = innovation(posterior) + 11 / 27 * np.log(drawn["varfunc"].to_numpy()[..., 0])
    log_weight = -0.5 * (at_mean - 0.5) ** 2 - np.log(sigma) + 0.5 * (sigma / 3) ** 2
    log_weight += 0.5 * np.sum((fixef[..., 2:] / 5) ** 2 - (fixef[..., 2:] / 10) ** 2, axis=-1)
    weight = np.exp(log_weight - log_weight.max())
    return np.asarray(weight / weight.sum())


def brms_scores(posterior: Any) -> dict[str, float]:
    """Differences from brms's posterior means in Monte Carlo standard errors, by brms's names."""
    published, w = BRMS["orth_het_ar1"]["summary"], brms_weights(posterior)
    scores = {}
    for name, x in {**growth_draws(posterior), "b_sigma_Intercept": innovation(posterior)}.items():
        mean = np.sum(w * x)
        lost = x.size / min(x.size, az.ess(x, method="mean"))
        own = np.sqrt(np.sum((w * (x - mean)) ** 2) * lost)
        error = np.hypot(own, published[name]["mcse_mean"])
        scores[name] = float((mean - published[name]["mean"]) / error)
    return scores


def residual_covariance(
    parameters: ModelParameters, values: dict[str, np.ndarray], problem: Problem | None = None
) -> np.ndarray:
    """Covariance (n, n) of the residuals by its definition, rows as in the design."""
    problem = parameters.problem if problem is None else problem
    n, order = problem.n, problem.order
    cor, var = parameters.row_parameters(values)
    factor = np.stack([colour(problem, cor, e) for e in np.eye(n)], axis=1)
    R = np.empty((n, n))
    R[np.ix_(order, order)] = factor @ factor.T
    sd = np.asarray(values["sigma"]) * np.exp(problem.log_sd(var))
    return np.asarray(R * np.outer(sd, sd))


def random_covariance(parameters: ModelParameters, values: dict[str, np.ndarray]) -> np.ndarray:
    """Covariance (n, n) that the random effects bring, by its definition."""
    total = np.zeros((parameters.problem.n,) * 2)
    for level in parameters.levels:
        F, Z, code = level.factor(values), level.level.Z, level.level.code
        total += (Z @ F @ F.T @ Z.T) * (code[:, None] == code)
    return total
