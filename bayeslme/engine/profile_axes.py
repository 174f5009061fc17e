"""Coordinates in which likelihoods are profiled: one natural parameter each, zero included.

Standard deviations of random effects stand for themselves (the likelihood is even in them, so that
zero is an ordinary point), sigma for its logarithm, every other parameter for the unconstrained
scale of its own support, so that one can be held while the others move.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayeslme.engine.information import Information
from bayeslme.engine.likelihood import NaturalPoint
from bayeslme.engine.parts import Part
from bayeslme.engine.problem import Problem
from bayeslme.structures import Bound, Parameter

FAR = 14.0  # on a logit or logarithmic scale: a bound in all but name
SATURATED = 8.0  # beyond it a parameter starts, as a nuisance, from NEAR, where slopes are visible
NEAR = 3.6
SMALL = 0.1  # of sigma: the step of a standard deviation that is zero


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter that is profiled, or moves while another one is.

    Attributes
    ----------
    part : str
        Name of the part, as in `Information`.
    row : int
        Place among the part's free parameters.
    place : int
        Place among all parameters of the level or structure.
    parameter : Parameter
    kind : {"sd", "support", "sigma"}
    scale : float
        Size of a visible step.
    """

    part: str
    row: int
    place: int
    parameter: Parameter | None
    kind: str
    scale: float

    def to_axis(self, natural: float) -> float:
        """Coordinate of a natural value; bounds are brought to a finite distance."""
        if self.kind == "sd":
            return natural
        if self.parameter is None:
            return float(np.log(natural))
        with np.errstate(divide="ignore", invalid="ignore"):
            u = float(self.parameter.support.unconstrain(np.asarray(natural)))
        return float(np.clip(u, -self.width, self.width))

    def to_natural(self, v: np.ndarray) -> np.ndarray:
        """Natural values of coordinates."""
        if self.kind == "sd":
            return np.abs(v)
        if self.parameter is None:
            return np.exp(v)
        return np.asarray(self.parameter.support.constrain(v))

    def printed(self, natural: float) -> float:
        """A natural value in the user's units."""
        if self.parameter is None:
            return natural
        return float(self.parameter.shown.printed(np.asarray(natural)))

    def inside(self, printed: np.ndarray) -> np.ndarray:
        """Inverse of ``printed``, elementwise."""
        return printed if self.parameter is None else self.parameter.shown.inside(printed)

    @property
    def width(self) -> float:
        """Largest coordinate that is looked at on a bounded scale; infinite on the others."""
        if self.parameter is None or self.kind == "sd":
            return np.inf
        support = self.parameter.support
        return FAR if np.isfinite(support.lower) and np.isfinite(support.upper) else np.inf

    @property
    def bounds(self) -> tuple[float, float]:
        """Ends of the natural range."""
        if self.kind != "support" or self.parameter is None:
            return 0.0, np.inf
        return self.parameter.support.lower, self.parameter.support.upper

    def nuisance_start(self, v: float) -> float:
        """Where this parameter starts when another one is held."""
        if self.kind == "sd":
            return max(abs(v), 0.5 * SMALL * self.scale)
        if self.kind == "support" and abs(v) > SATURATED and np.isfinite(self.width):
            return float(np.sign(v)) * NEAR
        return v


def axes_of(problem: Problem, info: Information) -> tuple[Axis, ...]:
    """Axes of all free parameters.

    Correlations with a standard deviation of zero have none: nothing depends on them.
    """
    out: list[Axis] = []
    levels = problem.stages[::-1]
    sigma = float(info.scales.point.sigma)
    for part in info.parts:
        if part.name in problem.groups:
            k = problem.groups.index(part.name)
            size = sigma / np.maximum(np.abs(np.diagonal(levels[k].basis)), 1e-300)
            out += _level_axes(part, info.scales.random[k], size)
        elif part.name == "sigma":
            out.append(Axis("sigma", 0, 0, None, "sigma", 1.0))
        else:
            bound = problem.row_structure(part.name)
            chosen = [(int(j), bound.parameters[int(j)]) for j in bound.free]
            out += [
                Axis(part.name, i, j, parameter, "support", parameter.scale)
                for i, (j, parameter) in enumerate(chosen)
            ]
    return tuple(out)


def _level_axes(part: Part, parameters: tuple[Parameter, ...], size: np.ndarray) -> list[Axis]:
    out = []
    is_sd = np.array([p.support.lower == 0.0 for p in parameters])
    empty = bool(np.any(part.on_bound & is_sd))
    for j, p in enumerate(parameters):
        if is_sd[j]:
            least = SMALL * float(size[min(j, len(size) - 1)])
            out.append(Axis(part.name, j, j, p, "sd", max(float(part.estimate[j]), least)))
        elif not empty:
            out.append(Axis(part.name, j, j, p, "support", 1.0))
    return out


def point_at(
    problem: Problem, axes: tuple[Axis, ...], point: NaturalPoint, v: np.ndarray
) -> NaturalPoint:
    """Natural points (b) of coordinates (b, m); what has no axis stays as in ``point``."""
    b = len(v)
    random = [np.broadcast_to(r, (b, len(r))).copy() for r in point.random]
    sigma = np.full(b, float(point.sigma))
    rows = {
        name: None if values is None else np.broadcast_to(values, (b, len(values))).copy()
        for name, values in (("corstruct", point.corstruct), ("varfunc", point.varfunc))
    }
    for column, axis in enumerate(axes):
        natural = axis.to_natural(v[:, column])
        own = rows.get(axis.part)
        if axis.kind == "sigma":
            sigma = natural
        elif own is not None:
            own[:, axis.place] = natural
        else:
            random[problem.groups.index(axis.part)][:, axis.place] = natural
    return replace(
        point,
        sigma=sigma,
        random=tuple(random),
        corstruct=_admissible(problem.correlation, rows["corstruct"]),
        varfunc=rows["varfunc"],
    )


def _admissible(bound: Bound | None, values: np.ndarray | None) -> np.ndarray | None:
    """Coefficients of a joint family outside its region become NaN, where there is none."""
    if bound is None or values is None:
        return values
    inside = bound.structure.admissible(values, bound.parameters)
    return np.where(inside[:, None], values, np.nan)
