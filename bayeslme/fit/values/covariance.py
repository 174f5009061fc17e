"""Covariance and correlation of the responses, in numbers or in symbols."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import Design, Level
from bayeslme.engine import Estimate
from bayeslme.engine.prediction import settings
from bayeslme.engine.prediction.residuals import colour_groups
from bayeslme.errors import FitError
from bayeslme.structures import CorrelationGroups

if TYPE_CHECKING:
    from bayeslme.fit.row_verbs import RowVerbs


FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Correlated:
    """Groups of similar size that share patterns of positions.

    Attributes
    ----------
    rows : (h, m) int array
        Row of the design at each place; n where a place is empty.
    pattern : (h,) int array
        Pattern of each group.
    matrices : (r, m, m) array
        Correlation matrix of each pattern, identity in empty places.
    """

    rows: IntArray
    pattern: IntArray
    matrices: FloatArray


def correlated(estimate: Estimate) -> Iterator[Correlated]:
    """Correlation matrices of all groups; nothing where residuals are independent.

    Raises
    ------
    FitError
        Where a group is too long for a dense matrix.
    """
    problem = estimate.problem
    if problem.correlation is None:
        return
    structure, positions = problem.correlation.structure, problem.correlation.coords
    order = np.append(problem.order, problem.n)
    _require_short(positions)
    for k, block in enumerate(positions.blocks(structure.stationary)):
        matrices = np.asarray(structure.matrix(estimate.corstruct, positions, k))
        yield Correlated(order[block.rows], block.pattern, matrices)


def correlation_matrix(estimate: Estimate, rows: IntArray) -> FloatArray:
    """Correlation of the residuals of some rows.

    Parameters
    ----------
    estimate : Estimate
    rows : (m,) int array
        Rows of the design.

    Returns
    -------
    (m, m) array
    """
    place = np.full(estimate.problem.n + 1, -1)
    place[rows] = np.arange(len(rows))
    matrix = np.eye(len(rows))
    for groups in correlated(estimate):
        at = place[groups.rows]
        for k in np.flatnonzero((at >= 0).any(axis=1)):
            here = np.flatnonzero(at[k] >= 0)
            values = groups.matrices[groups.pattern[k]][np.ix_(here, here)]
            matrix[np.ix_(at[k, here], at[k, here])] = values
    return matrix


def colour(estimate: Estimate, noise: FloatArray) -> FloatArray:
    """Give independent standard noise the correlation of the residuals.

    Parameters
    ----------
    estimate : Estimate
    noise : (s, n) array
        Draws by rows of the design.

    Returns
    -------
    (s, n) array

    Raises
    ------
    FitError
        Where only a dense matrix would do, and a group is too long for one.
    """
    problem = estimate.problem
    if problem.correlation is None or estimate.corstruct is None:
        return noise
    structure, positions = problem.correlation.structure, problem.correlation.coords
    if structure.dense(positions):
        _require_short(positions)
    coloured = np.empty_like(noise)
    rows = noise[:, problem.order]
    coloured[:, problem.order] = colour_groups(structure, estimate.corstruct, positions, rows)
    return coloured


def _require_short(positions: CorrelationGroups) -> None:
    longest = int(positions.sizes.max())
    most = settings.PREDICTION.max_dense_rows
    if longest > most:
        raise FitError(
            f"a correlation group has {longest} rows; dense matrices are made up to {most} rows "
            "only (marginal_cov; simulate where positions are spatial)"
        )


SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def marginal_cov(
    fit: RowVerbs, group: str | None = None, *, symbolic: bool = False
) -> pd.DataFrame:
    """Covariance of the responses of one outermost group, or of all rows.

    See `Fit.marginal_cov`.
    """
    rows = _rows(fit.design, group)
    index = fit.design.index[rows]
    values = _symbols(fit, rows) if symbolic else _numbers(fit, rows)
    return pd.DataFrame(values, index=index, columns=index)


def _rows(design: Design, group: str | None) -> IntArray:
    if group is None:
        return np.arange(len(design.y))
    owner = design.levels[0] if design.levels else design.correlation
    if owner is None:
        raise FitError("group: this fit has no groups; leave the argument out for all rows")
    if str(group) not in owner.labels:
        some = ", ".join(owner.labels[:8])
        raise FitError(f"group: {group!r} is none of the {len(owner.labels)} groups ({some}, ...)")
    return np.flatnonzero(owner.code == owner.labels.index(str(group)))


def _among(level: Level, rows: IntArray) -> npt.NDArray[np.float64 | np.bool_]:
    """Covariance of the groups of rows: 1 within a group, 0 between, or as it is known."""
    code = level.code[rows]
    if level.related is not None:
        return level.related.matrix[np.ix_(code, code)]
    return np.equal.outer(code, code)


def residual_cov(fit: RowVerbs, group: str | None = None) -> pd.DataFrame:
    """Covariance of the responses given the random effects, sigma^2 R; see `marginal_cov`.

    See `Fit.residual_cov`.
    """
    rows = _rows(fit.design, group)
    index = fit.design.index[rows]
    return pd.DataFrame(_residual(fit, rows), index=index, columns=index)


def _residual(fit: RowVerbs, rows: IntArray) -> FloatArray:
    sd = fit.sigma * np.exp(fit.estimate.log_sd[rows])
    return correlation_matrix(fit.estimate, rows) * np.outer(sd, sd)


def _numbers(fit: RowVerbs, rows: IntArray) -> FloatArray:
    total = _residual(fit, rows)
    for level, factor in zip(fit.design.levels, fit.estimate.factors, strict=True):
        root = fit.sigma * level.Z[rows] @ factor
        total += (root @ root.T) * _among(level, rows)
    return total


def _symbols(fit: RowVerbs, rows: IntArray) -> npt.NDArray[np.object_]:
    spec, levels = fit.spec, fit.design.levels
    if spec.correlation is not None or spec.weights is not None:
        raise FitError(
            "symbolic: only for independent residuals of one variance; take correlation and "
            "weights out, or ask for the numbers"
        )
    sums = np.full((len(rows), len(rows)), "", dtype=object)
    for k, level in enumerate(levels):
        sums = _add(sums, _level_symbols(level, rows, len(levels) - k))
    residual = np.where(np.eye(len(rows), dtype=bool), f"{SIGMA}²", "")
    sums = _add(sums, residual.astype(object))
    return np.where(sums == "", "0", sums)


def _add(one: npt.NDArray[np.object_], other: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    joint = np.where((one != "") & (other != ""), " + ", "")
    return np.asarray(one + joint + other)


def _level_symbols(level: Level, rows: IntArray, number: int) -> npt.NDArray[np.object_]:
    """Covariances that a level brings; several effects have symbols with a second index."""
    Z = level.Z[rows]
    q = Z.shape[1]
    sums = np.full((len(rows), len(rows)), "", dtype=object)
    for a in range(q):
        for b in range(a, q):
            weight = np.outer(Z[:, a], Z[:, b])
            weight = weight if a == b else weight + weight.T
            sums = _add(sums, _weighted(weight * _among(level, rows), _symbol(number, q, a, b)))
    return sums


def _symbol(number: int, q: int, a: int, b: int) -> str:
    base = f"{SIGMA}{str(number).translate(SUBSCRIPTS)}"
    if q == 1:
        return f"{base}²"
    first = str(a + 1).translate(SUBSCRIPTS)
    return f"{base}.{first}²" if a == b else f"{base}.{first}{str(b + 1).translate(SUBSCRIPTS)}"


def _weighted(weight: FloatArray, symbol: str) -> npt.NDArray[np.object_]:
    texts = {0.0: "", 1.0: symbol}
    cells = [texts.get(float(w), f"{w:.7g} {symbol}") for w in weight.ravel()]
    return np.array(cells, dtype=object).reshape(weight.shape)
