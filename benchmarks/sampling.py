"""Effective draws per second of the posterior, ours beside bambi's; see ``benchmarks.draws``."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.lines import Line, goal, missing
from benchmarks.process import NotInstalled, Result, fresh

GROUPS = 100


def _told(found: Result) -> str:
    return (
        f"{found['effective']:.0f} effective draws in {found['sampling']:.2g} s, "
        f"compiling {found['compiling']:.2g} s"
    )


def lines(groups: int = GROUPS, draws: int = 1000) -> Iterator[Line]:
    """The least effective of the common parameters, per second of sampling."""
    options = {"groups": groups, "draws": draws, "chains": 4}
    ours = fresh("nuts", **options)
    yield Line("NUTS on the marginal form", ours["per_second"], "/s", note=_told(ours))
    for sampler, name in (("pymc", "bambi"), ("nutpie", "bambi, given our sampler, nutpie")):
        try:
            theirs = fresh("bambi", sampler=sampler, **options)
        except NotInstalled as error:
            yield missing(f"  {name}", str(error))
            continue
        ratio = ours["per_second"] / theirs["per_second"]
        note = f"{theirs['per_second']:.0f}/s: {_told(theirs)}"
        bound = goal(ratio, 5, least=True) if sampler == "pymc" else ("", None)
        yield Line(f"  times {name}", ratio, "x", *bound, note=note)
    own = fresh("collapsed", **options)
    note = f"{own['effective']:.0f} effective draws in {own['sampling']:.2g} s"
    yield Line("the default sampler, which compiles nothing", own["per_second"], "/s", note=note)
    found = fresh("trees", draws=draws, chains=4)
    note = (
        f"{found['effective']:.0f} effective draws, R-hat {found['r_hat']:.3f}, "
        f"k-hat {found['k_hat']:.2f}"
    )
    name = "trees, variance of fitted values, first call"
    yield Line(name, found["first"], "s", *goal(found["first"], 15))
    yield Line("  a later call", found["warm"], "s", *goal(found["warm"], 5), note=note)
