"""What correlation structures share: whitening rows by the inverse Cholesky factor.

C = L L' within each group. ``whiten`` multiplies rows by L^-1; a class that only gives the
correlation of two positions gets the dense route, factored once per pattern of positions. Classes
with a closed form override ``whiten``, and the tests hold the two against each other.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.structures.base import RowStructure
from bayeslme.structures.correlation.positions import CorrelationGroups, PaddedGroups, distances
from bayeslme.structures.supports import Namespace

MANY = 1000  # pairs from which on distinct distances are looked for


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
    """

    distance: np.ndarray
    apart: np.ndarray
    index: np.ndarray
    different: np.ndarray | None = None
    place: np.ndarray | None = None
    unit: float = 1.0


class CorStruct(RowStructure):
    """Abstract correlation structure: parameters, and the correlation of two positions."""

    form: str
    fixed: bool
    metric: str = "euclidean"
    stationary: bool = True  # correlation depends on differences of positions only
    needs_integers: bool = False  # positions are counted in whole steps
    compact: bool = False  # exactly zero beyond a distance
    kinked: bool = False  # and reaching zero with a slope
    spatial: bool = False  # positions may have several coordinates, ties in one of them are allowed

    @property
    def reaches_one(self) -> bool:
        """Whether all correlations of a group can be as near to one as one likes."""
        return True

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

    def unit(self, lattice: CorrelationGroups) -> float:
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

    def memory(self, lattice: CorrelationGroups) -> int | None:
        """How many rows before it a whitened row depends on; None for all of its group."""
        return None

    def dense(self, lattice: CorrelationGroups) -> bool:
        """Whether whitening factors a correlation matrix for every pattern of positions."""
        return self.memory(lattice) is None

    def whiten(
        self, w: Array, par: Array, lattice: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        """Multiply every group's rows by the inverse Cholesky factor of its correlation.

        Parameters
        ----------
        w : array, shape (..., c, n)
            Columns by rows, rows last and sorted.
        par : array, shape (..., k)
        lattice : CorrelationGroups

        Returns
        -------
        w : array, shape (..., c, n)
        half_logdet : array, shape (..., h)
            Half the log determinant of each group's correlation matrix.
        """
        return self.whiten_dense(w, par, lattice, xp)

    def whiten_dense(
        self, w: Array, par: Array, lattice: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        """Whiten through dense factors of the patterns.

        The definition that closed forms must equal.
        """
        blocks = lattice.blocks(self.stationary)
        if not xp.symbolic and np.all(lattice.sizes == lattice.sizes[0]):
            return self._whiten_equal_groups(w, par, lattice)
        padded = xp.concatenate([w, xp.zeros_like(w[..., :1])], axis=-1)
        pieces, halves, places, owners = [], [], [], []
        for k, block in enumerate(blocks):
            c = self.matrix(par, lattice, k, xp)
            white, log_diagonal = xp.whiten_patterns(c, block.pattern, padded[..., block.rows])
            inside = block.rows < lattice.n
            pieces.append(white[..., inside])
            places.append(block.rows[inside])
            halves.append(log_diagonal.sum(axis=-1)[..., block.pattern])
            owners.append(block.groups)
        back, home = np.argsort(np.concatenate(places)), np.argsort(np.concatenate(owners))
        return xp.concatenate(pieces, axis=-1)[..., back], xp.concatenate(halves, axis=-1)[
            ..., home
        ]

    def _whiten_equal_groups(
        self, w: np.ndarray, par: np.ndarray, lattice: CorrelationGroups
    ) -> tuple[np.ndarray, np.ndarray]:
        """As ``whiten_dense`` for groups of one size, without moving rows about."""
        (block,) = lattice.blocks(self.stationary)
        c = self.matrix(par, lattice, 0)
        groups = w.reshape(*w.shape[:-1], *block.rows.shape)
        white, log_diagonal = NUMPY.whiten_patterns(c, block.pattern, groups)
        half = log_diagonal.sum(axis=-1)[..., block.pattern]
        return white.reshape(*white.shape[:-2], -1), half

    def matrix(
        self, par: Array, lattice: CorrelationGroups, k: int, xp: Namespace = NUMPY
    ) -> Array:
        """Correlation matrices of the patterns of block ``k``.

        Shape (..., r, m, m); empty places are identity.
        """
        pairs = self.pairs(lattice, k)
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

    def pairs(self, lattice: CorrelationGroups, k: int) -> Pairs:
        """Pairs of block ``k``, computed once."""
        key = f"pairs{self.metric}{self.stationary}{k}"
        if key not in lattice.cache:
            lattice.cache[key] = self._pairs(lattice, lattice.blocks(self.stationary)[k])
        return lattice.cache[key]  # type: ignore[return-value]

    def _pairs(self, lattice: CorrelationGroups, block: PaddedGroups) -> Pairs:
        d = distances(block.patterns, self.metric)
        present = block.present[:, :, None] & block.present[:, None, :]
        apart = present & ~np.eye(d.shape[-1], dtype=bool)
        index = np.zeros(block.present.shape, dtype=int)
        if not self.stationary:
            ranks = np.unique(lattice.position[:, 0])
            index = np.where(
                block.present, np.searchsorted(ranks, np.nan_to_num(block.patterns[..., 0])), 0
            )
        pairs = Pairs(np.where(apart, d, 1.0), apart, index, unit=lattice.unit)
        return _with_few(pairs) if self.stationary and d.size > MANY else pairs


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


def half_logdet_by_group(terms: Array, lattice: CorrelationGroups, xp: Namespace) -> Array:
    """Half the log determinants (..., h) from the log innovation variances of the rows (..., n)."""
    return xp.segment_sum(0.5 * terms, lattice.starts)


def previous_rows(lattice: CorrelationGroups) -> np.ndarray:
    """Index of the row before, itself at the first row of a group; shape (n,)."""
    return np.where(lattice.first, np.arange(lattice.n), np.arange(lattice.n) - 1)


def whiten_markov(
    w: Array, r: Array, lattice: CorrelationGroups, xp: Namespace
) -> tuple[Array, Array]:
    """Whiten a first-order Markov process by scaled first differences; exact for any spacing.

    Parameters
    ----------
    w : array, shape (..., c, n)
    r : array, shape (..., n)
        Correlation of each row with the one before it; not read at the first row of a group.
    lattice : CorrelationGroups

    Returns
    -------
    As ``CorStruct.whiten``.
    """
    inner = (~lattice.first).astype(float)
    r = xp.where(lattice.first, 0.0, r)
    rest = 1.0 - r * r
    before = w[..., previous_rows(lattice)]
    white = (w - (r * inner)[..., None, :] * before) / xp.sqrt(rest)[..., None, :]
    return white, half_logdet_by_group(xp.log(rest), lattice, xp)
