"""Names of contrasts: R's option pair for unordered and ordered factors, and choices per factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bayeslme.errors import SpecError

CONTRASTS = ("contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS")
DEFAULT = ("contr.treatment", "contr.poly")


def contrast_name(name: Any) -> str:
    """Return R's full name of a contrast, ``"sum"`` or ``"contr.sum"``.

    Raises
    ------
    SpecError
        For another name.

    Examples
    --------
    >>> contrast_name("sum")
    'contr.sum'
    """
    full = str(name) if str(name).startswith("contr.") else f"contr.{name}"
    if not isinstance(name, str) or full not in CONTRASTS:
        raise SpecError(f"unknown contrasts {name!r}; allowed are {', '.join(CONTRASTS)}")
    return full


def contrast_pair(pair: Any) -> tuple[str, str]:
    """Check R's option pair ``(for unordered factors, for ordered factors)``."""
    if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != len(DEFAULT):
        raise SpecError(
            f"contrasts are a pair such as {DEFAULT}, or a dict {{factor: 'sum'}}, not {pair!r}"
        )
    unordered, ordered = (contrast_name(name) for name in pair)
    return unordered, ordered


def read_contrasts(contrasts: Any) -> tuple[tuple[str, str], dict[str, str]]:
    """Read the contrasts argument of the Python functions.

    Parameters
    ----------
    contrasts : None, pair of str, or mapping
        R's option pair, or factor -> name.

    Returns
    -------
    pair : tuple of two str
    by_factor : dict
    """
    if contrasts is None:
        return DEFAULT, {}
    if isinstance(contrasts, Mapping):
        return DEFAULT, {str(k): contrast_name(v) for k, v in contrasts.items()}
    return contrast_pair(contrasts), {}
