"""Run all timings: ``python -m benchmarks [name ...]``."""

from __future__ import annotations

import sys

from benchmarks.timings import TIMINGS


def main(names: list[str]) -> None:
    """Print one line per timing, those named or all."""
    for name in names or list(TIMINGS):
        print(f"{name:<22}{TIMINGS[name]()}", flush=True)


main(sys.argv[1:])
