"""Best linear unbiased prediction of new rows, and its error.

A target t = x' beta + sum_k z_k' b_k joins the elimination as one more column of the normal
equations. With a = A' z, eliminating the random effects leaves

    var(t | y, beta) / sigma^2 = |L^-1 a|^2,      x - U_x' L^-1 a  (X's part),  -U_y' L^-1 a  (y's)

and the error of beta-hat enters through X's part: the covariance of Henderson's mixed model
equations (Robinson 1991, Statistical Science 6, 15), variance parameters taken as known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.arrays import NUMPY
from bayeslme.engine.estimate import Estimate
from bayeslme.engine.likelihood.eliminate import Eliminated, eliminate
from bayeslme.engine.likelihood.whiten import gram, whiten


@dataclass(frozen=True, slots=True)
class Targets:
    """Linear functions of the coefficients and the random effects; m targets.

    Attributes
    ----------
    X : array, shape (m, p)
    Z : tuple of arrays (m, q), outermost level first
        One for each level of the model; zeros where a level has no part.
    code : tuple of int arrays (m,), outermost level first
        Group of each target; -1 where it is unknown, which makes the prediction NaN.
    zero_unknown : bool
        Predict the effects of unknown groups as 0 instead, with their own variance.
    """

    X: np.ndarray
    Z: tuple[np.ndarray, ...]
    code: tuple[np.ndarray, ...]
    zero_unknown: bool = False

    @property
    def known(self) -> np.ndarray:
        """Whether each target has a prediction, (m,)."""
        out = np.ones(len(self.X), dtype=bool)
        for code in () if self.zero_unknown else self.code:
            out &= code >= 0
        return out

    def unseen(self, factors: tuple[np.ndarray, ...]) -> tuple[Targets, np.ndarray]:
        """The targets without the effects of unknown groups, and the variance (m,) of these.

        The variance is relative to sigma^2; factors (q, q) are those of the levels.
        """
        Z, code, spread = [], [], np.zeros(len(self.X))
        for z, own, factor in zip(self.Z, self.code, factors, strict=True):
            new = own < 0
            spread += np.where(new, np.square(z @ factor).sum(axis=1), 0.0)
            Z.append(np.where(new[:, None], 0.0, z))
            code.append(np.maximum(own, 0))
        return Targets(self.X, tuple(Z), tuple(code)), spread


@dataclass(frozen=True, slots=True)
class Residuals:
    """What the observed residuals say of the targets' own residuals.

    Attributes
    ----------
    carried : array, shape (m, c)
        k' W: the whitened columns [Z_K ... Z_1 | X | y] of the observed rows, weighted.
    left : array, shape (m,)
        Variance that is left, over sigma^2.
    """

    carried: np.ndarray
    left: np.ndarray


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions of the targets.

    Attributes
    ----------
    mean : array, shape (m,)
    variance : array, shape (m,)
        Of the target less its prediction.
    """

    mean: np.ndarray
    variance: np.ndarray


def whitened_columns(found: Estimate) -> np.ndarray:
    """Columns [Z_K ... Z_1 | X | y] (c, n) freed of the estimated residual structure."""
    problem = found.problem
    return np.asarray(whiten(problem, found.corstruct, found.varfunc).columns)


def blup(
    found: Estimate,
    targets: Targets,
    columns: np.ndarray,
    residuals: Residuals | None = None,
    *,
    with_beta: bool = True,
) -> Predicted:
    """Predict targets, with the error variance of every one.

    Parameters
    ----------
    found : Estimate
    targets : Targets
    columns : array, shape (c, n)
        From `whitened_columns`.
    residuals : Residuals, optional
        Adds each target's own residual, predicted from the observed ones.
    with_beta : bool
        Count the error of the coefficients; without it they are taken as known.

    Returns
    -------
    Predicted
    """
    problem, p = found.problem, found.problem.p
    factors = tuple(
        stage.basis @ lam for stage, lam in zip(problem.stages, found.factors[::-1], strict=True)
    )
    e = eliminate(problem, gram(problem, columns), factors)
    known = targets.known
    targets, unseen = targets.unseen(found.factors)
    rows = standard_rows(found, targets)
    if residuals is not None:
        rows = rows - residuals.carried
    rest, spread = _reduce(found, e, factors, rows, targets.code)
    root = NUMPY.cholesky(e.block)[:p, :p]
    through_beta = np.linalg.solve(root, rest[:, :p].T).T
    beta = problem.x_basis @ (found.beta - problem.shift)
    mean = rest[:, :p] @ beta - rest[:, p] + targets.X @ problem.shift
    spread = spread + unseen
    if with_beta:
        spread = spread + np.square(through_beta).sum(axis=1)
    if residuals is not None:
        spread = spread + residuals.left
    return Predicted(
        np.where(known, mean, np.nan), np.where(known, found.sigma**2 * spread, np.nan)
    )


def standard_rows(found: Estimate, targets: Targets) -> np.ndarray:
    """Targets (m, c) as rows of the engine's columns [Z_K ... Z_1 | X | y], y's part zero."""
    problem = found.problem
    parts = [
        np.linalg.solve(stage.basis.T, z.T).T
        for stage, z in zip(problem.stages, targets.Z[::-1], strict=True)
    ]
    x = np.linalg.solve(problem.x_basis.T, targets.X.T).T
    return np.concatenate([*parts, x, np.zeros((len(x), 1))], axis=1)


def _reduce(
    found: Estimate,
    e: Eliminated,
    factors: tuple[np.ndarray, ...],
    rows: np.ndarray,
    code: tuple[np.ndarray, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Eliminate every target's own groups: what is left of it (m, p + 1), and |L^-1 a|^2 (m,)."""
    spread = np.zeros(len(rows))
    for stage, upper, outer, a, group in zip(
        found.problem.stages, e.upper, e.rest, factors, code[::-1], strict=True
    ):
        right = rows[:, : stage.q] @ a
        lower = np.moveaxis(upper, -1, 0)[group].swapaxes(-1, -2)
        v = np.linalg.solve(lower, right[..., None])[..., 0]
        spread = spread + np.square(v).sum(axis=1)
        rows = rows[:, stage.q :] - np.einsum("mqc,mq->mc", np.moveaxis(outer, -1, 0)[group], v)
    return rows, spread
