"""Several tables under their names, which show themselves in a terminal and in a notebook."""

from __future__ import annotations

import pandas as pd

from bayeslme.report.html import frames_html
from bayeslme.report.tables import table_text


class Tables(dict[str, pd.DataFrame]):
    """Tables by name, those of the groups of each level, say, or of each coefficient.

    Examples
    --------
    >>> Tables(a=pd.DataFrame({"x": [1.5, 2.0]}, index=["u", "v"]))
    a
        x
    u 1.5
    v 2.0
    """

    def __str__(self) -> str:
        parts = self._plain().items()
        return "\n\n".join(f"{name}\n{table_text(table)}" for name, table in parts)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return frames_html(self._plain())

    def _plain(self) -> dict[str, pd.DataFrame]:
        """The tables under headings of one line."""
        return {name: table.set_axis(_heads(table), axis=1) for name, table in self.items()}


def _heads(table: pd.DataFrame) -> list[str]:
    if isinstance(table.columns, pd.MultiIndex):
        return [" ".join(map(str, names)) for names in table.columns]
    return [str(name) for name in table.columns]
