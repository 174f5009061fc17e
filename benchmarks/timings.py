"""One function per timing; each returns the line that is printed."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import bayeslme


def _best(call: Callable[[], object], times: int = 5) -> float:
    """Shortest wall time of several calls, in seconds."""
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return min(spent)


def _process(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run(arguments, check=True, capture_output=True)


def _memory() -> float:
    """Largest resident memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def command_line() -> str:
    """A classical fit from the command line against importing pandas."""
    pandas = _best(_process(sys.executable, "-c", "import pandas"))
    command = str(Path(sys.executable).with_name("bayeslme"))
    fit = _best(_process(command, "fit", "models/orthodont.toml", "--no-sample"))
    return f"{fit:.2f} s, {fit - pandas:.2f} s more than `import pandas` ({pandas:.2f} s)"


def orthodont() -> str:
    """Random intercept and random slope on Orthodont, from formula to fit."""
    data = bayeslme.load_data("Orthodont")

    def fit(random: str) -> Callable[[], object]:
        return lambda: bayeslme.lme("distance ~ Sex * I(age - 11)", data, random=random)

    both = [1e3 * _best(fit(r), 20) for r in ("~ 1 | Subject", "~ I(age - 11) | Subject")]
    return f"intercept {both[0]:.0f} ms, slope {both[1]:.0f} ms (nlme: 7 and 20 ms)"


def _series(n: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.standard_normal(n + 1)
    out = np.empty(n)
    before = 0.0
    for i in range(n):
        before = 0.6 * before + noise[i + 1] + 0.3 * noise[i]
        out[i] = before
    return out


def long_series() -> str:
    """One gls series of 100,000 rows with ARMA(1, 1) and with continuous-time AR(1) errors."""
    n, rng = 100_000, np.random.default_rng(1)
    gaps = rng.uniform(0.5, 1.5, n)
    frame = pd.DataFrame({"x": rng.standard_normal(n), "t": np.cumsum(gaps)})
    frame["y"] = 1 + 0.5 * frame["x"] + _series(n, rng)
    arma = bayeslme.CorARMA(p=1, q=1, form="~ 1")
    car = bayeslme.CorCAR1(form="~ t")
    spent = [_best(lambda c=c: bayeslme.gls("y ~ x", frame, correlation=c), 1) for c in (arma, car)]
    return (
        f"corARMA(1, 1) {spent[0]:.1f} s, corCAR1 {spent[1]:.1f} s; peak memory {_memory():.2f} GB"
    )


def many_groups() -> str:
    """A random slope in 100,000 groups of ten rows."""
    groups, size, rng = 100_000, 10, np.random.default_rng(2)
    code = np.repeat(np.arange(groups), size)
    x = rng.standard_normal(groups * size)
    b = rng.standard_normal((groups, 2)) * (1.0, 0.5)
    y = 2 + x + b[code, 0] + b[code, 1] * x + rng.standard_normal(len(x))
    frame = pd.DataFrame({"y": y, "x": x, "g": code})
    spent = _best(lambda: bayeslme.lme("y ~ x", frame, random="~ x | g"), 1)
    return f"1,000,000 rows {spent:.1f} s; peak memory {_memory():.2f} GB"


TIMINGS: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "Orthodont": orthodont,
    "long series": long_series,
    "many groups": many_groups,
}
