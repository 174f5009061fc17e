"""What runs in a fresh process; ``python -m benchmarks.tasks TASK ARGUMENTS`` prints JSON."""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.frames import FRAMES
from benchmarks.memory import Peak
from benchmarks.models import MODELS

WARM = 1000  # rows of a first fit that is not timed


def _measured(call: Callable[[Any], Any], model: str, n: int, repeats: int) -> dict[str, Any]:
    """Median seconds and peak memory of ``call(frame)``, which returns a log-likelihood."""
    make = FRAMES[MODELS[model].frame]
    call(make(WARM))
    frame = make(n)
    with Peak() as peak:
        seconds, loglik = _timed(call, frame)
    rest = [_timed(call, frame)[0] for _ in range(repeats - 1)]
    return {
        "seconds": statistics.median([seconds, *rest]),
        "loglik": loglik,
        "frame": int(frame.memory_usage(deep=True).sum()),
        "growth": peak.bytes,
    }


def _timed(call: Callable[[Any], float], frame: Any) -> tuple[float, float]:
    start = time.perf_counter()
    loglik = call(frame)
    return time.perf_counter() - start, loglik


def bayeslme(model: str, n: int, repeats: int) -> dict[str, Any]:
    """The whole call of this package, from the text of the formula to the fitted object."""
    import bayeslme

    text = MODELS[model].nlme
    return _measured(lambda frame: bayeslme.translate(text).fit(frame).loglik, model, n, repeats)


def statsmodels(model: str, n: int, repeats: int) -> dict[str, Any]:
    """Random intercept and slope by ``MixedLM``, a series by ``SARIMAX`` (exact likelihood)."""
    from statsmodels.formula.api import mixedlm
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    def slopes(frame: Any) -> float:
        return float(mixedlm("y ~ x1 + x2", frame, groups="g", re_formula="~ x1").fit().llf)

    def arma(frame: Any) -> float:
        made = SARIMAX(frame["y"], frame[["x1"]], order=(1, 0, 1), trend="c")
        return float(made.fit(disp=0).llf)

    return _measured({"slopes": slopes, "arma": arma}[model], model, n, repeats)


def main(task: str, arguments: str) -> None:
    """Run a task; a package that is missing is an answer."""
    from benchmarks import draws

    tasks = {
        f.__name__: f
        for f in (bayeslme, statsmodels, draws.collapsed, draws.nuts, draws.bambi, draws.trees)
    }
    warnings.simplefilter("ignore")
    try:
        result = tasks[task](**json.loads(arguments))
    except ModuleNotFoundError as error:
        result = {"missing": error.name}
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
