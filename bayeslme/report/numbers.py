"""Numbers as R shows them: a column has common decimals, enough for seven digits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

DIGITS = 7
MAX_DECIMALS = 15


@dataclass(frozen=True, slots=True)
class _Digits:
    """A rounded number: sign, decimal exponent, digits that are not trailing zeros."""

    negative: bool
    exponent: int
    significant: int


def _digits(value: float, digits: int) -> _Digits:
    if value == 0.0:
        return _Digits(False, 0, 1)
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    significant = len(mantissa.replace(".", "").rstrip("0")) or 1
    return _Digits(value < 0, int(exponent), significant)


def _special(value: float) -> str:
    if math.isnan(value):
        return "NA"
    return "Inf" if value > 0 else "-Inf"


def _scientific(value: float, decimals: int) -> str:
    mantissa, exponent = f"{value:.{decimals}e}".split("e")
    return f"{mantissa}e{int(exponent):+03d}"


def format_numbers(values: Iterable[float], digits: int = DIGITS) -> list[str]:
    """Format numbers as one column: a common number of decimals, right-aligned to a common width.

    The number of decimals is the smallest that shows every value to `digits` significant digits,
    trailing zeros dropped; scientific notation is taken where it is narrower. NaN is ``NA``.

    Parameters
    ----------
    values : iterable of float
    digits : int
        Significant digits.

    Returns
    -------
    list of str
        All of one width.

    Examples
    --------
    >>> format_numbers([5.46633301, -0.75133301, 0.04766701])
    [' 5.46633301', '-0.75133301', ' 0.04766701']
    >>> format_numbers([0.0, 6e-4])
    ['0e+00', '6e-04']
    """
    numbers = [float(v) + 0.0 for v in values]  # -0.0 becomes 0.0
    parts = [_digits(v, digits) for v in numbers if math.isfinite(v)]
    decimals = min(max((p.significant - p.exponent - 1 for p in parts), default=0), MAX_DECIMALS)
    decimals = max(decimals, 0)
    sign = any(p.negative for p in parts)
    left = max((p.negative + max(p.exponent + 1, 1) for p in parts), default=1)
    fixed_width = left + decimals + (decimals > 0)
    mantissa = max((p.significant for p in parts), default=1) - 1
    exponent = max((len(str(abs(p.exponent))) for p in parts), default=1)
    scientific_width = sign + 1 + mantissa + (mantissa > 0) + 2 + max(exponent, 2)
    fixed = fixed_width <= scientific_width
    texts = [
        _special(v)
        if not math.isfinite(v)
        else f"{v:.{decimals}f}"
        if fixed
        else _scientific(v, mantissa)
        for v in numbers
    ]
    width = max(map(len, texts), default=0)
    return [t.rjust(width) for t in texts]


def zapsmall(values: npt.ArrayLike, digits: int = DIGITS) -> npt.NDArray[np.float64]:
    """Round to the decimals that the largest absolute value needs for `digits` significant digits.

    Examples
    --------
    >>> zapsmall([24.96875, 1e-9, 0.12345678]).tolist()
    [24.96875, 0.0, 0.123457]
    """
    x = np.asarray(values, dtype=float)
    finite = np.abs(x[np.isfinite(x)])
    largest = float(finite.max()) if finite.size else 0.0
    decimals = max(0, math.floor(digits - math.log10(largest) + 0.5)) if largest > 0 else digits
    return np.array(
        [round(v, decimals) if math.isfinite(v) else v for v in x.ravel().tolist()]
    ).reshape(x.shape)


def format_zapped(values: npt.ArrayLike) -> list[str]:
    """Format a column of a coefficient table: `zapsmall`, then common decimals."""
    return format_numbers(zapsmall(values).ravel().tolist())


def column_texts(column: pd.Series) -> list[str]:
    """Texts of a column of any type: numbers with common decimals, p-values as such.

    Missing numbers are blank.
    """
    if not pd.api.types.is_numeric_dtype(column):
        return [str(value) for value in column]
    known = column.notna().to_numpy()
    numbers = column[known].to_numpy(float)
    p = column.name == "p-value"
    texts = iter(format_p_values(numbers) if p else format_zapped(numbers))
    return [next(texts) if k else "" for k in known]


def format_p_values(values: npt.ArrayLike, *, smallest: bool = True) -> list[str]:
    """Format p-values to four decimals; zero is shown as ``<.0001`` where `smallest` is true.

    Parameters
    ----------
    values : (k,) array
    smallest : bool
        As in an analysis of variance table; the table of fixed effects shows ``0.0000``.

    Returns
    -------
    list of str, length k

    Examples
    --------
    >>> format_p_values([1e-20, 0.1277])
    ['<.0001', '0.1277']
    """
    rounded = [round(float(v), 4) for v in np.asarray(values, dtype=float).ravel()]
    texts = format_numbers(rounded)
    return ["<.0001" if smallest and p == 0.0 else t for p, t in zip(rounded, texts, strict=True)]
