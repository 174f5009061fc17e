"""Columns may have any name: what a formula says in backticks, every verb takes as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import bayeslme
from bayeslme.formula.deparse import quoted_name

REPORTED = ("age (years)", "a`b")
NAMES = (
    *REPORTED,
    "a b",
    "2nd",
    "% fat",
    "été",
    "if",
    "TRUE",
    "NA",
    "a/b",
    "a\\b",
    "x^2",
    "log(x)",
)


def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"g": np.repeat(list("abcdef"), 5), "x": np.tile(np.arange(5.0), 6)})
    frame["y"] = frame["x"] + rng.normal(size=6).repeat(5) + rng.normal(size=30)
    return frame.assign(f=np.tile(["u", "v"], 15))


@pytest.mark.parametrize("name", NAMES)
def test_curves_reports_and_calls_take_any_name(name: str, tmp_path: Path) -> None:
    plain = bayeslme.lme("y ~ x + f", data(), "~ 1 | g")
    frame, quoted = data().rename(columns={"x": name}), quoted_name(name)
    fit = bayeslme.lme(f"y ~ {quoted} + f", frame, "~ 1 | g")
    expected = plain.aug_pred("x").rename(columns={"x": name})
    for primary in (name, quoted, f"~ {quoted}", None):
        pd.testing.assert_frame_equal(fit.aug_pred(primary), expected)
        assert next(iter(bayeslme.compare_pred(fit, fit, primary=primary))) == name
    if name in REPORTED:
        fit.plot.aug_pred(name)
        plt.close("all")
        assert fit.report(tmp_path / "page.html")
    assert bayeslme.translate(fit.spec.to_r()) == fit.spec
    np.testing.assert_array_equal(fit.predict(frame), plain.predict(data()))
    assert fit.update(fixed=f". ~ . - {quoted}").loglik == plain.update(fixed=". ~ . - x").loglik
    slopes = fit.means("f", slope=name).table
    pd.testing.assert_frame_equal(slopes, plain.means("f", slope="x").table)


@pytest.mark.parametrize("name", NAMES)
def test_curves_of_groups_with_any_name(name: str) -> None:
    frame, quoted = data().rename(columns={"g": name}), quoted_name(name)
    fit = bayeslme.lme("y ~ x", frame, f"~ 1 | {quoted}")
    flat = bayeslme.gls("y ~ x", frame)
    lone = bayeslme.lmlist(f"y ~ x | {quoted}", frame)
    for table in (flat.aug_pred(groups=name), flat.aug_pred(groups=quoted), lone.aug_pred()):
        assert set(table[".groups"]) == set("abcdef")
    assert set(bayeslme.compare_pred(fit, flat, lone)[".groups"]) == set("abcdef")
