"""Crossed random effects out of the normal equations at many values of theta at once.

For a block of a few hundred columns the steps of `eliminate` cost less than calling them. Here the
innermost level of the chain is eliminated group by group, the rest is one dense matrix, and the
matrices of a batch of theta are stacked. With the cross products S_g of group g's own columns, F_g
those with the rest, H_g = A' S_g A + I and Q_g = A H_g^-1 A', what is left is

    F'F - sum_g F_g' Q_g F_g

and Q_g is the same for all groups with the same S_g. Where these are few classes (balanced data,
random intercepts), the sums of F_g' F_g over each class are known beforehand, and an elimination
is a weighted sum of them, whatever the number of groups; `balance` makes the matrices smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from bayeslme.arrays import NUMPY
from bayeslme.engine.crossed.balance import Balanced, balance
from bayeslme.engine.crossed.dense import DenseForm, DenseGram, Layout
from bayeslme.engine.crossed.settings import CROSSED
from bayeslme.engine.likelihood.eliminate import _factor_level

Factors = tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Classes:
    """Groups that have the same cross products of their own columns.

    Attributes
    ----------
    own : array, shape (q, q, k)
    code : int array, shape (G,)
        Class of each group.
    counts : array, shape (k,)
        Groups in each class.
    products : array, shape (m k, w, w)
        Sums over a class of F_g[a]' F_g[b], for the m pairs of effects a <= b; both orders where
        they differ.
    """

    own: np.ndarray
    code: np.ndarray
    counts: np.ndarray
    products: np.ndarray


@dataclass(frozen=True, slots=True)
class Prepared:
    """Cross products as a batch of eliminations reads them.

    Attributes
    ----------
    gram : DenseGram
    layout : Layout
        Of ``base`` and of the classes' products.
    base : array, shape (..., w, w)
    classes : Classes or None
        Where groups are taken together.
    balanced : Balanced or None
        Where balance makes the matrices smaller.
    """

    gram: DenseGram
    layout: Layout
    base: np.ndarray
    classes: Classes | None = None
    balanced: Balanced | None = None

    def part(self, piece: slice) -> Prepared:
        """Some values of the row parameters; one for all is kept."""
        if self.base.ndim == 2:  # noqa: PLR2004 - a matrix
            return self
        own = DenseGram(self.gram.own[piece], self.gram.rows[piece], self.gram.base[piece])
        return Prepared(own, self.layout, own.base)

    @property
    def at_once(self) -> int:
        """Values of theta whose matrices stay in the cache together."""
        numbers = self.layout.width**2
        if self.balanced is not None:
            numbers += sum(one.side[0].size for one in self.balanced.contrasts)
        if self.classes is None:
            numbers += self.gram.rows.shape[-3] * self.gram.rows.shape[-2] * self.layout.width
        return max(1, CROSSED.stacked_numbers // numbers)


def fits(form: DenseForm) -> bool:
    """Whether a problem is small enough for the dense form to be the faster one."""
    return (
        form.layout.width <= CROSSED.max_batched_columns
        and form.numbers <= CROSSED.max_batched_numbers
    )


def prepare(form: DenseForm, gram: DenseGram) -> Prepared:
    """Take groups together in one gram for all values of theta, as far as they are alike."""
    classes = _classes(form.layout, gram)
    if classes is None:
        return Prepared(gram, form.layout, gram.base)
    found = balance(
        form.layout, np.concatenate([gram.base[None], classes.products]), CROSSED.equal_products
    )
    if found is None:
        return Prepared(gram, form.layout, gram.base, classes)
    base, products = found.matrices[0], found.matrices[1:]
    own = Classes(classes.own, classes.code, classes.counts, products)
    return Prepared(gram, found.layout, base, own, found)


def _classes(layout: Layout, gram: DenseGram) -> Classes | None:
    """Groups by their own cross products, where there are few enough of them."""
    q, _, groups = gram.own.shape
    flat = gram.own.reshape(q * q, groups)
    size = np.abs(flat).max()
    keys = np.round(flat / (CROSSED.equal_products * (size if size > 0 else 1.0)))
    _, first, code = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    code = code.ravel()
    k, pairs, w = len(first), q * (q + 1) // 2, layout.width
    if k * (q + 1) > 2 * groups or k * pairs * w * w > CROSSED.max_class_numbers:
        return None
    order = np.argsort(code, kind="stable")
    bounds = np.searchsorted(code[order], np.arange(k + 1))
    products = np.empty((pairs, k, w, w))
    for m, (a, b) in enumerate(zip(*np.triu_indices(q), strict=True)):
        for own in range(k):
            members = order[bounds[own] : bounds[own + 1]]
            product = gram.rows[a, members].T @ gram.rows[b, members]
            products[m, own] = product if a == b else product + product.T
    return Classes(gram.own[..., first], code, np.diff(bounds), products.reshape(-1, w, w))


@dataclass(frozen=True, slots=True)
class BatchSwept:
    """All random effects eliminated at a batch of theta.

    Attributes
    ----------
    middle : array, shape (t, q, q, G)
        L^-1 A' of the innermost level, of its classes where groups are taken together.
    lower : array, shape (t, w, w)
        Cholesky factor of the block in its first c columns: L above U'.
    contrasts : tuple of pairs of arrays (t, q, q) and (t, m, q, p + 1)
        L^-1 A' and U of the contrasts.
    block : array, shape (t, p + 1, p + 1)
    half_logdet : array, shape (t,)
    """

    middle: np.ndarray
    lower: np.ndarray
    contrasts: tuple[tuple[np.ndarray, np.ndarray], ...]
    block: np.ndarray
    half_logdet: np.ndarray


def sweep_batch(form: DenseForm, prepared: Prepared, factors: Factors) -> BatchSwept:
    """Eliminate all random effects at factors (t, q, q), in the order of the stages."""
    a, classes, layout = factors[form.first], prepared.classes, prepared.layout
    q, contrasts = a.shape[-1], []
    own = prepared.gram.own if classes is None else classes.own
    unit = np.broadcast_to(np.eye(q)[:, :, None], own.shape)
    whole = np.concatenate([own, unit], axis=-2)
    _, middle, logs = _factor_level(whole, a, q, NUMPY)
    if classes is None:
        half, weights = logs.sum(axis=-1), np.ones((len(a), 1))
        work = prepared.base - _by_group(middle, prepared.gram.rows)
    else:
        half, weights = logs @ classes.counts, _class_weights(middle)
        taken = weights @ classes.products.reshape(len(classes.products), -1)
        work = prepared.base - taken.reshape(-1, *prepared.base.shape)
    lower, block, more = eliminate_dense(work, factors, layout)
    half = half + more
    combined = np.concatenate([np.ones((len(a), 1)), -weights], axis=1)
    for one in () if prepared.balanced is None else prepared.balanced.contrasts:
        through, u, more = one.eliminate(combined, factors[one.stage])
        flat = u.reshape(len(u), -1, layout.fixed)
        block -= np.swapaxes(flat, -1, -2) @ flat
        half = half + more
        contrasts.append((through, u))
    half = np.where(np.isnan(half), np.inf, half)
    return BatchSwept(middle, lower, tuple(contrasts), block, half)


def eliminate_dense(
    work: np.ndarray, factors: Factors, layout: Layout
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eliminate the columns of all levels from dense matrices.

    Parameters
    ----------
    work : array, shape (t, w, w)
        Cross products, without the identity of the effects.
    factors : tuple of arrays (t, q, q), or (1, q, q)
    layout : Layout

    Returns
    -------
    lower : array, shape (t, w, w)
        L above U', in its first c columns.
    block : array, shape (t, p + 1, p + 1)
    half_logdet : array, shape (t,)
    """
    c = layout.c
    work = _scaled(_scaled(work, factors, layout), factors, layout)
    block = work[:, c:, c:].copy()
    work[:, np.arange(c), np.arange(c)] += 1.0
    # Nothing of U depends on the corner, which is replaced so that it cannot fail.
    top = 1.0 + 2.0 * np.abs(np.trace(block, axis1=-2, axis2=-1))
    work[:, c:, c:] = top[:, None, None] * np.eye(layout.fixed)
    lower = _cholesky(work)
    side = lower[:, c:, :c]
    block -= side @ np.swapaxes(side, -1, -2)
    return lower, block, np.log(np.diagonal(lower, axis1=-2, axis2=-1)[:, :c]).sum(axis=-1)


def _by_group(middle: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """sum_g F_g' Q_g F_g, (t, w, w)."""
    if middle.shape[1] == 1:
        u = middle[:, 0, 0, :, None] * rows[..., 0, :, :]
    else:
        u = np.moveaxis(middle, -1, 1) @ np.moveaxis(rows, -3, -2)
        u = u.reshape(len(u), -1, u.shape[-1])
    return np.asarray(np.swapaxes(u, -1, -2) @ u)


def _class_weights(middle: np.ndarray) -> np.ndarray:
    """Q of every class, (t, m k): the m entries of its upper triangle."""
    i, j = np.triu_indices(middle.shape[1])
    weights = np.einsum("tamk,tamk->tmk", middle[:, :, i], middle[:, :, j])
    return np.asarray(weights.reshape(len(middle), -1))


def _scaled(work: np.ndarray, factors: Factors, layout: Layout) -> np.ndarray:
    """A' times symmetric matrices (t, w, w), turned: twice gives A' S A."""
    out = np.empty_like(work)
    for stage, q, place in zip(layout.stages, layout.sizes, layout.places, strict=True):
        if q == 1:
            np.multiply(work[:, place], factors[stage], out=out[:, place])
            continue
        own = work[:, place].reshape(len(work), q, -1)
        turned = np.swapaxes(factors[stage], -1, -2) @ own
        out[:, place] = turned.reshape(len(work), -1, layout.width)
    out[:, layout.c :] = work[:, layout.c :]
    return np.ascontiguousarray(np.swapaxes(out, -1, -2))


def _cholesky(work: np.ndarray) -> np.ndarray:
    """Lower factors (t, w, w); NaN where a matrix has none."""
    try:
        return np.linalg.cholesky(work)
    except np.linalg.LinAlgError:
        return np.asarray(NUMPY.cholesky(work))


def batch_effects(
    form: DenseForm,
    prepared: Prepared,
    done: BatchSwept,
    factors: Factors,
    beta: np.ndarray,
    sigma: np.ndarray,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Exact draws (t, q, G) of the standard effects, in the order of the stages.

    Parameters
    ----------
    form, prepared, done, factors
        As in `sweep_batch`.
    beta : array, shape (t, p)
        Coefficients on the engine's scale.
    sigma : array, shape (t,)
        Standard deviation of a typical row.
    rng : Generator
    """
    t, layout, c = len(beta), prepared.layout, prepared.layout.c
    fixed = np.concatenate([-beta, np.ones((t, 1))], axis=1)
    side = (fixed[:, None] @ done.lower[:, c:, :c])[:, 0]
    side = side + sigma[:, None] * rng.standard_normal(side.shape)
    for k in range(t):
        side[k] = lapack.dtrtrs(done.lower[k, :c, :c].T, side[k], lower=0)[0]
    found: dict[int, np.ndarray] = {}
    for at, (stage, q) in enumerate(zip(layout.stages, layout.sizes, strict=True)):
        own = factors[stage] @ side[:, layout.places[at]].reshape(t, q, -1)
        found[stage] = own if prepared.balanced is None else prepared.balanced.spread(own, at)
    if prepared.balanced is not None:
        for one, (through, u) in zip(prepared.balanced.contrasts, done.contrasts, strict=True):
            right = np.einsum("tmqp,tp->tqm", u, fixed)
            right = right + sigma[:, None, None] * rng.standard_normal(right.shape)
            found[one.stage][..., one.members] += _through(through, right) @ one.weights
    outer = [-found[stage].reshape(t, -1) for stage in layout.stages]
    right = _times(prepared.gram.rows, np.concatenate([*outer, fixed], axis=1))
    middle = done.middle
    if prepared.classes is not None:
        middle = middle[..., prepared.classes.code]
    right = np.einsum("tijg,tjg->tig", middle, right)
    right = right + sigma[:, None, None] * rng.standard_normal(right.shape)
    found[form.first] = np.einsum("tijg,tig->tjg", middle, right)
    return [found[k] for k in range(len(factors))]


def _through(middle: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A L'^-1 right from L^-1 A'."""
    return np.asarray(np.swapaxes(middle, -1, -2) @ right)


def _times(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Products (t, q, G) of the rows of F by group (..., q, G, w) with vectors (t, w)."""
    q, groups, w = rows.shape[-3:]
    flat = rows.reshape(*rows.shape[:-3], q * groups, w)
    found = known @ flat.T if flat.ndim == 2 else (flat @ known[..., None])[..., 0]  # noqa: PLR2004
    return np.asarray(found.reshape(len(known), q, groups))
