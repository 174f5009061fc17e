"""Known matrices of covariances among groups: labelled, checked, and taken apart for some groups.

With A = (A_oo, A_oe; A_eo, A_ee) of the groups with rows (o) and the others (e), and A_oo = F F' by
its Cholesky factor or its eigenvalues, effects are b_o = F u of independent u, and b_e = A_eo F^+'u
plus what is left, of the covariance A_ee - A_eo A_oo^+ A_oe. Groups without rows cost nothing, and
a singular A (clones, duplicated individuals) only makes u shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bayeslme.errors import DataError, SpecError, listed
from bayeslme.structures import settings


@dataclass(frozen=True, eq=False)
class RelationMatrix:
    """A symmetric positive semidefinite matrix among the levels of a factor.

    Attributes
    ----------
    values : array, shape (m, m)
    labels : tuple of str, or None
        None where rows and columns have no names.
    counted : bool
        Whether the labels are pandas' own, 0, 1, ...
    name : str
        How calls name the matrix.
    """

    values: np.ndarray
    labels: tuple[str, ...] | None
    counted: bool = False
    name: str = "A"

    @classmethod
    def of(cls, given: Any, who: str) -> RelationMatrix:
        """Check a data frame or an array; ``who`` names the structure in errors.

        Raises
        ------
        SpecError
            For what is no matrix, not symmetric or not positive semidefinite, and for labels that
            stand twice or differ between rows and columns.
        """
        if isinstance(given, RelationMatrix):
            return given
        rows, columns = (getattr(given, name, None) for name in ("index", "columns"))
        framed = rows is not None and columns is not None
        values = _numbers(given, who)
        labels, counted = None, False
        if framed:
            labels, order = _labels(rows, columns, who)
            values = values[:, order]
            counted = labels == tuple(map(str, range(len(labels)))) and not _texts(rows, columns)
        _check(values, labels, who)
        values = 0.5 * (values + values.T)
        values.flags.writeable = False
        return cls(values, labels, counted)

    def __eq__(self, other: object) -> bool:
        """Whether another one has the same labels and numbers."""
        if not isinstance(other, RelationMatrix):
            return NotImplemented
        return self.labels == other.labels and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        """From the size and labels."""
        return hash((self.values.shape, self.labels))

    def __repr__(self) -> str:
        """The name, by which calls are written."""
        return self.name

    @cached_property
    def size(self) -> float:
        """Root mean square of the standard deviations: 1 of a correlation matrix."""
        return float(np.sqrt(np.mean(np.diagonal(self.values)))) or 1.0

    def among(self, groups: Sequence[str], *, ordered: bool, who: str) -> Related:
        """The matrix of groups with rows, and of its other levels given these.

        Parameters
        ----------
        groups : sequence of str
            Labels of the groups with rows.
        ordered : bool
            Whether the groups are all levels of a factor, in an order that cannot be mistaken, so
            that a matrix without labels has it too.
        who : str

        Raises
        ------
        DataError
            For a group that is no level of the matrix, and for a matrix without labels where the
            order of the levels is not certain.
        """
        labels = self.labels
        if labels is None or (self.counted and "0" not in groups):
            if not ordered or len(groups) != len(self.values):
                raise DataError(
                    f"{who}: the matrix ({len(self.values)} levels) has no labels, and the "
                    f"{len(groups)} groups no order that is certain; give a DataFrame whose index "
                    "and columns are the groups' labels"
                )
            labels = tuple(groups)
        place = {label: k for k, label in enumerate(labels)}
        absent = [group for group in groups if group not in place]
        if absent:
            some = listed(absent[: settings.STRUCTURES.names_in_errors], quote="'")
            more = "" if len(absent) <= settings.STRUCTURES.names_in_errors else ", ..."
            raise DataError(
                f"{who}: {some:.160}{more} of the data ({len(absent)} groups) are no levels of the "
                "matrix; add them to it, or leave their rows out"
            )
        own = np.array([place[group] for group in groups], dtype=np.intp)
        if not np.any(np.diagonal(self.values)[own] > 0.0):
            raise DataError(
                f"{who}: the matrix is 0 for all groups of the data; leave the term out"
            )
        others = np.setdiff1d(np.arange(len(labels)), own)
        return Related.of(self.values, own, others, tuple(labels[k] for k in others.tolist()))


@dataclass(frozen=True, eq=False)
class Related:
    """How the effects of a level's groups hang together, those without rows among them.

    Attributes
    ----------
    labels : tuple of str, length E
        Levels of the matrix without rows.
    loadings : array, shape (G + E, r)
        Effects by independent u: the groups with rows, then the others given these.
    inverse : array, shape (r, G)
        From the effects of the groups with rows to u.
    left : array, shape (G + E,)
        Variance that u leaves, 0 for the groups with rows.
    matrix : array, shape (G + E, G + E)
        In this order.
    """

    labels: tuple[str, ...]
    loadings: np.ndarray
    inverse: np.ndarray
    left: np.ndarray
    matrix: np.ndarray

    @classmethod
    def of(
        cls, values: np.ndarray, own: np.ndarray, others: np.ndarray, labels: tuple[str, ...]
    ) -> Related:
        """Of the rows ``own`` (G,) and ``others`` (E,) of a matrix."""
        f, inverse = _root(values[np.ix_(own, own)])
        further = values[np.ix_(others, own)] @ inverse.T
        rest = np.diagonal(values)[others] - np.square(further).sum(axis=1)
        left = np.concatenate([np.zeros(len(own)), np.maximum(rest, 0.0)])
        order = np.concatenate([own, others])
        return cls(
            labels, np.concatenate([f, further]), inverse, left, values[np.ix_(order, order)]
        )

    @property
    def n_groups(self) -> int:
        """Number of groups with rows."""
        return int(self.inverse.shape[1])

    @property
    def rank(self) -> int:
        """Number r of independent effects."""
        return int(self.loadings.shape[1])

    @property
    def root(self) -> np.ndarray:
        """F (G, r), with F F' the covariance among the groups with rows."""
        return self.loadings[: self.n_groups]

    def correlated(self, spherical: np.ndarray) -> np.ndarray:
        """Effects (..., G, q) of the groups with rows from independent ones (..., G, q)."""
        return np.asarray(self.root @ spherical[..., : self.rank, :])

    def extended(self, effects: np.ndarray) -> np.ndarray:
        """Effects (..., G, q), and below them the expected ones of the levels without rows."""
        if not self.labels:
            return effects
        more = self.loadings[self.n_groups :] @ (self.inverse @ effects)
        return np.concatenate([effects, more], axis=-2)

    def unexplained(self, levels: np.ndarray) -> np.ndarray:
        """Root (e, e) of the covariance that groups with rows leave among other levels (e,)."""
        own = self.loadings[levels]
        rest = self.matrix[np.ix_(levels, levels)] - own @ own.T
        share, vectors = np.linalg.eigh(rest)
        return np.asarray(vectors * np.sqrt(np.maximum(share, 0.0)))


def _root(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F (G, r) with F F' a positive semidefinite matrix, and F^+ (r, G).

    The Cholesky factor, which takes a tenth of the time, where the matrix is clearly regular.
    """
    try:
        lower = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        lower = np.zeros_like(matrix)
    pivots = np.square(np.diagonal(lower))
    if pivots.min() > settings.STRUCTURES.clear_pivot * pivots.max():
        return lower, np.linalg.inv(lower)
    share, vectors = np.linalg.eigh(matrix)
    kept = share > len(matrix) * np.finfo(float).eps * max(float(share[-1]), 0.0)
    root = np.sqrt(share[kept])
    return vectors[:, kept] * root, (vectors[:, kept] / root).T


def _numbers(given: Any, who: str) -> np.ndarray:
    try:
        values = np.array(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{who}: the matrix A holds no numbers ({str(error)[:80]})") from error
    if values.ndim != 2 or values.shape[0] != values.shape[1] or not len(values):  # noqa: PLR2004
        shape = " x ".join(map(str, values.shape)) or "a single number"
        raise SpecError(f"{who}: A is a square matrix, with a row for every level, not {shape}")
    return values


def _labels(rows: Any, columns: Any, who: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels of the rows, and the place of the column of each."""
    own, other = (tuple(map(_label, axis.tolist())) for axis in (rows, columns))
    for labels in (own, other):
        if len(set(labels)) < len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise SpecError(
                f"{who}: the label '{twice:.60}' stands twice in A; each level has one row"
            )
    if set(own) != set(other):
        odd = next(label for label in (*own, *other) if (label in own) != (label in other))
        raise SpecError(
            f"{who}: rows and columns of A are labelled differently ('{odd:.60}' is in one of them "
            "only); index and columns both hold the levels"
        )
    place = {label: k for k, label in enumerate(other)}
    return own, np.array([place[label] for label in own], dtype=np.intp)


def _label(value: Any) -> str:
    """A level as R names it: whole numbers without a point."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _texts(*axes: Any) -> bool:
    return any(isinstance(value, str) for axis in axes for value in axis)


def _check(values: np.ndarray, labels: tuple[str, ...] | None, who: str) -> None:
    def name(k: int) -> str:
        return f"'{labels[k]:.40}'" if labels is not None else str(k + 1)

    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        i, j = bad[0].tolist()
        raise SpecError(f"{who}: A is not finite at row {name(i)}, column {name(j)}")
    limits = settings.STRUCTURES
    largest = float(np.max(np.abs(values))) or 1.0
    i, j = np.unravel_index(int(np.argmax(np.abs(values - values.T))), values.shape)
    if abs(values[i, j] - values[j, i]) > limits.asymmetry * largest:
        raise SpecError(
            f"{who}: A is not symmetric: {values[i, j]:.6g} at row {name(int(i))}, column "
            f"{name(int(j))}, but {values[j, i]:.6g} the other way round"
        )
    size = limits.negative_share * largest
    try:
        np.linalg.cholesky(0.5 * (values + values.T) + size * np.eye(len(values)))
    except np.linalg.LinAlgError:
        least = float(np.linalg.eigvalsh(0.5 * (values + values.T))[0])
        raise SpecError(
            f"{who}: A is not positive semidefinite: its smallest eigenvalue is {least:.3g}; a "
            "covariance has none below 0"
        ) from None
