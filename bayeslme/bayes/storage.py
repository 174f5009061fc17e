"""Posteriors on disk: a netCDF file or zarr store that also carries the model's call and data.

Nothing in the file is executed: the call is read by the grammar of ``translate``, the data are a
table.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from bayeslme.bayes.defaults import resolve_priors
from bayeslme.bayes.layout import Layout, build_layout
from bayeslme.bayes.prior_language import Prior
from bayeslme.bayes.priors import ParameterPrior, Priors, Typical
from bayeslme.data.columns import Columns
from bayeslme.data.dates import Origin
from bayeslme.data.design import ORIGINS
from bayeslme.errors import DataError
from bayeslme.fit.api import fit_spec
from bayeslme.spec.call import translate

if TYPE_CHECKING:
    from bayeslme.bayes.posterior import Posterior
    from bayeslme.data.types import Design

ATTRIBUTE = "bayeslme"
FORMAT = 1
ZARR = ".zarr"
MOST_CHARACTERS = 150  # of a reader's own message


def save(posterior: Posterior, path: str | Path) -> None:
    """Write a posterior to a netCDF file, or to a zarr store.

    Parameters
    ----------
    posterior : Posterior
    path : str or Path
        A path that ends in ``.zarr`` becomes a folder in zarr's format 3, every other one a netCDF
        file. What is there is replaced.

    Raises
    ------
    DataError
        Where nothing can be written.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> posterior = fit.sample(draws=500, seed=1)
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save(posterior, f"{folder}/growth.nc")
    """
    design = posterior.layout.design
    spec = replace(posterior.fit.spec, subset=None, na_action="fail")
    record = {
        "format": FORMAT,
        "call": spec.to_r(),
        "contrasts": list(spec.contrasts),
        "factor_contrasts": dict(spec.factor_contrasts),
        "frame": json.loads(
            _plain(design).reset_index(drop=True).to_json(orient="table", double_precision=15)
        ),
        "origins": {name: origin.to_record() for name, origin in design.origins.items()},
        "index": [v if isinstance(v, int | float | str) else str(v) for v in design.index.tolist()],
        "priors": _priors_record(posterior.priors),
    }
    tree = posterior.data.copy()
    tree.attrs[ATTRIBUTE] = json.dumps(record)
    try:
        if Path(path).suffix == ZARR:
            tree.to_zarr(path, mode="w", consolidated=False, zarr_format=3)
        else:
            tree.to_netcdf(path, engine="h5netcdf")
    except OSError as error:
        msg = f"{path}: cannot be written ({str(error)[:MOST_CHARACTERS]})"
        raise DataError(msg) from error


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
    from bayeslme.bayes.posterior import Posterior

    tree = _read(Path(path))
    if ATTRIBUTE not in tree.attrs:
        how = "arviz.from_zarr" if Path(path).is_dir() else "arviz.from_netcdf"
        msg = f"{path}: holds no model of this package; read it with {how}"
        raise DataError(msg)
    record = json.loads(tree.attrs[ATTRIBUTE])
    frame = pd.read_json(
        io.StringIO(json.dumps(record["frame"])), orient="table", precise_float=True
    )
    frame.index = pd.Index(record["index"])
    known = record.get("origins", {})
    frame.attrs[ORIGINS] = {name: Origin.from_record(one) for name, one in known.items()}
    spec = replace(
        translate(record["call"], tuple(record["contrasts"])),
        factor_contrasts=record["factor_contrasts"],
    )
    fit = fit_spec(spec, frame)
    layout = build_layout(fit.design)
    return Posterior(tree, fit, layout, _read_priors(layout, record["priors"]))


def _plain(design: Design) -> pd.DataFrame:
    """The data of a fit, times and durations as the days they count as."""
    columns = Columns(design.frame, design.origins)
    times = {name: np.asarray(columns[name]) for name in design.origins if name in design.needed}
    return design.frame.assign(**times)


def _read(path: Path) -> xr.DataTree:
    what, options = (
        ("zarr store", {"engine": "zarr", "consolidated": False})
        if path.is_dir()
        else ("netCDF file", {"engine": "h5netcdf"})
    )
    try:
        with xr.open_datatree(path, **options) as opened:
            return opened.load()
    except (OSError, ValueError, KeyError) as error:
        msg = f"{path}: cannot be read as a {what} ({str(error)[:MOST_CHARACTERS]})"
        raise DataError(msg) from error


def _priors_record(priors: Priors) -> dict[str, Any]:
    return {
        "preset": priors.preset,
        "priors": {
            p.block.name: [[one.family, dict(one.args)] for one in p.priors] for p in priors
        },
        "basis": {p.block.name: p.basis.tolist() for p in priors if p.basis is not None},
        "relative": {p.block.name: p.relative.tolist() for p in priors if p.relative is not None},
        "margins": [p.block.name for p in priors if p.margins is not None],
        "typical": {
            p.block.name: [p.typical.weights.tolist(), p.typical.constant]
            for p in priors
            if p.typical is not None
        },
    }


def _read_priors(layout: Layout, record: dict[str, Any]) -> Priors:
    made = []
    at_means = {
        name: lv.margins
        for lv in layout.levels
        if lv.margins
        for name in record.get("margins", ())
        if name in (lv.margins.sd, lv.margins.cor)
    }
    for p in resolve_priors(layout):
        stored = tuple(
            Prior(family, tuple(args.items())) for family, args in record["priors"][p.block.name]
        )
        basis = record["basis"].get(p.block.name)
        weights, constant = record.get("typical", {}).get(p.block.name, (None, 0.0))
        typical = None if weights is None else Typical(np.array(weights), constant)
        basis = None if basis is None else np.array(basis)
        margins = at_means.get(p.block.name)
        relative = record.get("relative", {}).get(p.block.name)
        relative = None if relative is None else np.array(relative)
        made.append(ParameterPrior(p.block, stored, basis, typical, margins, relative))
    return Priors(record["preset"], tuple(made))
