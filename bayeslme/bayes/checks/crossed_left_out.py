"""Rows and groups left out where random effects are crossed, with the effects integrated out.

A row is predicted from all others as in `left_out`: a unit vector is one more column, and what is
left of it depends on the covariance of the few effects that the row meets. The groups of a factor
share effects of the other factors, so a group is predicted from the others too: the density of all
data over that of the data without the group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.arrays import NUMPY
from bayeslme.bayes import settings
from bayeslme.bayes.density import (
    LOG_2PI,
    by_group,
    crossed_grams,
    crossed_rows,
    residual_direction,
)
from bayeslme.bayes.model_parameters import ModelParameters, Values
from bayeslme.engine import whiten
from bayeslme.errors import FitError

if TYPE_CHECKING:
    from bayeslme.bayes.checks.left_out import LeftOut
    from bayeslme.engine.crossed.dense import DenseForm, DenseGram


def crossed_groups(parameters: ModelParameters, values: Values, level: int) -> np.ndarray:
    """Log p(y_g | y of all other groups, parameters) of the groups of a factor, (s, G).

    Parameters
    ----------
    parameters : ModelParameters
    values : mapping of variable name to array (s, ...)
        Draws, ``fixef`` among them.
    level : int
        Place of the factor among the levels.

    Raises
    ------
    FitError
        Where correlation groups reach across groups of the factor, and where the dense matrix of
        the other effects is too large.
    """
    from bayeslme.engine.crossed.left_out import GroupsLeftOut
    from bayeslme.engine.crossed.problem import nests

    problem = parameters.problem
    k, group = len(parameters.levels) - 1 - level, parameters.levels[level].level.group
    crossed = problem.crossed
    if crossed is None:
        raise TypeError("a crossed problem is needed")
    if crossed.correlation is not None and not nests(crossed.correlation, crossed.code[k]):
        raise FitError(
            f"loo: group={group!r}: leaving out its groups cuts the correlation groups, which lie "
            "within another factor; leave out that one's, or rows with kind='marginal'"
        )
    others = [stage.q * stage.n_groups for j, stage in enumerate(problem.stages) if j != k]
    _check_width(f"group={group!r}", sum(others), settings.CHECKS.max_group_columns)
    every = GroupsLeftOut(problem, k)
    draws = len(values["fixef"])
    full = {**values, "sigma": parameters.sigmas(values)}
    rows = [
        None if v is None else np.broadcast_to(v, (draws, np.shape(v)[-1]))
        for v in parameters.row_parameters(full)
    ]
    factors = [np.broadcast_to(f, (draws, *f.shape[-2:])) for f in parameters.factors(full)]
    direction, n = residual_direction(problem, full), problem.n - every.sizes
    known = every.rows(*parameters.row_parameters(full)) if problem.constant_rows else None
    rest = np.empty((draws, len(every.sizes)))
    for s in range(draws):
        own = every.rows(*(None if v is None else v[s] for v in rows)) if known is None else known
        block, half = every.blocks(own, tuple(f[s] for f in factors))
        rss = np.einsum("i,gij,j->g", direction[s], block, direction[s]) / full["sigma"][s] ** 2
        half = half + own.half_logdet.sum() - own.half_logdet
        rest[s] = -n * (0.5 * LOG_2PI + np.log(full["sigma"][s])) - half - 0.5 * rss
    return np.asarray(by_group(parameters, values) - rest)


def crossed_marginal(parameters: ModelParameters, values: Values) -> LeftOut:
    """Rows given all others, as `left_out.marginal` has them.

    Raises
    ------
    FitError
        Where the effects are too many for their covariance matrix.
    """
    from bayeslme.bayes.checks.left_out import finish, products
    from bayeslme.engine.crossed.dense import DenseForm
    from bayeslme.engine.crossed.left_out import effect_covariance
    from bayeslme.engine.crossed.symbolic import with_local

    problem = parameters.problem
    if problem.crossed is None:
        raise TypeError("a crossed problem is needed")
    count = sum(stage.q * stage.n_groups for stage in problem.stages)
    _check_width("kind='marginal'", count, settings.CHECKS.max_marginal_effects)
    form = DenseForm(problem, problem.crossed)
    place, columns = _columns(form)
    draws = len(values["fixef"])
    full = {**values, "sigma": parameters.sigmas(values)}
    grams = crossed_grams(parameters)
    z_and_rest = with_local(problem, problem.crossed, problem.columns, NUMPY)
    p, width = problem.p, problem.source.shape[0]
    c, g = np.empty((draws, problem.n)), np.empty((draws, problem.n))
    for s in range(draws):
        one = {name: v[s : s + 1] for name, v in full.items()}
        own = crossed_rows(parameters, grams, one)
        relative = float(own.typical[0] / full["sigma"][s])
        covariance, pulled = effect_covariance(
            form, _dense(form, own.rows.gram), tuple(f[0] for f in own.factors)
        )
        white = whiten(problem, *parameters.row_parameters(one), columns=z_and_rest).columns
        white = white.reshape(-1, problem.n)
        direction = residual_direction(problem, one)
        residual = direction @ white[width - p - 1 : width]
        c1, g1, t = products(parameters, problem, one, white[columns][None], residual[:, None])
        effects = pulled @ direction[0]
        # The covariance is relative to a typical row, the products to sigma.
        c[s] = c1[0] - relative**2 * _quadratic(covariance, place, t[0])
        g[s] = g1[0] - np.einsum("an,an->n", t[0], effects[place])
    return finish(problem, full, c, g)


def _dense(form: DenseForm, gram: Any) -> DenseGram:
    """The first of a batch of cross products."""
    from bayeslme.engine.crossed.dense import DenseGram

    if isinstance(gram, DenseGram):
        return DenseGram(gram.own[0], gram.rows[0], gram.base[0])
    return form.of(gram[0])


def _quadratic(covariance: np.ndarray, place: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Quadratic forms (n,) of t (a, n) in the part of a covariance at each row's places (a, n)."""
    out = np.empty(t.shape[1])
    step = max(1, int(settings.CHECKS.numbers_per_batch // len(t) ** 2))
    for first in range(0, len(out), step):
        at = slice(first, first + step)
        own, value = place[:, at], t[:, at]
        through = np.einsum("abn,bn->an", covariance[own[:, None], own[None]], value)
        out[at] = np.einsum("an,an->n", value, through)
    return out


def _columns(form: DenseForm) -> tuple[np.ndarray, np.ndarray]:
    """Effects that rows meet: their places (a, n) among all, and their columns (a,) of the rows.

    A place that a row does not use is the first: its products are zero.
    """
    problem, crossed = form.problem, form.crossed
    stages, local = problem.stages, crossed.local
    first = stages[form.first].q * stages[form.first].n_groups
    starts = np.cumsum([0, *(stage.q for stage in stages)])
    place, columns = [], []
    for k in crossed.chain if local is not None else range(len(stages)):
        for j in range(stages[k].q):
            columns.append(starts[k] + j)
            if k == form.first:
                place.append(j * stages[k].n_groups + crossed.code[k])
            else:
                place.append(first + form.layout.column(k, j, crossed.code[k]))
    if local is None:
        return np.stack(place), np.array(columns)
    mixed = np.zeros(local.width * problem.n, dtype=np.intp)
    mixed[local.filled] = first + form.of_block[crossed.column]
    width = problem.source.shape[0]
    return (
        np.concatenate([np.stack(place), mixed.reshape(local.width, problem.n)]),
        np.concatenate([columns, width + np.arange(local.width)]),
    )


def _check_width(what: str, count: int, most: int) -> None:
    if count > most:
        raise FitError(
            f"loo: {what} needs the covariance of {count} crossed effects at every draw, and at "
            f"most {most} are worked on; use kind='conditional'"
        )
