"""What correlation structures share: whitening rows by the inverse Cholesky factor.

C = L L' within each group. ``whiten`` multiplies rows by L^-1; a class that only gives the
correlation of two positions gets the dense route, factored once per pattern of positions. Classes
with a closed form override ``whiten``, and the tests hold the two against each other.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.structures import settings
from bayeslme.structures.base import Bound, DefaultPrior, Parameter, RowStructure, log_normal
from bayeslme.structures.correlation.by_level import ByLevels
from bayeslme.structures.correlation.colouring import colour_banded, colour_dense
from bayeslme.structures.correlation.positions import (
    CorrelationGroups,
    PaddedGroups,
    coordinate_gaps,
    distances,
)
from bayeslme.structures.supports import Namespace


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of positions within patterns, as data.

    Attributes
    ----------
    distance : float array, shape (r, m, m)
        Distance in the structure's metric; 1 on the diagonal and in empty places, where the base
        class owns the answer.
    apart : bool array, shape (r, m, m)
        True off the diagonal and between two present positions.
    index : int array, shape (r, m)
        Rank of each position among all positions of the data (for unstructured correlation); 0 in
        empty places.
    different : float array, shape (1, 1, k), or None
        The distinct distances, where they are few.
    place : int array, shape (r, m, m), or None
        Where each pair's distance is among them; k where the correlation is 0, k + 1 where it is 1.
    unit : float
        In which distances are counted, in the user's units.
    gaps : float array, shape (d, r, m, m), or None
        Distance along each coordinate, for structures that take them apart; 0 in empty places.
    gap_units : tuple of float
        In which these are counted inside, in the user's units; empty without them.
    """

    distance: np.ndarray
    apart: np.ndarray
    index: np.ndarray
    different: np.ndarray | None = None
    place: np.ndarray | None = None
    unit: float = 1.0
    gaps: np.ndarray | None = None
    gap_units: tuple[float, ...] = ()


@dataclass(frozen=True)
class HasLevels:
    """The argument that all correlation structures share.

    Parameters
    ----------
    by : str, optional
        A factor that is constant within groups: each of its levels has parameters of its own.
    """

    by: str | None = field(default=None, kw_only=True, repr=False)


class CorStruct(HasLevels, RowStructure):
    """Abstract correlation structure: parameters, and the correlation of two positions.

    Every structure takes ``by="arm"``, by keyword: a factor that is constant within groups, each
    level of which then has parameters of its own.
    """

    form: str
    fixed: bool
    metric: str = "euclidean"
    stationary: bool = True  # correlation depends on differences of positions only
    needs_integers: bool = False  # positions are counted in whole steps
    compact: bool = False  # exactly zero beyond a distance
    kinked: bool = False  # and reaching zero with a slope
    uses_positions: bool = True  # False where only the group of a row matters
    # Abbreviations of R's mmrm, each with whether variances differ by visit.
    mmrm_names: ClassVar[Mapping[str, bool]] = {}
    by_coordinate: bool = False  # positions are rows and columns of a grid, taken one by one

    @property
    def has_nugget(self) -> bool:
        """Whether two rows at one position differ."""
        return bool(getattr(self, "nugget", False))

    @property
    def reaches_one(self) -> bool:
        """Whether all correlations of a group can be as near to one as one likes."""
        return True

    def bind(self, coords: CorrelationGroups) -> Bound:
        """Join the structure to its groups, with parameters for each level of ``by``."""
        if self.by is None:
            return super().bind(coords)
        return ByLevels(replace(self, by=None), self.by, coords).bind(coords)

    def member(
        self, par: Array, groups: CorrelationGroups, level: int
    ) -> tuple[CorStruct, Array, CorrelationGroups]:
        """The structure, the parameters and the groups of one level: all, where there are none."""
        return self, par, groups

    @abstractmethod
    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        """Correlation of pairs that are apart.

        Parameters
        ----------
        par : array, shape (..., k)
            All natural parameters.
        pairs : Pairs

        Returns
        -------
        array, shape (..., r, m, m)
            Entries where ``pairs.apart`` is False are not read, but must be finite.
        """

    def uniform_draws(
        self, parameters: tuple[Parameter, ...], n: int, rng: np.random.Generator
    ) -> np.ndarray | None:
        """Draws (n, k), uniform on the region of positive definite matrices.

        None where the structure knows none: they are then found by rejection.
        """
        return None

    def log_region(self, parameters: tuple[Parameter, ...]) -> float | None:
        """Logarithm of the volume of that region; None where the structure does not know it."""
        return None

    def matrix_shown(self, par: np.ndarray) -> np.ndarray | None:
        """The correlation matrix (m, m) that a page shows in the place of the parameters (k,)."""
        return None

    def default_priors(self, coords: CorrelationGroups) -> tuple[DefaultPrior, ...]:
        parameters = self.parameters(coords)
        if not self.spatial:
            return tuple(p.default_prior() for p in parameters)
        spread = self._range_prior(coords)
        return tuple(spread if p.name == "range" else p.default_prior() for p in parameters)

    def _range_prior(self, groups: CorrelationGroups) -> DefaultPrior:
        """Log-normal between the distances to the nearest and to the farthest rows of a group."""
        near, far = groups.nearest_and_farthest(self.metric)
        span = settings.STRUCTURES.log_range_sd_span
        return log_normal(0.5 * np.log(near * far), max(1.0, np.log(far / near) / span))

    def starts(self, bound: Bound) -> list[np.ndarray]:
        """The usual start, and others whose first parameter is shifted."""
        usual = bound.start
        if not len(usual):
            return [usual]
        known = settings.STRUCTURES
        shifts = known.range_start_shifts if self.spatial else known.correlation_start_shifts
        first = np.eye(len(usual))[0]
        return [usual + shift * first for shift in shifts]

    def unit(self, groups: CorrelationGroups) -> float:
        """In which positions are counted inside, in the user's units.

        A class that gives another one than 1 says of its parameters how they are printed
        (`bayeslme.structures.supports`).
        """
        return 1.0

    def at_end(self, u: np.ndarray) -> np.ndarray:
        """Unconstrained values (k,); those that run to an end where R is regular next to it.

        By default none does.
        """
        return u

    def memory(self, groups: CorrelationGroups) -> int | None:
        """How many rows before it a whitened row depends on; None for all of its group."""
        return None

    def dense(self, groups: CorrelationGroups) -> bool:
        """Whether whitening factors a correlation matrix for every pattern of positions."""
        return self.memory(groups) is None

    def linear_with(self, strata: np.ndarray, groups: CorrelationGroups) -> bool:
        """Whether variances and covariances may be moved freely, one by one.

        Parameters
        ----------
        strata : int array, shape (n,)
            Rows of one stratum share a variance.
        groups : CorrelationGroups
        """
        return False

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        """Multiply every group's rows by the inverse Cholesky factor of its correlation.

        Parameters
        ----------
        w : array, shape (..., c, n)
            Columns by rows, rows last and sorted.
        par : array, shape (..., k)
        groups : CorrelationGroups

        Returns
        -------
        w : array, shape (..., c, n)
        half_logdet : array, shape (..., h)
            Half the log determinant of each group's correlation matrix.
        """
        return self.whiten_dense(w, par, groups, xp)

    def colour(self, z: np.ndarray, par: np.ndarray, groups: CorrelationGroups) -> np.ndarray:
        """Give independent rows the correlation of their groups.

        Where a whitened row depends on few rows before it this takes linear time; otherwise every
        pattern of positions is factored. Classes with a closed form override it.

        Parameters
        ----------
        z : array, shape (n, s)
            Sorted rows by draws.
        par : array, shape (s, k)
            Natural parameters of each draw.
        groups : CorrelationGroups

        Returns
        -------
        array, shape (n, s)
        """
        reach = self.memory(groups)
        if reach is None:
            return colour_dense(self, z, par, groups)
        return colour_banded(self, z, par, groups, reach)

    def whiten_dense(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        """Whiten through dense factors of the patterns.

        The definition that closed forms must equal.
        """
        blocks = groups.blocks(self.stationary)
        if not xp.symbolic and np.all(groups.sizes == groups.sizes[0]):
            return self._whiten_equal_groups(w, par, groups)
        padded = xp.concatenate([w, xp.zeros_like(w[..., :1])], axis=-1)
        pieces, halves, places, owners = [], [], [], []
        for k, block in enumerate(blocks):
            c = self.matrix(par, groups, k, xp)
            white, log_diagonal = xp.whiten_patterns(c, block.pattern, padded[..., block.rows])
            inside = block.rows < groups.n
            pieces.append(white[..., inside])
            places.append(block.rows[inside])
            halves.append(log_diagonal.sum(axis=-1)[..., block.pattern])
            owners.append(block.groups)
        back, home = np.argsort(np.concatenate(places)), np.argsort(np.concatenate(owners))
        return xp.concatenate(pieces, axis=-1)[..., back], xp.concatenate(halves, axis=-1)[
            ..., home
        ]

    def _whiten_equal_groups(
        self, w: np.ndarray, par: np.ndarray, groups: CorrelationGroups
    ) -> tuple[np.ndarray, np.ndarray]:
        """As ``whiten_dense`` for groups of one size, without moving rows about."""
        (block,) = groups.blocks(self.stationary)
        c = self.matrix(par, groups, 0)
        rows = w.reshape(*w.shape[:-1], *block.rows.shape)
        white, log_diagonal = NUMPY.whiten_patterns(c, block.pattern, rows)
        half = log_diagonal.sum(axis=-1)[..., block.pattern]
        return white.reshape(*white.shape[:-2], -1), half

    def matrix(self, par: Array, groups: CorrelationGroups, k: int, xp: Namespace = NUMPY) -> Array:
        """Correlation matrices of the patterns of block ``k``.

        Shape (..., r, m, m); empty places are identity.
        """
        return self.matrix_of(par, self.pairs(groups, k), xp)

    def matrix_of(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        """Correlation matrices (..., r, m, m) of some patterns."""
        if pairs.different is not None and pairs.place is not None and not xp.symbolic:
            return self._matrix_of_few(par, pairs, pairs.different, pairs.place)
        values = self.correlation(par, pairs, xp)
        return xp.where(pairs.apart, values, np.eye(pairs.apart.shape[-1]))

    def _matrix_of_few(
        self, par: np.ndarray, pairs: Pairs, different: np.ndarray, place: np.ndarray
    ) -> np.ndarray:
        """As ``matrix``: the correlation at every distinct distance, put in its places."""
        values = self.correlation(par, replace(pairs, distance=different))[..., 0, 0, :]
        ends = np.broadcast_to([0.0, 1.0], (*values.shape[:-1], 2))
        return np.take(np.concatenate([values, ends], axis=-1), place, axis=-1)

    def pairs(self, groups: CorrelationGroups, k: int) -> Pairs:
        """Pairs of block ``k``, computed once."""
        key = f"pairs{self.metric}{self.stationary}{k}"
        if key not in groups.cache:
            groups.cache[key] = self.pairs_at(groups, groups.blocks(self.stationary)[k])
        return groups.cache[key]  # type: ignore[return-value]

    def pairs_at(self, groups: CorrelationGroups, block: PaddedGroups) -> Pairs:
        """Pairs of the patterns of a block."""
        d = distances(block.patterns, self.metric)
        present = block.present[:, :, None] & block.present[:, None, :]
        apart = present & ~np.eye(d.shape[-1], dtype=bool)
        index = np.zeros(block.present.shape, dtype=int)
        if not self.stationary:
            ranks = np.unique(groups.position[:, 0])
            index = np.where(
                block.present, np.searchsorted(ranks, np.nan_to_num(block.patterns[..., 0])), 0
            )
        pairs = Pairs(np.where(apart, d, 1.0), apart, index, unit=groups.unit)
        if self.by_coordinate:
            gaps = np.nan_to_num(coordinate_gaps(block.patterns))
            return replace(pairs, gaps=gaps, gap_units=groups.gap_units)
        shared = self.stationary and d.size > settings.STRUCTURES.min_pairs_to_share
        return _with_few(pairs) if shared else pairs


def _with_few(pairs: Pairs) -> Pairs:
    """Add the distinct distances of many pairs where they are few: plots on a grid, say."""
    different, at = np.unique(pairs.distance[pairs.apart], return_inverse=True)
    if 2 * len(different) > pairs.distance.size:
        return pairs
    place = np.full(pairs.apart.shape, len(different))
    place[pairs.apart] = at.reshape(-1)
    diagonal = np.arange(place.shape[-1])
    place[:, diagonal, diagonal] = len(different) + 1
    return replace(pairs, different=different[None, None], place=place)


def follows(values: np.ndarray, key: np.ndarray) -> bool:
    """Whether rows of the same key (n,) have the same value (n,)."""
    _, first, code = np.unique(key, return_index=True, return_inverse=True)
    return bool(np.all(values == values[first][code.reshape(-1)]))


def half_logdet_by_group(terms: Array, groups: CorrelationGroups, xp: Namespace) -> Array:
    """Half the log determinants (..., h) from the log innovation variances of the rows (..., n)."""
    return xp.segment_sum(0.5 * terms, groups.starts)


def previous_rows(groups: CorrelationGroups) -> np.ndarray:
    """Index of the row before, itself at the first row of a group; shape (n,)."""
    return np.where(groups.first, np.arange(groups.n), np.arange(groups.n) - 1)


def whiten_markov(
    w: Array, r: Array, groups: CorrelationGroups, xp: Namespace
) -> tuple[Array, Array]:
    """Whiten a first-order Markov process by scaled first differences; exact for any spacing.

    Parameters
    ----------
    w : array, shape (..., c, n)
    r : array, shape (..., n)
        Correlation of each row with the one before it; not read at the first row of a group.
    groups : CorrelationGroups

    Returns
    -------
    As ``CorStruct.whiten``.
    """
    r = xp.where(groups.first, 0.0, r)
    rest = 1.0 - r * r
    if xp.symbolic:
        before = w[..., previous_rows(groups)]
        white = (w - r[..., None, :] * before) / xp.sqrt(rest)[..., None, :]
    else:  # without copies of the rows: r is 0 where a group begins
        scale = 1.0 / np.sqrt(rest)
        white = w * scale[..., None, :]
        white[..., 1:] -= w[..., :-1] * (r * scale)[..., None, 1:]
    return white, half_logdet_by_group(xp.log(rest), groups, xp)
