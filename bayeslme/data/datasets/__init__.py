"""Data sets that come with the package: the lecture's, and those of Pinheiro and Bates (2000).

``load_data("orthodont")`` returns a data frame with R's column names, a RangeIndex and factors as
Categoricals in R's level order. Its ``attrs`` say where the numbers come from.
"""

from __future__ import annotations

import json
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from bayeslme.errors import DataError

ATTRIBUTES = ("source", "note", "units", "labels", "formula", "licence", "true_values")


def load_data(name: str) -> pd.DataFrame:
    """Load a data set of the package.

    Parameters
    ----------
    name : str
        In any case; `data_names` lists them.

    Returns
    -------
    pandas.DataFrame
        A fresh copy. ``attrs`` holds "source", "note", "units" (by column), "labels" (by column),
        "formula" (R's grouped-data formula, or None) and "licence"; of simulated data also
        "true_values".

    Raises
    ------
    DataError
        For an unknown name.

    Examples
    --------
    >>> frame = load_data("Orthodont")
    >>> frame.shape, frame.attrs["formula"]
    ((108, 4), 'distance ~ age | Subject')
    >>> frame["Sex"].cat.categories.tolist()
    ['Male', 'Female']
    """
    known = {key.casefold(): key for key in _catalogue()}
    key = known.get(str(name).casefold())
    if key is None:
        close = get_close_matches(str(name).casefold(), known, n=3)
        hint = f"did you mean {' or '.join(known[c] for c in close)}?" if close else ""
        msg = f"load_data: no data set is named '{name}'; {hint or 'data_names() lists them'}"
        raise DataError(msg)
    about = _catalogue()[key]
    frame = _read(key, about["columns"])
    frame.attrs = {"name": key, **{a: deepcopy(about[a]) for a in ATTRIBUTES if a in about}}
    return frame


def data_names() -> tuple[str, ...]:
    """Names of the data sets, in alphabetical order.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> [name for name in data_names() if name.startswith("Or")]
    ['Orange', 'Orthodont']
    """
    return tuple(sorted(_catalogue(), key=str.casefold))


@cache
def _catalogue() -> dict[str, dict[str, Any]]:
    text = (resources.files(__package__) / "catalogue.json").read_text(encoding="utf-8")
    catalogue: dict[str, dict[str, Any]] = json.loads(text)
    return catalogue


def _read(key: str, columns: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Read the CSV; only ``NA`` is missing, for level names such as "None" are real."""
    text = {name: str for name, about in columns.items() if "levels" in about}
    with resources.as_file(resources.files(__package__) / "files" / f"{key}.csv.gz") as path:
        frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=["NA"])
    for name, about in columns.items():
        if "levels" in about:
            ordered = bool(about.get("ordered", False))
            frame[name] = pd.Categorical(frame[name], categories=about["levels"], ordered=ordered)
    return frame
