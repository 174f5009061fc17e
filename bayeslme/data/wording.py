"""Words of error messages."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[object], limit: int = 8, quote: str = "") -> str:
    """Names joined by commas, cut after `limit` of them.

    Examples
    --------
    >>> listed(["a", "b", "c"], limit=2, quote="'")
    "'a', 'b', ..."
    """
    shown = [f"{quote}{name}{quote}" for name in names[:limit]]
    return ", ".join([*shown, "..."] if len(names) > limit else shown)


def rows_of(count: int) -> str:
    """``"1 row"`` or ``"3 rows"``."""
    return "1 row" if count == 1 else f"{count} rows"
