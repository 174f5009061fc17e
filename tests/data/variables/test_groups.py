"""Groups are told apart by the values of their columns, never by text, and found again by them."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme import CorAR1, CorCompSymm, VarIdent

G, ROWS = 12, 5
OWN = np.repeat(np.arange(G), ROWS)
LONG = 2**53 + np.arange(G)
RNG = np.random.default_rng(8)
HASHES = RNG.integers(-(2**63), 2**63 - 1, G, dtype=np.int64)
UNSIGNED = RNG.integers(2**63, 2**64 - 1, G, dtype=np.uint64)
ALIKE = 0.5 + np.arange(G) * 2.0**-52


def objects(values: Any) -> Any:
    return pd.Series(list(values), dtype=object).array


IDS: dict[str, Any] = {
    "nullable": pd.array(LONG, dtype="Int64"),
    "nullable unsigned": pd.array(UNSIGNED, dtype="UInt64"),
    "arrow": pd.array(LONG, dtype="int64[pyarrow]"),
    "arrow unsigned": pd.array(UNSIGNED, dtype="uint64[pyarrow]"),
    "objects": objects(LONG),
    "beyond int64": objects(2**70 + i for i in range(G)),
    "Decimal": objects(Decimal(2**60 + i) for i in range(G)),
    "Decimal fractions": objects(Decimal("0.1") + Decimal(i).scaleb(-25) for i in range(G)),
    "hashes": HASHES,
    "unsigned hashes": UNSIGNED,
    "int8 of full range": np.r_[np.arange(-128, -122), np.arange(122, 128)].astype(np.int8),
    "floats that print alike": ALIKE,
    "nullable floats": pd.array(ALIKE, dtype="Float64"),
    "mixed": objects([1, "1", 2, "2", True, "TRUE", False, "FALSE", b"1", "b'1'", 0.5, "0.5"]),
    "mixed categories": pd.Categorical(objects(k // 2 if k % 2 else str(k // 2) for k in range(G))),
    "long categories": pd.Categorical(LONG),
    "intervals": pd.Categorical(pd.IntervalIndex.from_breaks(np.arange(G + 1))),
    "bytes": objects(b"g%d" % i for i in range(G)),
    "dates": objects(datetime.date(2020, 1, 1 + i) for i in range(G)),
    "nanoseconds": pd.to_datetime(10**18 + np.arange(G)),
    "time zone": pd.date_range("2020-01-01", periods=G, tz="UTC"),
    "periods": pd.period_range("2020-01", periods=G, freq="M"),
    "durations": pd.to_timedelta(np.arange(G), unit="h"),
    "strings": pd.array([f"g{i}" for i in range(G)], dtype="string"),
    "case": objects("aAbBcCdDeEfF"),
    "uuid": objects(uuid.UUID(int=i) for i in range(G)),
}
rng = np.random.default_rng(1)
NUMBERS = pd.DataFrame({"x": np.tile(np.linspace(0, 1, ROWS), G), "t": np.tile(np.arange(ROWS), G)})
NUMBERS["y"] = 1 + NUMBERS["x"] + rng.normal(0, 1.5, G)[OWN] + rng.normal(0, 0.4, G * ROWS)


def frame(values: Any) -> pd.DataFrame:
    """The numbers with these groups, in a random order of rows."""
    own = pd.Series(values).take(OWN).reset_index(drop=True)
    return NUMBERS.assign(g=own).sample(frac=1, random_state=1)


PLAIN = frame([f"g{i:02d}" for i in range(G)])
FITS: dict[str, Any] = {
    "random": lambda d: bayeslme.lme("y ~ x", d, "~ 1 | g"),
    "expression": lambda d: bayeslme.lme("y ~ x", d, "~ 1 | factor(g)"),
    "nested": lambda d: bayeslme.lme("y ~ x", d.assign(h=d["t"] % 2), "~ 1 | g/h"),
    "symmetric": lambda d: bayeslme.gls("y ~ x", d, correlation=CorCompSymm(form="~ 1 | g")),
    "serial": lambda d: bayeslme.gls("y ~ x", d, correlation=CorAR1(form="~ t | g")),
    "strata": lambda d: bayeslme.gls("y ~ x", d, weights=VarIdent(form="~ 1 | g")),
    "fixed": lambda d: bayeslme.lm("y ~ x + factor(g)", d),
    "list": lambda d: bayeslme.lmlist("y ~ x | g", d),
}
EXPECTED = {name: fit(PLAIN) for name, fit in FITS.items()}


MOST_AWKWARD = ("nullable", "unsigned hashes", "floats that print alike", "mixed", "dates")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(k, n) for k in FITS for n in (IDS if k in ("random", "fixed") else MOST_AWKWARD)],
)
def test_identifiers_of_any_type_are_as_good_as_plain_text(kind: str, name: str) -> None:
    data = frame(IDS[name])
    fit, expected = FITS[kind](data), EXPECTED[kind]
    np.testing.assert_allclose(fit.sigma, expected.sigma, rtol=1e-5)
    np.testing.assert_allclose(fit.fitted(), expected.fitted(), atol=1e-5)
    few = data.assign(h=data["t"] % 2).iloc[[3, 17, 40]]
    each = [fit.predict(few.iloc[[k]]).iloc[0] for k in range(3)]
    np.testing.assert_allclose(each, fit.fitted().iloc[[3, 17, 40]], atol=1e-9)
    if kind == "strata":
        new = fit.predict(few, interval=0.9)
        np.testing.assert_allclose(new, fit.predict(interval=0.9).iloc[[3, 17, 40]])
    if kind in ("random", "nested"):
        assert all(
            level.labels == tuple(dict.fromkeys(level.labels)) for level in fit.design.levels
        )


def test_a_number_between_known_ones_is_a_new_group() -> None:
    fit = bayeslme.lme("y ~ x", frame(ALIKE * 2), "~ 1 | g")
    new = PLAIN.head(1).assign(g=1 + 2.0**-52)
    assert len({f"{v:.15g}" for v in ALIKE}) < G
    assert np.isfinite(fit.predict(new.assign(g=1 + 2.0**-51)).iloc[0])
    assert np.isnan(fit.predict(new).iloc[0])


def test_text_finds_numbers_and_numbers_find_text() -> None:
    as_number = bayeslme.lme("y ~ x", frame(np.arange(G)), "~ 1 | g")
    as_text = bayeslme.lme("y ~ x", frame([str(i) for i in range(G)]), "~ 1 | g")
    for fit, g in ((as_number, "7"), (as_text, 7), (as_text, 7.0)):
        new = frame([g] * G).head(1)
        assert np.isfinite(fit.predict(new).iloc[0])


PAIRS = [("a/b", "c"), ("a", "b/c"), ("x*y", "z"), ("x", "y*z"), ("m.n", "o"), ("m", "n.o")]
PAIRS += [('"a/b"', "c"), ("a (2)", "c"), ("a", "c"), ("p:q", "r"), ("p", "q:r"), ("k", "c")]


@pytest.mark.parametrize(
    ("kind", "joined"),
    [
        ("random", lambda d: bayeslme.lme("y ~ x", d, "~ 1 | a/b")),
        ("random", lambda d: bayeslme.lme("y ~ x", d, "~ 1 | interaction(a, b)")),
        ("serial", lambda d: bayeslme.gls("y ~ x", d, correlation=CorAR1(form="~ t | a/b"))),
        ("strata", lambda d: bayeslme.gls("y ~ x", d, weights=VarIdent(form="~ 1 | a*b"))),
        ("fixed", lambda d: bayeslme.lm("y ~ x + interaction(a, b)", d)),
        ("list", lambda d: bayeslme.lmlist("y ~ x | a/b", d)),
    ],
)
def test_joined_labels_merge_nothing(kind: str, joined: Any) -> None:
    data = frame(np.arange(G))
    data["a"], data["b"] = ([PAIRS[g][j] for g in data["g"]] for j in (0, 1))
    fit, expected = joined(data), EXPECTED[kind]
    if kind != "random" or len(fit.design.levels) == 1:
        np.testing.assert_allclose(fit.fitted(), expected.fitted(), atol=1e-5)
    if kind == "random":
        labels = fit.design.levels[-1].labels
        assert len(labels) == len(set(labels)) == G
    if kind == "strata":
        assert len(fit.weights_coef) == G - 1
    np.testing.assert_allclose(fit.predict(data.iloc[::7]), fit.fitted().iloc[::7], atol=1e-9)


def test_columns_of_a_model_matrix_have_different_names() -> None:
    data = pd.DataFrame(
        {"a": ["bc", "A"] * 4, "ab": ["c"] * 4 + ["C"] * 4, "y": np.arange(8.0) ** 2}
    )
    fit = bayeslme.lm("y ~ a + ab", data)
    assert list(fit.fixef.index) == ["(Intercept)", "abc", "abC"]
    other = bayeslme.lm("y ~ a + ab", data.replace({"C": "B"}))
    assert list(other.fixef.index) == ["(Intercept)", "abc", "abc (2)"]


def test_values_that_cannot_be_told_apart_are_named() -> None:
    data = frame(objects([k] for k in range(G)))
    with pytest.raises(bayeslme.errors.DataError, match="'g'"):
        bayeslme.lme("y ~ x", data, "~ 1 | g")
