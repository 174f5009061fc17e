"""Pages printed by nlme 3.1-162 beside ours: labels and layout equal, numbers to 1e-4."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path

import pytest

import bayeslme
from bayeslme import structures as s

PRINTED = Path(__file__).parent / "printed"
TOLERANCE = 1e-4
FIXED_POINT = 1e-3  # weights by fitted values: nlme stops refreshing them at 1e-6 of the parameters
ROUGH = 3e-2  # of the width of an interval
# nlme's second differences here are rounding noise: a step of 1e-4 (.relStep) gives our limits.
NOISE = {"ovary_arma11": ("sd(sin(2 * pi * Time))", "3.067014")}
FITS = sorted(p.stem for p in PRINTED.glob("*.txt") if p.stem != "comparisons")
VERBS = {
    "print(fit)": str,
    "summary(fit)": lambda fit: str(fit.summary()),
    "anova(fit)": lambda fit: str(fit.anova()),
    'anova(fit, type = "marginal")': lambda fit: str(fit.anova(type="marginal")),
    "VarCorr(fit)": lambda fit: str(fit.varcorr()),
    "intervals(fit)": lambda fit: str(fit.intervals()),
}
NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:e[-+]\d+)?|Inf)$")


def named(base: type) -> set[str]:
    """R names of the package's own structures below a base class."""
    own = base.__module__.startswith("bayeslme.") and "r_name" in vars(base)
    return ({base.r_name} if own else set()).union(*map(named, base.__subclasses__()))


@cache
def page(name: str) -> dict[str, str]:
    """The R prompts of a page and what R printed below each."""
    parts = re.split(r"^> (.*)\n", (PRINTED / f"{name}.txt").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def fitted(name: str) -> bayeslme.LmeFit:
    call = next(iter(page(name))).removeprefix("fit <- ")
    spec = bayeslme.translate(call)
    return spec.fit(bayeslme.load_data(str(spec.data)))


def same_number(got: str, want: str, tolerance: float) -> bool:
    """Equal to the tolerance or to one unit of the last decimal printed."""
    if got == want:
        return True
    if not (NUMBER.match(got) and NUMBER.match(want)):
        return False
    one, other = float(got), float(want)
    if math.isinf(one) or math.isinf(other):
        return False
    zero = one == 0.0 and abs(other) < 1e-4  # nlme stops short of a zero variance
    unit = 0.0 if "e" in want else 1.01 * 10.0 ** -len(want.partition(".")[2])
    return zero or abs(one - other) <= max(tolerance * abs(other), unit)


def same_limits(got: list[str], want: list[str], tolerance: float, rough: float) -> bool:
    """A row of lower, estimate, upper; limits are compared on the scale of the interval's width."""
    low, estimate, high = map(float, want[-3:])
    if abs(estimate) < 1e-4:  # a variance of zero: nlme's limits are 0 and infinity
        return got[:-3] == want[:-3] and float(got[-2]) == 0.0
    room = rough * (high - low)
    near = abs(float(got[-3]) - low) <= room and abs(float(got[-1]) - high) <= room
    return got[:-3] == want[:-3] and near and same_number(got[-2], want[-2], tolerance)


def same_line(got: str, want: str, tolerance: float, rough: float | None) -> bool:
    """Equal words and numbers; with `rough`, rows of an interval may differ by that much of it."""
    one, other = got.split(), want.split()
    if len(one) != len(other):
        return False
    if rough is not None and len(other) > 2 and all(map(NUMBER.match, other[-3:])):
        return same_limits(one, other, tolerance, rough)
    return all(same_number(x, y, tolerance) for x, y in zip(one, other, strict=True))


def differences(got: str, want: str, tolerance: float, rough: float | None) -> list[str]:
    """Lines that differ in a label, in layout, or in a number."""
    mine = got.split("\n\nNote: ", 1)[0].rstrip().splitlines()
    theirs = want.rstrip().splitlines()
    bad = [] if len(mine) == len(theirs) else [f"{len(mine)} lines for {len(theirs)}"]
    exact = tolerance if rough is not None else None  # of the width of a coefficient's interval
    for a, b in zip(mine, theirs, strict=False):
        if b.startswith((" Random Effects", " Correlation structure", " Residual")):
            exact = rough
        if not same_line(a, b, tolerance, exact):
            bad.append(f"{a!r} for {b!r}")
        elif len(a) == len(b) and ends(a) != ends(b):
            bad.append(f"layout: {a!r} for {b!r}")
    return bad


def ends(line: str) -> list[int]:
    return [m.end() for m in re.finditer(r"\S+", line)]


@pytest.mark.parametrize(
    ("name", "verb"), [(name, verb) for name in FITS for verb in VERBS if verb in page(name)]
)
def test_page(name: str, verb: str) -> None:
    want = page(name)[verb]
    moving = name == "bodyweight_power_exp"
    rough = (2 * ROUGH if moving else ROUGH) if verb == "intervals(fit)" else None
    got = VERBS[verb](fitted(name))
    bad = differences(got, want, FIXED_POINT if moving else TOLERANCE, rough)
    noise = NOISE.get(name, ())
    assert not [line for line in bad if not any(text in line for text in noise)]


def test_every_structure_has_a_page() -> None:
    calls = " ".join(next(iter(page(name))) for name in FITS)
    names = named(s.CorStruct) | named(s.VarFunc) | named(s.PdMat)
    lacking = {name for name in names if f"{name}(" not in calls}
    unknown_to_nlme = {"corToep", "corAnte", "corMatern", "corAR1AR1", "pdKnown"}
    # nlme stops with an error when it prints a corNatural
    assert lacking - unknown_to_nlme == {"corNatural"}


def test_comparisons() -> None:
    first, second = fitted("orthodont_ri"), fitted("orthodont_varident")
    third = second.update(correlation=bayeslme.CorAR1())
    piglets = fitted("piglets")
    plain = bayeslme.lm("loglact ~ reg * status", piglets.data, na_action="omit")
    tables = {
        "anova(orthodont_ri, orthodont_varident, orthodont_varident_ar1)": bayeslme.anova(
            first, second, third, names=["a", "b", "c2"]
        ),
        "anova(piglets, lm)": bayeslme.anova(piglets, plain, names=["x", "y"]),
    }
    for prompt, table in tables.items():
        got = str(table).split("\nNote: ", maxsplit=1)[0]
        assert not differences(got, page("comparisons")[prompt], 1e-3, None)
