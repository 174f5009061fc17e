"""Posteriors on disk: a netCDF file or zarr store, with the model's call and data.

Nothing in the file is executed: the call is read by the grammar of ``translate``, the data are a
table.

Data frames as JSON that give back every value and type, without running any code. A column is its
type's name and its values; categories and the labels of rows are columns again. Numbers are written
with all their digits. Values that JSON does not know carry the name of their kind: ``{"decimal":
"0.1"}``.
"""

from __future__ import annotations

import base64
import datetime
import json
import math
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.posterior.storage.stored_files import (
    ATTRIBUTE,
    changed,
    checksums,
    read_tree,
    write_tree,
)
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.priors.language import Prior
from bayeslme.bayes.priors.priors import ParameterPrior, Priors
from bayeslme.bayes.priors.scales import stored_scale
from bayeslme.data.design import ORIGINS
from bayeslme.data.variables.dates import Origin
from bayeslme.errors import BayesLMEError, DataError, as_path, shown
from bayeslme.fit.api import fit_spec
from bayeslme.spec.script import translate
from bayeslme.spec.structure_reader import canonical
from bayeslme.structures import PdLogChol, RelationMatrix, known_effects

if TYPE_CHECKING:
    import xarray as xr

    from bayeslme.bayes.posterior.posterior import Posterior
    from bayeslme.spec.model import LmeSpec


Record = dict[str, Any]

# Kinds of values beyond JSON's: the class, to text or numbers, and back.
_KINDS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "float": (float, float.hex, float.fromhex),
    "complex": (complex, lambda v: [v.real, v.imag], lambda v: complex(*v)),
    "decimal": (Decimal, str, Decimal),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "period": (pd.Period, lambda v: [v.ordinal, v.freqstr], lambda v: _period(*v)),
    "timestamp": (
        pd.Timestamp,
        lambda v: [v.asm8.view("i8").item(), v.unit, None if v.tz is None else str(v.tz)],
        lambda v: _timestamp(*v),
    ),
    "timedelta": (
        pd.Timedelta,
        lambda v: [v.asm8.view("i8").item(), v.unit],
        lambda v: pd.Timedelta(np.timedelta64(v[0], v[1])),
    ),
    "interval": (
        pd.Interval,
        lambda v: [_encoded(v.left), _encoded(v.right), v.closed],
        lambda v: pd.Interval(_decoded(v[0]), _decoded(v[1]), v[2]),
    ),
    "datetime": (
        datetime.datetime,
        datetime.datetime.isoformat,
        datetime.datetime.fromisoformat,
    ),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "tuple": (tuple, lambda v: [_encoded(one) for one in v], lambda v: tuple(map(_decoded, v))),
}


def frame_record(frame: pd.DataFrame) -> Record:
    """Record of a data frame with its index, and of the attributes that JSON can hold.

    Parameters
    ----------
    frame : DataFrame

    Raises
    ------
    DataError
        Naming the column, for values of a kind that cannot be stored.
    """
    columns = [column_record(frame.iloc[:, k], str(c)) for k, c in enumerate(frame.columns)]
    index = [
        column_record(frame.index.get_level_values(k), f"index level {k + 1}")
        for k in range(frame.index.nlevels)
    ]
    return {
        "names": [str(name) for name in frame.columns],
        "columns": columns,
        "index": index,
        "index_names": [None if n is None else str(n) for n in frame.index.names],
        "attrs": {k: v for k, v in frame.attrs.items() if isinstance(k, str) and _plain(v)},
    }


def frame_of(record: Record) -> pd.DataFrame:
    """Data frame of a record."""
    index = [column_of(one) for one in record["index"]]
    names = record["index_names"]
    if len(index) == 1:
        rows = pd.Index(index[0], name=names[0])
    else:
        rows = pd.MultiIndex.from_arrays(index, names=names)
    columns = [column_of(one).set_axis(rows) for one in record["columns"]]
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=rows)
    frame.columns = pd.Index(record["names"])
    frame.attrs = dict(record["attrs"])
    return frame


def column_record(values: pd.Series[Any] | pd.Index[Any], name: str) -> Record:
    """Record of one column, or of one level of an index."""
    dtype = values.dtype
    if isinstance(dtype, pd.SparseDtype):
        dense = pd.Series(np.asarray(values), dtype=dtype.subtype)
        return column_record(dense, name)
    if isinstance(dtype, pd.CategoricalDtype):
        known = pd.Categorical(values)
        return {
            "categories": column_record(known.categories, name),
            "ordered": bool(known.ordered),
            "codes": known.codes.tolist(),
        }
    try:
        return {"dtype": _type_name(dtype), "values": [_encoded(v) for v in _listed(values)]}
    except TypeError as error:
        raise DataError(f"column '{name}' cannot be stored: {error}") from error


def column_of(record: Record) -> pd.Series[Any]:
    """Column of a record, under rows counted from 0."""
    if "categories" in record:
        categories = pd.Index(column_of(record["categories"]))
        return pd.Series(
            pd.Categorical.from_codes(record["codes"], categories, ordered=record["ordered"])
        )
    values = [_decoded(v) for v in record["values"]]
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    dtype = record["dtype"]
    if dtype.startswith(("interval", "period", "datetime64", "timedelta64")):
        return pd.Series(pd.array(objects, dtype=dtype))
    return pd.Series(objects, dtype=object).astype(dtype)


def _type_name(dtype: Any) -> str:
    """Name of a type where it describes it completely, as those of some Arrow types do not."""
    try:
        known = pd.api.types.pandas_dtype(str(dtype)) == dtype
    except (TypeError, NotImplementedError):
        known = False
    return str(dtype) if known else "object"


def _listed(values: pd.Series[Any] | pd.Index[Any]) -> Sequence[Any]:
    """Python's own values; None where one is missing and the column is not of floats."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiub":
        return values.tolist()
    missing = np.asarray(values.isna())
    return [
        None if gone and not isinstance(v, float) else v
        for v, gone in zip(values.tolist(), missing, strict=True)
    ]


def _encoded(value: Any) -> Any:
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    for kind, (cls, to, _) in _KINDS.items():
        if isinstance(value, cls):
            return {kind: to(value)}
    raise TypeError(f"values of type {type(value).__name__} have no form on disk")


def _decoded(value: Any) -> Any:
    if isinstance(value, dict):
        ((kind, held),) = value.items()
        return _KINDS[kind][2](held)
    return value


def _period(ordinal: int, freq: str) -> pd.Period:
    return pd.Period(ordinal=ordinal, freq=freq)


def _timestamp(count: int, unit: Any, tz: str | None) -> pd.Timestamp:
    stamp = pd.Timestamp(np.datetime64(count, unit))
    return stamp if tz is None else stamp.tz_localize("UTC").tz_convert(tz)


def _plain(value: Any) -> bool:
    """Whether JSON gives a value back as it is."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and _plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return value is None or type(value) in (bool, int, float, str)


FORMAT = 2


def save(posterior: Posterior, path: str | Path) -> None:
    """Write a posterior to a netCDF file, or to a zarr store; see `Posterior.save`."""
    target = as_path(path)
    design = posterior.parameters.design
    spec = replace(posterior.fit.spec, subset=None, na_action="fail")
    structure = spec.correlation
    by = None if structure is None else structure.by
    in_r = _without_matrices(spec)
    # R has no word for parameters by level; a call of mmrm has them in its formula.
    if structure is not None and by is not None and spec.mmrm is None:
        in_r = replace(in_r, correlation=replace(structure, by=None))
    frame = design.frame
    frame.attrs = dict(posterior.fit.data.attrs)
    record = {
        "call": in_r.to_r(),
        "by": by,
        "matrices": _matrices_record(spec),
        "contrasts": list(spec.contrasts),
        "factor_contrasts": dict(spec.factor_contrasts),
        "frame": frame_record(frame),
        "origins": {name: origin.to_record() for name, origin in design.origins.items()},
        "priors": _priors_record(posterior.priors),
        "checksums": checksums(posterior.data),
    }
    tree = posterior.data.copy()
    model = json.dumps(record)
    head = {"format": FORMAT, "checksum": zlib.crc32(model.encode()), "model": model}
    tree.attrs[ATTRIBUTE] = json.dumps(head)
    write_tree(tree, target)


def load_posterior(path: str | Path) -> Posterior:
    """Read a posterior that ``Posterior.save`` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Posterior
        The classical fit is computed again from the stored call and data.

    Raises
    ------
    DataError
        For what is missing or was not written by ``Posterior.save``.

    Examples
    --------
    >>> import bayeslme
    >>> from tempfile import TemporaryDirectory
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> posterior = fit.sample(seed=1)
    >>> with TemporaryDirectory() as folder:
    ...     posterior.save(f"{folder}/growth.nc")
    ...     again = load_posterior(f"{folder}/growth.nc")
    >>> bool(again.summary().fixed.equals(posterior.summary().fixed))
    True
    """
    tree = read_tree(as_path(path))
    if ATTRIBUTE not in tree.attrs:
        how = "arviz.from_zarr" if Path(path).is_dir() else "arviz.from_netcdf"
        msg = f"{shown(path)}: holds no model of this package; read it with {how}"
        raise DataError(msg)
    try:
        head = json.loads(tree.attrs[ATTRIBUTE])
        return _rebuilt(_checked(head, tree, path), tree)
    except (BayesLMEError, Warning):
        raise
    except Exception as error:  # a damaged record can break anywhere
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        msg = f"{shown(path)}: the model's record is damaged ({reason})"
        raise DataError(msg) from error


def _checked(head: dict[str, Any], tree: xr.DataTree, path: str | Path) -> dict[str, Any]:
    """The model's record, once all that is in the file has proved to be what was saved."""
    if head["format"] != FORMAT:
        raise DataError(
            f"{shown(path)}: is in format {str(head['format'])[:20]!r}, and this version reads "
            f"format {FORMAT}; read the draws with arviz, or use the version that wrote it"
        )
    if zlib.crc32(head["model"].encode()) != head["checksum"]:
        raise DataError(f"{shown(path)}: the model's record is damaged; read the draws with arviz")
    record: dict[str, Any] = json.loads(head["model"])
    part = changed(tree, record["checksums"])
    if part is not None:
        raise DataError(
            f"{shown(path)}: {part!r} is missing or not what was saved, so the file is damaged or "
            "was changed; read what is left with arviz"
        )
    return record


def _rebuilt(record: dict[str, Any], tree: xr.DataTree) -> Posterior:
    from bayeslme.bayes.posterior.posterior import Posterior

    spec = replace(
        translate(record["call"], tuple(record["contrasts"])),
        factor_contrasts=record["factor_contrasts"],
    )
    if spec.correlation is not None and record.get("by") is not None:
        spec = replace(spec, correlation=replace(spec.correlation, by=record["by"]))
    spec = _with_matrices(spec, record.get("matrices", {}))
    frame = frame_of(record["frame"])
    if record["origins"]:
        frame.attrs[ORIGINS] = {k: Origin.from_record(v) for k, v in record["origins"].items()}
    fit = fit_spec(spec, frame)
    parameters = build_parameters(fit.design)
    return Posterior(tree, fit, parameters, _read_priors(parameters, record["priors"]))


def _without_matrices(spec: LmeSpec) -> LmeSpec:
    """The specification with groups that are independent: R has no word for related ones."""
    random = tuple(
        level
        if level.structure.matrix is None
        else replace(level, structure=PdLogChol(level.structure.value, level.structure.form))
        for level in spec.random
    )
    return replace(spec, random=random)


def _matrices_record(spec: LmeSpec) -> Record:
    """Known covariances among groups, by the place of their level."""
    out: Record = {}
    for k, level in enumerate(spec.random):
        one = level.structure.matrix
        if one is not None:
            numbers = zlib.compress(one.values.astype("<f8").tobytes())
            out[str(k)] = {
                "name": one.name,
                "labels": None if one.labels is None else list(one.labels),
                "counted": one.counted,
                "values": base64.b64encode(numbers).decode(),
            }
    return out


def _with_matrices(spec: LmeSpec, record: Record) -> LmeSpec:
    random = list(spec.random)
    for place, one in record.items():
        numbers = np.frombuffer(zlib.decompress(base64.b64decode(one["values"])), "<f8")
        size = math.isqrt(len(numbers))
        labels = None if one["labels"] is None else tuple(one["labels"])
        matrix = RelationMatrix(numbers.reshape(size, size), labels, one["counted"])
        old = random[int(place)]
        structure = known_effects(matrix, one["name"], str(old.structure.form))
        random[int(place)] = replace(old, structure=canonical(structure))
    return replace(spec, random=tuple(random))


def _priors_record(priors: Priors) -> dict[str, Any]:
    record: dict[str, Any] = {
        "preset": priors.preset,
        "priors": {
            p.block.name: [[one.family, dict(one.args)] for one in p.priors] for p in priors
        },
    }
    for p in priors:
        for kind, stored in p.scale.to_dict().items():
            record.setdefault(kind, {})[p.block.name] = stored
    return record


def _read_priors(parameters: ModelParameters, record: dict[str, Any]) -> Priors:
    made = []
    for p in resolve_priors(parameters):
        stored = tuple(
            Prior(family, tuple(args.items())) for family, args in record["priors"][p.block.name]
        )
        made.append(ParameterPrior(p.block, stored, stored_scale(p.block.name, record, p.scale)))
    return Priors(record["preset"], tuple(made))
