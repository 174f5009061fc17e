"""Coefficients whose priors lie far from the data, and starting points near those priors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bayeslme.bayes import settings
from bayeslme.bayes.density import GaussianBeta, gaussian_part
from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.priors.mixtures import NormalMixture, normal_mixture
from bayeslme.bayes.priors.priors import ParameterPrior, Priors
from bayeslme.bayes.sampling.starting import middle_points
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.likelihood import NaturalPoint


@dataclass(frozen=True)
class Conflict:
    """Coefficients whose priors lie far from the data.

    Attributes
    ----------
    places : tuple of int
        Which of the combinations that the priors are about.
    centres : array, shape (c,)
        Of their priors.
    spreads : array, shape (c,)
        Standard deviations there.
    beta : array, shape (p,)
        The estimate moved to these centres.
    """

    places: tuple[int, ...]
    centres: np.ndarray
    spreads: np.ndarray
    beta: np.ndarray

    def tied(self, prior: ParameterPrior, chosen: Sequence[int]) -> GaussianBeta | None:
        """Normal priors, and normal densities in place of the chosen ones that are not normal."""
        own = {
            self.places[i]: (float(self.centres[i]), float(self.spreads[i]))
            for i in chosen
            if np.isfinite(self.spreads[i])
        }
        return gaussian_part(prior, own)


def conflict_of(prior: ParameterPrior, estimate: Estimate) -> Conflict | None:
    """The coefficients whose prior's middle lies far from their estimate, or None.

    Parameters
    ----------
    prior : ParameterPrior
        Of the coefficients.
    estimate : Estimate
    """
    if not prior.priors:
        return None
    basis = prior.scale.combinations(len(prior.priors))
    found = basis @ estimate.beta
    cov = basis @ estimate.vcov @ basis.T
    mixtures = [normal_mixture(prior, j, 0.0) for j in range(len(found))]
    centres = np.array([_centre(m, at) for m, at in zip(mixtures, found, strict=True)])
    spreads = np.array([m.spread for m in mixtures])
    heavy = np.array([not m.flat and np.ptp(m.sd) > 0 for m in mixtures])
    error = np.sqrt(np.diag(cov))
    wide = np.where(heavy | np.isinf(spreads), error, np.hypot(error, spreads))
    limit = settings.CONFLICT.min_distance
    with np.errstate(invalid="ignore", divide="ignore"):
        # of a heavy prior wider than the standard error nothing is left of its centre
        apart = (np.abs(found - centres) > limit * wide) & ~(heavy & (spreads > error))
    chosen = np.flatnonzero(apart)
    if not len(chosen):
        return None
    gain = np.linalg.lstsq(cov[np.ix_(chosen, chosen)], cov[chosen], rcond=None)[0]
    moved = found + (centres - found)[chosen] @ gain
    beta = np.linalg.solve(basis, moved)
    return Conflict(tuple(int(j) for j in chosen), centres[chosen], spreads[chosen], beta)


def _centre(mixture: NormalMixture, found: float) -> float:
    """The prior's middle inside its interval; the estimate, moved inside, for a flat one."""
    middle = found if mixture.flat else mixture.centre
    return float(np.clip(middle, mixture.low, mixture.high))


def conflict_starts(
    parameters: ModelParameters, conflict: Conflict, point: NaturalPoint
) -> list[NaturalPoint]:
    """Points where one level, or the residuals, take up what the conflict leaves.

    Parameters
    ----------
    parameters : ModelParameters
    conflict : Conflict
    point : NaturalPoint
        All other parameters.
    """
    design = parameters.design
    rest = design.y - design.offset - design.X @ conflict.beta
    size = float(np.sqrt(np.mean(rest**2)))
    out = []
    for k, level in enumerate(parameters.levels):
        root = np.sqrt(np.mean(level.level.Z**2, axis=0))
        own, at = np.array(point.random[k], dtype=float), 0
        for block in level.covariance_blocks:
            count, used = block.sds.stop - block.sds.start, root[block.rows]
            wide = used if count == len(used) else np.full(count, np.sqrt(np.mean(used**2)))
            share = size / np.sqrt(level.q) / np.where(wide > 0, wide, 1.0)
            own[at : at + count] = np.maximum(own[at : at + count], share)
            at += block.structure.size(block.q)
        random = tuple(own if i == k else r for i, r in enumerate(point.random))
        out.append(replace(point, random=random))
    if parameters.sigma is not None:
        out.append(replace(point, sigma=np.maximum(point.sigma, size)))
    return out


def far_starts(
    parameters: ModelParameters,
    points: Sequence[NaturalPoint],
    estimate: Estimate,
    priors: Priors,
) -> list[NaturalPoint]:
    """Starting points near the priors, where these lie far from the data; else none.

    Parameters
    ----------
    parameters : ModelParameters
    points : sequence of NaturalPoint
        Near the data.
    estimate : Estimate
    priors : Priors
    """
    found = middle_points(parameters, points, priors)
    conflict = conflict_of(priors["fixef"], estimate)
    if conflict is not None:
        every = (points[0], *found)
        found += [own for point in every for own in conflict_starts(parameters, conflict, point)]
    return found
