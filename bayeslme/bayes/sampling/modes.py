"""Where proposals begin: modes near the data and modes near the priors.

A prior far from the data can make the posterior of the variance parameters have two maxima: at one
the coefficients follow the data, at the other the prior, and the random effects or the residuals
take up the difference. A search from the estimate ends at the first. So searches start from both,
and where the prior's tails are heavy also climb with the coefficients tied to the prior's centre,
and with the prior left out: either may be a shoulder of the density that is no maximum of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bayeslme.bayes import settings
from bayeslme.bayes.sampling.importance import evaluate, laplace
from bayeslme.bayes.sampling.mixture import Proposal, joined
from bayeslme.engine.search.optimise import maximise, second_differences

LogDensity = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Mode:
    """A component at a mode.

    Attributes
    ----------
    component : Proposal
    value : float
        Log density of the target there.
    """

    component: Proposal
    value: float

    @property
    def log_mass(self) -> float:
        """Laplace's approximation of the mass around it, up to a constant."""
        root = self.component.root[0]
        return self.value + float(np.log(np.diagonal(root)).sum())


def mode_from(
    climbed: LogDensity, target: LogDensity, start: np.ndarray, scale: np.ndarray, even: np.ndarray
) -> Mode | None:
    """Climb a density; the component there, and the target's value. None where it is zero."""
    found = maximise(climbed, start, scale)
    if not np.isfinite(found.value):
        return None
    top = np.where(even, np.abs(found.theta), found.theta)
    hessian = second_differences(
        lambda v: climbed(top + v * scale), len(top), settings.SEARCH.difference_step
    )
    finite = np.where(np.isfinite(hessian), hessian, 0.0)
    component = laplace(top, finite / np.outer(scale, scale), even)
    return Mode(component, float(target(top[None])[0]))


def distinct(modes: Sequence[Mode | None]) -> list[Mode]:
    """The modes with mass to speak of, the largest first, each once."""
    limits = settings.CONFLICT
    sound = [m for m in modes if m is not None and np.isfinite(m.value)]
    out: list[Mode] = []
    for mode in sorted(sound, key=lambda m: m.log_mass, reverse=True):
        if mode.log_mass < out[0].log_mass - limits.max_drop if out else False:
            continue
        if not any(_same(mode, other) for other in out):
            out.append(mode)
    return out[: limits.max_modes]


def _same(one: Mode, other: Mode) -> bool:
    """Whether a mode lies inside of another's component."""
    apart = np.linalg.solve(
        other.component.root[0], one.component.mean[0] - other.component.mean[0]
    )
    return bool(np.sum(apart**2) < settings.CONFLICT.same_mode**2)


def together(modes: Sequence[Mode]) -> Proposal:
    """A mixture of the components at some modes, by their mass, none with too small a share."""
    mass = np.array([m.log_mass for m in modes])
    share = np.maximum(np.exp(mass - mass.max()), settings.CONFLICT.min_share)
    return joined([(float(s), m.component) for s, m in zip(share, modes, strict=True)])


def subsets(count: int) -> list[tuple[int, ...]]:
    """Which coefficients are tied to their priors' centres: none, each one, all but one, all."""
    every = tuple(range(count))
    found: list[tuple[int, ...]] = [(), every]
    if 1 < count <= settings.CONFLICT.max_single:
        found += [(j,) for j in every]
        found += [c for c in itertools.combinations(every, count - 1) if len(c) > 1]
    return found


def unvisited(
    target: LogDensity,
    proposal: Proposal,
    modes: Sequence[Mode],
    log_evidence: float,
    candidates: int,
    rng: np.random.Generator,
) -> float:
    """Estimated share of the posterior where the candidates' density is as good as zero.

    Scouts are drawn from wider components with heavier tails, at every mode that a search found.
    They count where a single candidate would have had a visible share of all weight.

    Parameters
    ----------
    target : callable
        Log density (b,) of coordinates (b, k).
    proposal : Proposal
        Of the candidates.
    modes : sequence of Mode
    log_evidence : float
        By the candidates.
    candidates : int
        Their number.
    rng : Generator
    """
    limits = settings.CONFLICT
    parts = [(1.0, m.component) for m in modes]
    wide = joined(parts)
    wide = Proposal(
        wide.weight, wide.mean, limits.scout_width * wide.root, wide.even, limits.scout_df
    )
    u, value = evaluate(target, wide, limits.scouts, rng)
    ratio = value - log_evidence - proposal.log_density(u)
    with np.errstate(over="ignore", invalid="ignore"):
        mass = np.exp(value - log_evidence - wide.log_density(u))
    absent = ratio > np.log(limits.seen_share * candidates)
    return float(min(np.where(absent, mass, 0.0).mean(), 1.0))


def unvisited_warnings(share: float) -> list[str]:
    """What the user must know of the share of the posterior that was not visited."""
    if not share > settings.CONFLICT.max_unvisited:
        return []
    return [
        f"about {share:.0%} of the posterior lies where no draw was made: priors and "
        "data disagree; compare method='nuts', or use wider priors"
    ]
