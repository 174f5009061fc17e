"""Responses that fixed and random effects reproduce, for which the likelihood is unbounded.

This is decided from the rows before any search: from what the span of X and of the Z's of some
levels leaves of the response, relative to what X alone leaves. The answer depends neither on the
order of the rows nor on a unit. Elimination with effects that are much larger than the residuals
leaves this rest and a small share of the response; repeating the elimination on what it leaves
makes the share as small as rounding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bayeslme.engine import settings
from bayeslme.engine.likelihood.likelihood import Likelihood, profile
from bayeslme.engine.likelihood.row_grams import RowGrams
from bayeslme.engine.problem import Columns, Problem, Stage, runs
from bayeslme.engine.search.settings import DEGENERACY
from bayeslme.errors import FitError
from bayeslme.structures import PdIdent

if TYPE_CHECKING:
    from bayeslme.engine.crossed.grams import CrossedGrams

    Grams = RowGrams | CrossedGrams


def fixed_reproduce(problem: Problem) -> bool:
    """Whether nothing but rounding is left of the response beside the fixed effects."""
    rest = problem.source.rest()
    taken = np.sqrt(problem.n) * np.linalg.norm(problem.x_basis @ problem.shift)
    return bool(rest <= settings.PROBLEM.exact_residual * np.hypot(rest, taken))


def require_rest(likelihood: Likelihood) -> None:
    """Raise where the effects reproduce the response, so that the likelihood is unbounded.

    Parameters
    ----------
    likelihood : Likelihood

    Raises
    ------
    FitError
        Names the outermost group whose effects are needed.
    """
    problem = likelihood.problem
    if fixed_reproduce(problem):
        raise FitError(
            "the fixed effects reproduce the response exactly: nothing is left from which "
            "variances could be estimated"
        )
    if likelihood.sigma is None and problem.stages:
        plain = _plain(problem)
        grams = likelihood.grams if plain is problem else Likelihood(plain, "ML").grams
        for chosen in _asked(plain, grams):
            if _suspect(plain, grams, chosen) and _reproduced(plain, chosen):
                raise without_rest(problem, max(chosen))
    if problem.crossed is None:
        _require_other_than_levels(problem)


def _asked(problem: Problem, grams: Grams) -> Iterator[tuple[int, ...]]:
    """Return sets of levels whose effects may reproduce the response.

    What the effects of all levels leave, those of some leave as well: that is asked first where
    an elimination is expensive.
    """
    every = tuple(range(len(problem.stages)))
    if problem.crossed is None or _suspect(problem, grams, every):
        yield from choices(problem)


def _require_other_than_levels(problem: Problem) -> None:
    """Raise where one number for each correlation group, beside the effects, is the response.

    Its residuals are then as good as equal within groups, which correlations near one reproduce.
    """
    bound = problem.correlation
    if bound is None or not len(bound.free) or not bound.structure.reaches_one:
        return
    plain = _plain(_with_levels(problem, bound.coords.starts))
    grams = RowGrams(plain)
    for chosen in choices(plain):
        if 0 in chosen and _suspect(plain, grams, chosen) and _reproduced(plain, chosen):
            raise FitError(
                f"{bound.structure.r_name}: the likelihood has no maximum: it grows without bound "
                "as correlations go to one, since the response is reproduced by the effects and "
                "one constant for each group; leave the correlation structure out"
            )


def _with_levels(problem: Problem, starts: np.ndarray) -> Problem:
    """The problem with a random intercept for groups of rows inside all others."""
    sizes = np.diff(np.append(starts, problem.n))
    parent = np.searchsorted(problem.row_starts, starts, side="right") - 1
    stage = Stage(
        group="",
        structure=PdIdent("~ 1"),
        basis=np.eye(1),
        n_groups=len(starts),
        parent_starts=runs(parent),
        parent=parent,
        theta=slice(0, 0),
        filled=sizes if sizes.max() == 1 else None,
    )
    columns = np.concatenate([np.ones((1, problem.n)), problem.columns])
    stages = (stage, *problem.stages)
    return replace(problem, source=Columns.holding(columns), row_starts=starts, stages=stages)


def without_rest(problem: Problem, k: int) -> FitError:
    """Return the message for effects of level ``k`` (innermost 0) that leave no residuals."""
    stage = problem.stages[k]
    rows = problem.group_sizes(k)
    return FitError(
        "random: the likelihood has no maximum: it grows without bound as the effects of "
        f"'{stage.group}' take up all of the residual variance ({stage.q} effects, groups "
        f"of at most {rows.max()} rows); leave effects out that reproduce the response"
    )


def _plain(problem: Problem) -> Problem:
    """The same effects with independent rows of one variance."""
    if problem.correlation is None and problem.variance is None:
        return problem
    end = slice(problem.theta_correlation.start, problem.theta_correlation.start)
    return replace(
        problem, correlation=None, variance=None, theta_correlation=end, theta_variance=end
    )


def choices(problem: Problem) -> Iterator[tuple[int, ...]]:
    """Return sets of levels, small ones first, without those that reproduce any response."""
    levels = [k for k, stage in enumerate(problem.stages) if stage.filled is None]
    for count in range(1, len(levels) + 1):
        yield from itertools.combinations(levels, count)


def dwarfing(problem: Problem, chosen: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return relative factors so large that residuals are negligible; zero at other levels."""
    return tuple(
        DEGENERACY.dwarfing_factor * float(k in chosen) * np.eye(stage.q)
        for k, stage in enumerate(problem.stages)
    )


def _suspect(problem: Problem, grams: Grams, chosen: tuple[int, ...]) -> bool:
    """Whether elimination leaves almost nothing, or too little to decide."""
    none = np.zeros(0)
    rows = grams.at(none, none)
    e = grams.reduce(rows, dwarfing(problem, chosen))
    left = profile(problem, e, rows.half_logdet, "ML").sigma
    whole = problem.source.rest() / np.sqrt(problem.n)
    return not left > DEGENERACY.suspect_share * whole  # NaN too


def _reproduced(problem: Problem, chosen: tuple[int, ...]) -> bool:
    """Whether the rows leave nothing of this response, though they would of another."""
    y = problem.columns[-1]
    other = np.random.default_rng(0).standard_normal(problem.n)
    return bool(
        _rest(problem, y, chosen) <= DEGENERACY.resolved_norm * np.linalg.norm(y)
        and _rest(problem, other, chosen) > DEGENERACY.resolved_norm * np.linalg.norm(other)
    )


def _rest(problem: Problem, y: np.ndarray, chosen: tuple[int, ...]) -> float:
    """Return the norm of what X and the Z's of the chosen levels leave of sorted rows y (n,)."""
    columns, factors, p = problem.columns, dwarfing(problem, chosen), problem.p
    norm, rest = np.linalg.norm(y), y
    none = np.zeros(0)
    for _ in range(DEGENERACY.max_passes):
        own = replace(problem, source=Columns.holding(np.concatenate([columns[:-1], rest[None]])))
        grams = Likelihood(own, "ML").grams
        rows = grams.at(none, none)
        root = profile(own, grams.reduce(rows, factors), rows.half_logdet, "ML").factor
        beta = np.linalg.solve(root[:p, :p].T, root[p, :p])
        if not np.isfinite(beta).all():
            break
        fitted, at = beta @ columns[-1 - p : -1], 0
        for k, effects in enumerate(grams.modes(rows, factors, beta)):
            stage = own.stages[k]
            b = (effects @ stage.basis.T)[own.group_of(k, np.arange(own.n))]
            fitted = fitted + np.einsum("qn,nq->n", columns[at : at + stage.q], b)
            at += stage.q
        left = np.linalg.norm(rest - fitted)
        if left > norm / 2:  # what is left stays
            return float(min(left, norm))
        rest, norm = rest - fitted, left
    return float(norm)
