"""What the effects reproduce is refused whatever its order and unit; what they nearly do is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.engine.search.refit import Refitter
from bayeslme.errors import FitError
from bayeslme.structures import (
    CorAR1,
    CorARMA,
    CorCompSymm,
    CorExp,
    CorSymm,
    PdDiag,
    VarIdent,
    VarPower,
)

UNITS = [1.0, 1e-8, 7e7]


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    a, b = np.repeat(np.arange(6), 16), np.repeat(np.arange(24), 4)
    data = pd.DataFrame({"a": a, "b": b, "t": np.tile(np.arange(4), 24)})
    data["x"] = np.round(rng.normal(size=96), 3)
    ka, kb = rng.integers(-9, 9, 6) / 3, rng.integers(-9, 9, 24) / 7
    data["line"] = 2 + 3 * data["x"]
    data["by_a"] = data["line"] + ka[a]
    data["by_b"] = data["line"] + ka[a] + kb[b]
    data["slopes"] = (a + 1) * data["x"]
    data["high"] = 1e6 + ka[a]
    data["constant"] = 7.3
    return data


def variants(y: str) -> list[pd.DataFrame]:
    """Its units, rows shuffled, and the covariate's units."""
    data = frame().assign(y=lambda d: d[y])
    units = [data.assign(y=data["y"] * u) for u in UNITS]
    shuffled = [one.sample(frac=1.0, random_state=k) for k, one in enumerate(units)]
    return [*units, *shuffled, data.assign(x=data["x"] / 7), data.assign(x=data["x"] * 1e6)]


EXACT: list[tuple[str, dict[str, Any], str]] = [
    ("by_a", {"random": "~ 1 | a"}, "'a' take up"),
    ("by_a", {"random": "~ 1 | a", "method": "ML"}, "'a' take up"),
    ("by_a", {"random": "~ x | a/b"}, "take up"),
    ("by_b", {"random": "~ 1 | a/b"}, "take up"),
    ("by_b", {"random": {"a": PdDiag("~ x"), "b": "~ 1"}}, "take up"),
    ("by_b", {"random": "~ 1 | a/b", "correlation": CorAR1(form="~ t | a/b")}, "take up"),
    ("by_b", {"random": "~ 1 | a/b", "weights": VarPower()}, "take up"),
    ("slopes", {"random": "~ x | a"}, "'a' take up"),
    ("slopes", {"random": "~ x | a", "weights": VarIdent(form="~ 1 | t")}, "'a' take up"),
    ("high", {"random": "~ 1 | a"}, "'a' take up"),
    ("line", {"random": "~ x | a"}, "fixed effects reproduce 'y'"),
    ("constant", {"random": "~ 1 | a/b"}, "fixed effects reproduce 'y'"),
    ("by_a", {"random": "~ 1 | a", "control": {"sigma": 1.0}}, ""),
    ("by_b", {"random": "~ 1 | a", "correlation": CorCompSymm(form="~ 1 | a/b")}, "corCompSymm"),
    ("by_b", {"random": "~ x | a", "correlation": CorExp(form="~ t | a/b", nugget=True)}, "corExp"),
]


@pytest.mark.parametrize(("y", "arguments", "says"), EXACT)
def test_one_outcome_in_every_order_and_unit(y: str, arguments: dict[str, Any], says: str) -> None:
    for data in variants(y):
        if not says:  # with sigma held the likelihood has a maximum
            assert bayeslme.lme("y ~ x", data, **arguments).sigma == 1.0
            continue
        with pytest.raises(FitError, match=says) as caught:
            bayeslme.lme("y ~ x", data, **arguments)
        assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("y", ["line", "constant"])
def test_gls_and_lm(y: str) -> None:
    for data in variants(y):
        for fit in (
            lambda d: bayeslme.gls("y ~ x", d),
            lambda d: bayeslme.gls("y ~ x", d, correlation=CorAR1(form="~ t | b")),
            lambda d: bayeslme.gls("y ~ x", d, weights=VarIdent(form="~ 1 | t")),
            lambda d: bayeslme.lm("y ~ x", d),
        ):
            with pytest.raises(FitError, match="fixed effects reproduce 'y' exactly"):
                fit(data)


@pytest.mark.parametrize(
    "structure",
    [
        CorAR1(form="~ t | b"),
        CorSymm(form="~ t | b"),
        CorARMA(form="~ t | b", p=1, q=1),
        CorExp(form="~ t | b"),
    ],
)
def test_constants_that_correlations_reproduce(structure: Any) -> None:
    for data in variants("by_b"):
        with pytest.raises(FitError, match=f"{structure.r_name}: the likelihood has no maximum"):
            bayeslme.gls("y ~ x", data, correlation=structure)


def test_correlations_that_cannot_are_fitted() -> None:
    """Neighbours of a moving average are correlated by at most a half; a held one stays."""
    data = frame()
    for structure in (CorARMA(form="~ t | b", q=1), CorAR1(0.3, form="~ t | b", fixed=True)):
        assert bayeslme.gls("by_b ~ x", data, correlation=structure).converged


@pytest.mark.parametrize("share", [1e-2, 1e-4, 1e-6])
def test_small_residuals_are_fitted(share: float) -> None:
    """Effects of this size are as good as fixed: sigma is that of least squares within groups."""
    data = frame()
    noise = share * np.random.default_rng(1).normal(size=len(data))
    data = data.assign(y=data["by_a"] + noise)
    x = np.column_stack([data["x"], np.eye(6)[data["a"]]])
    rest = noise - x @ np.linalg.lstsq(x, noise, rcond=None)[0]
    sigma = np.sqrt(rest @ rest / (96 - 7))
    for one in (data, data.sample(frac=1.0, random_state=1), data.assign(y=data["y"] * 1e3)):
        fit = bayeslme.lme("y ~ x", one, "~ 1 | a")
        unit = 1e3 if one["y"].abs().max() > 1e3 else 1.0
        np.testing.assert_allclose(fit.sigma / unit, sigma, rtol=max(1e-3, share))
        assert fit.converged


def test_refits_with_such_a_response() -> None:
    data = frame().assign(y=lambda d: d["by_a"] + np.random.default_rng(1).normal(size=len(d)))
    for arguments in ({}, {"correlation": CorAR1(form="~ t | a/b")}):
        fit = bayeslme.lme("y ~ x", data, "~ 1 | a", **arguments)
        for y in ("by_a", "line"):
            several = np.stack([data["y"], data[y]])
            with pytest.raises(FitError, match="reproduce"):
                Refitter(fit.design, fit.estimate).optima(several)
