"""Missing values that an expression makes are treated as those of a column are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import CorAR1, CorCompSymm, CorExp, PdDiag, VarComb, VarIdent, VarPower, gls, lm, lme
from bayeslme.errors import DataError

RNG = np.random.default_rng(3)
G, ROWS = 12, 10
N = G * ROWS
DATA = pd.DataFrame(
    {
        "g": np.repeat(np.arange(G), ROWS),
        "t": np.tile(np.arange(ROWS), G),
        "x": RNG.normal(size=N),
        "z": RNG.uniform(-1, 3, N),
        "u": RNG.uniform(0.1, 5, N),
    }
)
DATA["y"] = 9 + DATA["x"] + RNG.normal(size=G)[DATA["g"]] + RNG.normal(size=N)
SEEN = DATA["z"] > 0
CUT, LOG, TIME, SPREAD = (
    "cut(z, c(0, 2, 9))",
    "log(z)",
    "ifelse(z > 0, t, NA)",
    "ifelse(z > 0, u, NA)",
)
COLUMNS = DATA.assign(  # the same values as columns of the data
    f=pd.Categorical(np.select([DATA["z"] > 2, SEEN], ["b", "a"], None)),
    l=np.log(DATA["z"].where(SEEN)),
    p=DATA["t"].where(SEEN),
    v=DATA["u"].where(SEEN),
)
FITS: dict[str, tuple[Any, str, str]] = {
    "fixed": (lambda e, d, **k: lme(f"y ~ {e}", d, "~ 1 | g", **k), LOG, "l"),
    "fixed factor": (lambda e, d, **k: gls(f"y ~ {e}", d, **k), CUT, "f"),
    "learned": (lambda e, d, **k: lm(f"y ~ poly({e}, 2)", d, **k), LOG, "l"),
    "learned within": (lambda e, d, **k: gls(f"y ~ poly(scale({e}), 2)", d, **k), LOG, "l"),
    "response": (lambda e, d, **k: lme(f"{e} ~ x", d, "~ 1 | g", **k), LOG, "l"),
    "group": (lambda e, d, **k: lme("y ~ x", d, f"~ 1 | {e}", **k), CUT, "f"),
    "inner group": (lambda e, d, **k: lme("y ~ x", d, {"g": "~ 1", e: "~ 1"}, **k), CUT, "f"),
    "random": (lambda e, d, **k: lme("y ~ x", d, f"~ {e} | g", **k), LOG, "l"),
    "random factor": (lambda e, d, **k: lme("y ~ x", d, PdDiag(f"~ {e} | g"), **k), CUT, "f"),
    "stratum": (
        lambda e, d, **k: gls("y ~ x", d, weights=VarIdent(form=f"~ 1 | {e}"), **k), CUT, "f"
    ),
    "second stratum": (
        lambda e, d, **k: gls(
            "y ~ x", d, weights=VarComb(VarPower(form="~ u"), VarIdent(form=f"~ 1 | {e}")), **k
        ),
        CUT,
        "f",
    ),
    "covariate": (
        lambda e, d, **k: gls("y ~ x", d, weights=VarPower(form=f"~ {e}"), **k), SPREAD, "v"
    ),
    "position": (
        lambda e, d, **k: gls("y ~ x", d, correlation=CorAR1(form=f"~ {e} | g"), **k), TIME, "p"
    ),
    "place": (
        lambda e, d, **k: gls("y ~ x", d, correlation=CorExp(form=f"~ u + {e} | g"), **k), TIME, "p"
    ),
    "correlation group": (
        lambda e, d, **k: gls("y ~ x", d, correlation=CorCompSymm(form=f"~ 1 | g/{e}"), **k),
        CUT,
        "f",
    ),
    "list": (lambda e, d, **k: bayeslme.lmlist(f"y ~ x | {e}", d, **k), CUT, "f"),
    "subset": (lambda e, d, **k: lm("y ~ x", d, subset=f"!is.na({e})", **k), LOG, "l"),
}  # fmt: skip


@pytest.mark.parametrize("action", ["omit", "exclude"])
@pytest.mark.parametrize("kind", FITS)
def test_rows_are_left_out_as_those_of_a_column(kind: str, action: str) -> None:
    fit, expression, column = FITS[kind]
    made, read = (fit(e, COLUMNS, na_action=action) for e in (expression, column))
    assert made.nobs == read.nobs == int(SEEN.sum())
    np.testing.assert_allclose(made.fitted(), read.fitted(), rtol=1e-8)
    new = COLUMNS.head(30)
    np.testing.assert_allclose(made.predict(new), read.predict(new), rtol=1e-8)
    if kind not in ("list", "subset"):
        one, other = (fit.predict(new, interval=0.9) for fit in (made, read))
        np.testing.assert_allclose(one, other, rtol=1e-8)


@pytest.mark.parametrize("kind", [k for k in FITS if k != "subset"])
def test_by_default_they_are_refused_by_name(kind: str) -> None:
    fit, expression, column = FITS[kind]
    for e in (expression, column):
        with pytest.raises(DataError, match=r"missing values|not a finite number") as caught:
            fit(e, COLUMNS)
        assert e in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", FITS)
def test_where_all_rows_are_missing_the_expression_is_named(kind: str) -> None:
    fit, expression, _ = FITS[kind]
    nowhere = COLUMNS.assign(z=-DATA["u"])
    for action in ("omit", "fail"):
        with pytest.raises(DataError, match=r"z|subset"):
            fit(expression, nowhere, na_action=action)


def test_infinite_values_made_by_an_expression_are_never_dropped() -> None:
    zero = DATA.assign(u=DATA["u"].where(DATA["u"] > 1, 0.0))
    with pytest.raises(DataError, match=r"log\(u\)"):
        lme("y ~ log(u)", zero, "~ 1 | g", na_action="omit")


@pytest.mark.parametrize("form", ["~ x | cut(z, c(0, 2))", "~ x | f", "~ log(z)", "~ l"])
def test_verbs_with_forms_of_their_own_name_missing_values(form: str) -> None:
    fit = lme("y ~ x", COLUMNS, "~ 1 | g")
    with np.errstate(invalid="ignore"), pytest.raises(DataError, match=r"form: '.*' is"):
        fit.variogram(form)


@pytest.mark.parametrize(
    "fit",
    {
        "random": lambda **k: lme("y ~ x", DATA, "~ 1 | ifelse(g > 3, g, NA)", **k),
        "crossed": lambda **k: lme("y ~ x", DATA, ["~ 1 | ifelse(g > 3, g, NA)", "~ 1 | t"], **k),
        "stratum": lambda **k: gls(
            "y ~ x", DATA, weights=VarIdent(form="~ 1 | ifelse(g > 3, g %% 2, NA)"), **k
        ),
        "correlation": lambda **k: gls(
            "y ~ x", DATA, CorCompSymm(form="~ 1 | ifelse(g > 3, g, NA)"), **k
        ),
        "by": lambda **k: gls(
            "y ~ x", DATA, CorAR1(form="~ t | g", by="ifelse(g > 3, g %% 2, NA)"), **k
        ),
        "lmlist": lambda **k: bayeslme.lmlist("y ~ x | ifelse(g > 3, g, NA)", DATA, **k),
        "mmrm": lambda **k: bayeslme.mmrm("y ~ x + ar1(t | ifelse(g > 3, g, NA))", DATA, **k),
    }.items(),
    ids=lambda item: item[0],
)
def test_missing_numbers_are_no_group(fit: tuple[str, Any]) -> None:
    """A number that an expression makes missing is in no group, not in one of its own."""
    with pytest.raises(DataError, match=r"missing values in ifelse\(g > 3"):
        fit[1](na_action="fail")
    assert fit[1](na_action="omit").nobs == (DATA["g"] > 3).sum()
