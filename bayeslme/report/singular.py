"""The page on singular random effects, as text and as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from bayeslme.report.grid import number_grid
from bayeslme.report.html import html_table, note_html, wrap
from bayeslme.report.tables import table_text

TITLE = "Principal components of the random effects, relative to the residual deviation"
NOTHING = "No direction of the random effects is empty."
SIMPLER = "Simpler random effects"
NONE = "No random effects."


class Axes(Protocol):
    """What is shown of a level."""

    @property
    def sd(self) -> pd.Series:
        """Standard deviations of the components."""

    @property
    def rotation(self) -> pd.DataFrame:
        """Effects by components."""

    @property
    def proportion(self) -> pd.Series:
        """Shares of the components."""


def component_table(level: Axes) -> pd.DataFrame:
    """Deviations, shares and loadings of the components of a level, columns PC1, PC2, ..."""
    top = pd.DataFrame({"Standard deviation": level.sd, "Proportion of variance": level.proportion})
    return pd.concat([top.T, level.rotation]).round(4)


def _modes_heading(prior: str | None) -> str:
    return f"Estimates and posterior mode under {prior} priors"


def singular_text(
    levels: Mapping[str, Axes],
    notes: Sequence[str],
    alternatives: pd.DataFrame | None,
    modes: pd.DataFrame | None,
    prior: str | None,
) -> str:
    """Lay out the report.

    Parameters
    ----------
    levels : mapping of str to level, outermost first
    notes : sequence of str
    alternatives, modes : DataFrame or None
        Simpler models; estimates beside posterior modes.
    prior : str or None
        Name of the priors of the modes.

    Returns
    -------
    str
    """
    if not levels:
        return NONE
    parts = [TITLE]
    parts += [f"{group}\n{number_grid(component_table(one))}" for group, one in levels.items()]
    parts.append("\n".join(notes) if notes else NOTHING)
    if alternatives is not None:
        parts.append(table_text(alternatives, SIMPLER))
    if modes is not None:
        parts.append(f"{_modes_heading(prior)}\n{number_grid(modes)}")
    return "\n\n".join(parts)


def singular_html(
    levels: Mapping[str, Axes],
    notes: Sequence[str],
    alternatives: pd.DataFrame | None,
    modes: pd.DataFrame | None,
    prior: str | None,
) -> str:
    """Lay out the report as HTML; see `singular_text`."""
    if not levels:
        return wrap(f"<p>{NONE}</p>")
    parts = [f"<p>{TITLE}</p>"]
    parts += [html_table(component_table(one), group) for group, one in levels.items()]
    parts += [note_html(note) for note in notes] or [f"<p>{NOTHING}</p>"]
    if alternatives is not None:
        parts.append(html_table(alternatives, SIMPLER))
    if modes is not None:
        parts.append(html_table(modes, _modes_heading(prior)))
    return wrap(*parts)
