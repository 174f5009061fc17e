"""Priors that PyMC has not, penalised-complexity ones and others, as PyMC variables.

This module imports PyMC; it is itself imported only while a model is built.
"""

from __future__ import annotations

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from bayeslme.bayes import penalised_complexity as pc

Tensor = Any


class PCCorrelation:
    """AR(1) correlations whose distance from 0 is exponential; see ``penalised_complexity``."""

    @staticmethod
    def dist(lam: Tensor, **options: Any) -> Tensor:
        """Variable without a name."""
        return pm.CustomDist.dist(lam, **_CORRELATION, **options)

    def __new__(cls, name: str, lam: Tensor, **options: Any) -> Any:
        """Variable of the model."""
        return pm.CustomDist(name, lam, **_CORRELATION, **options)


def _pc_correlation(phi: Tensor, lam: Tensor) -> Tensor:
    near = pt.abs(phi) < pc.NEAR_ZERO
    safe = pt.switch(near, 0.5, phi)  # the gradient of the root does not exist at 0
    log_rest = pt.log1p(-(safe**2))
    d = pt.sqrt(-log_rest)
    density = -lam * d + pt.log(pt.abs(safe) / d) - log_rest
    return pt.log(lam / 2) + pt.switch(near, 0.0, density)


def _pc_correlation_cdf(phi: Tensor, lam: Tensor) -> Tensor:
    """Its logarithm; what a prior cut to positive correlations needs."""
    outside = 0.5 * pt.exp(-lam * pt.sqrt(-pt.log1p(-(phi**2))))
    return pt.log(pt.switch(phi < 0.0, outside, 1.0 - outside))


def _pc_correlation_draw(lam: Tensor, size: Tensor) -> Tensor:
    signed = pm.Laplace.dist(0.0, 1.0 / lam, size=size)
    return pt.sign(signed) * pt.sqrt(-pt.expm1(-(signed**2)))


_CORRELATION: dict[str, Any] = {
    "logp": _pc_correlation,
    "logcdf": _pc_correlation_cdf,
    "dist": _pc_correlation_draw,
}


class PCRange:
    """Ranges whose power -d/2 is exponential; see ``penalised_complexity``."""

    @staticmethod
    def dist(lam: Tensor, half: Tensor, **options: Any) -> Tensor:
        """Variable without a name."""
        return pm.CustomDist.dist(lam, half, logp=_pc_range, dist=_pc_range_draw, **options)

    def __new__(cls, name: str, lam: Tensor, half: Tensor, **options: Any) -> Any:
        """Variable of the model."""
        given = {"logp": _pc_range, "dist": _pc_range_draw, **options}
        return pm.CustomDist(name, lam, half, **given)


def _pc_range(x: Tensor, lam: Tensor, half: Tensor) -> Tensor:
    return pt.log(half * lam) - (half + 1.0) * pt.log(x) - lam * x**-half


def _pc_range_draw(lam: Tensor, half: Tensor, size: Tensor) -> Tensor:
    return pm.Exponential.dist(lam, size=size) ** (-1.0 / half)


class StepCorrelation:
    """AR(1) correlations that are uniform some steps apart, the sign kept."""

    @staticmethod
    def dist(steps: Tensor, **options: Any) -> Tensor:
        """Variable without a name."""
        return pm.CustomDist.dist(steps, **_STEPS, **options)

    def __new__(cls, name: str, steps: Tensor, **options: Any) -> Any:
        """Variable of the model."""
        return pm.CustomDist(name, steps, **_STEPS, **options)


def _step_correlation(phi: Tensor, steps: Tensor) -> Tensor:
    return pt.log(steps / 2) + (steps - 1.0) * pt.log(pt.abs(phi))


def _step_correlation_cdf(phi: Tensor, steps: Tensor) -> Tensor:
    """Its logarithm."""
    return pt.log((1.0 + pt.sign(phi) * pt.abs(phi) ** steps) / 2)


def _step_correlation_draw(steps: Tensor, size: Tensor) -> Tensor:
    apart = pm.Uniform.dist(-1.0, 1.0, size=size)
    return pt.sign(apart) * pt.abs(apart) ** (1.0 / steps)


_STEPS: dict[str, Any] = {
    "logp": _step_correlation,
    "logcdf": _step_correlation_cdf,
    "dist": _step_correlation_draw,
}


PENALISED: dict[str, Any] = {
    "PC": lambda a: (pm.Exponential, {"lam": pc.scale_rate(a)}),
    "PCCorrelation": lambda a: (PCCorrelation, {"lam": pc.correlation_rate(a)}),
    "StepCorrelation": lambda a: (StepCorrelation, dict(a)),
    "PCRange": lambda a: (PCRange, {"lam": pc.range_rate(a), "half": a["dimension"] / 2}),
}
