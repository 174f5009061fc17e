"""Maximisation by quasi-Newton steps, with derivatives from batches of values.

The gradient is computed by central differences, all coordinates in one batch; the line search
evaluates several step lengths at once where evaluations are cheap. The method is BFGS (Nocedal and
Wright 2006, chapter 6). The inverse Hessian starts from second differences, so that coordinates of
very different scale need no tuning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np

from bayeslme.engine.search.settings import OPTIMISER

Objective = Callable[[np.ndarray], np.ndarray]

CONVERGED = "converged"
UNDEFINED = "the likelihood is not defined at the starting values: give others"
NO_STEP = "no step uphill found: a ridge or the edge of the parameters' range"
TOO_LONG = "iteration limit: raise control['max_iter'], or centre and scale covariates"


@dataclass(frozen=True, slots=True)
class Optimum:
    """The end of a search.

    Attributes
    ----------
    theta : array, shape (k,)
    value : float
    gradient : array, shape (k,)
    converged : bool
    message : str
        Why it stopped, and if it did not converge what to try.
    iterations : int
    inverse : array, shape (k, k), optional
        Of minus the Hessian, as far as the steps have shown it; a search nearby may begin with it.
    hessian : array, shape (k, k), optional
        At the end, where the steps were Newton's.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    converged: bool
    message: str
    iterations: int
    inverse: np.ndarray | None = None
    hessian: np.ndarray | None = None


class Differentiable(Protocol):
    """An objective that knows its derivatives.

    Attributes
    ----------
    climbs_by : {"values", "gradients", "hessians"}
        What a climb asks for: batches of values where calls cost more than what they compute,
        gradients, or gradients at k + 1 points at once, whose differences are the Hessian.
    """

    climbs_by: str

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """Values (b,) at theta (b, k)."""

    def value_and_gradient(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (b,) and gradients (b, k) at theta (b, k)."""

    def curvatures(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives (k,) at theta (k,), or what is near them."""


def gradient(f: Objective, theta: np.ndarray, scale: np.ndarray) -> tuple[float, np.ndarray]:
    """Value and gradient (k,) at theta: exact where f knows it, else by central differences."""
    if _differentiable(f):
        values, slopes = f.value_and_gradient(theta[None])
        return float(values[0]), slopes[0]
    return _with_curves(f, theta, scale)[:2]


def _differentiable(f: Objective | Differentiable) -> TypeGuard[Differentiable]:
    return getattr(f, "climbs_by", "values") != "values"


def _with_curves(
    f: Objective, theta: np.ndarray, scale: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Value, gradient and second differences (k,) at theta from one batch of 2 k + 1."""
    around, h = _stencil(theta, scale)
    values = f(np.concatenate([theta[None], around]))
    return (float(values[0]), *_differences(values[0], values[1:], h))


def _stencil(theta: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (2 k, k) to both sides of theta, and the distances (k,)."""
    h = OPTIMISER.difference_step * np.maximum(scale, np.abs(theta))
    moves = np.diag(h)
    return np.concatenate([theta + moves, theta - moves]), h


def _differences(here: float, values: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and second differences (k,) from the values (2 k,) on a stencil."""
    up, down = values[: len(h)], values[len(h) :]
    with np.errstate(invalid="ignore"):
        slope, curve = (up - down) / (2 * h), (up - 2 * here + down) / h**2
    slope, curve = (np.where(np.isfinite(x), x, 0.0) for x in (slope, curve))
    return slope, curve


def maximise(
    f: Objective,
    start: np.ndarray,
    scale: np.ndarray,
    *,
    max_iter: int = 200,
    tol: float = 1e-9,
    wide: bool = True,
    inverse: np.ndarray | None = None,
) -> Optimum:
    """Maximise f from one start.

    Parameters
    ----------
    f : callable
        (b, k) -> (b,), minus infinity where undefined.
    start, scale : arrays, shape (k,)
    tol : float
        Stop when the gain still predicted by the quadratic model is below it; from
        ``rough_tolerance`` on at once, else after a step with a Hessian computed anew.
    wide : bool
        Ask for all step lengths of a line search in one batch (cheap evaluations) instead of one
        after the other.
    inverse : array, shape (k, k), optional
        Inverse Hessian of -f to begin with, of an end nearby; by default from second differences.
    """
    theta = start.copy()
    if not len(theta):
        return Optimum(theta, float(f(theta[None])[0]), theta, True, CONVERGED, 0)
    if inverse is None and _differentiable(f) and f.climbs_by == "hessians":
        return _newton(f, theta, scale, max_iter, tol)
    if inverse is None:
        value, g, inverse = _fresh(f, theta, scale)
    else:
        value, g = gradient(f, theta, scale)
    if not np.isfinite(value):
        return Optimum(theta, value, g, False, UNDEFINED, 0)
    confirmed = False  # whether the last stop was already looked at with fresh curvature
    for iteration in range(1, max_iter + 1):
        step = inverse @ g
        gain = float(g @ step)
        found = Step(theta, -np.inf, None)
        if gain >= tol:
            step *= min(
                1.0,
                OPTIMISER.max_step_scales / np.max(np.abs(step) / np.maximum(scale, np.abs(theta))),
            )
            found = _line_search(f, theta, value, step, gain, scale, wide=wide)
        if found.value > value:
            confirmed = confirmed and found.value - value <= tol
            new, value, new_g = found.theta, found.value, found.slope
            if new_g is None:
                value, new_g = gradient(f, new, scale)
            inverse = _update(inverse, new - theta, g - new_g)
            theta, g = new, new_g
            continue
        if gain < tol and tol >= OPTIMISER.rough_tolerance:
            return Optimum(theta, value, g, True, CONVERGED, iteration, inverse)
        theta, value, g, gain = _polish(f, theta, value, g, inverse, scale)
        if confirmed or gain < OPTIMISER.settled_gain:
            done = gain < OPTIMISER.noise_gain
            message = CONVERGED if done else NO_STEP
            return Optimum(theta, value, g, done, message, iteration, inverse)
        confirmed = True
        value, g, inverse = _fresh(f, theta, scale)
    return Optimum(theta, value, g, False, TOO_LONG, max_iter, inverse)


def _polish(
    f: Objective,
    theta: np.ndarray,
    value: float,
    g: np.ndarray,
    inverse: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray, float, np.ndarray, float]:
    """Take steps that are judged by the gradient, once values differ only by rounding."""
    gain = float(g @ inverse @ g)
    for _ in range(OPTIMISER.max_polish_steps):
        new = theta + inverse @ g
        new_value, new_g = gradient(f, new, scale)
        new_gain = float(new_g @ inverse @ new_g)
        if not (new_gain < 0.25 * gain and new_value > value - OPTIMISER.noise_gain):
            break
        inverse = _update(inverse, new - theta, g - new_g)
        theta, value, g, gain = new, new_value, new_g, new_gain
        if gain < 1e-4 * OPTIMISER.settled_gain:
            break
    return theta, value, g, gain


def _fresh(
    f: Objective, theta: np.ndarray, scale: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Value, gradient, and an inverse Hessian of -f.

    Where f knows its gradient, the Hessian is that of forward differences of gradients, all in one
    batch; otherwise, or where parameters are many, it is diagonal. Where f is not concave the step
    is at most about 1 / ``min_relative_curvature`` scales along the gradient.
    """
    if not _differentiable(f):
        value, g, curve = _with_curves(f, theta, scale)
    elif len(theta) > OPTIMISER.max_dense_parameters:
        value, g = gradient(f, theta, scale)
        curve = f.curvatures(theta)
    else:
        return _fresh_matrix(f, theta, scale)
    floor = np.maximum(
        OPTIMISER.min_relative_curvature * np.abs(g) / scale, OPTIMISER.min_curvature / scale**2
    )
    return value, g, np.diag(1.0 / np.maximum(-curve, floor))


def _fresh_matrix(
    f: Differentiable, theta: np.ndarray, scale: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """As ``_fresh``, with all second derivatives."""
    value, g, hessian = _second_order(f, theta, scale)
    return value, g, _inverse(hessian, g, np.maximum(scale, np.abs(theta)))


def _second_order(
    f: Differentiable, theta: np.ndarray, scale: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Value, gradient (k,) and Hessian (k, k) at theta, from gradients at k + 1 points.

    Zeros stand for what a step out of the region of the likelihood leaves unknown.
    """
    h = OPTIMISER.difference_step * np.maximum(scale, np.abs(theta))
    values, slopes = f.value_and_gradient(np.concatenate([theta[None], theta + np.diag(h)]))
    g = slopes[0]
    hessian = (slopes[1:] - g) / h[:, None]
    known = np.isfinite(values[1:])
    if not known.all():
        hessian = np.where(known[:, None] & known, hessian, 0.0)
    return float(values[0]), g, 0.5 * (hessian + hessian.T)


def _inverse(hessian: np.ndarray, g: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Inverse of minus a Hessian; bounded where it is not concave, as in ``_fresh``."""
    strength, vectors = np.linalg.eigh(-hessian * scale * scale[:, None])
    floor = np.maximum(
        OPTIMISER.min_relative_curvature * np.abs((scale * g) @ vectors), OPTIMISER.min_curvature
    )
    turned = scale[:, None] * vectors
    return np.asarray((turned / np.maximum(strength, floor)) @ turned.T)


def _newton(
    f: Differentiable, theta: np.ndarray, scale: np.ndarray, max_iter: int, tol: float
) -> Optimum:
    """Maximise by Newton's method with Hessians from differences of gradients."""
    value, g, hessian = _second_order(f, theta, scale)
    if not np.isfinite(value):
        return Optimum(theta, value, g, False, UNDEFINED, 0)
    inverse, last = _inverse(hessian, g, np.maximum(scale, np.abs(theta))), np.inf
    for iteration in range(1, max_iter + 1):
        step = inverse @ g
        gain = float(g @ step)
        if gain < OPTIMISER.settled_gain or (
            gain < tol and (tol >= OPTIMISER.rough_tolerance or gain > 0.25 * last)
        ):
            if gain < OPTIMISER.settled_gain:  # the value would change by less than rounding
                theta = theta + step
            return Optimum(theta, value, g, True, CONVERGED, iteration, inverse, hessian)
        step *= min(
            1.0, OPTIMISER.max_step_scales / np.max(np.abs(step) / np.maximum(scale, np.abs(theta)))
        )
        new = theta + step
        got, new_g, new_hessian = _second_order(f, new, scale)
        if not got > value + (
            OPTIMISER.sufficient_gain * gain if gain >= tol else -OPTIMISER.noise_gain
        ):
            new = _shorter(f, theta, value, step, gain)
            if new is None:
                done = gain < OPTIMISER.noise_gain
                message = CONVERGED if done else NO_STEP
                return Optimum(theta, value, g, done, message, iteration, inverse, hessian)
            got, new_g, new_hessian = _second_order(f, new, scale)
        theta, value, g, hessian, last = new, got, new_g, new_hessian, gain
        inverse = _inverse(hessian, g, np.maximum(scale, np.abs(theta)))
    return Optimum(theta, value, g, False, TOO_LONG, max_iter, inverse, hessian)


def _shorter(
    f: Objective, theta: np.ndarray, value: float, step: np.ndarray, gain: float
) -> np.ndarray | None:
    """Return the best point of shorter steps, evaluated in one batch; None where none gains."""
    lengths = np.array(OPTIMISER.shorter_lengths)
    lines = theta + lengths[:, None] * step
    along = f(lines)
    along = np.where(np.isfinite(along), along, -np.inf)
    best = int(np.argmax(along))
    return (
        lines[best]
        if along[best] > value + OPTIMISER.sufficient_gain * gain * lengths[best]
        else None
    )


@dataclass(frozen=True, slots=True)
class Step:
    """The end of a line search: theta, its value, and its gradient where that is known."""

    theta: np.ndarray
    value: float
    slope: np.ndarray | None


def _many_lengths(
    f: Objective, theta: np.ndarray, value: float, step: np.ndarray, scale: np.ndarray
) -> Step:
    """Return the best of several step lengths, in one batch with the gradient at the full one."""
    lines = theta + np.array(OPTIMISER.step_lengths)[:, None] * step
    around, h = _stencil(lines[0], scale)
    values = f(np.concatenate([lines, around]))
    along = np.where(np.isfinite(values[: len(lines)]), values[: len(lines)], -np.inf)
    best = int(np.argmax(along))
    if along[0] - value >= OPTIMISER.full_step_share * (along[best] - value) > 0:
        return Step(lines[0], float(along[0]), _differences(along[0], values[len(lines) :], h)[0])
    return Step(lines[best], float(along[best]), None)


def _line_search(
    f: Objective,
    theta: np.ndarray,
    value: float,
    step: np.ndarray,
    gain: float,
    scale: np.ndarray,
    *,
    wide: bool,
) -> Step:
    """Evaluate a step at several lengths and return where it ends."""
    if _differentiable(f):
        return _full_length_first(f, theta, value, step, gain)
    if wide:
        return _many_lengths(f, theta, value, step, scale)
    return _one_length(f, theta, value, step, gain)


def _full_length_first(
    f: Differentiable, theta: np.ndarray, value: float, step: np.ndarray, gain: float
) -> Step:
    """Take the full step where it gains enough and no longer one promises more.

    Otherwise the best of others, asked in one batch.
    """
    full = theta + step
    values, slopes = f.value_and_gradient(full[None])
    got, slope = float(values[0]), slopes[0]
    enough = np.isfinite(got) and got > value + OPTIMISER.sufficient_gain * gain
    if enough and float(slope @ step) < OPTIMISER.steep_slope_share * gain:
        return Step(full, got, slope)
    others = OPTIMISER.longer_lengths if enough else OPTIMISER.shorter_lengths
    lines = theta + np.array(others)[:, None] * step
    along = f(lines)
    along = np.where(np.isfinite(along), along, -np.inf)
    best = int(np.argmax(along))
    if np.isfinite(got) and got >= along[best]:
        return Step(full, got, slope)
    return Step(lines[best], float(along[best]), None)


def _one_length(
    f: Objective, theta: np.ndarray, value: float, step: np.ndarray, gain: float
) -> Step:
    """Return the first step length that gains enough, by Armijo's rule."""
    for length in (1.0, 0.3, 0.1, 0.01, 0.001):
        new = theta + length * step
        got = float(f(new[None])[0])
        if np.isfinite(got) and got > value + 1e-4 * length * gain:
            return Step(new, got, None)
    return Step(theta, -np.inf, None)


def _update(inverse: np.ndarray, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """BFGS update of the inverse Hessian of -f.

    Skipped where the curvature along the step is not positive.
    """
    sy = float(s @ y)
    if sy <= 1e-10 * float(np.linalg.norm(s) * np.linalg.norm(y)):
        return inverse
    moved = inverse @ y
    both = np.outer(moved, s)
    return np.asarray(
        inverse - (both + both.T) / sy + np.outer(s, s) * ((1.0 + float(y @ moved) / sy) / sy)
    )


def second_differences(f: Objective, m: int, step: float) -> np.ndarray:
    """Second derivatives (m, m) of f at 0, by steps of one length."""
    moves = step * np.eye(m)
    if len(moves) <= OPTIMISER.max_joint_moves:
        return curvature(f(stencil(moves)), m) / step**2
    i, j = np.triu_indices(m, 1)
    single = f(np.concatenate([np.zeros((1, m)), moves, -moves]))
    pieces = np.array_split(np.arange(len(i)), -(-len(i) // OPTIMISER.points_per_piece))
    double = [
        [f(sign * (moves[i[piece]] + moves[j[piece]])) for piece in pieces] for sign in (1.0, -1.0)
    ]
    values = np.concatenate([single, *double[0], *double[1]])
    return curvature(values, m) / step**2


def stencil(moves: np.ndarray) -> np.ndarray:
    """Return points (1 + 2 m + m (m - 1), k): here, moves (m, k) and their pairs, to both sides."""
    i, j = np.triu_indices(len(moves), 1)
    both = moves[i] + moves[j]
    return np.concatenate([np.zeros((1, moves.shape[1])), moves, -moves, both, -both])


def curvature(values: np.ndarray, m: int) -> np.ndarray:
    """Second differences (m, m) along m moves from the values at their stencil.

    NaN where a step has left the region in which the values exist.
    """
    i, j = np.triu_indices(m, 1)
    values = np.where(np.isfinite(values), values, np.nan)
    base, single = values[0], values[1 : m + 1] + values[m + 1 : 2 * m + 1]
    double = values[2 * m + 1 :].reshape(2, -1).sum(axis=0)
    out = np.diag(single - 2 * base)
    out[i, j] = out[j, i] = (double - single[i] - single[j] + 2 * base) / 2
    return out


def extrapolated(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Extrapolate (Richardson) from steps of one and two lengths where the longer has a value.

    The error of central differences is then of fourth order in the step.
    """
    return np.where(np.isfinite(far), (4.0 * near - far) / 3.0, near)
