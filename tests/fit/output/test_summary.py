"""The parts of a page that come from the structures."""

from __future__ import annotations

import bayeslme

SEX = "varComb(varIdent(form = ~ 1 | Sex), varExp(form = ~ age | Sex))"


def test_structures_bring_their_labels_to_the_page() -> None:
    spec = bayeslme.translate(
        f"gls(distance ~ age, correlation = corARMA(form = ~ 1 | Subject, p = 2), weights = {SEX})",
    )
    fit = spec.fit(bayeslme.load_data("Orthodont"))
    lines = [line.strip() for line in str(fit.summary()).splitlines()]
    assert "Correlation Structure: ARMA(2,0)" in lines
    at = lines.index("Combination of variance functions:")
    assert lines[at + 1] == "Structure: Different standard deviations per stratum"
    assert "Structure: Exponential of variance covariate, different strata" in lines


def test_an_arma_of_first_order_is_an_ar1() -> None:
    assert bayeslme.CorARMA(p=1).label == bayeslme.CorAR1().label == "AR(1)"
    assert bayeslme.CorARMA(p=1, q=2).label == "ARMA(1,2)"


def test_a_structure_without_a_description_prints_its_name() -> None:
    named = type("CorNew", (bayeslme.CorAR1,), {"r_name": "corNew", "description": None})
    assert named().label == "corNew"
