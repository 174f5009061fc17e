"""Crossed random effects out of the whitened rows, in NumPy and PyTensor alike.

The same steps as in `batch`, at one theta and from the rows on, so that parameters and covariates
may be symbolic: the innermost level of the chain is eliminated group by group, all other effects
are the columns of one dense matrix. The cross products of a row's few columns are added up at known
places; where whitening mixes the effects of a correlation group, the rows are a dense matrix.
"""

from __future__ import annotations

import numpy as np

from bayeslme.arrays import Array
from bayeslme.engine.crossed.dense import DenseForm, DenseGram, Layout
from bayeslme.engine.crossed.problem import Crossed
from bayeslme.engine.likelihood.eliminate import _factor_level
from bayeslme.engine.problem import Problem
from bayeslme.structures.supports import Namespace


def with_local(problem: Problem, crossed: Crossed, columns: Array, xp: Namespace) -> Array:
    """Columns (c, n) to whiten: with those of every correlation group where it mixes rows."""
    local = crossed.local
    if local is None:
        return columns
    values = columns.reshape((-1,))[local.effect * problem.n + local.row]
    own = xp.scatter(local.slot * problem.n + local.row, values, local.width * problem.n)
    return xp.concatenate([columns, own.reshape((local.width, problem.n))], axis=0)


def eliminate_rows(
    problem: Problem,
    crossed: Crossed,
    white: Array,
    factors: tuple[Array, ...],
    xp: Namespace,
) -> tuple[Array, Array]:
    """The [X | y] block (p + 1, p + 1) and the sum of log|H| / 2.

    Parameters
    ----------
    problem : Problem
    crossed : Crossed
    white : array, shape (c, n)
        Whitened columns, as `with_local` made them.
    factors : tuple of arrays (q, q)
        Standard factors relative to sigma, in the order of the stages.
    """
    form = DenseForm(problem, crossed)
    layout, stage = form.layout, problem.stages[form.first]
    own, rows, base = _products(form, white, xp)
    s = xp.concatenate([own, xp.swapaxes(rows, 1, 2)], axis=1)
    _, u, logs = _factor_level(s, factors[form.first], stage.q, xp)
    u = xp.swapaxes(u, 0, 1).reshape((layout.width, stage.q * stage.n_groups))
    scale = _scale(layout, factors, xp)
    taken = xp.matmul(u, xp.swapaxes(u, 0, 1))
    work = xp.matmul(xp.swapaxes(scale, 0, 1), xp.matmul(base - taken, scale))
    c = layout.c
    lower = xp.cholesky(work[:c, :c] + np.eye(c))
    side = xp.lower_solve(lower, work[:c, c:])
    block = work[c:, c:] - xp.matmul(xp.swapaxes(side, 0, 1), side)
    return block, logs.sum() + xp.log(lower[np.arange(c), np.arange(c)]).sum()


def _products(form: DenseForm, white: Array, xp: Namespace) -> tuple[Array, Array, Array]:
    """Cross products as a `DenseGram` has them: (q, q, G), (q, G, w) and (w, w)."""
    problem, crossed, n = form.problem, form.crossed, form.problem.n
    w, groups, q = (
        form.layout.width, problem.stages[form.first].n_groups, problem.stages[form.first].q,
    )  # fmt: skip
    code, at = crossed.code[form.first], _place(problem, form.first)
    z, effect = white[at : at + q], np.arange(q)[:, None]
    values, row, column = entries(form, white)
    pairs = (z[:, None, :] * z[None, :, :]).reshape((q * q * n,))
    own = xp.scatter((np.arange(q * q)[:, None] * groups + code).ravel(), pairs, q * q * groups)
    places = (effect * groups + code[row]) * w + column
    met = (z[:, row] * values).reshape((q * len(row),))
    rows = xp.scatter(places.ravel(), met, q * groups * w)
    if crossed.local is None:
        each = len(row) // n  # columns of every row, one after the other
        flat, columns = values.reshape((each, n)), column.reshape(each, n)
        both = (columns[:, None] * w + columns[None]).ravel()
        products = (flat[:, None, :] * flat[None, :, :]).reshape((each * each * n,))
        base = xp.scatter(both, products, w * w).reshape((w, w))
    else:
        dense = xp.scatter(row * w + column, values, n * w).reshape((n, w))
        base = xp.matmul(xp.swapaxes(dense, 0, 1), dense)
    return own.reshape((q, q, groups)), rows.reshape((q, groups, w)), base


def entries(form: DenseForm, white: Array) -> tuple[Array, np.ndarray, np.ndarray]:
    """Values, rows and columns of what is not zero in F."""
    place, row, column = entry_places(form)
    return white.reshape((-1,))[place], row, column


def entry_places(form: DenseForm) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places among the whitened columns, rows and columns of what is not zero in F.

    The columns of a row come one after another, the rows of a column together.
    """
    problem, crossed, layout = form.problem, form.crossed, form.layout
    n, width = problem.n, problem.source.shape[0]
    own, columns = [], []
    for k in crossed.chain[1:] if crossed.local is not None else layout.stages:
        at = _place(problem, k)
        for j in range(problem.stages[k].q):
            own.append(at + j)
            columns.append(layout.column(k, j, crossed.code[k]))
    for j in range(layout.fixed):
        own.append(width - layout.fixed + j)
        columns.append(np.full(n, layout.c + j))
    row, column = np.tile(np.arange(n), len(own)), np.concatenate(columns)
    place = np.repeat(own, n) * n + row
    if crossed.local is not None:
        row, column = (
            np.concatenate([row, crossed.row]),
            np.concatenate([column, form.of_block[crossed.column]]),
        )
        place = np.concatenate([place, width * n + crossed.local.filled])
    return place, row, column


def products_of_many(form: DenseForm, white: np.ndarray) -> DenseGram:
    """Cross products of rows (t, c, n) whitened at many values of the parameters, in NumPy."""
    problem, t, n, w = form.problem, len(white), form.problem.n, form.layout.width
    groups, q = problem.stages[form.first].n_groups, problem.stages[form.first].q
    code, at = form.crossed.code[form.first], _place(problem, form.first)
    place, row, column = entry_places(form)
    dense = np.zeros((t, n, w))
    dense[:, row, column] = white.reshape(t, -1)[:, place]
    order = np.argsort(code, kind="stable")
    starts = np.searchsorted(code[order], np.arange(groups))
    z, sorted_ = white[:, at : at + q, order], dense[:, order]
    own = np.add.reduceat(z[:, :, None] * z[:, None], starts, axis=-1)
    rows = np.add.reduceat(z[..., None] * sorted_[:, None], starts, axis=2)
    return DenseGram(own, rows, np.swapaxes(dense, -1, -2) @ dense)


def _scale(layout: Layout, factors: tuple[Array, ...], xp: Namespace) -> Array:
    """Relative factors of all levels but the first along the diagonal of a matrix (w, w)."""
    w, fixed = layout.width, np.arange(layout.c, layout.width)
    places, values = [fixed * w + fixed], [np.ones(layout.fixed)]
    for stage, q, count in zip(layout.stages, layout.sizes, layout.groups, strict=True):
        i, j = np.divmod(np.arange(q * q), q)
        group = np.arange(count)
        row = np.stack([layout.column(stage, int(k), group) for k in i])
        column = np.stack([layout.column(stage, int(k), group) for k in j])
        places.append((row * w + column).ravel())
        spread = factors[stage].reshape((q * q, 1)) * np.ones((1, count))
        values.append(spread.reshape((q * q * count,)))
    return xp.scatter(np.concatenate(places), xp.concatenate(values), w * w).reshape((w, w))


def _place(problem: Problem, k: int) -> int:
    """First compact column of a stage."""
    return sum(stage.q for stage in problem.stages[:k])
