"""Seconds against rows at a fixed size of groups, ours and the peers'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.lines import Line, goal, missing
from benchmarks.process import R_ENGINES, NotInstalled, PeerFailed, timed

MODEL = "slopes"
SIZES = {10_000: 7, 100_000: 5, 1_000_000: 3, 10_000_000: 3}  # rows: repeats
# Rows up to which a peer is waited for.
PEERS = {"lme4": 1_000_000, "nlme": 1_000_000, "statsmodels": 10_000}


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds of one engine.

    Attributes
    ----------
    engine : str
    rows : tuple of int
    seconds : tuple of float
    """

    engine: str
    rows: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def slope(self) -> float:
        """Least-squares slope of log seconds on log rows."""
        return float(np.polyfit(np.log(self.rows), np.log(self.seconds), 1)[0])


def measure(share: float = 1.0) -> tuple[list[Curve], list[Line]]:
    """Curves of all engines that are installed, and what is to be said of the others."""
    curves, absent = [], []
    for engine, most in {"bayeslme": max(SIZES), **PEERS}.items():
        sizes = {int(n * share): k for n, k in SIZES.items() if n <= most}
        try:
            seconds = [
                timed(engine, MODEL, n, *([k] if engine == "bayeslme" else []))["seconds"]
                for n, k in sizes.items()
            ]
        except (NotInstalled, PeerFailed) as error:
            absent.append(missing(f"  {R_ENGINES.get(engine, engine)}", str(error)))
            continue
        curves.append(Curve(engine, tuple(sizes), tuple(seconds)))
    return curves, absent


def lines(curves: list[Curve], absent: list[Line]) -> Iterator[Line]:
    """Slopes and seconds."""
    for curve in curves:
        name = R_ENGINES.get(curve.engine, curve.engine)
        spent = ", ".join(
            f"{n:,}: {s:.3g} s" for n, s in zip(curve.rows, curve.seconds, strict=True)
        )
        if curve.engine == "bayeslme":
            bound = goal(curve.slope, 1.05)
            yield Line("log-log slope of seconds on rows", curve.slope, "", *bound, note=spent)
        elif len(curve.rows) > 1:
            yield Line(f"  the same of {name}", curve.slope, "", note=spent)
        else:
            yield Line(f"  {name}, seconds", curve.seconds[0], "s", note=spent)
    yield from absent
