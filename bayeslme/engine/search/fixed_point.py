"""Variance functions of the fitted values: a fixed point of fit and weights.

The likelihood is maximised with the covariate held, the covariate is refreshed by the new fitted
values, and this is repeated until neither changes. The result is a fixed point, as in nlme
(Pinheiro and Bates 2000, section 5.2.2; Carroll and Ruppert 1988), and not the maximum of a
likelihood; there may be several. Where the map is nearly the identity, covariates that differ
little belong to fixed points that differ much, so the last refreshes take Newton steps on an
accurate gradient in place of searches.

Fixed points x = T(x) are found by Anderson mixing, since T is expensive and plain iteration may
converge slowly or oscillate: the last few residuals T(x) - x are combined so that they nearly
cancel (Anderson 1965, Journal of the ACM 12, 547; Walker and Ni 2011, SIAM Journal on Numerical
Analysis 49, 1715).

Where T nearly has a fixed point without having one, mixing stagnates: the residuals are small there
and never vanish. Plain iterates pass such a point. The two methods are therefore alternated: mixing
while its residuals decrease, and plain iterates until theirs do.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine.build import bind_variance
from bayeslme.engine.fitted import variance_covariates
from bayeslme.engine.likelihood.likelihood import Likelihood
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.optimise import Optimum, gradient
from bayeslme.engine.search.search import search
from bayeslme.engine.search.settings import ALTERNATION
from bayeslme.engine.search.starts import generic_start, scales
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.data.types import Design
    from bayeslme.engine.estimate import Estimate


@dataclass
class Mixer:
    """Anderson mixing: the last iterates, their images, and the next iterate from them.

    Examples
    --------
    >>> import numpy as np
    >>> mixer, x = Mixer(), np.array([2.0])
    >>> for _ in range(12):
    ...     x = mixer.next(x, np.cos(x) * 1.5)
    >>> bool(abs(x - 1.5 * np.cos(x))[0] < 1e-9)
    True
    """

    points: list[np.ndarray] = field(default_factory=list)
    residuals: list[np.ndarray] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)  # of the residuals of this turn
    plain: bool = False
    turns: int = 0

    def next(self, x: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Return the next iterate.

        Parameters
        ----------
        x : array, shape (n,)
            The present iterate.
        image : array, shape (n,)
            T(x).
        """
        self._take_turns(float(np.linalg.norm(image - x)))
        self.points = [*self.points, x][-ALTERNATION.mixing_memory - 1 :]
        self.residuals = [*self.residuals, image - x][-ALTERNATION.mixing_memory - 1 :]
        if self.plain or len(self.points) == 1:
            return image
        residual = self.residuals[-1]
        moves = np.diff(self.points, axis=0)
        changes = np.diff(self.residuals, axis=0)
        gram = changes @ changes.T
        gram = gram + ALTERNATION.mixing_ridge * np.trace(gram) * np.eye(len(gram))
        weights = np.linalg.lstsq(gram, changes @ residual, rcond=None)[0]
        out = x + residual - weights @ (moves + changes)
        return np.asarray(out) if np.all(np.isfinite(out)) else 0.5 * (x + image)

    def _take_turns(self, size: float) -> None:
        """Change between mixing and plain iterates; each period of mixing has to do better."""
        self.sizes.append(size)
        enough = ALTERNATION.decreases_before_mixing * self.turns
        if self.plain:
            over = len(self.sizes) > enough and bool(np.all(np.diff(self.sizes[-enough - 1 :]) < 0))
        else:
            over = len(self.sizes) - int(np.argmin(self.sizes)) > ALTERNATION.mixing_patience
        if over:
            self.plain = not self.plain
            self.turns += self.plain
            self.points, self.residuals, self.sizes = [], [], [size]


type Covariates = tuple[np.ndarray | None, ...]
type Reader = Callable[[Likelihood, Optimum], Estimate]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The state of the alternation between fit and covariates.

    Attributes
    ----------
    covariates, fresh : tuples of arrays (n,), or None where a component's covariate is data
        Those of the likelihood, and what its fit makes of them.
    likelihood : Likelihood
        With these covariates.
    optimum : Optimum
        Of that likelihood.
    found : Estimate
    moved : float
        Last relative change of theta and covariates.
    """

    covariates: Covariates
    fresh: Covariates
    likelihood: Likelihood
    optimum: Optimum
    found: Estimate
    moved: float


def agree(
    problem: Problem, design: Design, max_iter: int, start: np.ndarray | None, read: Reader
) -> Estimate:
    """Find the fixed point of highest likelihood among those reached from several first fits.

    Parameters
    ----------
    problem : Problem
        Waiting for its variance covariates.
    start : array, shape (k,), optional
        Of the first search.
    read : callable
        Estimate of a likelihood and an optimum of it.
    """
    plain = Likelihood(replace(problem, needs_fitted_values=False), design.spec.method)
    first = search(plain, max_iter=max_iter, around=False)
    others = [
        replace(first, theta=generic_start(plain.problem, r))
        for r in ALTERNATION.other_start_factors
    ]
    seen: list[Agreement] = []
    failed: list[FitError] = []
    others = [one for one in others if not np.array_equal(one.theta, first.theta)]
    for one in [first, *(others if problem.stages else others[:1])]:
        covariates = variance_covariates(design, read(plain, one))
        for theta in [None] if start is None else [start, None]:
            try:
                end = _alternate(problem, design, max_iter, covariates, theta, read, seen)
            except FitError as error:  # fitted values near zero: no likelihood on this way
                failed.append(error)
                continue
            if not any(end is one for one in seen):
                seen.append(end)
    tops: list[Agreement] = []
    for way in seen:
        try:
            tops.append(_confirmed(way, problem, design, max_iter, read))
        except FitError as error:
            failed.append(error)
    if not tops:
        raise failed[0]
    best = max(tops, key=_merit)
    best = _steps(best, problem, design, read)
    if best.moved >= ALTERNATION.max_movement:
        warnings.warn(
            "the variance covariate and the fit did not settle on each other; simplify the weights",
            stacklevel=4,
        )
    return best.found


def _merit(one: Agreement) -> tuple[bool, float]:
    return one.moved < ALTERNATION.max_movement, one.found.loglik


def _alternate(
    problem: Problem,
    design: Design,
    max_iter: int,
    covariates: Covariates,
    theta: np.ndarray | None,
    read: Reader,
    known: Sequence[Agreement] = (),
) -> Agreement:
    """Refresh the covariates until they settle, or approach a fixed point that is known."""
    mixer, inverse = Mixer(), None
    for k in range(ALTERNATION.max_refreshes):
        likelihood = _bound(problem, design, covariates)
        if k and theta is not None and not np.isfinite(likelihood(theta[None])[0]):
            theta = None  # the last end makes no sense with the new covariates
        optimum = search(likelihood, max_iter=max_iter, start=theta, around=False, inverse=inverse)
        last = _look(design, likelihood, optimum, covariates, theta, read)
        joined = [
            one
            for one in known
            if one.moved < ALTERNATION.near_change
            and _apart(last, one) < ALTERNATION.joined_distance
        ]
        if joined or last.moved < ALTERNATION.near_change:
            return joined[0] if joined else last
        theta, inverse = optimum.theta, optimum.inverse
        covariates = _mixed(mixer, covariates, last.fresh)
    return last


def _confirmed(
    last: Agreement, problem: Problem, design: Design, max_iter: int, read: Reader
) -> Agreement:
    """Search again from settled covariates, since another local maximum may be higher by now."""
    for _ in range(ALTERNATION.max_higher_maxima):
        top = search(last.likelihood, max_iter=max_iter, start=last.optimum.theta)
        if top.value <= last.optimum.value + ALTERNATION.min_gain:
            break
        here = _look(design, last.likelihood, top, last.covariates, last.optimum.theta, read)
        known = np.isfinite(_bound(problem, design, here.fresh)(top.theta[None])[0])
        theta = top.theta if known else None
        last = _alternate(problem, design, max_iter, here.fresh, theta, read)
    return last


def _apart(one: Agreement, other: Agreement) -> float:
    """Return the largest relative difference of theta and of the covariates of two agreements."""
    return max(_movement(one.optimum.theta, other.optimum.theta), _distance(one.fresh, other.fresh))


def _steps(last: Agreement, problem: Problem, design: Design, read: Reader) -> Agreement:
    """Refresh the covariates by Newton steps on the gradient, with one Hessian for several."""
    mixer, best, inverse = Mixer(), last, _inverse_curvature(last.likelihood, last.optimum.theta)
    covariates, theta, since = last.covariates, last.optimum.theta, 0
    while since < ALTERNATION.patience and not _settled(best):
        likelihood = _bound(problem, design, covariates)
        new = theta
        for _ in range(ALTERNATION.chord_steps):
            new = new + inverse @ gradient(likelihood, new, scales(likelihood.problem))[1]
        optimum = replace(last.optimum, theta=new, value=float(likelihood(new[None])[0]))
        if not np.isfinite(optimum.value):
            break
        now = _look(design, likelihood, optimum, covariates, theta, read)
        if now.moved > ALTERNATION.departure_multiple * best.moved:
            break
        since = 0 if now.moved < best.moved else since + 1
        best = now if now.moved < best.moved else best
        theta, covariates = new, _mixed(mixer, covariates, now.fresh)
    return best


def _settled(one: Agreement) -> bool:
    """Whether the covariates reproduce themselves; theta is less precise, by its curvature."""
    return (
        one.moved < ALTERNATION.settled_theta
        and _distance(one.covariates, one.fresh) < ALTERNATION.settled_covariate
    )


def _bound(problem: Problem, design: Design, covariates: Covariates) -> Likelihood:
    bound = bind_variance(problem, design, covariates)
    return Likelihood(bound, design.spec.method, design.spec.control.sigma)


def _look(
    design: Design,
    likelihood: Likelihood,
    optimum: Optimum,
    covariates: Covariates,
    theta: np.ndarray | None,
    read: Reader,
) -> Agreement:
    """Return the covariates that an optimum leads to, and the change of theta."""
    found = read(likelihood, optimum)
    fresh = variance_covariates(design, found)
    moved = max(_movement(optimum.theta, theta), _distance(covariates, fresh))
    return Agreement(covariates, fresh, likelihood, optimum, found, moved)


def _inverse_curvature(likelihood: Likelihood, theta: np.ndarray) -> np.ndarray:
    """Inverse (k, k) of minus the Hessian in the directions in which it is negative."""
    scale = scales(likelihood.problem)
    h = ALTERNATION.hessian_step * np.maximum(scale, np.abs(theta))
    slopes = [
        [gradient(likelihood, theta + sign * move, scale)[1] for sign in (1, -1)]
        for move in np.diag(h)
    ]
    hessian = np.array([(up - down) / (2 * h[j]) for j, (up, down) in enumerate(slopes)])
    unit = hessian.reshape(len(h), len(h)) * np.outer(scale, scale)
    values, vectors = np.linalg.eigh(-0.5 * (unit + unit.T))
    keep = values > ALTERNATION.flat_curvature * np.max(values, initial=0.0)
    root = scale[:, None] * vectors[:, keep] / np.sqrt(values[keep])
    return np.asarray(root @ root.T)


def _distance(old: Covariates, new: Covariates) -> float:
    """Return the largest change of a covariate relative to its spread."""
    return max(
        float(np.max(np.abs(b - a)) / (np.std(b) + np.abs(np.mean(b))))
        for a, b in zip(old, new, strict=True)
        if a is not None and b is not None
    )


def _mixed(mixer: Mixer, old: Covariates, new: Covariates) -> Covariates:
    """Return the next covariates; those that are data stay None."""
    own = [k for k, c in enumerate(new) if c is not None]
    flat = mixer.next(
        np.concatenate([c for c in old if c is not None]),
        np.concatenate([c for c in new if c is not None]),
    ).reshape(len(own), -1)
    out: list[np.ndarray | None] = [None] * len(new)
    for k, values in zip(own, flat, strict=True):
        out[k] = values
    return tuple(out)


def _movement(new: np.ndarray, old: np.ndarray | None) -> float:
    return (
        np.inf
        if old is None
        else float(np.max(np.abs(new - old) / (np.abs(old) + 1.0), initial=0.0))
    )
