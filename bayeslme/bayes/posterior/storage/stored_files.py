"""Trees of arrays on disk: written beside and renamed, and read with a check of every value.

What fails half-way, as on a full disk, leaves what was there before. Values have a checksum,
because a zarr store without one of its chunks reads as missing values and a changed byte as another
number.
"""

from __future__ import annotations

import io
import json
import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xarray as xr

from bayeslme.bayes import settings
from bayeslme.errors import DataError, shown

ATTRIBUTE = "bayeslme"
ZARR = ".zarr"


WARNINGS = "warnings"  # the attribute that is a list of texts


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write a tree as a netCDF file, or as a zarr store where the name ends in ``.zarr``.

    Parameters
    ----------
    tree : DataTree
        With the attribute ``bayeslme``.
    path : Path
        A file, or a store of this package, is replaced once the new one is complete.

    Raises
    ------
    DataError
        Where nothing can be written, and for a folder that is not such a store.
    """
    target = Path(os.path.realpath(path))  # a link goes on pointing to what is replaced
    store = path.suffix == ZARR
    _check_replaceable(target, path, store=store)
    with _told(path, "cannot be written"), _beside(target) as folder:
        made = folder / target.name
        if store:
            tree.to_zarr(made, mode="w", consolidated=False, zarr_format=3)
            _replace_folder(made, target, folder / "old")
        else:
            _write_file(made, _bytes_of(tree))
            os.replace(made, target)


def read_tree(path: Path) -> xr.DataTree:
    """Read a whole tree.

    Raises
    ------
    DataError
        For what is missing or cannot be read.
    """
    if not path.exists():
        raise DataError(f"{shown(path)}: cannot be read, there is no such file or folder")
    what, options = (
        ("zarr store", {"engine": "zarr", "consolidated": False})
        if path.is_dir()
        else ("netCDF file", {"engine": "h5netcdf"})
    )
    if what == "netCDF file" and not path.is_file():
        raise DataError(f"{shown(path)}: cannot be read as a {what}, it is not a regular file")
    with _told(path, f"cannot be read as a {what}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of strange files in a store: the checksums tell
        with xr.open_datatree(path, **options) as opened:
            return _with_lists(opened.load())


def _with_lists(tree: xr.DataTree) -> xr.DataTree:
    """Give the tree its lists of texts back: files return a single one without its list."""
    for node in tree.subtree:
        if WARNINGS in node.attrs:
            node.attrs[WARNINGS] = [str(text) for text in np.atleast_1d(node.attrs[WARNINGS])]
    return tree


def checksums(tree: xr.DataTree) -> dict[str, int]:
    """Checksum of every variable, coordinate and set of attributes below the root, by its path."""
    found = {}
    for node in tree.subtree:
        if node is tree:
            continue
        dataset = node.to_dataset(inherit=False)
        where = node.path.strip("/")
        for name, held in dataset.variables.items():
            found[f"{where}/{name}"] = _checksum(str(held.dims), held.to_numpy())
        attributes = sorted((str(k), str(v)) for k, v in dataset.attrs.items())
        found[where] = zlib.crc32(json.dumps(attributes).encode())
    return found


def changed(tree: xr.DataTree, before: dict[str, int]) -> str | None:
    """First part of a tree whose checksum is another one, or that is missing."""
    now = checksums(tree)
    return next((part for part, value in before.items() if now.get(part) != value), None)


def _checksum(dims: str, values: np.ndarray) -> int:
    """Of the values as numbers or as text: how they are stored may change their type."""
    start = zlib.crc32(f"{dims}{values.shape}".encode())
    if values.dtype.kind in "fiub":
        return zlib.crc32(np.ascontiguousarray(values, dtype="<f8").tobytes(), start)
    return zlib.crc32("\0".join(map(str, values.ravel().tolist())).encode(), start)


def _check_replaceable(target: Path, path: Path, *, store: bool) -> None:
    if not target.exists():
        return
    if not store and not target.is_file():
        what = "a folder" if target.is_dir() else "no regular file"
        raise DataError(f"{shown(path)}: cannot be written, it is {what}; name a file")
    if store and not _is_ours(target):
        raise DataError(
            f"{shown(path)}: cannot be written, what is there is no store of this package and is "
            "not deleted; give another name, or remove it first"
        )


def _is_ours(folder: Path) -> bool:
    """Whether a folder is empty or a zarr store that this package wrote."""
    try:
        if not any(folder.iterdir()):
            return True
        head = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        return head["zarr_format"] == 3 and ATTRIBUTE in head["attributes"]  # noqa: PLR2004
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """Errors of the libraries below, which are of many kinds, as one that names the path."""
    try:
        yield
    except (DataError, Warning):
        raise
    except Exception as error:
        # The system's own reason; its file may be the one beside, which the caller did not name.
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        short = " ".join(said.split())[: settings.POSTERIOR.max_quoted_characters]
        raise DataError(f"{shown(path)}: {what} ({short or type(error).__name__})") from error


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A folder on the same disk, gone afterwards."""
    with TemporaryDirectory(prefix=".bayeslme-", dir=target.parent) as name:
        yield Path(name)


def _bytes_of(tree: xr.DataTree) -> bytes:
    """The netCDF file in memory: HDF5 cannot close a file that a full disk has no room for."""
    held = io.BytesIO()
    tree.to_netcdf(held, engine="h5netcdf")
    return held.getvalue()


def _write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _replace_folder(made: Path, target: Path, old: Path) -> None:
    """Replace a store by another one; the old one is restored if that fails."""
    if not target.exists():
        os.replace(made, target)
        return
    os.replace(target, old)
    try:
        os.replace(made, target)
    except OSError:
        os.replace(old, target)
        raise
