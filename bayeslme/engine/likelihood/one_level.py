"""One level of random effects on known rows: elimination and its derivatives in a single pass.

The rows of each group are taken apart as in `reproduced_rows`: T (q, q) are the effects' columns
and Y (q, c) the others, [X | y], within the span of the effects. With M = A A' and

    K = I + T M T' = L L',    V = L^-1 [Y | T],    F = V_T' V_Y = T' K^-1 Y,    C = V_T' V_T,

a group adds V_Y' V_Y to the block of [X | y] and log|K| / 2 to the log determinant. A change dM of
M changes them by -F' dM F and tr(C dM) / 2. The sums over groups of F F' and C are therefore all
that derivatives need: they are formed beside the values, and what is to be differentiated may be
chosen afterwards. A group costs some forty operations for an intercept and a slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.engine.likelihood.settings import LIKELIHOOD

PAIR = 2  # effects: their second pivot is the determinant over the first


@dataclass(frozen=True, slots=True)
class OneLevelSums:
    """Sums over the groups; leading axes (b) are batches.

    Attributes
    ----------
    block : array, shape (b, c, c)
        Sum of Y' K^-1 Y.
    half_logdet : array, shape (b,)
        Sum of log|K| / 2.
    products : array, shape (b, q, c, q, c), or None
        Sum of F_j F_k' for each pair of effects.
    curvature : array, shape (b, q, q), or None
        Sum of C.
    """

    block: np.ndarray
    half_logdet: np.ndarray
    products: np.ndarray | None
    curvature: np.ndarray | None


class OneLevel:
    """Groups whose rows are taken apart.

    Parameters
    ----------
    upper : array, shape (q, q, G)
        T, upper triangular.
    rows : array, shape (q, c, G)
        Y.
    weight : float
        Groups that each of these stands for.
    """

    def __init__(self, upper: np.ndarray, rows: np.ndarray, weight: float = 1.0) -> None:
        self.q, self.c, self.n_groups = rows.shape
        self.upper, self.weight = upper, weight
        self.rows = np.concatenate([rows, upper], axis=1)

    def thinned(self, step: int) -> OneLevel:
        """Every ``step``-th group, standing for as many."""
        some = self.rows[..., ::step]
        weight = self.n_groups / some.shape[-1]
        return OneLevel(np.ascontiguousarray(self.upper[..., ::step]), some[:, : self.c], weight)

    def sums(self, factor: np.ndarray, *, slopes: bool) -> OneLevelSums:
        """Sum over the groups at standard relative factors A (b, q, q).

        Parameters
        ----------
        factor : array, shape (b, q, q)
        slopes : bool
            Form what derivatives need.
        """
        b, q, c = len(factor), self.q, self.c
        block, half = np.zeros((b, c, c)), np.zeros(b)
        products = np.zeros((b, q * c, q * c)) if slopes else None
        curvature = np.zeros((b, q, q)) if slopes else None
        width = c + q if slopes else c
        groups = max(1, min(self.n_groups, LIKELIHOOD.block_numbers // width))
        points = max(1, LIKELIHOOD.block_numbers // (width * groups))
        for first in range(0, self.n_groups, groups):
            own = slice(first, first + groups)
            for start in range(0, b, points):
                some = slice(start, start + points)
                rows, logs = self._eliminated(factor[some], own, width)
                half[some] += logs
                for row in rows:
                    block[some] += row[..., :c, :] @ np.swapaxes(row[..., :c, :], -1, -2)
                if products is not None and curvature is not None:
                    self._add_slopes(rows, products[some], curvature[some])
        if products is None or curvature is None:
            return OneLevelSums(self.weight * block, self.weight * half, None, None)
        products = products.reshape(b, q, c, q, c)
        parts = (block, half, products, curvature)
        return OneLevelSums(*(self.weight * part for part in parts))

    def _eliminated(
        self, factor: np.ndarray, own: slice, width: int
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Rows of V (b, width, g), one for each effect, and the sum of log|K| / 2 over groups."""
        q, upper = self.q, self.upper[..., own]
        if q == 1:
            pivot = np.square(factor[..., 0] * upper[0]) + 1.0
            row = self.rows[0, :width, own] / np.sqrt(pivot)[:, None, :]
            return [row], 0.5 * np.log(pivot).sum(axis=-1)
        effects = []  # T A, row by row: T is upper triangular
        for i in range(q):
            total = upper[i, i] * factor[:, i, :, None]
            for j in range(i + 1, q):
                total += upper[i, j] * factor[:, j, :, None]
            effects.append(total)
        rows: list[np.ndarray] = []
        lower: list[list[np.ndarray]] = []
        logs = np.zeros(len(factor))
        for i in range(q):
            entries: list[np.ndarray] = []
            row = self.rows[i, :width, own]
            for m in range(i):
                entry = (effects[i] * effects[m]).sum(axis=1)
                for k in range(m):
                    entry -= entries[k] * lower[m][k]
                entry /= lower[m][m]
                entries.append(entry)
                row = row - entry[:, None, :] * rows[m]
            pivot = self._pivot(effects, entries, factor, upper)
            logs += 0.5 * np.log(pivot).sum(axis=-1)
            pivot = np.sqrt(pivot)
            lower.append([*entries, pivot])
            rows.append(row / pivot[:, None, :])
        return rows, logs

    def _pivot(
        self,
        effects: list[np.ndarray],
        entries: list[np.ndarray],
        factor: np.ndarray,
        upper: np.ndarray,
    ) -> np.ndarray:
        """Square of the next pivot (b, g) of K; of two effects without a subtraction."""
        i = len(entries)
        own: np.ndarray = np.square(effects[i]).sum(axis=1)
        own += 1.0
        if self.q == PAIR and i == 1:
            first = 1.0 + np.square(effects[0]).sum(axis=1)
            whole = upper[0, 0] * upper[1, 1] * np.linalg.det(factor)[:, None]
            return np.asarray((own + (first - 1.0) + np.square(whole)) / first)
        for entry in entries:
            own -= np.square(entry)
        return own

    def _add_slopes(
        self, rows: list[np.ndarray], products: np.ndarray, curvature: np.ndarray
    ) -> None:
        """Add the groups' F F' (b, q c, q c) and C (b, q, q)."""
        c, q = self.c, self.q
        b, _, g = rows[0].shape
        found = np.empty((b, q, c, g))
        for j in range(q):
            np.multiply(rows[0][:, c + j, None, :], rows[0][:, :c, :], out=found[:, j])
            for row in rows[1:]:
                found[:, j] += row[:, c + j, None, :] * row[:, :c, :]
        flat = found.reshape(b, q * c, g)
        products += flat @ np.swapaxes(flat, -1, -2)
        for row in rows:
            curvature += row[:, c:, :] @ np.swapaxes(row[:, c:, :], -1, -2)

    def modes(self, factor: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Conditional modes (q, G) of the effects on the standard scale.

        Parameters
        ----------
        factor : array, shape (q, q)
        beta : array, shape (c - 1,)
            Coefficients on the engine's scale.
        """
        found = np.empty((self.q, self.n_groups))
        square = factor @ factor.T
        given = np.append(-beta, 1.0)
        groups = max(1, LIKELIHOOD.block_numbers // (self.c + self.q))
        for first in range(0, self.n_groups, groups):
            own = slice(first, first + groups)
            rows, _ = self._eliminated(factor[None], own, self.c + self.q)
            right = sum(row[0, self.c :] * (given @ row[0, : self.c]) for row in rows)
            found[:, own] = square @ right
        return found


def one_level_adjoint(sums: OneLevelSums, block: np.ndarray) -> np.ndarray:
    """Twice the derivative (b, q, q) of the log-likelihood by M, so that times A it is that by A.

    Parameters
    ----------
    sums : OneLevelSums
        With slopes.
    block : array, shape (b, c, c)
        Derivative by the block.
    """
    if sums.products is None or sums.curvature is None:
        msg = "the sums have been formed without slopes"
        raise ValueError(msg)
    b, q = sums.curvature.shape[:2]
    flat = np.moveaxis(sums.products, 2, 3).reshape(b, q * q, -1)
    own = (flat @ block.reshape(b, -1, 1)).reshape(b, q, q)
    return np.asarray(-2.0 * own - sums.curvature)
