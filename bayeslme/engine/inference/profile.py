"""Profile-likelihood limits, and the coordinates in which likelihoods are profiled.

For a parameter psi, r(psi) = sqrt(2 (l_max - max l given psi)) (Pinheiro and Bates 2000, section
2.4; Bates et al. 2015, JSS 67(1), section 5.1). Every maximisation starts from the last one, its
gradients and line searches are single batched calls.

Coordinates in which likelihoods are profiled: one natural parameter each, zero included. Standard
deviations of random effects stand for themselves (the likelihood is even in them, so that zero is
an ordinary point), sigma for its logarithm, every other parameter for the unconstrained scale of
its own support, so that one can be held while the others move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bayeslme.engine.estimate import Estimate
from bayeslme.engine.inference import settings
from bayeslme.engine.inference.information import Information
from bayeslme.engine.inference.parameter_blocks import ParameterBlock
from bayeslme.engine.likelihood.likelihood import Likelihood, NaturalPoint
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.optimise import Objective, maximise, second_differences
from bayeslme.engine.search.settings import SEARCH
from bayeslme.engine.search.starts import scales
from bayeslme.structures import Bound, Parameter


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter, either held at a value or free while another one is held.

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
        return (
            settings.INFERENCE.boundary_coordinate
            if np.isfinite(support.lower) and np.isfinite(support.upper)
            else np.inf
        )

    @property
    def bounds(self) -> tuple[float, float]:
        """Ends of the natural range."""
        if self.kind != "support" or self.parameter is None:
            return 0.0, np.inf
        return self.parameter.support.lower, self.parameter.support.upper

    def nuisance_start(self, v: float) -> float:
        """Where this parameter starts when another one is held."""
        if self.kind == "sd":
            return max(abs(v), 0.5 * settings.INFERENCE.zero_sd_step * self.scale)
        if (
            self.kind == "support"
            and abs(v) > settings.INFERENCE.saturated_coordinate
            and np.isfinite(self.width)
        ):
            return float(np.sign(v)) * settings.INFERENCE.nuisance_coordinate
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


def _level_axes(
    part: ParameterBlock, parameters: tuple[Parameter, ...], size: np.ndarray
) -> list[Axis]:
    out = []
    is_sd = np.array([p.support.lower == 0.0 for p in parameters])
    empty = bool(np.any(part.on_bound & is_sd))
    for j, p in enumerate(parameters):
        if is_sd[j]:
            least = settings.INFERENCE.zero_sd_step * float(size[min(j, len(size) - 1)])
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
    """Coefficients of a joint family outside of its region become NaN: they have no likelihood."""
    if bound is None or values is None:
        return values
    inside = bound.structure.admissible(values, bound.parameters)
    return np.where(inside[:, None], values, np.nan)


Curve = Callable[[float], float]


@dataclass
class _Path:
    """Log-likelihood of one held coordinate, maximised over the others.

    Attributes
    ----------
    value_at : callable
        The objective of the others at a held coordinate.
    solved : dict of float to array
        Where the maxima were, to start from; first of all that of the fit.
    scale : array
    top : float
        Log-likelihood of the fit.
    wide : bool
    inverse : array (k, k), or None
        Of minus the Hessian at the last maximum.
    highest : float
        Largest log-likelihood met.
    """

    value_at: Callable[[float], Objective]
    solved: dict[float, np.ndarray]
    scale: np.ndarray
    top: float
    wide: bool
    inverse: np.ndarray | None
    highest: float = -np.inf

    def root(self, held: float) -> float:
        """Root deviance at a held coordinate; infinite where there is no likelihood."""
        objective = self.value_at(held)
        for start in self._starts(held):
            best = maximise(objective, start, self.scale, wide=self.wide, inverse=self.inverse)
            if np.isfinite(best.value):
                self.solved[held], self.inverse = best.theta, best.inverse
                self.highest = max(self.highest, best.value)
                return float(np.sqrt(2.0 * max(0.0, self.top - best.value)))
        return np.inf

    def _starts(self, held: float) -> list[np.ndarray]:
        """Starting values: extrapolated from the two nearest maxima, the nearest, and the first."""
        order = sorted(self.solved, key=lambda one: abs(one - held))
        near = self.solved[order[0]]
        out = [near, self.solved[next(iter(self.solved))]]
        if len(order) > 1:
            share = (held - order[0]) / (order[1] - order[0])
            out.insert(0, near + share * (self.solved[order[1]] - near))
        return out


@dataclass(frozen=True, slots=True)
class Profiled:
    """Profile limits of the variance parameters.

    Attributes
    ----------
    limits : dict of part name to array (k, 2)
        As printed; NaN for parameters the likelihood does not depend on.
    gain : float
        How much higher than the fit the log-likelihood was found; about 0.
    """

    limits: dict[str, np.ndarray]
    gain: float


@np.errstate(under="ignore")  # a correlation that underflows is 0
def profile_variances(found: Estimate, info: Information, quantile: float) -> Profiled:
    """Limits of all variance parameters, by the criterion of the fit.

    Parameters
    ----------
    found : Estimate
    info : Information
        Of the same fit; its limits are where the searches begin.
    quantile : float
        Of the standard normal: 1.96 for 95 %.
    """
    problem = found.problem
    likelihood = found.likelihood()
    likelihood.sigma = None
    axes = axes_of(problem, info)
    natural = {part.name: part.estimate for part in info.parts}
    here = np.array([axis.to_axis(float(natural[axis.part][axis.row])) for axis in axes])
    scale = np.array([axis.scale for axis in axes])
    wide = likelihood.n_numbers < SEARCH.max_parallel_numbers

    def density(v: np.ndarray) -> np.ndarray:
        return likelihood.at_natural(point_at(problem, axes, info.scales.point, v))

    top = max(found.loglik, float(density(here[None])[0]))
    limits = {part.name: np.full((len(part.names), 2), np.nan) for part in info.parts}
    start = np.array([axis.nuisance_start(v) for axis, v in zip(axes, here, strict=True)])
    curved = _curvature(density, start, scale)
    gain = 0.0
    for i, axis in enumerate(axes):
        others = np.delete(np.arange(len(axes)), i)
        inverse = _inverse(curved[np.ix_(others, others)])
        guesses = axis.inside(info.limits(axis.part, quantile)[axis.row])
        for side, sign in enumerate((-1.0, 1.0)):
            solved = {float(here[i]): start[others]}
            path = _Path(_held(density, i), solved, scale[others], top, wide, inverse)
            guess = _guess(axis, float(here[i]), float(guesses[side]), sign, quantile)
            limit = _axis_limit(axis, path.root, float(here[i]), guess, sign, quantile)
            limits[axis.part][axis.row, side] = axis.printed(limit)
            gain = max(gain, path.highest - top)
    return Profiled(limits, gain)


def _curvature(f: Objective, here: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Minus the Hessian (k, k) of f."""
    size = np.maximum(scale, np.abs(here))
    unit = second_differences(
        lambda u: f(here + size * u), len(here), settings.INFERENCE.profile_step
    )
    return np.asarray(-unit / np.outer(size, size))


def _inverse(curved: np.ndarray) -> np.ndarray | None:
    """Inverse of ``_curvature``; None where the likelihood is not curved downwards everywhere.

    A parameter without information in the data, such as the correlation of two visits that never
    occur together, leaves a direction whose curvature is rounding.
    """
    if not np.isfinite(curved).all():
        return None
    curvature = np.linalg.eigvalsh(curved)
    if len(curvature) and curvature[0] <= settings.INFERENCE.min_relative_curvature * abs(
        curvature[-1]
    ):
        return None
    return np.asarray(np.linalg.inv(curved))


def _held(density: Objective, i: int) -> Callable[[float], Objective]:
    """The density of the other coordinates at a value of coordinate i."""

    def at(value: float) -> Objective:
        return lambda rest: density(np.insert(rest, i, value, axis=1))

    return at


def _guess(axis: Axis, here: float, wald: float, sign: float, quantile: float) -> float:
    """First coordinate to look at: the approximate limit, or a few steps out."""
    low, high = axis.bounds
    if np.isfinite(wald) and low < wald < high:
        guess = axis.to_axis(wald)
        if (guess - here) * sign > settings.INFERENCE.min_limit_distance * axis.scale:
            return guess
    return here + sign * quantile * axis.scale


def _axis_limit(
    axis: Axis, root: Curve, here: float, guess: float, sign: float, quantile: float
) -> float:
    """Natural limit on one side; the end of the range where the likelihood never falls enough."""
    low, high = axis.bounds
    if axis.kind == "sd" and sign < 0:
        if here <= 0.0 or root(0.0) <= quantile:
            return 0.0
        guess = max(guess, settings.INFERENCE.min_limit_distance * here)
    if np.isfinite(axis.width):
        end = sign * axis.width
    elif axis.kind == "sd":
        end = here + settings.INFERENCE.max_profile_scales * axis.scale if sign > 0 else 0.0
    else:
        end = here + sign * (
            3 * settings.INFERENCE.boundary_coordinate
            if np.isfinite(low)
            else settings.INFERENCE.max_profile_scales * axis.scale
        )
    limit = find_limit(root, here, guess, end, quantile)
    if limit is None:
        return low if sign < 0 else high
    return float(axis.to_natural(np.asarray(limit)))


def find_limit(root: Curve, here: float, guess: float, end: float, quantile: float) -> float | None:
    """Coordinate between ``here`` and ``end`` where the root deviance is ``quantile``, or None.

    Parameters
    ----------
    root : callable
        0 at ``here``, increasing away from it.
    here, guess, end : float
    quantile : float
    """
    near, near_root, far = here, 0.0, abs(end - here)
    sign = 1.0 if end >= here else -1.0
    step = min(abs(guess - here), far)
    for _ in range(settings.INFERENCE.max_expansions):
        x = here + sign * min(abs(near - here) + step, far)
        value = root(x)
        if not np.isfinite(value):  # too far to start from, or beyond the likelihood's region
            step *= 0.5
            if step < settings.INFERENCE.min_limit_distance * abs(guess - here):
                return near
            continue
        if value >= quantile:
            return _between(root, near, near_root, x, value, quantile)
        if abs(x - here) >= far:
            return None
        near, near_root = x, value
        stretch = float(
            np.clip(1.1 * quantile / max(value, settings.INFERENCE.min_root_deviance), 1.1, 3.0)
        )
        step = min(2.0 * step, (stretch - 1.0) * abs(x - here))
    return near


def _between(root: Curve, a: float, ra: float, b: float, rb: float, quantile: float) -> float:
    """Regula falsi with the Illinois rule; halving where the far end has no likelihood."""
    fa, fb, kept = ra - quantile, rb - quantile, 0
    x = b
    for _ in range(settings.INFERENCE.max_refinements):
        x = (a * fb - b * fa) / (fb - fa) if np.isfinite(fb) else 0.5 * (a + b)
        fx = root(x) - quantile
        if abs(fx) < settings.INFERENCE.limit_tolerance * quantile or abs(b - a) <= 1e-12 * (
            abs(a) + abs(b)
        ):
            break
        if fx < 0:
            a, fa = x, fx
            fb, kept = (0.5 * fb if kept == 1 else fb), 1
        else:
            b, fb = x, fx
            fa, kept = (0.5 * fa if kept == -1 else fa), -1
    return float(x)


@np.errstate(under="ignore")  # a correlation that underflows is 0
def profile_coefficients(found: Estimate, guesses: np.ndarray, quantile: float) -> np.ndarray:
    """Limits (p, 2) of the coefficients by the likelihood of an ML fit.

    Holding beta_j at c adds (c - beta_j)^2 / [(X'V^-1X)^-1]_jj to the residual sum of squares at
    every theta, so that no other problem has to be solved.

    Parameters
    ----------
    found : Estimate
        By ML.
    guesses : array, shape (p, 2)
    quantile : float
    """
    likelihood = found.likelihood()
    scale = scales(found.problem)
    wide = likelihood.n_numbers < SEARCH.max_parallel_numbers
    top = float(likelihood(found.theta[None])[0])
    inverse = _inverse(_curvature(likelihood, found.theta, scale))
    out = np.empty((len(found.beta), 2))
    for j, here in enumerate(found.beta.tolist()):
        for side in range(2):
            at = _held_coefficient(found, likelihood, j)
            path = _Path(at, {here: found.theta}, scale, top, wide, inverse)
            guess = float(guesses[j, side])
            end = here + settings.INFERENCE.max_profile_scales * (guess - here)
            limit = find_limit(path.root, here, guess, end, quantile)
            out[j, side] = np.sign(guess - here) * np.inf if limit is None else limit
    return out


def _held_coefficient(
    found: Estimate, likelihood: Likelihood, j: int
) -> Callable[[float], Objective]:
    """Log-likelihood of theta with coefficient j at a value."""
    problem = found.problem
    n, p = problem.n, problem.p
    row = np.linalg.inv(problem.x_basis)[j]

    def at(value: float) -> Objective:
        def loglik(theta: np.ndarray) -> np.ndarray:
            pr = likelihood.profile(theta)
            factor = pr.factor
            lower, last = factor[..., :p, :p], factor[..., p, :p]
            through = np.linalg.solve(lower, np.broadcast_to(row, last.shape)[..., None])[..., 0]
            beta_j = (through * last).sum(axis=-1) + problem.shift[j]
            extra = np.square(value - beta_j) / np.square(through).sum(axis=-1)
            rss = np.square(factor[..., p, p])
            if likelihood.sigma is not None:
                drop = 0.5 * extra / np.square(pr.sigma)
            else:
                drop = 0.5 * n * np.log1p(extra / rss)
            return np.broadcast_to(pr.loglik - drop, (len(theta),))

        return loglik

    return at
