"""From a design to the engine's problem: sort rows, standardise columns, bind structures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.engine import settings
from bayeslme.engine.likelihood.reproduced_rows import filled_rows
from bayeslme.engine.problem import Columns, Problem, Stage, runs, standardise
from bayeslme.errors import DataError, FitError
from bayeslme.structures import Bound, correlation_groups

if TYPE_CHECKING:
    from bayeslme.data.types import Design, Level
    from bayeslme.engine.crossed.problem import Crossed


def build_problem(design: Design) -> Problem:
    """Sort the rows of a design, standardise its columns and bind its structures.

    Where variance covariates are functions of the fit (``fitted(.)``), the variance function is
    bound later, by ``bind_variance``.

    Parameters
    ----------
    design : Design

    Raises
    ------
    DataError
        For fewer rows than coefficients.
    FitError
        Where the fixed effects fit the response exactly.
    """
    n, p = design.X.shape
    if n < p:
        raise DataError(f"{n} rows cannot identify {p} fixed-effects coefficients")
    permutation = _permutation(design)
    order: Any = slice(None) if permutation is None else permutation
    stages = _stages(design, order)
    nested = bool(stages) and not design.crossed
    response = design.response
    x_basis, inverse, coef = standardise(design.X, response)
    parts = [
        (level.Z, np.linalg.inv(stage.basis))
        for level, stage in zip(design.levels[::-1], stages, strict=True)
    ]
    source = Columns(permutation, (*parts, (design.X, inverse)), response, coef)
    if source.rest() <= settings.PROBLEM.exact_residual * np.linalg.norm(response):
        msg = (
            f"the fixed effects reproduce '{design.response_label}' exactly: nothing is left from "
            "which variances could be estimated"
        )
        raise FitError(msg)
    correlation = _bind_correlation(design, order)
    first = stages[0].theta.stop if stages else 0  # innermost last
    last = first + (len(correlation.free) if correlation else 0)
    problem = Problem(
        source=source,
        permutation=permutation,
        stages=stages,
        row_starts=runs(design.levels[-1].code[order]) if nested else np.zeros(1, dtype=int),
        x_basis=x_basis,
        shift=inverse @ coef,
        variance=None,
        correlation=correlation,
        theta_variance=slice(last, last),
        theta_correlation=slice(first, last),
        needs_fitted_values=False,
        crossed=_crossed(design, order, stages),
    )
    return bind_variance(problem, design, None)


def _crossed(
    design: Design, order: np.ndarray | slice, stages: tuple[Stage, ...]
) -> Crossed | None:
    if not design.crossed:
        return None
    from bayeslme.engine.crossed.problem import plan  # SciPy's sparse matrices take long to import

    corr = None if design.correlation is None else design.correlation.code[order]
    return plan(design, order, [stage.q for stage in stages], corr)


def _stages(design: Design, order: Any) -> tuple[Stage, ...]:
    """Levels of random effects, innermost first; theta has the outermost first."""
    stages: list[Stage] = []
    at = 0
    for k, level in enumerate(design.levels):
        basis = level.structure.basis(level.Z)
        size = level.structure.size(len(basis))
        apart = k == 0 or design.crossed
        parent = np.zeros(len(level.labels), dtype=int) if apart else level.parent
        stages.append(
            Stage(
                group=level.group,
                structure=level.structure,
                basis=basis,
                n_groups=len(level.labels),
                parent_starts=runs(parent),
                parent=parent,
                theta=slice(at, at + size),
                filled=None if design.crossed else _filled(level, basis, order),
                related=level.related,
            )
        )
        at += size
    return tuple(stages[::-1])


def _filled(level: Level, basis: np.ndarray, order: Any) -> np.ndarray | None:
    return filled_rows(level.Z, np.linalg.inv(basis), level.code, order)


def bind_variance(
    problem: Problem, design: Design, covariates: tuple[np.ndarray | None, ...] | None
) -> Problem:
    """Return the problem with its variance function bound to these covariates of the fit.

    Parameters
    ----------
    problem : Problem
    design : Design
    covariates : tuple of arrays (n,), or None
        One for each variance component, in the design's row order, None for those that are data.
        If they are needed and not given, the variance function stays unbound.
    """
    structure = design.spec.weights
    if structure is None:
        return problem
    coords = design.variance
    if covariates is None and any(c.source != "data" for c in coords):
        return replace(problem, needs_fitted_values=True)
    given = covariates or (None,) * len(coords)
    filled = [
        c if c.source == "data" else replace(c, covariate=v)
        for c, v in zip(coords, given, strict=True)
    ]
    bound_coords = tuple(c.take(problem.order) for c in filled)
    bound = structure.bind(structure.join(bound_coords))
    start = problem.theta_correlation.stop
    return replace(
        problem,
        variance=bound,
        theta_variance=slice(start, start + len(bound.free)),
        needs_fitted_values=False,
    )


def _permutation(design: Design) -> np.ndarray | None:
    """Order of the rows by group and time; None where they are in this order already."""
    keys: list[np.ndarray] = []
    if design.correlation is not None:
        position = design.correlation.position
        correlation = design.spec.correlation
        ordered = correlation is not None and correlation.by_coordinate
        if position is not None and (position.shape[1] == 1 or ordered):
            keys += list(position.T[::-1])
        keys.append(design.correlation.code)
    if design.levels and not design.crossed:
        keys.append(design.levels[-1].code)
    if not keys or (len(keys) == 1 and np.all(keys[0][1:] >= keys[0][:-1])):
        return None
    order = np.lexsort(keys)
    return None if np.array_equal(order, np.arange(len(order))) else order


def _bind_correlation(design: Design, order: np.ndarray | slice) -> Bound | None:
    structure, coords = design.spec.correlation, design.correlation
    if structure is None or coords is None:
        return None
    position: Any = None if coords.position is None else coords.position[order]
    code = coords.code[order]
    starts = _starts_pair(design, code, order)
    level = None if coords.level is None else coords.level[order][starts]
    groups = correlation_groups(starts, len(code), position, 1.0, level, coords.levels)
    unit = structure.unit(groups)
    correlation: Bound = structure.bind(groups if unit == 1.0 else groups.counted_in(unit))
    return correlation


def _starts_pair(design: Design, code: np.ndarray, order: np.ndarray | slice) -> np.ndarray:
    """First sorted row of each correlation group, none of which spans two random groups."""
    starts = runs(code)
    if not design.levels or design.crossed:
        return starts
    return np.union1d(starts, runs(design.levels[-1].code[order]))
