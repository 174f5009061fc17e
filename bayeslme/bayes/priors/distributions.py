"""Prior distributions by PyMC's names, and the LKJ distribution.

One `Family` per distribution. PyMC's class of the same name, with the same arguments, is what a
model is built from; the formulas, in ``univariate``, are for everything that must not wait for it
(printing, penalised modes, stored log priors).

The LKJ distribution over correlation matrices. References ---------- Lewandowski, Kurowicka and Joe
(2009), Journal of Multivariate Analysis 100, 1989.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from bayeslme.bayes.priors import densities
from bayeslme.bayes.priors.densities import Args, Density
from bayeslme.structures.correlation.partial import correlation_matrices


@dataclass(frozen=True, slots=True)
class Family:
    """A family of distributions of one number.

    Attributes
    ----------
    name : str
        PyMC's class name.
    arguments : mapping of str to float or None
        Argument names in PyMC's order with their defaults; None where a value must be given.
    positive : tuple of str
        Arguments that must be positive.
    support : callable
        Arguments to the open interval (lower, upper) where the density lives.
    log_density : callable
        ``log_density(x, args)``, normalised over the support, elementwise; not read outside the
        support.
    cumulative : callable or None
        Distribution function; None where the density is improper or has none to be truncated by.
    quantile : callable or None
        Its inverse, ``quantile(p, args)``.
    """

    name: str
    arguments: Mapping[str, float | None]
    positive: tuple[str, ...]
    support: Callable[[Args], tuple[float, float]]
    log_density: Density
    cumulative: Density | None
    quantile: Density | None


def _real(_: Args) -> tuple[float, float]:
    return -np.inf, np.inf


def _half_line(_: Args) -> tuple[float, float]:
    return 0.0, np.inf


_FAMILIES = (
    Family(
        "Normal",
        {"mu": 0.0, "sigma": 1.0},
        ("sigma",),
        _real,
        densities.normal_log,
        densities.normal_cdf,
        densities.normal_quantile,
    ),
    Family(
        "TruncatedNormal",
        {"mu": 0.0, "sigma": 1.0, "lower": -np.inf, "upper": np.inf},
        ("sigma",),
        lambda a: (a["lower"], a["upper"]),
        densities.truncated_log,
        densities.truncated_cdf,
        densities.truncated_quantile,
    ),
    Family(
        "SkewNormal",
        {"mu": 0.0, "sigma": 1.0, "alpha": 1.0},
        ("sigma",),
        _real,
        densities.skew_log,
        densities.skew_cdf,
        densities.skew_quantile,
    ),
    Family(
        "StudentT",
        {"nu": None, "mu": 0.0, "sigma": 1.0},
        ("nu", "sigma"),
        _real,
        densities.student_log,
        densities.student_cdf,
        densities.student_quantile,
    ),
    Family(
        "Cauchy",
        {"alpha": 0.0, "beta": 1.0},
        ("beta",),
        _real,
        densities.cauchy_log,
        densities.cauchy_cdf,
        densities.cauchy_quantile,
    ),
    Family(
        "Laplace",
        {"mu": 0.0, "b": 1.0},
        ("b",),
        _real,
        lambda x, a: -np.abs(x - a["mu"]) / a["b"] - np.log(2 * a["b"]),
        densities.laplace_cdf,
        densities.laplace_quantile,
    ),
    Family(
        "Uniform",
        {"lower": 0.0, "upper": 1.0},
        (),
        lambda a: (a["lower"], a["upper"]),
        lambda x, a: np.full_like(x, -np.log(a["upper"] - a["lower"])),
        lambda x, a: np.clip((x - a["lower"]) / (a["upper"] - a["lower"]), 0.0, 1.0),
        lambda p, a: a["lower"] + (a["upper"] - a["lower"]) * p,
    ),
    Family("Flat", {}, (), _real, densities.flat_log, None, None),
    Family("HalfFlat", {}, (), _half_line, densities.flat_log, None, None),
    Family(
        "HalfNormal",
        {"sigma": 1.0},
        ("sigma",),
        _half_line,
        densities.half_log(lambda x, a: densities.normal_log(x, {"mu": 0.0, **a})),
        densities.half_cdf(densities.centred(densities.normal_cdf)),
        densities.half_quantile(densities.normal_quantile),
    ),
    Family(
        "HalfStudentT",
        {"nu": 1.0, "sigma": 1.0},
        ("nu", "sigma"),
        _half_line,
        densities.half_log(densities.student_log),
        densities.half_cdf(densities.centred(densities.student_cdf)),
        densities.half_quantile(densities.student_quantile),
    ),
    Family(
        "HalfCauchy",
        {"beta": 1.0},
        ("beta",),
        _half_line,
        densities.half_log(densities.cauchy_log),
        densities.half_cdf(densities.centred(densities.cauchy_cdf)),
        densities.half_quantile(densities.cauchy_quantile),
    ),
    Family(
        "Exponential",
        {"lam": 1.0},
        ("lam",),
        _half_line,
        lambda x, a: np.log(a["lam"]) - a["lam"] * x,
        lambda x, a: -np.expm1(-a["lam"] * x),
        lambda p, a: -np.log1p(-p) / a["lam"],
    ),
    Family(
        "LogNormal",
        {"mu": 0.0, "sigma": 1.0},
        ("sigma",),
        _half_line,
        densities.log_normal_log,
        lambda x, a: densities.normal_cdf(np.log(x), a),
        lambda p, a: np.exp(densities.normal_quantile(p, a)),
    ),
    Family(
        "Gamma",
        {"alpha": None, "beta": None},
        ("alpha", "beta"),
        _half_line,
        densities.gamma_log,
        lambda x, a: special.gammainc(a["alpha"], a["beta"] * x),
        lambda p, a: special.gammaincinv(a["alpha"], p) / a["beta"],
    ),
    Family(
        "InverseGamma",
        {"alpha": None, "beta": 1.0},
        ("alpha", "beta"),
        _half_line,
        densities.inverse_gamma_log,
        lambda x, a: special.gammaincc(a["alpha"], a["beta"] / x),
        lambda p, a: a["beta"] / special.gammainccinv(a["alpha"], p),
    ),
    Family(
        "Beta",
        {"alpha": None, "beta": None},
        ("alpha", "beta"),
        lambda _: (0.0, 1.0),
        densities.beta_log,
        lambda x, a: special.betainc(a["alpha"], a["beta"], x),
        lambda p, a: special.betaincinv(a["alpha"], a["beta"], p),
    ),
    Family(
        "PC",
        {"upper": None, "alpha": 0.05},
        ("upper", "alpha"),
        _half_line,
        densities.scale_log_density,
        densities.scale_cdf,
        densities.scale_quantile,
    ),
    Family(
        "PCCorrelation",
        {"upper": None, "alpha": 0.05},
        ("upper", "alpha"),
        lambda _: (-1.0, 1.0),
        densities.correlation_log_density,
        densities.correlation_cdf,
        densities.correlation_quantile,
    ),
    Family(
        "StepCorrelation",
        {"steps": None},
        ("steps",),
        lambda _: (-1.0, 1.0),
        densities.step_correlation_log,
        lambda x, a: (1 + np.sign(x) * np.abs(x) ** a["steps"]) / 2,
        lambda p, a: np.sign(2 * p - 1) * np.abs(2 * p - 1) ** (1 / a["steps"]),
    ),
    Family(
        "PCRange",
        {"lower": None, "alpha": 0.05, "dimension": 0.0},
        ("lower", "alpha"),
        _half_line,
        densities.range_log_density,
        densities.range_cdf,
        densities.range_quantile,
    ),
)

FLAT_FAMILIES = ("Flat", "HalfFlat")
FAMILIES: Mapping[str, Family] = {family.name: family for family in _FAMILIES}
"""The families by PyMC's name."""

MATRIX_FAMILIES: Mapping[str, Mapping[str, float | None]] = {"LKJ": {"eta": 1.0}}
"""Families of whole correlation matrices: name to arguments."""


FloatArray = npt.NDArray[np.float64]


def lkj_log_density(matrix: FloatArray, eta: float) -> FloatArray:
    """Normalised log density, (eta - 1) log det R - log constant; theorem 5.

    Parameters
    ----------
    matrix : array, shape (..., q, q)
    eta : float

    Returns
    -------
    array, shape (...)
        Minus infinity where the matrix is not positive definite.
    """
    q = matrix.shape[-1]
    sign, log_det = np.linalg.slogdet(matrix)
    inside = (sign > 0) & np.isfinite(log_det)
    return np.where(
        inside, (eta - 1) * np.where(inside, log_det, 0.0) - lkj_log_constant(q, eta), -np.inf
    )


def lkj_log_constant(q: int, eta: float) -> float:
    """Log integral of det(R)^(eta - 1) over the correlation matrices of order ``q``."""
    total = 0.0
    for k in range(1, q):
        shape = eta + (q - 1 - k) / 2
        total += (q - k) * (special.betaln(shape, shape) + (2 * shape - 1) * np.log(2.0))
    return float(total)


def lkj_draws(q: int, eta: float, n: int, rng: np.random.Generator) -> FloatArray:
    """Draw correlation matrices (n, q, q) through their partial correlations; section 2.2."""
    partials = np.zeros((n, q * (q - 1) // 2))
    for k, j in enumerate(j for i in range(1, q) for j in range(i)):
        shape = eta + (q - 2 - j) / 2
        partials[:, k] = 2.0 * rng.beta(shape, shape, n) - 1.0
    return correlation_matrices(partials, q)
