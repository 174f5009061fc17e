"""Prior distributions by PyMC's names: arguments, support and density in NumPy.

One `Family` per distribution. PyMC's class of the same name, with the same arguments, is what a
model is built from; the formulas, in ``univariate``, are for everything that must not wait for it
(printing, penalised modes, stored log priors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from bayeslme.bayes import penalised_complexity as pc
from bayeslme.bayes import univariate as one
from bayeslme.bayes.univariate import Args, Density


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
        one.normal_log,
        one.normal_cdf,
        one.normal_quantile,
    ),
    Family(
        "StudentT",
        {"nu": None, "mu": 0.0, "sigma": 1.0},
        ("nu", "sigma"),
        _real,
        one.student_log,
        one.student_cdf,
        one.student_quantile,
    ),
    Family(
        "Cauchy",
        {"alpha": 0.0, "beta": 1.0},
        ("beta",),
        _real,
        one.cauchy_log,
        one.cauchy_cdf,
        one.cauchy_quantile,
    ),
    Family(
        "Laplace",
        {"mu": 0.0, "b": 1.0},
        ("b",),
        _real,
        lambda x, a: -np.abs(x - a["mu"]) / a["b"] - np.log(2 * a["b"]),
        one.laplace_cdf,
        one.laplace_quantile,
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
    Family("Flat", {}, (), _real, one.flat_log, None, None),
    Family("HalfFlat", {}, (), _half_line, one.flat_log, None, None),
    Family(
        "HalfNormal",
        {"sigma": 1.0},
        ("sigma",),
        _half_line,
        one.half_log(lambda x, a: one.normal_log(x, {"mu": 0.0, **a})),
        one.half_cdf(one.centred(one.normal_cdf)),
        one.half_quantile(one.normal_quantile),
    ),
    Family(
        "HalfStudentT",
        {"nu": 1.0, "sigma": 1.0},
        ("nu", "sigma"),
        _half_line,
        one.half_log(one.student_log),
        one.half_cdf(one.centred(one.student_cdf)),
        one.half_quantile(one.student_quantile),
    ),
    Family(
        "HalfCauchy",
        {"beta": 1.0},
        ("beta",),
        _half_line,
        one.half_log(one.cauchy_log),
        one.half_cdf(one.centred(one.cauchy_cdf)),
        one.half_quantile(one.cauchy_quantile),
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
        one.log_normal_log,
        lambda x, a: one.normal_cdf(np.log(x), a),
        lambda p, a: np.exp(one.normal_quantile(p, a)),
    ),
    Family(
        "Gamma",
        {"alpha": None, "beta": None},
        ("alpha", "beta"),
        _half_line,
        one.gamma_log,
        lambda x, a: special.gammainc(a["alpha"], a["beta"] * x),
        lambda p, a: special.gammaincinv(a["alpha"], p) / a["beta"],
    ),
    Family(
        "InverseGamma",
        {"alpha": None, "beta": 1.0},
        ("alpha", "beta"),
        _half_line,
        one.inverse_gamma_log,
        lambda x, a: special.gammaincc(a["alpha"], a["beta"] / x),
        lambda p, a: a["beta"] / special.gammainccinv(a["alpha"], p),
    ),
    Family(
        "Beta",
        {"alpha": None, "beta": None},
        ("alpha", "beta"),
        lambda _: (0.0, 1.0),
        one.beta_log,
        lambda x, a: special.betainc(a["alpha"], a["beta"], x),
        lambda p, a: special.betaincinv(a["alpha"], a["beta"], p),
    ),
    Family(
        "PC",
        {"upper": None, "alpha": 0.05},
        ("upper", "alpha"),
        _half_line,
        pc.scale_log_density,
        pc.scale_cdf,
        pc.scale_quantile,
    ),
    Family(
        "PCCorrelation",
        {"upper": None, "alpha": 0.05},
        ("upper", "alpha"),
        lambda _: (-1.0, 1.0),
        pc.correlation_log_density,
        pc.correlation_cdf,
        pc.correlation_quantile,
    ),
    Family(
        "StepCorrelation",
        {"steps": None},
        ("steps",),
        lambda _: (-1.0, 1.0),
        one.step_correlation_log,
        lambda x, a: (1 + np.sign(x) * np.abs(x) ** a["steps"]) / 2,
        lambda p, a: np.sign(2 * p - 1) * np.abs(2 * p - 1) ** (1 / a["steps"]),
    ),
    Family(
        "PCRange",
        {"lower": None, "alpha": 0.05, "dimension": 0.0},
        ("lower", "alpha"),
        _half_line,
        pc.range_log_density,
        pc.range_cdf,
        pc.range_quantile,
    ),
)

FAMILIES: Mapping[str, Family] = {family.name: family for family in _FAMILIES}
"""The families by PyMC's name."""

MATRIX_FAMILIES: Mapping[str, Mapping[str, float | None]] = {"LKJ": {"eta": 1.0}}
"""Families of whole correlation matrices: name to arguments."""
