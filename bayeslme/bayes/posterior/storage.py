"""Posteriors on disk: a netCDF file or zarr store that also carries the model's call and data.

Nothing in the file is executed: the call is read by the grammar of ``translate``, the data are a
table.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bayeslme.bayes.defaults import resolve_priors
from bayeslme.bayes.layout import Layout, build_layout
from bayeslme.bayes.prior_language import Prior
from bayeslme.bayes.priors import ParameterPrior, Priors, Typical
from bayeslme.bayes.stored_files import ATTRIBUTE, changed, checksums, read_tree, write_tree
from bayeslme.bayes.stored_frame import frame_of, frame_record
from bayeslme.data.dates import Origin
from bayeslme.data.design import ORIGINS
from bayeslme.errors import BayesLMEError, DataError
from bayeslme.fit.api import fit_spec
from bayeslme.spec.call import translate

if TYPE_CHECKING:
    import xarray as xr

    from bayeslme.bayes.posterior import Posterior

FORMAT = 2


def save(posterior: Posterior, path: str | Path) -> None:
    """Write a posterior to a netCDF file, or to a zarr store.

    Parameters
    ----------
    posterior : Posterior
    path : str or Path
        A path that ends in ``.zarr`` becomes a folder in zarr's format 3, every other one a netCDF
        file. A file, or a store of this package, that is there is replaced once the new one is
        complete.

    Raises
    ------
    DataError
        Where nothing can be written, for values that have no form on disk, and for a folder that
        is no store of this package.

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
    frame = design.frame
    frame.attrs = dict(posterior.fit.data.attrs)
    record = {
        "call": spec.to_r(),
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
    write_tree(tree, Path(path))


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
    tree = read_tree(Path(path))
    if ATTRIBUTE not in tree.attrs:
        how = "arviz.from_zarr" if Path(path).is_dir() else "arviz.from_netcdf"
        msg = f"{path}: holds no model of this package; read it with {how}"
        raise DataError(msg)
    try:
        head = json.loads(tree.attrs[ATTRIBUTE])
        return _rebuilt(_checked(head, tree, path), tree)
    except (BayesLMEError, Warning):
        raise
    except Exception as error:  # a damaged record can break anywhere
        msg = f"{path}: the model's record is damaged ({type(error).__name__}: {str(error)[:100]})"
        raise DataError(msg) from error


def _checked(head: dict[str, Any], tree: xr.DataTree, path: str | Path) -> dict[str, Any]:
    """The model's record, once all that is in the file has proved to be what was saved."""
    if head["format"] != FORMAT:
        raise DataError(
            f"{path}: is in format {str(head['format'])[:20]!r}, and this version reads format "
            f"{FORMAT}; read the draws with arviz, or use the version that wrote it"
        )
    if zlib.crc32(head["model"].encode()) != head["checksum"]:
        raise DataError(f"{path}: the model's record is damaged; read the draws with arviz")
    record: dict[str, Any] = json.loads(head["model"])
    part = changed(tree, record["checksums"])
    if part is not None:
        raise DataError(
            f"{path}: {part!r} is missing or not what was saved, so the file is damaged or was "
            "changed; read what is left with arviz"
        )
    return record


def _rebuilt(record: dict[str, Any], tree: xr.DataTree) -> Posterior:
    from bayeslme.bayes.posterior import Posterior

    spec = replace(
        translate(record["call"], tuple(record["contrasts"])),
        factor_contrasts=record["factor_contrasts"],
    )
    frame = frame_of(record["frame"])
    if record["origins"]:
        frame.attrs[ORIGINS] = {k: Origin.from_record(v) for k, v in record["origins"].items()}
    fit = fit_spec(spec, frame)
    layout = build_layout(fit.design)
    return Posterior(tree, fit, layout, _read_priors(layout, record["priors"]))


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
