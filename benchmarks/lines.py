"""One line of a table: what was measured, against what it must show."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

COLUMNS = ("section", "item", "value", "unit", "goal", "met", "load", "note")


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement.

    Attributes
    ----------
    item : str
    value : float or None
        None where it could not be measured; the note says why.
    unit : str
    goal : str
        Empty for what is only shown.
    met : bool or None
    note : str
    load : float
        Load average of the machine when it was measured.
    """

    item: str
    value: float | None
    unit: str
    goal: str = ""
    met: bool | None = None
    note: str = ""
    load: float = field(default_factory=lambda: os.getloadavg()[0])


def goal(value: float, bound: float, *, least: bool = False) -> tuple[str, bool]:
    """What a line must show, and whether it does."""
    text = f"{'at least' if least else 'at most'} {bound:g}"
    return text, value >= bound if least else value <= bound


def missing(item: str, what: str) -> Line:
    """A measurement that was not made, and why."""
    return Line(item, None, "", note=what)


def number(value: float | None) -> str:
    """Three significant digits; whole numbers as they are."""
    if value is None:
        return "-"
    if value == round(value) and abs(value) < 1e9:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 1e3 else f"{value:,.0f}"


def show(title: str, rows: Iterable[Line], console: Console) -> list[Line]:
    """Print a table."""
    rows = list(rows)
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    table.add_column("what", overflow="fold")
    for name in ("measured", "goal", "met", "load"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("note", overflow="fold")
    for row in rows:
        met = "" if row.met is None else ("[green]yes[/]" if row.met else "[red]no[/]")
        value = f"{number(row.value)} {row.unit}".strip()
        table.add_row(row.item, value, row.goal, met, f"{row.load:.1f}", row.note)
    console.print(table)
    return rows


def write(path: Path, tables: dict[str, list[Line]]) -> None:
    """Write all tables as one CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for section, rows in tables.items():
            for row in rows:
                value = "" if row.value is None else f"{row.value:.6g}"
                met = "" if row.met is None else ("yes" if row.met else "no")
                load = f"{row.load:.1f}"
                writer.writerow([section, row.item, value, row.unit, row.goal, met, load, row.note])
