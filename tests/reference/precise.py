"""Our intervals beside nlme's own at several steps of its Hessian.

``python -m reference.precise`` in ``tests/`` prints the table of ``docs/nlme_differences.md``.
"""

from __future__ import annotations

import functools
import gzip
import json
import math
from typing import Any

import numpy as np

from reference.corpus import HERE, by_id, matrix
from reference.fitting import fitted

OURS = {"varStruct": "varfunc", "corStruct": "corstruct"}
SYMMETRIC = "symmetric"
STEPS = ("default", "step_1e3", "step_1e4", SYMMETRIC)
TRUSTED = 20  # limits further out than so many estimates say only that there are none


@functools.cache
def stored() -> dict[str, dict[str, Any]]:
    """nlme's intervals of variance parameters by case and step."""
    with gzip.open(HERE / "precise_intervals.json.gz", "rt", encoding="utf-8") as file:
        cases: dict[str, dict[str, Any]] = json.load(file)
    return {
        name: {**steps, SYMMETRIC: by_id()[name]["results"]["intervals"]}
        for name, steps in cases.items()
    }


def furthest(name: str, step: str) -> float:
    """Largest distance of a limit of ours from nlme's in widths; NaN where nlme has none."""
    theirs, ours = stored()[name][step], fitted(name).intervals()
    if "error" in theirs:
        return math.nan
    parts = {OURS[k]: table for k, table in theirs.items() if k in OURS}
    out = 0.0
    for part, table in {**parts, **theirs.get("reStruct", {})}.items():
        want = np.sort(np.array(matrix(table))[:, [0, 2]])
        got = np.sort(ours[part][["lower", "upper"]].to_numpy())
        size = np.abs(np.array(matrix(table))[:, [1]])
        usable = np.isfinite(want).all(axis=1) & np.isfinite(got).all(axis=1)
        usable &= want[:, 1] < TRUSTED * size[:, 0] + 1e-8
        width = want[usable, 1:] - want[usable, :1]
        out = max(out, float(np.max(np.abs(got - want)[usable] / width, initial=0.0)))
    return out


@functools.cache
def itself() -> dict[str, tuple[float, ...]]:
    """nlme's default limits of equivalent inputs from those of the case, in widths; NaN: none."""
    cases = json.loads((HERE / "nlme_itself.json").read_text(encoding="utf-8"))
    return {
        name: tuple(
            math.nan if gap == "none" else gap
            for kind, gap in gaps.items()
            if kind != "again" and not str(gap).startswith("other")
        )
        for name, gaps in cases.items()
    }


def _percent(gap: float) -> str:
    return "none" if math.isnan(gap) else f"{100 * gap:.1f} %"


def main() -> None:
    """Print the table."""
    for name in stored():
        cells = [_percent(furthest(name, step)) for step in STEPS]
        known = [gap for gap in itself()[name] if not math.isnan(gap)]
        own = _percent(max(known)) + (", none" if len(known) < len(itself()[name]) else "")
        print(f"| {name} | {' | '.join([cells[0], own, *cells[1:]])} |")


if __name__ == "__main__":
    main()
