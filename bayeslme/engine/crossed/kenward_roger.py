"""What Kenward and Roger's method needs of a crossed model, level by level, never n x n.

In rows freed of the residual structure V is sigma^2 (I + Z A A' Z'), whose inverse is P / sigma^2
with P = I - Z C Z' and C = A (A' Z'Z A + I)^-1 A'. The traces are sums over blocks of matrices with
a row and a column for every random effect, such as Z'PZ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from bayeslme.arrays import NUMPY
from bayeslme.engine.crossed.patterns import as_array
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.inference import settings
from bayeslme.engine.inference.response_covariance import (
    Bending,
    Residual,
    linear_basis,
    standard_covariance,
)
from bayeslme.errors import FitError


class CrossedCovariance:
    """The covariance of the responses of a crossed model and the parameters it moves with.

    Parameters
    ----------
    found : Estimate

    Raises
    ------
    FitError
        For more random effects than ``max_kenward_roger_columns``, or correlation groups of more
        than ``INFERENCE.max_group_rows`` rows.
    """

    def __init__(self, found: Estimate) -> None:
        self.found, self.problem = found, found.problem
        stages = self.problem.stages
        self.counts = [stage.n_independent for stage in stages]
        widths = [stage.q * n for stage, n in zip(stages, self.counts, strict=True)]
        self.columns = np.cumsum([0, *widths])
        most = CROSSED.max_kenward_roger_columns
        if self.columns[-1] > most:
            msg = (
                f"df: 'kenward-roger' needs dense matrices of all {self.columns[-1]} crossed "
                f"random effects, more than {most}; use 'satterthwaite'"
            )
            raise FitError(msg)
        self.bases = [linear_basis(stage) for stage in stages]
        self.residual = Residual(found)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(len(basis) for basis in self.bases) + self.residual.size

    def coordinates(self, found: Estimate) -> np.ndarray:
        """The parameters (m,) of an estimate of the same model."""
        stages = zip(self.bases, self.problem.stages, strict=True)
        parts = [
            np.einsum("kij,ij->k", basis, standard_covariance(stage, found))
            for basis, stage in stages
        ]
        return np.concatenate([*parts, self.residual.coordinates(found)])

    def sums(
        self, bending: Bending | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """X'V^-1X (p, p), P (m, p, p), Q (m, m, p, p), the traces (m, m) and the bent part (p, p).

        As `bayeslme.engine.inference.kenward_roger` has them.
        """
        root, moves, bent = self._residual_parts(bending)
        p, sigma2 = self.problem.p, self.found.sigma**2
        x = np.asarray(root @ self.problem.columns[-1 - p : -1].T)
        z = (root @ self._effects()).tocsr()
        zt = z.T.tocsr()
        s = as_array(zt @ z)
        c = self._middle(s)
        left = x - z @ (c @ (zt @ x))  # P X
        pulled = np.asarray(zt @ left)
        f = [np.asarray(z @ w) / sigma2 for w in self._random_moves(pulled)]
        f += [np.asarray(t @ left) for t in moves]
        zf = [np.asarray(zt @ one) for one in f]
        q = np.array(
            [[a.T @ b - za.T @ c @ zb for b, zb in zip(f, zf, strict=True)]
             for a, za in zip(f, zf, strict=True)]
        )  # fmt: skip
        slopes = -np.array([left.T @ one for one in f])
        traces = self._traces(z, zt, s, c, moves)
        return (
            x.T @ left / sigma2,
            slopes / sigma2,
            q / sigma2,
            traces,
            left.T @ bent @ left / sigma2,
        )

    def _effects(self) -> Any:
        """Standard random-effects columns of all stages (n, C)."""
        problem, crossed = self.problem, self.problem.crossed
        if crossed is None:
            raise TypeError("a crossed problem is needed")
        n, at, parts = problem.n, 0, []
        for k, stage in enumerate(problem.stages):
            values = problem.columns[at : at + stage.q].T
            column = crossed.code[k][:, None] * stage.q + np.arange(stage.q)
            starts = np.arange(n + 1) * stage.q
            shape = (n, stage.q * stage.n_groups)
            own = sparse.csr_array((values.ravel(), column.ravel(), starts), shape=shape)
            if stage.related is not None:
                root = sparse.csr_array(np.kron(stage.related.root, np.eye(stage.q)))
                own = (own @ root).tocsr()
            parts.append(own)
            at += stage.q
        return sparse.hstack(parts, format="csr")

    def _residual_parts(self, bending: Bending | None) -> tuple[Any, list[Any], Any]:
        """R^-1/2 (n, n) relative to sigma^2, and R^-1/2 R_k R^-T/2 for the residual parameters.

        And this with the second derivatives of ``bending``.
        """
        problem, residual = self.problem, self.residual
        nothing = sparse.csr_array((problem.n, problem.n))
        if residual.linear and problem.correlation is None and problem.variance is None:
            unit = sparse.eye_array(problem.n, format="csr")
            return unit, [2.0 * unit] * residual.size, nothing
        groups = list(self._groups())
        sigma2 = self.found.sigma**2
        roots, moves, bends = [], [], []
        for rows in groups:
            own, slopes = residual.differences(rows)
            lower = NUMPY.cholesky(own / sigma2)
            inverse = np.linalg.inv(lower)
            turned = np.swapaxes(inverse, -1, -2)
            roots.append(inverse)
            moves.append(inverse @ (slopes / sigma2) @ turned)
            if bending is not None:
                bends.append(inverse @ (bending.at(rows) / sigma2) @ turned)
        by_parameter = [[one[k] for one in moves] for k in range(residual.size)]
        return (
            _diagonal(groups, roots, problem.n),
            [_diagonal(groups, blocks, problem.n) for blocks in by_parameter],
            _diagonal(groups, bends, problem.n) if bends else nothing,
        )

    def _groups(self) -> Iterator[np.ndarray]:
        """Rows (h, r) of the correlation groups of r rows each, as many as are handled together."""
        corr, n = self.problem.correlation, self.problem.n
        starts = np.arange(n) if corr is None else corr.coords.starts
        sizes = np.diff(np.append(starts, n))
        most = settings.INFERENCE.max_group_rows
        if int(np.max(sizes)) > most:
            msg = (
                "df: 'kenward-roger' needs dense matrices of a correlation group's rows, at most "
                f"{most}; use 'satterthwaite'"
            )
            raise FitError(msg)
        for r in np.unique(sizes):
            own = starts[sizes == r]
            step = max(1, settings.INFERENCE.numbers_at_once // int((2 * self.size + 1) * r**2))
            for first in range(0, len(own), step):
                yield own[first : first + step, None] + np.arange(r)

    def _middle(self, s: np.ndarray) -> np.ndarray:
        """C = A H^-1 A'."""
        pairs = zip(self.counts, self.problem.stages, self.found.factors[::-1], strict=True)
        blocks = [
            sparse.kron(sparse.eye_array(n), sparse.coo_array(stage.basis @ own), format="csr")
            for n, stage, own in pairs
        ]
        a = sparse.block_diag(blocks, format="csr")
        h = a.T @ (a.T @ s).T
        h[np.diag_indices(len(h))] += 1.0
        return np.asarray(a @ cho_solve(cho_factor(h, lower=True), a.T.toarray()))

    def _random_moves(self, pulled: np.ndarray) -> list[np.ndarray]:
        """E_k Z'PX (C, p) for each parameter of the random effects."""
        out = []
        for k, stage in enumerate(self.problem.stages):
            place = slice(self.columns[k], self.columns[k + 1])
            own = pulled[place].reshape(self.counts[k], stage.q, -1)
            for e in self.bases[k]:
                full = np.zeros_like(pulled)
                full[place] = (e @ own).reshape(-1, pulled.shape[1])
                out.append(full)
        return out

    def _traces(
        self,
        z: Any,
        zt: Any,
        s: np.ndarray,
        c: np.ndarray,
        moves: list[Any],
    ) -> np.ndarray:
        """Trace of V^-1 V_k V^-1 V_l for all pairs of parameters."""
        sc = s @ c
        inner = s - sc @ s  # Z'PZ
        m = self.size
        out = np.zeros((m, m))
        random = self._pairs()
        sigma2 = self.found.sigma**2
        for i, (k, e) in enumerate(random):
            for j, (other, d) in enumerate(random[: i + 1]):
                block = self._blocks(inner, k, other)
                turned = np.einsum("ab,gbhc,cd->gahd", e, block, d, optimize=True)
                out[i, j] = np.vdot(turned, block) / sigma2**2
        first = len(random)
        squares = [as_array(zt @ (t @ z)) for t in moves]
        for r, (t, square) in enumerate(zip(moves, squares, strict=True)):
            shared = square - sc @ square
            shared = shared - shared @ sc.T  # Z'P T P Z
            for i, (k, e) in enumerate(random):
                own = self._blocks(shared, k, k)
                out[first + r, i] = np.einsum("ab,gbga->", e, own) / sigma2
            for o in range(r + 1):
                joint = as_array(zt @ (t @ (moves[o] @ z)))
                value = float((t.multiply(moves[o].T)).sum()) - 2.0 * float(np.vdot(c, joint))
                out[first + r, first + o] = value + float(np.vdot((c @ square).T, c @ squares[o]))
        return np.asarray(np.tril(out) + np.tril(out, -1).T)

    def _pairs(self) -> list[tuple[int, np.ndarray]]:
        return [(k, e) for k, basis in enumerate(self.bases) for e in basis]

    def _blocks(self, matrix: np.ndarray, k: int, other: int) -> np.ndarray:
        """The block of two stages, (G_k, q_k, G_l, q_l)."""
        one, two = self.problem.stages[k], self.problem.stages[other]
        rows, columns = self.columns[k : k + 2], self.columns[other : other + 2]
        own = matrix[rows[0] : rows[1], columns[0] : columns[1]]
        return own.reshape(self.counts[k], one.q, self.counts[other], two.q)


def _diagonal(groups: list[np.ndarray], blocks: list[np.ndarray], n: int) -> Any:
    """Blocks (h, r, r) of the rows (h, r) of groups, as one matrix (n, n)."""
    row = np.concatenate([np.repeat(g, g.shape[1], axis=1).ravel() for g in groups])
    column = np.concatenate([np.tile(g, (1, g.shape[1])).ravel() for g in groups])
    values = np.concatenate([block.ravel() for block in blocks])
    out = sparse.coo_array((values, (row, column)), shape=(n, n)).tocsr()
    out.eliminate_zeros()
    return out
