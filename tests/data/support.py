"""R's answers for the data floor, and the frames they belong to."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent


@functools.cache
def answers() -> dict[str, Any]:
    """What make_r_data.R stored."""
    with gzip.open(HERE / "r_data.json.gz", "rt", encoding="utf-8") as text:
        return json.load(text)


def typed(name: str) -> pd.DataFrame:
    """One of the two frames with the column types of the R script."""
    frame = pd.read_csv(HERE / name)
    frame["a"] = pd.Categorical(frame["a"], ["w", "u", "unused", "v"])
    frame["b"] = pd.Categorical(frame["b"], ["lo", "mid", "hi"])
    frame["o"] = pd.Categorical(frame["o"], ["s1", "s2", "s3", "s4"], ordered=True)
    return frame


def with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """The R script's frame e: some values missing."""
    frame = frame.copy()
    frame.loc[[1, 8], "x"] = np.nan
    frame.loc[3, "a"] = None
    frame["l"] = frame["l"].astype("boolean")
    frame.loc[6, "l"] = pd.NA
    return frame
