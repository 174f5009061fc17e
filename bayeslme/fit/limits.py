"""Tables of estimates between their limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt
import pandas as pd

COLUMNS = ["lower", "est.", "upper"]


def limits_frame(
    names: Sequence[str] | pd.Index,
    lower: npt.ArrayLike,
    estimate: npt.ArrayLike,
    upper: npt.ArrayLike,
) -> pd.DataFrame:
    """Table (k, 3) with columns lower, est., upper."""
    values = dict(zip(COLUMNS, (lower, estimate, upper), strict=True))
    return pd.DataFrame(values, index=pd.Index(names))
