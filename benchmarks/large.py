"""Large data: one line of the goals after the other, each fit in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.lines import Line, goal, missing
from benchmarks.models import MODELS
from benchmarks.process import R_ENGINES, NotInstalled, PeerFailed, Result, timed

NO_GOAL = ("", None)


def _own(
    model: str, n: int, most: float | None, repeats: int, *, peak: float | None = None
) -> Iterator[Line]:
    """Our own seconds, and the peak memory that the call needs, over the data frame's."""
    found = timed("bayeslme", model, n, repeats)
    title, load = f"{MODELS[model].title}, {n:,} rows", found["load"]
    bound = NO_GOAL if most is None else goal(found["seconds"], most)
    yield Line(title, found["seconds"], "s", *bound, load=load)
    if found["growth"] is not None:
        times = found["growth"] / found["frame"]
        note = f"{found['growth'] / 1e6:.0f} MB beside a frame of {found['frame'] / 1e6:.0f} MB"
        bound = NO_GOAL if peak is None else goal(times, peak)
        yield Line("  peak memory over the data frame", times, "x", *bound, note=note, load=load)


def _beside(engine: str, model: str, n: int, least: float | None, repeats: int) -> Iterator[Line]:
    """A peer on the same data, and how many times faster we are; without a goal, only shown."""
    name = R_ENGINES.get(engine, engine)
    try:
        theirs = timed(engine, model, n)
    except (NotInstalled, PeerFailed) as error:
        yield missing(f"  {name}", str(error))
        return
    ours = timed("bayeslme", model, n, repeats)
    ratio = theirs["seconds"] / ours["seconds"]
    bound = NO_GOAL if least is None else goal(ratio, least, least=True)
    note = f"{theirs['seconds']:.3g} s"
    if theirs["growth"] is not None:
        note += f", adds {theirs['growth'] / 1e6:,.0f} MB"
    if theirs.get("note"):
        note += f"; {theirs['note']}"
    item = f"  faster than {name}, {n:,} rows"
    yield Line(item, ratio, "x", *bound, note=note, load=theirs["load"])
    if engine == "lme4":
        yield _agreement(ours, theirs, judged=least is not None)


def _agreement(ours: Result, theirs: Result, *, judged: bool) -> Line:
    above = ours["loglik"] - theirs["loglik"]
    far = abs(above) / abs(theirs["loglik"])
    bound = goal(far, 1e-8) if judged else NO_GOAL
    note = f"ours {ours['loglik']:.4f}, {'higher' if above > 0 else 'lower'} by {abs(above):.2g}"
    return Line("  log-likelihood, relative distance to lmer's", far, "", *bound, note=note)


def lines(share: float = 1.0) -> Iterator[Line]:
    """Every goal on large data; sizes and bounds on time shrink by ``share``."""
    million, repeats = int(1e6 * share), 3
    yield from _own("slopes", million, 2 * share, repeats, peak=3)
    yield from _beside("lme4", "slopes", million, 6, repeats)
    yield from _beside("nlme", "slopes", million, 20, repeats)
    yield from _own("serial", million, 10 * share, 1)
    yield from _beside("nlme", "serial", million // 20, None, 1)
    yield from _own("intercepts", 10 * million, 10 * share, 1)
    yield from _own("nested", million, 3 * share, repeats)
    yield from _beside("lme4", "nested", max(million // 10, 5000), None, 1)
    yield from _own("arma", million // 10, None, 1)
    yield from _beside("statsmodels", "arma", million // 10, None, 1)
    yield from _own("car1", million // 10, None, 1)
