"""The collapsed sampler: variance parameters by importance sampling, everything else exactly.

beta and the random effects are Gaussian given the variance parameters, so only these few are
sampled, from their marginal posterior (the engine's likelihood with beta integrated out, times the
priors). A few thousand evaluations of that density are one batched call; no PyTensor is involved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayeslme import engine
from bayeslme.bayes.density import gaussian_beta
from bayeslme.bayes.importance import Weighted, adapt, laplace, refine, resample, weigh
from bayeslme.bayes.layout import Layout, is_joint
from bayeslme.bayes.map import PosteriorDensity, natural_values, pd_parameters, starting_point
from bayeslme.bayes.priors import Priors
from bayeslme.engine.likelihood import Likelihood, NaturalPoint
from bayeslme.engine.optimise import maximise
from bayeslme.errors import FitError, SpecError
from bayeslme.structures import Bound, Parameter

if TYPE_CHECKING:
    from bayeslme.data.types import Design

TRUST = 0.7  # k-hat above which the weights do not estimate means (Vehtari et al. 2024)
SPARE = 1.5  # candidates for each draw kept, over the efficiency, so that few are kept twice
REFINE = 6000  # candidates of a refinement at the least
MOST = 20  # candidates for each draw kept at the most
JACOBIAN_STEP = 1e-5
HESSIAN_STEP = 1e-3


@dataclass(frozen=True, slots=True)
class CollapsedDraws:
    """Independent draws of the posterior.

    Attributes
    ----------
    values : dict of variable name to array (s, ...)
    log_weight : array, shape (s,)
        Raw log weights of the candidates kept.
    k_hat : float
    efficiency : float
        Kish's effective share of the candidates.
    candidates : int
    """

    values: dict[str, np.ndarray]
    log_weight: np.ndarray
    k_hat: float
    efficiency: float
    candidates: int

    @property
    def effective(self) -> float:
        """Effective number of draws by the weights."""
        return self.efficiency * self.candidates


@dataclass(frozen=True)
class Unconstrained:
    """The variance parameters on the unconstrained scale, and the posterior density there.

    Attributes
    ----------
    density : PosteriorDensity
    parameters : tuple of tuples of Parameter
        Of every level's covariance, outermost first.
    sigma : float
        The residual standard deviation where it is held.
    """

    density: PosteriorDensity
    parameters: tuple[tuple[Parameter, ...], ...]
    sigma: float

    def point(self, u: np.ndarray) -> NaturalPoint:
        """Natural points (b) of unconstrained values (b, k)."""
        layout, at, random = self.density.layout, 0, []
        for ps in self.parameters:
            own = u[:, at : at + len(ps)]
            random.append(
                np.stack([p.support.constrain(own[:, j]) for j, p in enumerate(ps)], axis=-1)
            )
            at += len(ps)
        rows: list[np.ndarray | None] = []
        for bound in self._bounds():
            size = 0 if bound is None else len(bound.free)
            rows.append(None if bound is None else bound.natural(u[:, at : at + size]))
            at += size
        held = layout.sigma is None
        sigma = np.full(len(u), self.sigma) if held else np.exp(u[:, at])
        return NaturalPoint(sigma, tuple(random), rows[0], rows[1])

    def encode(self, point: NaturalPoint) -> np.ndarray:
        """Unconstrained values (k,) of one natural point."""
        parts = [
            np.array([float(p.support.unconstrain(v)) for p, v in zip(ps, par, strict=True)])
            for ps, par in zip(self.parameters, point.random, strict=True)
        ]
        for bound, values in zip(self._bounds(), (point.corstruct, point.varfunc), strict=True):
            if bound is not None and values is not None:
                parts.append(bound.to_free(values))
        if self.density.layout.sigma is not None:
            parts.append(np.array([np.log(float(point.sigma))]))
        return np.concatenate([np.zeros(0), *parts])

    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        """Log determinant (b,) of the map to the natural parameters."""
        total, at = np.zeros(len(u)), 0
        for ps in self.parameters:
            for j, p in enumerate(ps):
                total = total + p.support.log_jacobian(u[:, at + j])
            at += len(ps)
        for bound in self._bounds():
            if bound is None or not len(bound.free):
                continue
            own = u[:, at : at + len(bound.free)]
            total = total + (
                _joint_jacobian(bound, own) if is_joint(bound) else _own_jacobian(bound, own)
            )
            at += len(bound.free)
        return total if self.density.layout.sigma is None else total + u[:, at]

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """Log posterior density (b,) on the unconstrained scale; large batches in pieces."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            values = [
                self.density(self.point(piece)) + self.log_jacobian(piece)
                for piece in self.density.likelihood.pieces(u)
            ]
        out = np.concatenate(values)
        return np.where(np.isfinite(out), out, -np.inf)

    def scale(self) -> np.ndarray:
        """Step scale (k,)."""
        parts = [np.ones(len(ps)) for ps in self.parameters]
        parts += [b.scale for b in self._bounds() if b is not None]
        return np.concatenate([*parts, np.ones(0 if self.density.layout.sigma is None else 1)])

    def _bounds(self) -> tuple[Bound | None, Bound | None]:
        problem = self.density.layout.problem
        return problem.correlation, problem.variance


def _own_jacobian(bound: Bound, u: np.ndarray) -> np.ndarray:
    chosen = [bound.parameters[j] for j in bound.free]
    return np.asarray(
        sum((p.support.log_jacobian(u[:, j]) for j, p in enumerate(chosen)), np.zeros(len(u)))
    )


def _joint_jacobian(bound: Bound, u: np.ndarray) -> np.ndarray:
    """Log determinant of a joint map by central differences, all columns in one batch."""
    k = u.shape[1]
    moves = JACOBIAN_STEP * np.eye(k)
    up, down = (
        bound.natural((u[:, None, :] + s * moves).reshape(-1, k))[..., bound.free]
        for s in (1.0, -1.0)
    )
    jacobian = ((up - down) / (2 * JACOBIAN_STEP)).reshape(len(u), k, k)
    return np.asarray(np.linalg.slogdet(jacobian)[1])


def collapsible(layout: Layout, priors: Priors) -> str | None:
    """Why a model cannot be collapsed, or None."""
    if layout.problem.waiting:
        return "the variance depends on fitted values"
    try:
        gaussian_beta(priors["fixef"])
    except SpecError:
        return "the prior of fixef is not Gaussian"
    return None


def draw(
    design: Design, layout: Layout, priors: Priors, n: int, rng: np.random.Generator
) -> CollapsedDraws:
    """Draw n times from the posterior.

    Parameters
    ----------
    design : Design
    layout : Layout
    priors : Priors
        Gaussian or flat for the coefficients.
    n : int
    rng : Generator

    Raises
    ------
    FitError
        Where the posterior has no mode to start from.
    """
    target = _target(design, layout, priors)
    start = target.encode(starting_point(layout, engine.estimate(design), design))
    if not len(start):
        return _without_parameters(target, n, rng)
    mode = maximise(target, start, target.scale())
    if not np.isfinite(mode.value):
        msg = "the posterior density is not finite at the starting values: check the priors"
        raise FitError(msg)
    first = laplace(mode.theta, _hessian(target, mode.theta, target.scale()))
    proposal, pilot = adapt(target, first, rng)
    count = int(np.ceil(n * min(SPARE / max(pilot.efficiency, 1e-3), MOST))) + 100
    weighted = weigh(target, proposal, count, rng)
    _, weighted = refine(target, proposal, weighted, max(count, REFINE), rng)
    return _complete(target, weighted, n, rng)


def _target(design: Design, layout: Layout, priors: Priors) -> Unconstrained:
    likelihood = Likelihood(layout.problem, "REML")
    density = PosteriorDensity(layout, priors, likelihood, gaussian_beta(priors["fixef"]))
    return Unconstrained(density, pd_parameters(layout), float(design.spec.control.sigma or 1.0))


def _without_parameters(target: Unconstrained, n: int, rng: np.random.Generator) -> CollapsedDraws:
    """Nothing but beta is unknown: its conditional is the posterior."""
    u = np.zeros((n, 0))
    return _complete(target, Weighted(u, np.zeros(n), np.full(n, -np.log(n)), -np.inf), n, rng)


def _complete(
    target: Unconstrained, draws: Weighted, n: int, rng: np.random.Generator
) -> CollapsedDraws:
    """Resample, and draw the coefficients given the rest."""
    kept = resample(draws, n, rng)
    layout = target.density.layout
    pieces: list[dict[str, np.ndarray]] = []
    for piece in target.density.likelihood.pieces(draws.u[kept]):
        point = target.point(piece)
        values = natural_values(layout, point)
        pieces.append({**values, "fixef": _coefficients(target.density, point, rng)})
    values = {name: np.concatenate([p[name] for p in pieces]) for name in pieces[0]}
    return CollapsedDraws(
        values, draws.log_weight[kept], draws.k_hat, draws.efficiency, len(draws.u)
    )


def _coefficients(
    density: PosteriorDensity, point: NaturalPoint, rng: np.random.Generator
) -> np.ndarray:
    """Draw beta (b, p) from its Gaussian conditional at natural points (b)."""
    problem, p = density.layout.problem, density.layout.problem.p
    _, factor, typical, _ = density.block(point)
    count = len(np.atleast_1d(typical))
    factor = np.broadcast_to(factor, (count, *factor.shape[-2:]))
    right = factor[:, p, :p] + rng.standard_normal((count, p))
    standard = np.linalg.solve(np.swapaxes(factor[:, :p, :p], -1, -2), right[..., None])[..., 0]
    return np.asarray(np.linalg.solve(problem.x_basis, standard.T).T + problem.shift)


def _hessian(f: Unconstrained, u: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Second differences (k, k) from one batch."""
    k = len(u)
    h = HESSIAN_STEP * scale
    eye = np.diag(h)
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    both = [u + s * (eye[i] + eye[j]) for i, j in pairs for s in (1.0, -1.0)]
    values = f(np.stack([u, *(u + eye), *(u - eye), *both]))
    base, up, down, mixed = (
        values[0],
        values[1 : k + 1],
        values[k + 1 : 2 * k + 1],
        values[2 * k + 1 :],
    )
    out = np.diag((up - 2 * base + down) / h**2)
    for (i, j), pair in zip(pairs, mixed.reshape(-1, 2), strict=True):
        cross = pair.sum() - up[i] - down[i] - up[j] - down[j] + 2 * base
        out[i, j] = out[j, i] = cross / (2 * h[i] * h[j])
    return np.where(np.isfinite(out), out, 0.0)
