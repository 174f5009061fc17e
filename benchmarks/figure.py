"""The plot of the benchmarks: seconds against rows, and small models case by case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.process import R_ENGINES
from benchmarks.scaling import Curve
from benchmarks.small import FLOOR, Timing

COLOURS = {"bayeslme": "#0b6e4f", "lme4": "#c8691c", "nlme": "#5b6c9e", "statsmodels": "#999999"}
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "bayeslme",
}


def _sizes(ax: Any, curves: list[Curve]) -> None:
    for curve in curves:
        colour = COLOURS[curve.engine]
        name = R_ENGINES.get(curve.engine, curve.engine)
        slope = f", slope {curve.slope:.2f}" if curve.engine == "bayeslme" else ""
        ax.plot(curve.rows, curve.seconds, "o-", color=colour, ms=4, lw=1.5, label=name + slope)
    ax.set(xscale="log", yscale="log", xlabel="rows, ten a group", ylabel="seconds")
    ax.set_title("Random intercept and slope", fontsize=10, loc="left")
    ax.grid(alpha=0.25, lw=0.5)
    ax.legend(frameon=False, fontsize=8)


def _cases(ax: Any, timings: list[Timing]) -> None:
    x = np.array([1e3 * t.nlme for t in timings])
    y = np.array([1e3 * t.ours for t in timings])
    ends = np.array([min(x.min(), y.min()), max(x.max(), y.max())])
    ax.plot(ends, ends, color="#444444", lw=0.8)
    ax.plot(ends, ends / 2, color="#444444", lw=0.8, ls=":")
    ax.axvline(1e3 * FLOOR, color="#bbbbbb", lw=0.8)
    ax.scatter(x, y, s=9, color=COLOURS["bayeslme"], alpha=0.5, lw=0)
    ax.set(xscale="log", yscale="log", xlabel="nlme, ms", ylabel="bayeslme, ms")
    title = f"{len(timings)} reference fits (lines: equal, twice as fast)"
    ax.set_title(title, fontsize=10, loc="left")
    ax.grid(alpha=0.25, lw=0.5)


def draw(path: Path, curves: list[Curve], timings: list[Timing]) -> None:
    """Write what there is of the two panels as SVG."""
    panels = [(_sizes, curves), (_cases, timings)]
    shown = [(panel, data) for panel, data in panels if data]
    if not shown:
        return
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, len(shown), figsize=(4.4 * len(shown), 3.4), squeeze=False)
        for ax, (panel, data) in zip(axes[0], shown, strict=True):
            panel(ax, data)
        fig.tight_layout()
        fig.savefig(path, metadata={"Date": None})
        plt.close(fig)
