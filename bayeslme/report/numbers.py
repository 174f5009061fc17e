"""Numbers as R shows them, and short column names as R makes them.

Short column names for wide tables, as R makes them. Lower-case vowels go first, from the right,
then lower-case letters, then whatever is left; the first character of a word stays. A name that
would not be unique keeps more letters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.report.settings import REPORT


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


def format_numbers(values: Iterable[float], digits: int = REPORT.significant_digits) -> list[str]:
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
    decimals = min(
        max((p.significant - p.exponent - 1 for p in parts), default=0), REPORT.max_decimals
    )
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


def zapsmall(
    values: npt.ArrayLike, digits: int = REPORT.significant_digits
) -> npt.NDArray[np.float64]:
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


VOWELS = frozenset("aeiou")


def _begins_word(text: Sequence[str], i: int) -> bool:
    return text[i - 1].isspace()


def _ends_word(text: Sequence[str], i: int) -> bool:
    last = i + 1 == len(text) or text[i + 1].isspace()
    return last and not text[i - 1].isspace()


def _is_lower(letter: str) -> bool:
    return letter.isascii() and letter.islower()


Rule = Callable[[Sequence[str], int], bool]
RULES: tuple[Rule, ...] = (
    lambda t, i: t[i] in VOWELS and _ends_word(t, i),
    lambda t, i: t[i] in VOWELS and not _begins_word(t, i),
    lambda t, i: _is_lower(t[i]) and _ends_word(t, i),
    lambda t, i: _is_lower(t[i]) and not _begins_word(t, i),
    lambda t, i: not t[i].isspace() and not _begins_word(t, i),
)


def shorten(name: str, length: int) -> str:
    """Abbreviate one name to `length` characters; blanks, which part words, are not counted.

    Examples
    --------
    >>> shorten("SexFemale", 6), shorten("I(age - 11)", 6)
    ('SexFml', 'I(-11)')
    """
    text = list(name.strip())
    if len(text) <= length:
        return "".join(text)
    blanks = sum(c.isspace() for c in text)
    for rule in RULES:
        for i in range(len(text) - 1, 0, -1):
            if len(text) - blanks <= length:
                break
            if rule(text, i):
                del text[i]
    return "".join(c for c in text if not c.isspace())


def abbreviate(names: Sequence[str], length: int = 6) -> list[str]:
    """Abbreviate names to `length` characters or as many more as keep them apart.

    Parameters
    ----------
    names : sequence of str
    length : int

    Returns
    -------
    list of str

    Examples
    --------
    >>> abbreviate(["(Intercept)", "VarietyMarvellous", "VarietyVictory"])
    ['(Intr)', 'VrtyMr', 'VrtyVc']
    """
    result = {name: shorten(name, length) for name in names}
    longest = max(map(len, names), default=0)
    while length < longest:
        counts = Counter(result.values())
        clashing = [name for name, short in result.items() if counts[short] > 1]
        if not clashing:
            break
        length += 1
        result |= {name: shorten(name, length) for name in clashing}
    return [result[name] for name in names]
