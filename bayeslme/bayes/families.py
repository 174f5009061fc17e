"""Prior distributions by PyMC's names: arguments, support and density in NumPy.

One `Family` per distribution. PyMC's class of the same name, with the same arguments, is what a
model is built from; the formulas here are for everything that must not wait for PyMC (printing,
penalised modes, stored log priors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bayeslme.bayes import penalised_complexity as pc

Args = Mapping[str, float]
Density = Callable[[Any, Args], Any]

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


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


def _normal(x: Any, a: Args) -> Any:
    return -0.5 * ((x - a["mu"]) / a["sigma"]) ** 2 - np.log(a["sigma"]) - _LOG_SQRT_2PI


def _student(x: Any, a: Args) -> Any:
    nu, z = a["nu"], (x - a.get("mu", 0.0)) / a["sigma"]
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - 0.5 * np.log(nu * np.pi)
    return constant - np.log(a["sigma"]) - (nu + 1) / 2 * np.log1p(z * z / nu)


def _cauchy(x: Any, a: Args) -> Any:
    z = (x - a.get("alpha", 0.0)) / a["beta"]
    return -np.log(np.pi * a["beta"]) - np.log1p(z * z)


def _log_normal(x: Any, a: Args) -> Any:
    return _normal(np.log(x), a) - np.log(x)


def _gamma(x: Any, a: Args) -> Any:
    shape, rate = a["alpha"], a["beta"]
    return shape * np.log(rate) - special.gammaln(shape) + (shape - 1) * np.log(x) - rate * x


def _inverse_gamma(x: Any, a: Args) -> Any:
    shape, scale = a["alpha"], a["beta"]
    return shape * np.log(scale) - special.gammaln(shape) - (shape + 1) * np.log(x) - scale / x


def _beta(x: Any, a: Args) -> Any:
    p, q = a["alpha"], a["beta"]
    return (p - 1) * np.log(x) + (q - 1) * np.log1p(-x) - special.betaln(p, q)


def _laplace_cdf(x: Any, a: Args) -> Any:
    z = (x - a["mu"]) / a["b"]
    return np.where(z < 0, 0.5 * np.exp(-np.abs(z)), 1 - 0.5 * np.exp(-np.abs(z)))


def _cauchy_cdf(x: Any, a: Args) -> Any:
    return 0.5 + np.arctan((x - a.get("alpha", 0.0)) / a["beta"]) / np.pi


def _zero(x: Any, _: Args) -> Any:
    return np.zeros_like(x)


def _half(density: Density) -> Density:
    """Density of the absolute value of a variable symmetric about zero."""
    return lambda x, a: np.log(2.0) + density(x, a)


def _half_cdf(cdf: Density) -> Density:
    return lambda x, a: np.maximum(2 * cdf(x, a) - 1, 0.0)


def _centred(cdf: Density) -> Density:
    return lambda x, a: cdf(x, {"mu": 0.0, "alpha": 0.0, **a})


def _normal_cdf(x: Any, a: Args) -> Any:
    return special.ndtr((x - a["mu"]) / a["sigma"])


def _student_cdf(x: Any, a: Args) -> Any:
    return special.stdtr(a["nu"], (x - a["mu"]) / a["sigma"])


def _normal_quantile(p: Any, a: Args) -> Any:
    return a["mu"] + a["sigma"] * special.ndtri(p)


def _student_quantile(p: Any, a: Args) -> Any:
    return a["mu"] + a["sigma"] * special.stdtrit(a["nu"], p)


def _cauchy_quantile(p: Any, a: Args) -> Any:
    return a["alpha"] + a["beta"] * np.tan(np.pi * (p - 0.5))


def _laplace_quantile(p: Any, a: Args) -> Any:
    return a["mu"] - a["b"] * np.sign(p - 0.5) * np.log1p(-2 * np.abs(p - 0.5))


def _half_quantile(quantile: Density) -> Density:
    return lambda p, a: quantile(0.5 + p / 2, {"mu": 0.0, "alpha": 0.0, **a})


_FAMILIES = (
    Family(
        "Normal",
        {"mu": 0.0, "sigma": 1.0},
        ("sigma",),
        _real,
        _normal,
        _normal_cdf,
        _normal_quantile,
    ),
    Family(
        "StudentT",
        {"nu": None, "mu": 0.0, "sigma": 1.0},
        ("nu", "sigma"),
        _real,
        _student,
        _student_cdf,
        _student_quantile,
    ),
    Family(
        "Cauchy",
        {"alpha": 0.0, "beta": 1.0},
        ("beta",),
        _real,
        _cauchy,
        _cauchy_cdf,
        _cauchy_quantile,
    ),
    Family(
        "Laplace",
        {"mu": 0.0, "b": 1.0},
        ("b",),
        _real,
        lambda x, a: -np.abs(x - a["mu"]) / a["b"] - np.log(2 * a["b"]),
        _laplace_cdf,
        _laplace_quantile,
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
    Family("Flat", {}, (), _real, _zero, None, None),
    Family("HalfFlat", {}, (), _half_line, _zero, None, None),
    Family(
        "HalfNormal",
        {"sigma": 1.0},
        ("sigma",),
        _half_line,
        _half(lambda x, a: _normal(x, {"mu": 0.0, **a})),
        _half_cdf(_centred(_normal_cdf)),
        _half_quantile(_normal_quantile),
    ),
    Family(
        "HalfStudentT",
        {"nu": 1.0, "sigma": 1.0},
        ("nu", "sigma"),
        _half_line,
        _half(_student),
        _half_cdf(_centred(_student_cdf)),
        _half_quantile(_student_quantile),
    ),
    Family(
        "HalfCauchy",
        {"beta": 1.0},
        ("beta",),
        _half_line,
        _half(_cauchy),
        _half_cdf(_centred(_cauchy_cdf)),
        _half_quantile(_cauchy_quantile),
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
        _log_normal,
        lambda x, a: _normal_cdf(np.log(x), a),
        lambda p, a: np.exp(_normal_quantile(p, a)),
    ),
    Family(
        "Gamma",
        {"alpha": None, "beta": None},
        ("alpha", "beta"),
        _half_line,
        _gamma,
        lambda x, a: special.gammainc(a["alpha"], a["beta"] * x),
        lambda p, a: special.gammaincinv(a["alpha"], p) / a["beta"],
    ),
    Family(
        "InverseGamma",
        {"alpha": None, "beta": 1.0},
        ("alpha", "beta"),
        _half_line,
        _inverse_gamma,
        lambda x, a: special.gammaincc(a["alpha"], a["beta"] / x),
        lambda p, a: a["beta"] / special.gammainccinv(a["alpha"], p),
    ),
    Family(
        "Beta",
        {"alpha": None, "beta": None},
        ("alpha", "beta"),
        lambda _: (0.0, 1.0),
        _beta,
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
