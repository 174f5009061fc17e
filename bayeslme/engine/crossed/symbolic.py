"""Crossed random effects out of the whitened rows, in NumPy and PyTensor alike.

The same steps as in `batch`, at one theta and from the rows on, so that parameters and covariates
may be symbolic: the innermost level of the chain is eliminated group by group, all other effects
are the columns of one dense matrix. The cross products of a row's few columns are added up at known
places; where whitening mixes the effects of a correlation group, the rows are a dense matrix.
"""

from __future__ import annotations

import numpy as np

from bayeslme.arrays import Array
from bayeslme.engine.crossed.dense import DenseForm, Layout
from bayeslme.engine.crossed.problem import Crossed
from bayeslme.engine.likelihood.eliminate import _factor_level
from bayeslme.engine.problem import Problem
from bayeslme.structures.supports import Namespace


def with_local(problem: Problem, columns: Array, xp: Namespace) -> Array:
    """Columns (c, n) to whiten: with those of every correlation group where it mixes rows."""
    local = _crossed(problem).local
    if local is None:
        return columns
    values = columns[local.effect, local.row]
    own = xp.scatter(local.slot * problem.n + local.row, values, local.width * problem.n)
    return xp.concatenate([columns, own.reshape((local.width, problem.n))], axis=0)


def eliminate_rows(
    problem: Problem, white: Array, factors: tuple[Array, ...], xp: Namespace
) -> tuple[Array, Array]:
    """The [X | y] block (p + 1, p + 1) and the sum of log|H| / 2.

    Parameters
    ----------
    problem : Problem
    white : array, shape (c, n)
        Whitened columns, as `with_local` made them.
    factors : tuple of arrays (q, q)
        Standard factors relative to sigma, in the order of the stages.
    """
    form = DenseForm(problem, _crossed(problem))
    layout, stage = form.layout, problem.stages[form.first]
    own, rows, base = _products(form, white, xp)
    s = xp.concatenate([own, xp.swapaxes(rows, 1, 2)], axis=1)
    _, u, logs = _factor_level(s, factors[form.first], stage.q, xp)
    u = xp.swapaxes(u, 0, 1).reshape((layout.width, stage.q * stage.n_groups))
    work = base - xp.matmul(u, xp.swapaxes(u, 0, 1))
    work = _scaled(_scaled(work, factors, layout, xp), factors, layout, xp)
    c = layout.c
    lower = xp.cholesky(work[:c, :c] + np.eye(c))
    side = xp.lower_solve(lower, work[:c, c:])
    block = work[c:, c:] - xp.matmul(xp.swapaxes(side, 0, 1), side)
    return block, logs.sum() + xp.log(lower[np.arange(c), np.arange(c)]).sum()


def _crossed(problem: Problem) -> Crossed:
    if problem.crossed is None:
        raise TypeError("a crossed problem is needed")
    return problem.crossed


def _products(form: DenseForm, white: Array, xp: Namespace) -> tuple[Array, Array, Array]:
    """Cross products as a `DenseGram` has them: (q, q, G), (q, G, w) and (w, w)."""
    problem, crossed, n = form.problem, form.crossed, form.problem.n
    stage, w = problem.stages[form.first], form.layout.width
    code = crossed.code[form.first]
    at = _place(problem, form.first)
    z = [white[at + i] for i in range(stage.q)]
    values, row, column = _entries(form, white, xp)
    own = [xp.scatter(code, a * b, stage.n_groups) for a in z for b in z]
    rows = [xp.scatter(code[row] * w + column, a[row] * values, stage.n_groups * w) for a in z]
    if crossed.local is None:
        each = len(row) // n  # columns of every row, one after the other
        i, j = (k.ravel() for k in np.indices((each, each)))
        flat, columns = values.reshape((each, n)), column.reshape(each, n)
        places = (columns[i] * w + columns[j]).ravel()
        base = xp.scatter(places, (flat[i] * flat[j]).reshape((each * each * n,)), w * w)
        base = base.reshape((w, w))
    else:
        dense = xp.scatter(row * w + column, values, n * w).reshape((n, w))
        base = xp.matmul(xp.swapaxes(dense, 0, 1), dense)
    return (
        xp.stack(own).reshape((stage.q, stage.q, stage.n_groups)),
        xp.stack(rows).reshape((stage.q, stage.n_groups, w)),
        base,
    )


def _entries(form: DenseForm, white: Array, xp: Namespace) -> tuple[Array, np.ndarray, np.ndarray]:
    """Values, rows and columns of what is not zero in F, the columns of a row one after another."""
    problem, crossed, layout = form.problem, form.crossed, form.layout
    n, width = problem.n, problem.source.shape[0]
    every = np.arange(n)
    own, columns = [], []
    for k in crossed.chain[1:] if crossed.local is not None else layout.stages:
        at = _place(problem, k)
        for j in range(problem.stages[k].q):
            own.append(white[at + j])
            columns.append(layout.column(k, j, crossed.code[k]))
    for j in range(layout.fixed):
        own.append(white[width - layout.fixed + j])
        columns.append(np.full(n, layout.c + j))
    values, row, column = xp.stack(own).reshape((-1,)), np.tile(every, len(own)), columns
    if crossed.local is None:
        return values, row, np.concatenate(column)
    mixed = white[width:].reshape((-1,))[crossed.local.filled]
    return (
        xp.concatenate([values, mixed]),
        np.concatenate([row, crossed.row]),
        np.concatenate([*column, form.of_block[crossed.column]]),
    )


def _place(problem: Problem, k: int) -> int:
    """First compact column of a stage."""
    return sum(stage.q for stage in problem.stages[:k])


def _scaled(work: Array, factors: tuple[Array, ...], layout: Layout, xp: Namespace) -> Array:
    """A' times a symmetric matrix (w, w), turned: twice gives A' S A."""
    out = []
    for stage, q, place in zip(layout.stages, layout.sizes, layout.places, strict=True):
        own = work[place].reshape((q, (place.stop - place.start) // q * layout.width))
        turned = xp.matmul(xp.swapaxes(factors[stage], 0, 1), own)
        out.append(turned.reshape((place.stop - place.start, layout.width)))
    out.append(work[layout.c :])
    return xp.swapaxes(xp.concatenate(out, axis=0), 0, 1)
