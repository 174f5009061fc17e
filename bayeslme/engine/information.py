"""Approximate covariance of the variance parameters, from second differences at the optimum.

The scales are nlme's: log standard deviations, logits of correlations, the unconstrained scale of
the row structures, log sigma, all of absolute (not relative) parameters, with beta profiled (ML) or
integrated (REML). A standard deviation estimated as zero has no such scale: it is left out, and
gets a one-sided bound from the curvature in the standard deviation itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.likelihood import Likelihood, NaturalPoint
from bayeslme.engine.optimise import Objective
from bayeslme.structures import Parameter
from bayeslme.threads import one_thread

if TYPE_CHECKING:
    from bayeslme.data.types import Design, Level
    from bayeslme.engine.estimate import Density, Estimate

# Second differences at STEP and 2 STEP, extrapolated: truncation ~ STEP^4 (STEP^2 alone shows where
# sigma and a power of large fitted values are all but exchangeable); rounding ~ |loglik| / STEP^2.
STEP = 5e-4
ROUNDING = 1e-14  # of a log-likelihood, relative to its size or to 1
SHARE = 1e-3  # a parameter with more than this share in a flat direction has no limits
GRID = 201  # correlations looked at between a bound and the other one
PROBE = (
    0.05  # of a standard deviation relative to sigma, to see how fast a likelihood falls from zero
)
TINY = 1e-300
EDGE = 1e-6  # relative distance from a bound below which a parameter is said to be on it


@dataclass(frozen=True, slots=True)
class Part:
    """One group of parameters: a level, a structure, or sigma.

    Attributes
    ----------
    name : str
        The level's group, ``"corstruct"``, ``"varfunc"`` or ``"sigma"``.
    names : tuple of str
    estimate : array, shape (k,)
        Natural scale.
    on_bound : bool array, shape (k,)
        True where the estimate is on the edge of its range.
    place : int array, shape (k,)
        Row of ``Information.cov``; -1 for parameters on a bound.
    """

    name: str
    names: tuple[str, ...]
    estimate: np.ndarray
    on_bound: np.ndarray
    place: np.ndarray


@dataclass(frozen=True, slots=True)
class Information:
    """Approximate covariance on the interval scale.

    Attributes
    ----------
    parts : tuple of Part
        Levels outermost first, then corstruct, varfunc, sigma (absent where they have no free
        parameter).
    values : array, shape (m,)
        Interval-scale estimates of the parameters that are not on a bound.
    cov : array, shape (m, m)
        NaN in rows and columns of parameters along which the log-likelihood, alone or together
        with others, is not curved downwards; the others as if those were held.
    """

    parts: tuple[Part, ...]
    values: np.ndarray
    cov: np.ndarray
    scales: _Scales

    def limits(self, part: str, quantile: float) -> np.ndarray:
        """Lower and upper limits (k, 2) of a part; NaN where none can be given.

        A standard deviation on its bound has lower limit 0 and an upper limit where the
        log-likelihood has dropped by quantile^2 / 2.
        """
        one = next(p for p in self.parts if p.name == part)
        out = np.full((len(one.names), 2), np.nan)
        free = ~one.on_bound
        known = free.copy()
        known[free] = np.isfinite(np.diagonal(self.cov)[one.place[free]])
        if known.any():
            at = one.place[known]
            se = np.sqrt(np.diagonal(self.cov)[at])
            for side, sign in enumerate((-1.0, 1.0)):
                moved = self.values.copy()
                moved[at] += sign * quantile * se
                out[known, side] = self.scales.natural_of(self, part, moved)[known]
        for j in np.flatnonzero(one.on_bound):
            out[j] = self.scales.one_sided(one, int(j), quantile)
        return out


@dataclass(frozen=True)
class _Scales:
    """The maps between interval-scale vectors and natural points of one estimate."""

    likelihood: Likelihood
    point: NaturalPoint
    random: tuple[tuple[Parameter, ...], ...]
    sigma_held: bool
    density: Density

    def natural_of(self, info: Information, part: str, u: np.ndarray) -> np.ndarray:
        """Natural parameters of a part at the interval-scale vector u (m,)."""
        problem, point = self.likelihood.problem, self.point_at(info.parts, u[None])
        if part == "sigma":
            return np.atleast_1d(point.sigma[0])
        if part in ("corstruct", "varfunc"):
            return np.asarray(getattr(point, part)[0][problem.row_structure(part).free])
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
        base, moved = self.density(replace(self.point, sigma=sigma, random=tuple(trial)))
        drop = (base - moved) / step**2
        return (0.0, float(quantile / np.sqrt(2 * drop))) if drop > 0 else (0.0, float("inf"))

    def _whole_range(self, part: Part, j: int) -> tuple[float, float]:
        """The range of a row parameter: at its end nothing is known of its curvature."""
        bound = self.likelihood.problem.row_structure(part.name)
        support = bound.parameters[int(bound.free[j])].support
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
        beyond = np.flatnonzero(~(values[0] - values < quantile**2 / 2))
        limit = float(steps[beyond[0]]) if len(beyond) else end
        return min(here, limit), max(here, limit)


def natural_point(design: Design, found: Estimate) -> NaturalPoint:
    """Natural parameters of an estimate, without a batch axis."""
    random = tuple(
        level.structure.to_natural(found.sigma**2 * lam @ lam.T)
        for level, lam in zip(design.levels, found.factors, strict=True)
    )
    return NaturalPoint(np.asarray(found.sigma), random, found.corstruct, found.varfunc)


@one_thread
def information(design: Design, found: Estimate) -> Information:
    """Second differences of the log-likelihood on the interval scale, inverted.

    Parameters
    ----------
    design : Design
    found : Estimate
    """
    likelihood = found.likelihood()
    likelihood.sigma = None  # sigma is a parameter of its own here
    point = natural_point(design, found)
    random = tuple(
        level.structure.natural_parameters(level.effects, formula_label(level))
        for level in design.levels
    )
    density = likelihood.at_natural if found.density is None else found.density
    scales = _Scales(likelihood, point, random, found.sigma_held, density)
    parts, values, sizes = _lay_out(design, found, scales)
    if len(values) == 0:
        return Information(parts, values, np.zeros((0, 0)), scales)
    hessian = _hessian(lambda v: density(scales.point_at(parts, values + v * sizes)), len(values))
    visible = ROUNDING * max(1.0, abs(found.loglik)) / STEP**2
    cov = _inverse_where_curved(-hessian, visible) * np.outer(sizes, sizes)
    return Information(parts, values, cov, scales)


def _inverse_where_curved(a: np.ndarray, least: float) -> np.ndarray:
    """Inverse within the directions of curvature above ``least``; NaN for what the rest touches."""
    out = np.full_like(a, np.nan)
    own = np.flatnonzero(np.diagonal(a) > least)  # a parameter flat by itself is held
    if not np.all(np.isfinite(a)) or not len(own):
        return out
    curvature, direction = np.linalg.eigh(a[np.ix_(own, own)])
    flat = curvature <= least
    known = ~np.any(np.abs(direction[:, flat]) > SHARE, axis=1)
    curved = direction[known][:, ~flat]
    out[np.ix_(own[known], own[known])] = curved / curvature[~flat] @ curved.T
    return out


def formula_label(level: Level) -> str:
    """Right-hand side of a level's formula as nlme prints it in the name of a shared parameter.

    Blocks one a line.
    """
    own = level.structure.form
    blocks = getattr(level.structure, "blocks", None)
    forms = [b.form for b in blocks] if blocks else [level.formula if own is None else own]
    return "\n".join(str(f).replace("~", "", 1).strip() for f in forms)


def _lay_out(
    design: Design, found: Estimate, scales: _Scales
) -> tuple[tuple[Part, ...], np.ndarray, np.ndarray]:
    """Parts, the vector of what is free in them, and the size of a small step of each entry."""
    parts: list[Part] = []
    values: list[float] = []
    sizes: list[float] = []

    def add(
        name: str,
        names: tuple[str, ...],
        estimate: np.ndarray,
        on_bound: np.ndarray,
        scale: np.ndarray,
        size: np.ndarray | None = None,
    ) -> None:
        place = np.full(len(names), -1)
        for j in np.flatnonzero(~on_bound):
            place[j] = len(values)
            values.append(float(scale[j]))
            sizes.append(1.0 if size is None else float(size[j]))
        parts.append(Part(name, names, estimate, on_bound, place))

    for level, natural, parameters in zip(
        design.levels, scales.point.random, scales.random, strict=True
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.array(
                [float(p.support.unconstrain(v)) for p, v in zip(parameters, natural, strict=True)]
            )
        bound = _on_bound(natural, parameters, found.sigma) | ~np.isfinite(scale)
        if any(p.support.lower == 0 and b for p, b in zip(parameters, bound, strict=True)):
            # correlations with a zero variance mean nothing
            bound |= np.array([p.support.lower != 0 for p in parameters])
        add(level.group, tuple(p.name for p in parameters), natural, bound, scale)
    pr = found.problem
    rows = (
        ("corstruct", pr.correlation, found.corstruct),
        ("varfunc", pr.variance, found.varfunc),
    )
    for name, bound_structure, values_all in rows:
        if bound_structure is None or values_all is None or not len(bound_structure.free):
            continue
        chosen = tuple(bound_structure.parameters[j] for j in bound_structure.free)
        own = values_all[bound_structure.free]
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = bound_structure.structure.to_interval_scale(own, chosen)
        bound = ~np.isfinite(scale) | _at_edge(own, chosen)
        size = np.array([p.scale for p in chosen])
        add(name, tuple(p.name for p in chosen), own, bound, scale, size)
    if not found.sigma_held:
        add(
            "sigma",
            ("sigma",),
            np.array([found.sigma]),
            np.array([False]),
            np.array([np.log(found.sigma)]),
        )
    return tuple(parts), np.array(values), np.array(sizes)


def _on_bound(natural: np.ndarray, parameters: tuple[Parameter, ...], sigma: float) -> np.ndarray:
    """Standard deviations that are zero, correlations that are at an end."""
    out = []
    for p, v in zip(parameters, natural, strict=True):
        if p.support.lower == 0.0:
            out.append(v <= EDGE * EDGE * sigma)
        else:
            out.append(min(v - p.support.lower, p.support.upper - v) < EDGE)
    return np.array(out)


def _at_edge(natural: np.ndarray, parameters: tuple[Parameter, ...]) -> np.ndarray:
    """Parameters of a row structure that are at an end of their range, such as a nugget of 0."""
    low = np.array([p.support.lower for p in parameters])
    high = np.array([p.support.upper for p in parameters])
    return np.asarray((natural - low < EDGE) | (high - natural < EDGE))


def _hessian(f: Objective, m: int) -> np.ndarray:
    """Second derivatives (m, m) at 0; the longer step only where it stays within f's region."""
    short, long = (second_differences(f, m, step) for step in (STEP, 2 * STEP))
    return np.where(np.isfinite(long), (4 * short - long) / 3, short)


def second_differences(f: Objective, m: int, step: float) -> np.ndarray:
    """Second differences (m, m) at 0 from one batch."""
    unit = step * np.eye(m)
    i, j = np.triu_indices(m, 1)
    both = unit[i] + unit[j]
    values = f(np.concatenate([np.zeros((1, m)), unit, -unit, both, -both]))
    # a step may leave the region where a likelihood exists
    values = np.where(np.isfinite(values), values, np.nan)
    base, single = values[0], values[1 : m + 1] + values[m + 1 : 2 * m + 1]
    double = values[2 * m + 1 :].reshape(2, -1).sum(axis=0)
    out = np.diag(single - 2 * base)
    out[i, j] = out[j, i] = (double - single[i] - single[j] + 2 * base) / 2
    return out / step**2
