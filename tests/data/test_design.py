"""Designs: what a specification asks of a data frame, and what it refuses."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayeslme.data.datasets import load_data
from bayeslme.data.design import build
from bayeslme.data.types import Design
from bayeslme.errors import BayesLMEError, DataError, IdentificationWarning
from bayeslme.spec.make import make_gls, make_lm, make_lme
from bayeslme.spec.script import translate
from bayeslme.structures import PdBlocked, PdIdent, VarIdent
from reference.corpus import FIT_FAMILIES, family, load_frame

ORTHODONT = load_data("Orthodont")
CASES = [c for name in FIT_FAMILIES for c in family(name) if not c["nlme_failed"]]
REFUSED = {"d_ar1_noninteger_REML": "positions must be integers"}  # nlme truncates the times


def names(table: Any) -> list[str]:
    return list(map(str, table if isinstance(table, list) else [table]))


def assert_levels(design: Design, results: dict[str, Any]) -> None:
    for level in design.levels:
        assert list(level.effects) == list(results["re"][level.group]["stddev"])
        rows = names(results["ranef"][level.group]["rows"])
        assert list(level.labels[: len(rows)]) == rows


@pytest.mark.filterwarnings("ignore::bayeslme.errors.IdentificationWarning")
@pytest.mark.filterwarnings("ignore:contrasts:UserWarning")  # as in R; it has its own test
@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_names_levels_and_rows_are_nlme(case: dict[str, Any]) -> None:
    spec = translate(case["call"], contrasts=tuple(case["contrasts"]))
    if case["id"] in REFUSED:
        with pytest.raises(DataError, match=REFUSED[case["id"]]):
            build(spec, load_frame(case["data"]))
        return
    design = build(spec, load_frame(case["data"]))
    results = case["results"]
    assert list(design.x_names) == list(results["fixef"])
    assert_levels(design, results)
    if "rows_used" in results:  # the first 200, or their number where all are used
        rows = results["rows_used"]
        stored = rows if isinstance(rows, list) else list(range(1, rows + 1))
        assert (design.rows[: len(stored)] + 1).tolist() == stored
    strata = (results.get("varStruct") or {}).get("coef")
    weights = case["spec"]["weights_call"] or ""
    if strata and weights.startswith("varIdent") and "fixed" not in weights:
        assert list(design.variance[0].strata)[1:] == list(strata)


def orthodont(**changes: Any) -> Any:
    arguments: dict[str, Any] = {"fixed": "distance ~ age * Sex", "random": "~ age | Subject"}
    return make_lme(**{**arguments, **changes})


def test_shapes() -> None:
    design = build(
        orthodont(correlation="corAR1()", weights="varIdent(form = ~ 1 | Sex)"), ORTHODONT
    )
    assert design.X.shape == (108, 4) and design.y.shape == (108,)
    assert design.assign.tolist() == [0, 1, 2, 3]
    assert design.term_labels == ("age", "Sex", "age:Sex") and design.has_intercept
    level = design.levels[0]
    assert level.Z.shape == (108, 2) and level.effects == ("(Intercept)", "age")
    assert len(level.labels) == 27 and level.parent.tolist() == [0] * 27
    assert design.variance[0].strata == ("Male", "Female")
    assert design.correlation.groups == ("Subject",) and design.correlation.position is None
    assert design.response_label == "distance" and design.n_frame == 108
    assert list(design.frame.columns) == ["distance", "age", "Sex", "Subject"]


def test_inner_labels_are_read_within_outer_groups() -> None:
    piglets = load_data("piglets")
    relabelled = piglets.copy()
    pigs = piglets["pig"].astype(int)
    first = pigs.groupby(piglets["litter"], observed=True).transform("min")
    relabelled["pig"] = pd.Categorical((pigs - first + 1).astype(str))
    spec = make_lme("loglact ~ reg", "~ 1 | litter/pig", na_action="omit")
    one, other = build(spec, piglets), build(spec, relabelled)
    assert len(other.levels[1].labels) == 20
    np.testing.assert_array_equal(one.levels[1].code, other.levels[1].code)
    np.testing.assert_array_equal(one.levels[1].parent, other.levels[1].parent)
    assert other.levels[1].labels[:2] == ("1/1", "1/2")


@pytest.mark.parametrize("seed", range(3))
def test_rows_in_any_order(seed: int) -> None:
    spec = orthodont(
        weights="varIdent(form = ~ 1 | Sex)", correlation="corAR1(form = ~ age | Subject)"
    )
    order = np.random.default_rng(seed).permutation(len(ORTHODONT))
    plain, mixed = build(spec, ORTHODONT), build(spec, ORTHODONT.iloc[order])
    np.testing.assert_array_equal(mixed.X, plain.X[order])
    np.testing.assert_array_equal(mixed.levels[0].code, plain.levels[0].code[order])
    np.testing.assert_array_equal(mixed.correlation.position, plain.correlation.position[order])
    assert mixed.variance[0].strata == plain.variance[0].strata
    np.testing.assert_array_equal(mixed.index, ORTHODONT.index[order])


def test_subset_and_missing_values() -> None:
    frame = ORTHODONT.copy()
    frame.loc[[3, 50], "distance"] = np.nan
    by_text = build(orthodont(subset="age > 8", na_action="omit"), frame)
    by_mask = build(orthodont(subset=(frame["age"] > 8).to_numpy(), na_action="exclude"), frame)
    np.testing.assert_array_equal(by_text.rows, by_mask.rows)
    assert len(by_text.y) == 81 - 2
    assert by_text.index.equals(frame.index[by_text.rows])
    girls = build(orthodont(fixed="distance ~ age", subset="Sex == 'Female'"), ORTHODONT)
    assert len(girls.levels[0].labels) == 11  # unused levels are dropped


@pytest.mark.parametrize(
    ("make", "coefficients"),
    [
        (make_lm, (24.887224925601, 21.974809947083, -1.145966943672, -2.392179632304)),
        (make_gls, (25.399318517162, 17.529711109586, -0.881460700105, -2.647386045336)),
    ],
)
def test_polynomials_are_learned_before_the_subset_by_lm_only(
    make: Any, coefficients: tuple[float, ...]
) -> None:
    """R: ``d$age <- d$age + (seq_len(108) - 50) / 100; coef(lm(..., subset = age > 8.1))``."""
    frame = load_data("Orthodont")
    frame["age"] += (np.arange(1, 109) - 50) / 100
    design = build(make("distance ~ poly(age, 2) * Sex", subset="age > 8.1"), frame)
    found = np.linalg.lstsq(design.X, design.y)[0]
    np.testing.assert_allclose(found[:4], coefficients, rtol=1e-11)


def test_the_group_of_the_data_frame_is_used() -> None:
    assert build(orthodont(random="~ 1"), ORTHODONT).levels[0].group == "Subject"
    nested = build(make_lme("Thickness ~ 1", "~ 1"), load_data("Oxide"))
    assert [level.group for level in nested.levels] == ["Lot", "Wafer"]
    with pytest.raises(DataError, match="no group is named"):
        build(orthodont(random="~ 1"), pd.DataFrame(ORTHODONT.to_dict("list")))


def test_groups_are_sorted_as_r_sorts_them() -> None:
    frame = pd.DataFrame({"y": np.arange(6.0), "g": [10, 9, 100, 10, 9, 100]})
    assert build(make_lme("y ~ 1", "~ 1 | g"), frame).levels[0].labels == ("9", "10", "100")
    text = frame.assign(g=frame["g"].astype(str))
    assert build(make_lme("y ~ 1", "~ 1 | g"), text).levels[0].labels == ("10", "100", "9")


def test_contrasts_act_in_random_formulas() -> None:
    spec = make_lme("score ~ Machine", "~ Machine | Worker", contrasts={"Machine": "sum"})
    design = build(spec, load_data("Machines"))
    assert design.x_names == ("(Intercept)", "Machine1", "Machine2")
    assert design.levels[0].effects == ("(Intercept)", "Machine1", "Machine2")
    with pytest.raises(DataError, match="contrasts: 'machine' is no factor of the model"):
        build(
            make_lme("score ~ Machine", "~ 1 | Worker", contrasts={"machine": "sum"}),
            load_data("Machines"),
        )


def test_contrasts_of_a_factor_that_no_term_codes_are_ignored_with_a_warning() -> None:
    weights = VarIdent(form="~ 1 | Sex")
    spec = make_lme("distance ~ age", "~ 1 | Subject", weights=weights, contrasts={"Sex": "sum"})
    with pytest.warns(UserWarning, match="contrasts: 'Sex' is in no term of the fixed or random"):
        design = build(spec, load_data("Orthodont"))
    assert design.x_names == ("(Intercept)", "age")
    without = make_lme("distance ~ age", "~ 1 | Subject", contrasts={"Sex": "sum"})
    with pytest.warns(UserWarning, match="contrasts: 'Sex' is in no term of the fixed or random"):
        assert "Sex" in build(without, load_data("Orthodont")).frame  # so it can be built again
    number = make_lme("distance ~ age", "~ 1 | Subject", contrasts={"age": "sum"})
    with pytest.raises(DataError, match="contrasts: 'age' is no factor of the model"):
        build(number, load_data("Orthodont"))


def test_blocks() -> None:
    blocks = PdBlocked([PdIdent("~ 1"), PdIdent("~ sample - 1"), PdIdent("~ dilut - 1")])
    design = build(make_lme("logDens ~ sample * dilut", {"Block": blocks}), load_data("Assay"))
    level = design.levels[0]
    assert level.structure.sizes == (1, 6, 5) and level.Z.shape == (60, 12)
    assert level.effects[:3] == ("(Intercept)", "samplea", "sampleb")


def test_gls_and_lm_have_no_levels() -> None:
    design = build(make_lm("distance ~ age"), ORTHODONT)
    assert design.levels == () and design.variance == () and design.correlation is None
    alone = build(
        make_gls("distance ~ age", correlation="corARMA(p = 1)", subset="Subject == 'M01'"),
        ORTHODONT,
    )
    assert alone.correlation.groups == () and alone.correlation.labels == ("",)


def test_a_design_does_not_follow_later_changes_of_the_frame() -> None:
    frame = ORTHODONT.copy()
    design = build(orthodont(), frame)
    frame.loc[:, "distance"] = 0.0
    assert design.y.min() > 0 and design.frame["distance"].min() > 0


@pytest.mark.parametrize(
    ("changes", "frame", "message"),
    [
        ({"fixed": "distance ~ agee"}, ORTHODONT, "'agee' .fixed. is not in the data; did"),
        ({"random": "~ 1 | Subj"}, ORTHODONT, "column 'Subj' .random groups."),
        ({"subset": "ages > 8"}, ORTHODONT, "column 'ages' .subset."),
        ({"weights": "varPower(form = ~ agg)"}, ORTHODONT, "'agg' .correlation or weights."),
        ({}, ORTHODONT.to_dict("list"), "data: a data frame is needed, not dict"),
        ({}, ORTHODONT.head(0), "no rows"),
        ({"subset": "age > 99"}, ORTHODONT, "subset keeps none of the 108 rows"),
        ({"subset": np.ones(5, dtype=bool)}, ORTHODONT, "boolean mask of 108 values"),
        ({}, ORTHODONT.assign(distance=np.nan), r"missing values in distance \(108 rows\)"),
        ({"na_action": "omit"}, ORTHODONT.assign(distance=np.nan), "no row is left"),
        ({"na_action": "omit"}, ORTHODONT.assign(age=np.inf), "'age' is infinite in 108 rows"),
        ({"fixed": "log(distance - 30) ~ age"}, ORTHODONT, "response .* not a finite number"),
        ({"fixed": "Sex ~ age"}, ORTHODONT, "'Sex' is a factor where a number"),
        ({"fixed": "distance ~ age + I(2 * age)"}, ORTHODONT, "age.' depend.*rank 2 of 3"),
        ({"fixed": "distance ~ Sex", "subset": "Sex == 'Male'"}, ORTHODONT, "single level 'Male'"),
        ({"fixed": "distance ~ log(name)"}, ORTHODONT.assign(name="x"), "'name' is text where"),
        ({"random": "~ 0 | Subject"}, ORTHODONT, "no effects"),
        (
            {"correlation": "corAR1(form = ~ 1 | Sex)"},
            ORTHODONT,
            "groups 'Sex' must be equal to or within .* 'Subject'",
        ),
        (
            {"correlation": "corAR1(form = ~ t | Subject)"},
            ORTHODONT.assign(t=[1, 1, 2, 3] * 27),
            "group 'M16' of 'Subject' has two rows at t = 1",
        ),
        (
            {"correlation": "corARMA(form = ~ I(age / 3) | Subject, q = 1)"},
            ORTHODONT,
            "must be integers.* use corCAR1",
        ),
        ({"correlation": "corSymm(form = ~ I(age / 3))"}, ORTHODONT, r"as.integer\(factor\("),
        ({"correlation": "corExp(form = ~ x + y)"}, ORTHODONT.assign(x=1, y=2), "x \\+ y = 1, 2"),
        ({"correlation": "corExp(form = ~ age * distance)"}, ORTHODONT, "places are written"),
        ({"weights": "varPower(form = ~ log(age - 8))"}, ORTHODONT, "varPower: .* not a finite"),
        ({"weights": "varPower(form = ~ fitted(age))"}, ORTHODONT, "the fitted model is a dot"),
    ],
)  # fmt: skip
def test_bad_input_is_named(changes: dict[str, Any], frame: Any, message: str) -> None:
    with pytest.raises(BayesLMEError, match=message) as caught:
        build(orthodont(**changes), frame)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("fixed", "random", "data", "message"),
    [
        ("effort ~ Type", "~ 1 | Subject/Type", "ergoStool", "'Type' has one row per level"),
        ("yield ~ 1", "~ 1 | one", "Wheat2", "'one' has one level in the data"),
        ("distance ~ age", "~ 1 | Subject/Sex", "Orthodont", "every 'Subject' has one 'Sex'"),
    ],
)
def test_variances_that_are_not_identified(
    fixed: str, random: str, data: str, message: str
) -> None:
    frame = load_data(data).assign(one="a")
    with pytest.warns(IdentificationWarning, match=message):
        build(make_lme(fixed, random), frame)


def test_crossed_effects_in_one_group_are_identified() -> None:
    frame = load_data("Penicillin").assign(one="a")
    blocks = PdBlocked([PdIdent("~ plate - 1"), PdIdent("~ sample - 1")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        design = build(make_lme("diameter ~ 1", {"one": blocks}), frame)
    assert design.levels[0].Z.shape == (144, 30)


def test_random_columns_are_those_of_the_fixed_part_where_they_are_the_same() -> None:
    design = build(orthodont(), ORTHODONT)
    assert np.shares_memory(design.X, design.levels[0].Z)
    assert design.levels[0].Z.tolist() == design.X[:, :2].tolist()
    other = ORTHODONT.assign(SexFemale=range(108))  # same name, other values
    design = build(orthodont(fixed="distance ~ 0 + SexFemale", random="~ 0 + Sex | Subject"), other)
    assert not np.shares_memory(design.X, design.levels[0].Z)
    assert design.levels[0].Z[:, 1].tolist() == (ORTHODONT["Sex"] == "Female").tolist()


def test_later_changes_of_the_frame_do_not_reach_the_design() -> None:
    frame = ORTHODONT.copy()
    spec = orthodont(weights="varPower(form = ~ age)", correlation="corCAR1(form = ~ age)")
    design = build(spec, frame)
    coords, times = design.variance[0].covariate, design.correlation.position
    frame.loc[:, "age"] = 0.0
    frame.loc[0, "distance"] = 99.0
    assert coords.tolist() == times[:, 0].tolist() == ORTHODONT["age"].tolist()
    assert design.frame["age"].tolist() == ORTHODONT["age"].tolist()
    assert design.frame["distance"].tolist() == ORTHODONT["distance"].tolist() == design.y.tolist()
