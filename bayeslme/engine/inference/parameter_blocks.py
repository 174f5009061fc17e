"""The variance parameters of an estimate, part by part: a level, a structure, sigma."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.likelihood.likelihood import NaturalPoint
from bayeslme.structures import Bound, Parameter, settings

if TYPE_CHECKING:
    from bayeslme.engine.estimate import Estimate


@dataclass(frozen=True, slots=True)
class ParameterBlock:
    """One group of parameters: a level, a structure, or sigma.

    Attributes
    ----------
    name : str
        The level's group, ``"corstruct"``, ``"varfunc"`` or ``"sigma"``.
    names : tuple of str
    estimate : array, shape (k,)
        Natural scale.
    printed : array, shape (k,)
        The same in the user's units.
    on_bound : bool array, shape (k,)
        True where the estimate is on the edge of its range.
    place : int array, shape (k,)
        Place among the parameters that are not on a bound; -1 for those that are.
    """

    name: str
    names: tuple[str, ...]
    estimate: np.ndarray
    printed: np.ndarray
    on_bound: np.ndarray
    place: np.ndarray


@dataclass(slots=True)
class IntervalVector:
    """Parts one after the other, and what is free in them.

    Attributes
    ----------
    parts : list of ParameterBlock
    values : list of float
        Interval-scale estimates of the parameters that are not on a bound.
    sizes : list of float
        Size of a small step of each.
    """

    parts: list[ParameterBlock] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)

    def add(
        self,
        name: str,
        names: tuple[str, ...],
        estimate: np.ndarray,
        scale: np.ndarray,
        on_bound: np.ndarray,
        size: np.ndarray,
        printed: np.ndarray | None = None,
    ) -> None:
        """Append a part; all arrays (k,), `scale` the estimates on the interval scale."""
        place = np.full(len(names), -1)
        place[~on_bound] = len(self.values) + np.arange(np.sum(~on_bound))
        self.values += scale[~on_bound].tolist()
        self.sizes += size[~on_bound].tolist()
        shown = estimate if printed is None else printed
        self.parts.append(ParameterBlock(name, names, estimate, shown, on_bound, place))


def interval_vector(
    found: Estimate, point: NaturalPoint, random: tuple[tuple[Parameter, ...], ...]
) -> IntervalVector:
    """Parts of an estimate: levels outermost first, then corstruct, varfunc and sigma.

    Parameters
    ----------
    found : Estimate
    point : NaturalPoint
        Its natural parameters.
    random : tuple of tuples of Parameter
        Natural parameters of every level's covariance, outermost first.
    """
    layout, problem = IntervalVector(), found.problem
    for group, natural, parameters in zip(problem.groups, point.random, random, strict=True):
        scale, on_bound = _level_scale(natural, parameters, found.sigma)
        names = tuple(p.name for p in parameters)
        layout.add(group, names, natural, scale, on_bound, np.ones(len(names)))
    for name, bound, _ in problem.row_structures:
        values = getattr(found, name)
        if values is not None and len(bound.free):
            _add_structure(layout, name, bound, values)
    if not found.sigma_held:
        sigma, free = np.array([found.sigma]), np.array([False])
        layout.add("sigma", ("sigma",), sigma, np.log(sigma), free, np.ones(1))
    return layout


def _add_structure(layout: IntervalVector, name: str, bound: Bound, values: np.ndarray) -> None:
    """Append the free parameters of a row structure."""
    own, printed = values[bound.free], np.asarray(bound.printed(values))[bound.free]
    chosen = tuple(bound.parameters[j] for j in bound.free)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.asarray(bound.structure.to_interval_scale(own, chosen))
    at_edge = [p.at_edge(v) for p, v in zip(chosen, own, strict=True)]
    on_bound = ~np.isfinite(scale) | np.array(at_edge, bool)
    names, size = tuple(p.name for p in chosen), np.array([p.scale for p in chosen])
    layout.add(name, names, own, scale, on_bound, size, printed)


def _level_scale(
    natural: np.ndarray, parameters: tuple[Parameter, ...], sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """A level's parameters on the interval scale, and whether each is on a bound."""
    with np.errstate(divide="ignore", invalid="ignore"):
        each = [p.support.unconstrain(v) for p, v in zip(parameters, natural, strict=True)]
    scale, is_sd = np.array(each, float), np.array([p.support.lower == 0.0 for p in parameters])
    on_bound = _on_bound(natural, parameters, sigma) | ~np.isfinite(scale)
    if np.any(on_bound & is_sd):  # with a zero variance correlations are not defined
        on_bound |= ~is_sd
    return scale, on_bound


def _on_bound(natural: np.ndarray, parameters: tuple[Parameter, ...], sigma: float) -> np.ndarray:
    """Standard deviations that are zero, correlations that are at an end."""
    out, near = [], settings.STRUCTURES.boundary_distance
    for p, v in zip(parameters, natural, strict=True):
        if p.support.lower == 0.0:
            out.append(v <= near**2 * sigma)
        else:
            out.append(min(v - p.support.lower, p.support.upper - v) < near)
    return np.array(out)
