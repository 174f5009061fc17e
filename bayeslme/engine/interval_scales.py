"""Between the scale on which intervals are formed and the natural parameters.

The scale is nlme's: log standard deviations, logits of correlations, the unconstrained scale of the
row structures, log sigma.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.likelihood import Likelihood, NaturalPoint
from bayeslme.engine.parts import Part
from bayeslme.structures import Parameter

if TYPE_CHECKING:
    from bayeslme.engine.estimate import Density

GRID = 201  # correlations looked at between a bound and the other one
PROBE = 0.05  # of sigma: a standard deviation, to see how fast a likelihood falls from zero
TINY = 1e-300


@dataclass(frozen=True)
class Scales:
    """The maps between interval-scale vectors and natural points of one estimate.

    Attributes
    ----------
    likelihood : Likelihood
    point : NaturalPoint
        Of the estimate.
    random : tuple of tuples of Parameter
        Natural parameters of every level's covariance, outermost first.
    density : callable
        Log density of natural points, (b) -> (b,).
    """

    likelihood: Likelihood
    point: NaturalPoint
    random: tuple[tuple[Parameter, ...], ...]
    density: Density

    def natural_of(self, parts: tuple[Part, ...], part: str, u: np.ndarray) -> np.ndarray:
        """Natural parameters of a part, as printed, at the interval-scale vector u (m,)."""
        problem, point = self.likelihood.problem, self.point_at(parts, u[None])
        if part == "sigma":
            return np.atleast_1d(point.sigma[0])
        if part in ("corstruct", "varfunc"):
            bound = problem.row_structure(part)
            printed: np.ndarray = np.asarray(bound.printed(getattr(point, part)[0]))
            return np.asarray(printed[bound.free])
        return np.asarray(point.random[problem.groups.index(part)][0])

    def point_at(self, parts: tuple[Part, ...], u: np.ndarray) -> NaturalPoint:
        """Natural point (b) of interval-scale vectors (b, m)."""
        groups = self.likelihood.problem.groups
        random = [np.broadcast_to(r, (len(u), len(r))).copy() for r in self.point.random]
        point = replace(self.point, sigma=np.full(len(u), float(self.point.sigma)))
        for part in parts:
            free = np.flatnonzero(~part.on_bound)
            values = u[:, part.place[free]]
            if part.name == "sigma":
                point = replace(point, sigma=np.exp(values[:, 0]))
            elif part.name in groups:
                k = groups.index(part.name)
                for column, j in enumerate(free):
                    random[k][:, j] = self.random[k][j].support.constrain(values[:, column])
            elif part.name == "corstruct":
                point = replace(point, corstruct=self._row_values(part, free, values))
            else:
                point = replace(point, varfunc=self._row_values(part, free, values))
        return replace(point, random=tuple(random))

    def _row_values(self, part: Part, free: np.ndarray, values: np.ndarray) -> np.ndarray:
        bound = self.likelihood.problem.row_structure(part.name)
        chosen = tuple(bound.parameters[j] for j in bound.free)
        scale = np.broadcast_to(
            bound.structure.to_interval_scale(part.estimate, chosen), (len(values), len(chosen))
        ).copy()
        scale[:, free] = values
        natural = bound.structure.from_interval_scale(scale, chosen)
        full = np.broadcast_to(
            np.asarray(getattr(self.point, part.name)), (len(values), len(bound.parameters))
        ).copy()
        full[:, bound.free] = natural
        return full

    def one_sided(self, part: Part, j: int, quantile: float) -> tuple[float, float]:
        """Interval of a parameter on its bound."""
        groups = self.likelihood.problem.groups
        if part.name not in groups:
            return self._whole_range(part, j)
        k = groups.index(part.name)
        if self.random[k][j].support.lower != 0.0:
            return self._correlation_limits(k, j, quantile)
        trial = [np.stack([r, r]) for r in self.point.random]
        stage = self.likelihood.problem.stages[::-1][k]
        size = stage.basis[min(j, stage.q - 1)].max()  # of the effect's column of Z
        step = PROBE * float(self.point.sigma) / max(float(size), TINY)
        trial[k][1, j] += step
        sigma = np.full(2, float(self.point.sigma))
        values = self.density(replace(self.point, sigma=sigma, random=tuple(trial)))
        if not np.isfinite(values[0]):  # no likelihood here, nothing to fall from
            return float("nan"), float("nan")
        drop = (values[0] - values[1]) / step**2
        return (0.0, float(quantile / np.sqrt(2 * drop))) if drop > 0 else (0.0, float("inf"))

    def _whole_range(self, part: Part, j: int) -> tuple[float, float]:
        """The range of a row parameter: at its end nothing is known of its curvature."""
        bound = self.likelihood.problem.row_structure(part.name)
        support = bound.parameters[int(bound.free[j])].printed_support
        return support.lower, support.upper

    def _correlation_limits(self, k: int, j: int, quantile: float) -> tuple[float, float]:
        """Correlations, others held, until the likelihood has dropped by quantile^2 / 2."""
        support, here = self.random[k][j].support, float(self.point.random[k][j])
        near_lower = here - support.lower < support.upper - here
        end = support.upper if near_lower else support.lower
        steps = here + np.linspace(0.0, 1.0, GRID) * (end - here)
        random = [np.broadcast_to(r, (GRID, len(r))).copy() for r in self.point.random]
        random[k][:, j] = steps
        sigma = np.full(GRID, float(self.point.sigma))
        values = self.density(replace(self.point, sigma=sigma, random=tuple(random)))
        if not np.isfinite(values[0]):  # no likelihood here, nothing to fall from
            return float("nan"), float("nan")
        beyond = np.flatnonzero(~(values[0] - values < quantile**2 / 2))
        limit = float(steps[beyond[0]]) if len(beyond) else end
        return min(here, limit), max(here, limit)
