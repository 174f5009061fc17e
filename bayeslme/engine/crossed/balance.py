"""What balance leaves of an elimination: groups that can change places, and their contrasts.

Where the groups g, h of a level can change places without any cross product changing (all items of
a complete design), each is to itself as D + E and to another as E. Orthogonal combinations of them
then fall apart: their mean, which meets all other columns, and contrasts, which meet nothing but
themselves, X and y. Each contrast has the same q by q cross products D, so that the dense matrix
shrinks to the means, and any number of contrasts is one small Cholesky factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.arrays import NUMPY
from bayeslme.engine.crossed.dense import Layout


@dataclass(frozen=True, slots=True)
class Contrasts:
    """Contrasts of the groups of a level that can change places.

    Attributes
    ----------
    stage : int
    members : int array, shape (m,)
        The groups.
    weights : array, shape (m - 1, m)
        Orthonormal rows that sum to zero.
    own : array, shape (r, q, q)
        D of each of the matrices that are combined.
    side : array, shape (r, m - 1, q, p + 1)
        Products with [X | y].
    """

    stage: int
    members: np.ndarray
    weights: np.ndarray
    own: np.ndarray
    side: np.ndarray

    def eliminate(
        self, combined: np.ndarray, a: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """L^-1 A' (t, q, q), U (t, m - 1, q, p + 1) and log|H| / 2 of all of them.

        Parameters
        ----------
        combined : array, shape (t, r)
            Weights of the matrices.
        a : array, shape (t, q, q)
        """
        own = (combined @ self.own.reshape(len(self.own), -1)).reshape(-1, *self.own.shape[1:])
        turned = np.swapaxes(a, -1, -2)
        lower = NUMPY.cholesky(turned @ own @ a + np.eye(a.shape[-1]))
        middle = np.linalg.inv(lower) @ turned
        side = (combined @ self.side.reshape(len(self.side), -1)).reshape(-1, *self.side.shape[1:])
        logs = np.log(np.diagonal(lower, axis1=-2, axis2=-1)).sum(axis=-1)
        return middle, middle[:, None] @ side, len(self.weights) * logs


@dataclass(frozen=True, slots=True)
class Balanced:
    """Matrices whose groups that can change places have been turned to means and contrasts.

    Attributes
    ----------
    layout : Layout
        A level's groups are the sets of groups that can change places.
    matrices : array, shape (r, w, w)
    contrasts : tuple of Contrasts
    members : tuple of tuples of int arrays
        Groups of each set, by level of the layout.
    """

    layout: Layout
    matrices: np.ndarray
    contrasts: tuple[Contrasts, ...]
    members: tuple[tuple[np.ndarray, ...], ...]

    def spread(self, effects: np.ndarray, at: int) -> np.ndarray:
        """Effects (t, q, G) of a level's groups from those (t, q, s) of its means."""
        count = sum(len(own) for own in self.members[at])
        out = np.empty((*effects.shape[:-1], count))
        for k, own in enumerate(self.members[at]):
            out[..., own] = effects[..., k, None] / np.sqrt(len(own))
        return out


def balance(layout: Layout, matrices: np.ndarray, tolerance: float) -> Balanced | None:
    """Look for groups that can change places in symmetric matrices (r, w, w), X and y apart.

    Parameters
    ----------
    layout : Layout
    matrices : array, shape (r, w, w)
    tolerance : float
        Share of a matrix's largest number that is rounding.

    Returns
    -------
    Balanced or None
        None where there are no such groups.
    """
    size = np.abs(matrices[:, : layout.c, : layout.c]).max(axis=(1, 2))
    least = tolerance * np.where(size > 0, size, 1.0)
    sets = [_sets(layout, matrices, at, least) for at in range(len(layout.stages))]
    if all(len(own) == count for own, count in zip(sets, layout.groups, strict=True)):
        return None
    reduced = Layout(layout.stages, layout.sizes, tuple(len(own) for own in sets), layout.fixed)
    turn, contrasts = np.zeros((reduced.width, layout.width)), []
    turn[reduced.c :, layout.c :] = np.eye(layout.fixed)
    for at, (stage, q) in enumerate(zip(layout.stages, layout.sizes, strict=True)):
        for k, members in enumerate(sets[at]):
            columns = np.stack([layout.column(stage, j, members) for j in range(q)])
            for j in range(q):
                row = reduced.column(stage, j, np.array(k))
                turn[row, columns[j]] = 1.0 / np.sqrt(len(members))
            if len(members) > 1:
                contrasts.append(_contrasts(layout, matrices, stage, members, columns))
    turned = turn @ matrices @ turn.T
    return Balanced(reduced, turned, tuple(contrasts), tuple(tuple(own) for own in sets))


def _sets(layout: Layout, matrices: np.ndarray, at: int, least: np.ndarray) -> list[np.ndarray]:
    """The groups of a level in sets of those that can change places."""
    q, count, place = layout.sizes[at], layout.groups[at], layout.places[at]
    alone = [np.array([g]) for g in range(count)]
    rows = matrices[:, place].reshape(-1, q, count, layout.width)
    own = rows[..., place].reshape(-1, q, count, q, count)  # [r, a, g, b, h]
    others = np.delete(np.arange(layout.c), np.arange(layout.c)[place])
    group = np.arange(count)
    said = [own[:, :, group, :, group], np.moveaxis(rows[..., others], 2, 0), own.sum(-1)]
    said[2] = np.moveaxis(said[2], 2, 0)
    scale = least[:, None, None]
    keys = np.concatenate(
        [np.round(one / (k * scale)).reshape(count, -1)
         for one, k in zip(said, (1.0, 1.0, count), strict=True)], axis=1,
    )  # fmt: skip
    _, code = np.unique(keys, axis=0, return_inverse=True)
    code = code.ravel()
    sets = [np.flatnonzero(code == k) for k in range(int(code.max()) + 1)]
    if len(sets) == count:
        return alone
    between = own.copy()
    between[:, :, group, :, group] = 0.0
    for one in sets:
        for other in sets:
            pairs = between[:, :, one][..., other]
            number = len(one) * len(other) - (len(one) if one is other else 0)
            mean = pairs.sum(axis=(2, 4), keepdims=True) / max(number, 1)
            apart = np.abs(pairs - mean)
            if one is other:
                apart[:, :, np.arange(len(one)), :, np.arange(len(one))] = 0.0
            if np.any(apart.max(axis=(1, 2, 3, 4)) > least):
                return alone
    return sets


def _contrasts(
    layout: Layout, matrices: np.ndarray, stage: int, members: np.ndarray, columns: np.ndarray
) -> Contrasts:
    weights = _helmert(len(members))
    q, side = len(columns), matrices[:, columns][..., layout.c :]  # (r, q, m, p + 1)
    first, second = columns[:, 0], columns[:, 1]
    own = matrices[:, first[:, None], first] - matrices[:, first[:, None], second]
    turned = np.einsum("km,rqmp->rkqp", weights, side)
    return Contrasts(stage, members, weights, own.reshape(-1, q, q), turned)


def _helmert(m: int) -> np.ndarray:
    """Orthonormal contrasts (m - 1, m): each group with the mean of those before it."""
    out = np.tril(np.ones((m, m)), -1)[1:]
    k = np.arange(1, m)
    out[np.arange(m - 1), k] = -k
    return np.asarray(out / np.sqrt(k * (k + 1.0))[:, None])
