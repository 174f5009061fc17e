"""What a design is in bambi's formulas, variance functions included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.bayes.bambi.formulae import Speller, numeric_columns, prepare, quoted
from bayeslme.bayes.model_parameters import LevelParameters, ModelParameters
from bayeslme.data.model_matrix import JoinedMatrix, MatrixSpec
from bayeslme.data.types import Design, FloatArray, IntArray, VarianceCoords
from bayeslme.data.variables.columns import Columns
from bayeslme.data.variables.factors import Factor, drop_unused
from bayeslme.errors import SpecError
from bayeslme.formula.expressions import Expr, Name
from bayeslme.formula.formula import parse_formula
from bayeslme.formula.terms import deparse_variable
from bayeslme.structures import VarFunc


@dataclass(frozen=True, slots=True)
class Residual:
    """Bambi's log-linear model of sigma, for a variance function.

    Attributes
    ----------
    label : str
        The variance function, for errors.
    rhs : str
        Its formula, ``"1 + Sex"``.
    columns : (n, k) array
        log sd = log sigma + columns @ coefficients + offset.
    offset : (n,) array
    logs : bool
        Whether the coefficients are logs of the parameters.
    """

    label: str
    rhs: str
    columns: FloatArray
    offset: FloatArray
    logs: bool


def residual_of(parameters: ModelParameters, speller: Speller) -> Residual | None:
    """Write a variance function as a model of log(sigma).

    Parameters
    ----------
    parameters : ModelParameters
    speller : Speller

    Returns
    -------
    Residual or None
        None where sigma is one number.

    Raises
    ------
    SpecError
        For a variance function that is not log-linear in its parameters.
    """
    weights, variance = parameters.design.spec.weights, parameters.problem.variance
    if weights is None:
        return None
    if weights.composed:
        _no_counterpart(weights, "a product")
    (coords,) = parameters.design.variance
    if variance is None or parameters.problem.needs_fitted_values:
        _no_counterpart(weights, "fitted values")
    if coords.covariate is None and len(coords.strata) == 1:
        return None
    if parameters.held_sigma is not None:
        _no_counterpart(weights, "a held sigma beside it")
    if coords.covariate is None:
        held = sum(p.held for p in variance.parameters)
        free = [variance.parameters[j].name for j in variance.free]
        return _by_stratum(weights, coords, free, speller) if held == 1 else _held(weights)
    if len(coords.strata) > 1:
        _no_counterpart(weights, "strata")
    if weights.log_sd_term is None:
        _no_counterpart(weights, "parameters in which it is not linear")
    if any(p.held for p in variance.parameters):
        _held(weights)
    rhs = parse_formula(weights.form).rhs
    text = speller.number(rhs)
    term = weights.log_sd_term.format(text)
    if term == text and not isinstance(rhs, Name):
        term = f"I({text})"
    n, k = len(coords.covariate), len(variance.parameters)
    each = np.broadcast_to(weights.log_sd(np.eye(k + 1, k, -1), coords), (k + 1, n))
    return Residual(weights.r_name, f"1 + {term}", (each[1:] - each[0]).T, each[0], False)


def _by_stratum(
    weights: VarFunc, coords: VarianceCoords, free: list[str], speller: Speller
) -> Residual:
    groups = parse_formula(weights.form).groups
    own = [column for group in groups for column in speller.group_columns(group)]
    if len(own) > 1:
        _no_counterpart(weights, "strata of several factors")
    columns = np.stack([coords.stratum == coords.strata.index(s) for s in free], axis=1)
    reference = next(s for s in coords.strata if s not in free)
    rhs = f"1 + {_stratum_term(speller, own[0], reference)}"
    return Residual("varIdent", rhs, columns.astype(float), np.zeros(len(columns)), True)


def _stratum_term(speller: Speller, name: str, reference: str) -> str:
    """Treatment contrasts of a column against one of its levels."""
    column = speller.columns[name]
    if not isinstance(column, Factor):
        return f"T({quoted(name)}, {float(reference):g})"
    if drop_unused(column).levels[0] == reference:
        return quoted(name)
    if "'" in reference or '"' in reference:
        msg = f"to_bambi: the stratum {reference} of varIdent has a quote in its name; rename it"
        raise SpecError(msg)
    return f"T({quoted(name)}, '{reference}')"


def _held(weights: VarFunc) -> NoReturn:
    _no_counterpart(weights, "parameters that are held")


def _no_counterpart(weights: VarFunc, what: str) -> NoReturn:
    msg = (
        f"to_bambi: weights: bambi's model of log(sigma) has no counterpart of {weights.r_name} "
        f"with {what}; use to_pymc()"
    )
    raise SpecError(msg)


@dataclass(frozen=True, slots=True)
class RandomPart:
    """The effects that become one of bambi's group-specific terms.

    Attributes
    ----------
    level : int
        Position of the grouping level, 0 the outermost.
    label : str
        R's label of the term; "1" for the intercept.
    effects : tuple of int, length q
        Columns of the level's Z.
    shift : int
        Position of an effect's column minus that of its standard deviation.
    """

    level: int
    label: str
    effects: tuple[int, ...]
    shift: int


@dataclass(frozen=True, slots=True)
class Translation:
    """A design in bambi's words.

    Attributes
    ----------
    formulas : tuple of str
        That of the response, and that of sigma where it is modelled.
    frame : DataFrame
        The n rows used.
    random : tuple of RandomPart
        In the order of bambi's group-specific terms.
    residual : Residual or None
    """

    formulas: tuple[str, ...]
    frame: pd.DataFrame
    random: tuple[RandomPart, ...]
    residual: Residual | None


def translate(parameters: ModelParameters) -> Translation:
    """Write a design in bambi's formulas.

    Parameters
    ----------
    parameters : ModelParameters

    Returns
    -------
    Translation

    Raises
    ------
    SpecError
        For a part of the model that bambi does not have.
    """
    design = parameters.design
    columns = Columns(design.frame, design.origins)
    speller = Speller(columns)
    _check_columns(design)
    for level in parameters.levels:
        _check_independent(level)
    matrices = [part for m in design.random_matrices for part in _parts(m)]
    for matrix in (design.matrix, *matrices):
        _check_treatment(matrix)
    lhs = design.spec.fixed.lhs
    assert lhs is not None
    main = f"{speller.response(lhs)} ~ {speller.terms(design.matrix.terms)}"
    main = " + ".join([main, *_random_text(parameters, speller)])
    residual = residual_of(parameters, speller)
    formulas = (main,) if residual is None else (main, f"sigma ~ {residual.rhs}")
    return Translation(
        formulas, _frame(design, columns), tuple(_random_parts(parameters)), residual
    )


def matched(theirs: FloatArray, ours: FloatArray, label: str) -> IntArray:
    """Find bambi's columns of a term among ours.

    Parameters
    ----------
    theirs, ours : (n,) or (n, m) arrays
    label : str
        For the error.

    Returns
    -------
    (m,) int array
        Position among ours of each of theirs.

    Raises
    ------
    SpecError
        Where bambi made other columns.
    """
    n = len(ours)
    theirs, ours = theirs.reshape(n, -1).astype(float), ours.reshape(n, -1)
    scale = np.maximum(np.abs(ours).max(axis=0), 1e-300)
    if theirs.shape == ours.shape:
        near = [np.flatnonzero(_distance(column, ours) <= 1e-9 * scale) for column in theirs.T]
        found = [int(k[0]) for k in near if len(k) == 1]
        if sorted(found) == list(range(ours.shape[1])):
            return np.array(found, dtype=np.intp)
    msg = (
        f"to_bambi: bambi makes other columns of {label} than R does; "
        "put its columns into the data, or use to_pymc()"
    )
    raise SpecError(msg)


def _distance(column: FloatArray, others: FloatArray) -> FloatArray:
    return np.asarray(np.abs(others - column[:, None]).max(axis=0))


def same_groups(theirs: npt.NDArray[np.integer], ours: IntArray, label: str) -> None:
    """Check that bambi groups the rows as we do.

    Raises
    ------
    SpecError
    """
    pairs = len(np.unique(np.stack([theirs, ours]), axis=1).T)
    if not pairs == len(np.unique(theirs)) == len(np.unique(ours)):
        raise SpecError(f"to_bambi: bambi reads the groups of {label} otherwise; relabel them")


def _check_columns(design: Design) -> None:
    """Bambi refuses terms that are constant."""
    for k, label in enumerate(design.term_labels, start=1):
        if np.all(np.ptp(design.X[:, design.assign == k], axis=0) == 0):
            raise SpecError(f"to_bambi: the term {label} is constant, which bambi refuses; use ~ 1")


def _parts(matrix: MatrixSpec | JoinedMatrix) -> tuple[MatrixSpec, ...]:
    return matrix.parts if isinstance(matrix, JoinedMatrix) else (matrix,)


def _check_independent(level: LevelParameters) -> None:
    for block in level.covariance_blocks:
        if block.correlation is not None or block.sds.stop - block.sds.start != block.q:
            form = getattr(block.structure, "form", None) or level.level.formula
            msg = (
                f"to_bambi: random: the {block.q} effects of '{level.level.group}' are "
                f"{block.structure.r_name}; bambi's are independent, each with its own sd: "
                f"use PdDiag('{form}')"
            )
            raise SpecError(msg)


def _check_treatment(matrix: MatrixSpec) -> None:
    for term, by_contrasts in zip(matrix.terms.terms, matrix.by_contrasts, strict=True):
        for variable, contrasts in zip(term.variables, by_contrasts, strict=True):
            label = deparse_variable(variable)
            coding = matrix.codings.get(label)
            if coding is None or not contrasts:
                continue
            treatment = np.eye(len(coding.levels))[:, 1:]
            if not np.array_equal(coding.contrasts, treatment):
                msg = (
                    f"to_bambi: the factor '{label}' is not coded by treatment contrasts, "
                    f"bambi's only ones here; use contrasts={{'{label}': 'treatment'}}"
                )
                raise SpecError(msg)


def _random_text(parameters: ModelParameters, speller: Speller) -> Iterator[str]:
    outer: tuple[str, ...] = ()
    for level, matrix in zip(parameters.levels, parameters.design.random_matrices, strict=True):
        own = speller.group_columns(level.level.group)
        outer = tuple(dict.fromkeys((*outer, *own)))
        # A product of the columns has parameters for combinations that never occur.
        group = speller.group(*(own if speller.count(*own) == len(level.level.labels) else outer))
        for part in _parts(matrix):
            yield f"({speller.terms(part.terms)}|{group})"


def _random_parts(parameters: ModelParameters) -> Iterator[RandomPart]:
    for k, (level, matrix) in enumerate(
        zip(parameters.levels, parameters.design.random_matrices, strict=True)
    ):
        for block, part in zip(level.covariance_blocks, _parts(matrix), strict=True):
            labels = ("1", *part.terms.labels)
            for number in np.unique(part.assign):
                columns = np.flatnonzero(part.assign == number) + block.rows.start
                shift = block.rows.start - block.sds.start
                yield RandomPart(k, labels[number], tuple(columns.tolist()), shift)


def _frame(design: Design, columns: Columns) -> pd.DataFrame:
    matrices = [part for m in design.random_matrices for part in _parts(m)]
    variables: list[Expr] = [v for m in (design.matrix, *matrices) for v in m.terms.variables]
    if design.spec.fixed.lhs is not None:
        variables.append(design.spec.fixed.lhs)
    if design.spec.weights is not None:
        variables.append(parse_formula(getattr(design.spec.weights, "form", "~ 1")).rhs)
    names = [str(name) for name in design.frame.columns]
    return prepare(columns, names, numeric_columns(variables))
