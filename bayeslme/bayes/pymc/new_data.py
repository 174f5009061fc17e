"""Other rows and other groups for a PyMC model that has been built.

This module imports PyMC; it is itself imported only where there is a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from bayeslme.bayes.model_parameters import ModelParameters
from bayeslme.bayes.posterior.tree import labels_of_rows
from bayeslme.bayes.pymc.open_rows import Rows, row_arrays
from bayeslme.data.evaluation.evaluate import columns_of, evaluate_number
from bayeslme.data.newdata import NewRows, new_rows, new_variance
from bayeslme.data.plan import left_side
from bayeslme.data.types import VarianceCoords
from bayeslme.data.variables.columns import as_frame
from bayeslme.data.variables.factors import Factor
from bayeslme.errors import DataError, SpecError, listed, rows_of

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

_TAG = "bayeslme_parameters"


def remember(model: pm.Model, parameters: ModelParameters) -> None:
    """Note in a model what it was built from, where copies of the model have it too."""
    setattr(model["X"].tag, _TAG, parameters)


class ModelData(TypedDict):
    """Arguments of ``pm.set_data``."""

    new_data: dict[str, np.ndarray]
    coords: dict[str, Any]
    model: pm.Model


def pymc_data(spec: Any, newdata: pd.DataFrame, model: pm.Model) -> ModelData:
    """What ``pm.set_data`` takes to give a model other rows; see ``LmeSpec.pymc_data``."""
    parameters = _parameters_of(model)
    design = parameters.design
    if spec != design.spec:
        msg = "model: was built from another specification; use that one's pymc_data"
        raise SpecError(msg)
    if design.correlation is not None:
        name = spec.correlation.r_name
        msg = (
            f"correlation: the groups and times of {name} are part of a model and cannot be "
            "exchanged; build a new model, spec.to_pymc(newdata)"
        )
        raise SpecError(msg)
    if design.crossed and not any(f"{one.key}_code" in model for one in parameters.levels):
        msg = (
            "form: crossed random effects that are integrated out are bound to their groups; "
            "use form='hierarchical', or build a new model, spec.to_pymc(newdata)"
        )
        raise SpecError(msg)
    frame = as_frame(newdata, "newdata")
    rows = new_rows(design, frame)
    if not len(frame):
        raise DataError("newdata: has no rows")
    _check_complete(rows, parameters)
    code, labels = _groups(parameters, rows, model)
    found = Rows(
        _response(parameters, rows),
        rows.X,
        None if isinstance(design.offset, float) else np.broadcast_to(rows.offset, len(rows.X)),
        rows.Z,
        code,
        labels,
        _variance(parameters, rows),
    )
    marginal = any(f"{one.key}_rows" in model.named_vars for one in parameters.levels)
    arrays = row_arrays(parameters, found, groups=marginal)
    coords: dict[str, Any] = {"row": labels_of_rows(frame.index, np.arange(len(frame)))}
    coords |= {one.key: list(own) for one, own in zip(parameters.levels, labels, strict=True)}
    given = {name: values for name, (values, _) in arrays.items() if name in model.named_vars}
    if "y" in {variable.name for variable in model.data_vars}:  # the likelihood has been replaced
        given["y"] = found.y
    return {"new_data": given, "coords": coords, "model": model}


def _parameters_of(model: pm.Model) -> ModelParameters:
    known = model.named_vars.get("X")
    found = getattr(getattr(known, "tag", None), _TAG, None)
    if not isinstance(found, ModelParameters):
        msg = "model: was not made by to_pymc, or its data 'X' has been replaced"
        raise SpecError(msg)
    return found


def _check_complete(rows: NewRows, parameters: ModelParameters) -> None:
    """Refuse missing values of predictors: a model has no rows without a mean."""
    matrices = {"the fixed effects": rows.X, "the offset": np.asarray(rows.offset)}
    for one, z in zip(parameters.levels, rows.Z, strict=True):
        matrices[f"the random effects of '{one.level.group}'"] = z
    for what, values in matrices.items():
        by_row = np.broadcast_to(values, (len(rows.X), *values.shape[1:]))
        bad = np.isnan(by_row.reshape(len(by_row), -1)).any(axis=1)
        _refuse(np.flatnonzero(bad), f"a value of {what} is missing")


def _refuse(bad: np.ndarray, what: str) -> None:
    if len(bad):
        raise DataError(f"newdata: {what} in {rows_of(len(bad))}; leave them out")


def _response(parameters: ModelParameters, rows: NewRows) -> np.ndarray:
    """The response; NaN where newdata has no column of it, so that nothing can be fitted to it."""
    response = left_side(parameters.design.spec.fixed)
    if all(name in rows.columns for name in columns_of(response)):
        y = np.asarray(evaluate_number(response, rows.columns), dtype=float)
        _refuse(np.flatnonzero(~np.isfinite(y)), "the response is not a finite number")
        return y
    return np.full(len(rows.X), np.nan)


def _groups(
    parameters: ModelParameters, rows: NewRows, model: pm.Model
) -> tuple[tuple[np.ndarray, ...], tuple[tuple[str, ...], ...]]:
    """Code of each row and labels of the groups, level by level."""
    codes, labels = [], []
    for one, known, group in zip(parameters.levels, rows.code, rows.group, strict=True):
        where = f"the group of '{one.level.group}' is missing"
        _refuse(np.flatnonzero((known < 0) & (group.code < 0)), where)
        current = tuple(model.coords[one.key])
        own, names = _level_groups(one.level.labels, known, group, current)
        if one.level.related is not None and names != current:
            msg = (
                f"'{one.level.group}': newdata has groups that are not in the model, and how they "
                "are related to its own is part of it; build a new model, spec.to_pymc(newdata)"
            )
            raise SpecError(msg)
        codes.append(own)
        labels.append(names)
    return tuple(codes), tuple(labels)


def _level_groups(
    built: tuple[str, ...], known: np.ndarray, group: Factor, current: Any
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Groups that the model has now where they include all of the rows', else the rows' own.

    The model's own stay in their places because draws of their effects then keep their meaning.
    """
    names = np.array([*group.levels, ""], dtype=object)[group.code]
    met = (known >= 0) & (known < len(built))  # a relative without rows is beyond them
    names[met] = np.array(built, dtype=object)[known[met]]
    place = {name: k for k, name in enumerate(current)}
    if not all(name in place for name in set(names)):
        first = np.unique(group.code, return_index=True)[1]  # in the order of the factor's levels
        place = {name: k for k, name in enumerate(dict.fromkeys(names[first]))}
    return np.array([place[name] for name in names], dtype=np.intp), tuple(place)


def _variance(parameters: ModelParameters, rows: NewRows) -> tuple[VarianceCoords, ...]:
    out = []
    for coords in new_variance(parameters.design, rows):
        unknown = f"the stratum of the variance is none of {listed(coords.strata)}"
        _refuse(np.flatnonzero(coords.stratum < 0), unknown)
        if coords.covariate is not None:
            bad = np.flatnonzero(~np.isfinite(coords.covariate))
            _refuse(bad, "the covariate of the variance is missing")
        out.append(coords)
    return tuple(out)
