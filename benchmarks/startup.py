"""What a fresh process pays before it can fit."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lines import Line, goal
from benchmarks.process import ROOT

MODEL_FILE = "models/orthodont.toml"


def _command(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def _seconds(command: tuple[str, ...]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def lines(repeats: int = 7) -> Iterator[Line]:
    """Medians over turns of all commands, so that a busy moment hits them alike."""
    script = str(Path(sys.executable).with_name("bayeslme"))
    commands = {
        "pandas": _command("import pandas"),
        "both": _command("import pandas, scipy.linalg"),
        "bayeslme": _command("import bayeslme"),
        "lme": _command("from bayeslme import lme"),
        "fit": (script, "fit", MODEL_FILE, "--no-sample"),
    }
    spent = [{name: _seconds(c) for name, c in commands.items()} for _ in range(repeats + 1)][1:]
    middle = {name: statistics.median(turn[name] for turn in spent) for name in commands}
    note = f"{middle['both']:.2f} s"
    for name, text in (("bayeslme", "import bayeslme"), ("lme", "from bayeslme import lme")):
        ratio = middle[name] / middle["both"]
        item = f"{text}, over import pandas, scipy.linalg"
        yield Line(item, ratio, "x", *goal(ratio, 1.3), note=f"{middle[name]:.2f} s, {note}")
    more = middle["fit"] - middle["pandas"]
    yield Line(
        "bayeslme fit FILE --no-sample, beyond import pandas",
        more,
        "s",
        *goal(more, 1.5),
        note=f"{middle['fit']:.2f} s, {middle['pandas']:.2f} s",
    )
