"""Run the benchmarks: ``python -m benchmarks [--quick] [--out FOLDER] [SECTION ...]``.

Each section prints a table, one row for each thing that the package is to show; all of it goes to
``speed.csv`` and ``speed.svg``, and the small models case by case to ``speed_cases.csv``. Peers
that are not installed are said to be missing. ``--quick`` runs a hundredth of the sizes and every
tenth case, to see that all works: its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks import large, sampling, scaling, small, startup
from benchmarks.figure import draw
from benchmarks.lines import Line, show, write
from benchmarks.process import HERE

SECTIONS = {
    "startup": "Starting",
    "small": "Small models: the stored reference cases",
    "large": "Large data",
    "scaling": "Growing data",
    "sampling": "Posterior of a random-intercept model, 1,000 rows in 100 groups",
}
QUICK = 0.01


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--out", type=Path, default=None, help="folder (default: benchmarks/)")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"no section is named {unknown[0]}; there are {', '.join(SECTIONS)}")
    return chosen


def _write_cases(path: Path, timings: list[small.Timing]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("case", "rows", "nlme_ms", "ours_ms", "ours_with_information_ms"))
        for t in timings:
            spent = (f"{1e3 * s:.3f}" for s in (t.nlme, t.ours, t.informed))
            writer.writerow((t.case, t.rows, *spent))


class Run:
    """One run of some sections.

    Parameters
    ----------
    quick : bool
    """

    def __init__(self, *, quick: bool) -> None:
        self.share = QUICK if quick else 1.0
        self.quick = quick
        self.curves: list[scaling.Curve] = []
        self.timings: list[small.Timing] = []
        self.tables: dict[str, list[Line]] = {}

    def section(self, name: str, console: Console) -> None:
        """Print the table of one section; without goals where the sizes are tiny."""
        rows = self.tables[name] = []
        try:
            for line in getattr(self, name)():
                rows.append(replace(line, goal="", met=None) if self.quick else line)
        finally:  # what was measured before an error is shown
            show(SECTIONS[name], rows, console)

    def store(self, folder: Path) -> None:
        """Write tables, cases and plot."""
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "speed.csv", self.tables)
        if self.timings:
            _write_cases(folder / "speed_cases.csv", self.timings)
        draw(folder / "speed.svg", self.curves, self.timings)

    def startup(self) -> Iterator[Line]:
        """Imports and the command line."""
        return startup.lines(1 if self.quick else 7)

    def small(self) -> Iterator[Line]:
        """The stored cases."""
        self.timings = small.measure(10 if self.quick else 1)
        return small.lines(self.timings)

    def large(self) -> Iterator[Line]:
        """Up to ten million rows."""
        return large.lines(self.share)

    def scaling(self) -> Iterator[Line]:
        """Seconds against rows."""
        self.curves, absent = scaling.measure(self.share)
        return scaling.lines(self.curves, absent)

    def sampling(self) -> Iterator[Line]:
        """Draws per second."""
        return sampling.lines(20, 100) if self.quick else sampling.lines()


def main() -> None:
    """Run the sections asked for, or all."""
    chosen = _arguments()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    console = Console(width=None if os.isatty(1) else 140)
    run, begun = Run(quick=chosen.quick), time.perf_counter()
    console.print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    folder = chosen.out or (None if chosen.quick or chosen.sections else HERE)
    try:
        for name in chosen.sections or SECTIONS:
            run.section(name, console)
    finally:
        console.print(f"{time.perf_counter() - begun:.0f} s in all")
        if folder is not None:
            run.store(folder)
            console.print(f"written: {folder}/speed.csv")


if __name__ == "__main__":
    main()
