"""Numbers as R prints them: at most 15 significant digits, scientific where that is shorter."""

from __future__ import annotations

import math


def r_number(value: float) -> str:
    """Format a number as R's deparse does.

    Parameters
    ----------
    value : float

    Returns
    -------
    str

    Examples
    --------
    >>> [r_number(x) for x in (0.5, 100000, 123456, 1e-4, 4.5679)]
    ['0.5', '1e+05', '123456', '1e-04', '4.5679']
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    mantissa, exponent = f"{value:.14e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    power = int(exponent)
    significant = sum(c.isdigit() for c in mantissa)
    decimals = max(0, significant - 1 - power)
    fixed = f"{value:.{decimals}f}"
    scientific = f"{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return fixed if len(fixed) <= len(scientific) else scientific


def exact_number(value: float) -> str:
    """Format a number as R prints it where that loses nothing, else with all its digits."""
    text = r_number(value)
    return text if math.isnan(value) or float(text) == value else repr(float(value))
