"""HTML tables: well formed, escaped, without colours of their own."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.report.html import Section, document, frames_html, html_table, wrap


def parsed(html: str) -> ET.Element:
    return ET.fromstring(f"<root>{html}</root>")


def test_cells_are_formatted_by_column() -> None:
    frame = pd.DataFrame(
        {"F-value": [4123.1557, 9.2921], "p-value": [1e-20, np.nan], "Test": ["", "1 vs 2"]}
    )
    cells = [td.text or "" for td in parsed(html_table(frame)).iter("td")]
    assert cells == ["4123.156", "<.0001", "", "9.292", "", "1 vs 2"]


def test_names_are_escaped() -> None:
    frame = pd.DataFrame({"a<b": [1.0]}, index=["x & y"])
    root = parsed(frames_html({"<script>": frame}, ["5 < 6"]))
    assert [e.text for e in root.iter("caption")] == ["<script>"]
    assert "x & y" in [e.text for e in root.iter("th")]
    assert "Note: 5 < 6" in [e.text for e in root.iter("p")]


def test_results_are_well_formed_and_inherit_colours() -> None:
    data = bayeslme.load_data("orthodont")
    fit = bayeslme.lme(
        "distance ~ Sex * age",
        data,
        "~ age | Subject",
        weights=bayeslme.VarIdent(form="~ 1 | Sex"),
        correlation=bayeslme.CorAR1(),
    )
    fits = bayeslme.lmlist("distance ~ age | Subject", data)
    for shown in (fit, fit.varcorr(), fit.intervals(), fit.anova(), fits):
        html = shown._repr_html_()
        assert len(list(parsed(html).iter("table"))) >= 1
        assert "#" not in html
    captions = [e.text for e in parsed(fit._repr_html_()).iter("caption")]
    assert "AR(1), ~1 | Subject" in captions
    assert "Different standard deviations per stratum, ~1 | Sex" in captions


def test_style_is_scoped() -> None:
    assert wrap("x").startswith("<style>.blme ")


def test_links_to_sections_may_stand_on_several_lines() -> None:
    page = document("Title", "", [Section("One"), Section("Two")])
    assert '<a href="#s1">One</a> <a href="#s2">Two</a>' in page


def test_heads_over_several_columns_stand_in_the_middle() -> None:
    assert "th[colspan]{text-align:center}" in wrap()


@pytest.mark.parametrize("make", [bayeslme.gls, bayeslme.lm])
def test_components_of_a_fit_without_random_effects_are_its_residual(make: Any) -> None:
    fit = make("distance ~ age", bayeslme.load_data("orthodont"))
    found = fit.varcorr()
    assert len(found) == 0
    words = str(found).split()
    assert words[:3] == ["Variance", "StdDev", "Residual"]
    np.testing.assert_allclose([float(w) for w in words[3:]], [fit.sigma**2, fit.sigma], rtol=1e-6)
    assert [e.text for e in parsed(found._repr_html_()).iter("th")][-1] == "Residual"
