"""Every stored reference case: our whole call beside nlme's, in turns on the same machine."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import bayeslme
from bayeslme.errors import BayesLMEError
from benchmarks.lines import Line, goal
from benchmarks.nlme_process import Nlme
from benchmarks.process import ROOT, PeerFailed, r_has

FLOOR = 0.005  # seconds of nlme below which only our own time counts
SLOW = 2.0  # times nlme's seconds that no case may take
WARM = 3  # cases that are made before anything counts
LONG = 0.5  # seconds of a call that is made once
ENOUGH, MOST = 0.05, 9  # seconds and number of the repetitions of a shorter one


@dataclass(frozen=True, slots=True)
class Timing:
    """One case.

    Attributes
    ----------
    case : str
    rows : int
    nlme : float
        Seconds of nlme's call, which ends with the numerical Hessian behind its intervals.
    ours : float
        Seconds of ours, from the text of the call to the fitted object.
    informed : float
        The same with the information matrix behind the intervals.
    """

    case: str
    rows: int
    nlme: float
    ours: float
    informed: float


def corpus() -> Any:
    """The module of the tests that reads the stored cases."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.insert(0, tests)
    return import_module("reference.corpus")


def cases(every: int) -> Iterator[dict[str, Any]]:
    """The stored fits that nlme can do, each ``every``-th of them."""
    stored = corpus()
    known = [case for name in stored.FIT_FAMILIES for case in stored.family(name)]
    own = [c for c in known if not c["nlme_failed"] and c["function"] in ("lme", "gls")]
    yield from own[::every]


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _repeated(call: Any) -> float:
    """Median seconds of a few calls; the first warms up and counts only where it takes long."""
    first = _seconds(call)
    if first > LONG:
        return first
    return statistics.median(_seconds(call) for _ in range(min(MOST, max(3, int(ENOUGH / first)))))


def _ours(case: dict[str, Any], frame: Any) -> tuple[float, float] | None:
    """Seconds without and with the information matrix; None where the data are refused."""
    contrasts = tuple(case["contrasts"])

    def fit() -> Any:
        return bayeslme.translate(case["call"], contrasts=contrasts).fit(frame)

    try:
        plain = _repeated(fit)
    except BayesLMEError as error:
        print(f"  {case['id']}: {error}")
        return None
    return plain, _repeated(lambda: fit().information)


def _one(case: dict[str, Any], nlme: Nlme | None) -> Timing | None:
    frame = corpus().load_frame(case["data"])
    try:
        theirs = nlme.seconds(case, frame) if nlme else float(case["seconds"])
    except PeerFailed as error:
        print(f"  {error}")
        return None
    own = _ours(case, frame)
    return None if own is None else Timing(case["id"], len(frame), theirs, *own)


def _again(case: dict[str, Any], nlme: Nlme | None, first: Timing) -> Timing:
    """The middle of three, so that a moment of the machine is not taken for a slow fit."""
    more = [found for _ in range(2) if (found := _one(case, nlme)) is not None]
    return sorted([first, *more], key=lambda t: t.nlme / t.ours)[1]


def measure(every: int = 1) -> list[Timing]:
    """Time every ``every``-th case; nlme's recorded seconds stand in where R is missing."""
    timings = []
    with warnings.catch_warnings(), np.errstate(all="ignore"), ExitStack() as stack:
        warnings.simplefilter("ignore")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nlme = stack.enter_context(Nlme(folder)) if r_has("nlme") else None
        chosen = [*cases(every)]
        for case in chosen[:WARM]:
            _one(case, nlme)
        for case in chosen:
            found = _one(case, nlme)
            if found is not None and found.ours > SLOW * found.nlme:
                found = _again(case, nlme, found)
            if found is not None:
                timings.append(found)
    return timings


def _mean_ratio(ratios: list[float]) -> float:
    return float(np.exp(np.mean(np.log(ratios))))


def lines(timings: list[Timing]) -> Iterator[Line]:
    """What the cases show together."""
    source = "measured beside ours" if r_has("nlme") else "recorded (R is not installed)"
    slow = [t for t in timings if t.nlme >= FLOOR]
    quick = [t for t in timings if t.nlme < FLOOR]
    if slow:
        plain = _mean_ratio([t.nlme / t.ours for t in slow])
        informed = _mean_ratio([t.nlme / t.informed for t in slow])
        worst = min(slow, key=lambda t: t.nlme / t.ours)
        over = sum(t.ours > SLOW * t.nlme for t in slow)
        yield Line("cases where nlme takes 5 ms or more", len(slow), "", note=f"nlme {source}")
        yield Line("faster than nlme, geometric mean", plain, "x", *goal(plain, 2, least=True))
        yield Line("the same, information matrix included", informed, "x")
        yield Line(
            "slowest against nlme",
            worst.nlme / worst.ours,
            "x",
            *goal(worst.nlme / worst.ours, 1 / SLOW, least=True),
            note=f"{worst.case}: {1e3 * worst.ours:.0f} ms, nlme {1e3 * worst.nlme:.0f}; "
            f"{over} cases below",
        )
    if quick:
        most = max(quick, key=lambda t: t.ours)
        yield Line("cases where nlme takes less", len(quick), "")
        yield Line(
            "slowest of them",
            1e3 * most.ours,
            "ms",
            *goal(1e3 * most.ours, 5),
            note=f"{most.case}, nlme {1e3 * most.nlme:.1f} ms; "
            f"{sum(t.ours > 0.005 for t in quick)} cases above 5 ms",
        )
