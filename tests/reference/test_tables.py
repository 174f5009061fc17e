"""Tables on one stored fit: contrasts, predictions, covariances, and linear models by group."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from reference.corpus import family, load_frame, matrix, numbers
from reference.fitting import fitted, identifier

CLOSE = {"rtol": 1e-3, "atol": 1e-6}  # nlme's optimiser leaves the third digit of a variance open
EXACT = {"rtol": 1e-7, "atol": 1e-7}  # least squares

TABLES = {case["id"]: case for case in family("tables")}
LISTS = [case for case in TABLES.values() if case["kind"] == "lmList"]

CONTRASTS: dict[str, dict[str, Any]] = {
    "b_anovaL_BW_fm2": {"L": {"Time:Diet2": 1, "Time:Diet3": -1}},
    "b_anovaL_Wheat2_fm3": {"L": {"varietyARAPAHOE": -1, "varietyBUCKSKIN": 1}},
    "d_anovaL_2row": {"L": [[0, 0, 1, 0], [0, 0, 0, 1]]},
}

NEW_ROWS: dict[str, dict[str, list[Any]]] = {
    "b_predict_newOrth": {
        "Subject": ["M11"] * 3 + ["F03"] * 3,
        "Sex": ["Male"] * 3 + ["Female"] * 3,
        "age": [16, 17, 18] * 2,
    },
    "b_predict_newWafer": {"Wafer": ["1"] * 4, "voltage": [1, 1.5, 3, 3.5]},
    "b_predict_newWafer2": {"Wafer": ["1"] * 4, "Site": ["3"] * 4, "voltage": [1, 1.5, 3, 3.5]},
    "d_predict_newOats": {
        "Block": ["I", "VI", "II"],
        "Variety": ["Victory", "Marvellous", "Golden Rain"],
        "nitro": [0.1, 0.3, 0.9],
    },
    "c_predict_newOvary": {"Time": [-0.75, -0.5, 0, 0.5, 0.75]},
    "d_predict_newOrthG": {"Sex": ["Female", "Male"], "age": [9, 13]},
}

MARGINAL = {
    "c_getVarCov_marg": "F01",
    "d_gvc_BW3_marg": "1",
    "d_gvc_OrthG1": "M01",
    "d_gvc_OrthG4_F": "F01",
    "d_gvc_Orth_vi": "F01",
}


@pytest.mark.parametrize("name", CONTRASTS)
def test_contrast_of_coefficients(name: str) -> None:
    case = TABLES[name]
    mine = fitted(case["fit"]).anova(**CONTRASTS[name]).iloc[0]
    want = case["result"]
    np.testing.assert_allclose(mine["F-value"], want["F"], **CLOSE)
    np.testing.assert_allclose(mine["p-value"], want["p"], **CLOSE)
    assert mine["numDF"] == want["numDF"]


def test_contrast_over_different_denominators_is_refused() -> None:
    with pytest.raises(bayeslme.FitError, match="denominator"):
        fitted(TABLES["d_anovaL_mixedDF"]["fit"]).anova(L=[0, 1, 1, 0])


@pytest.mark.parametrize("name", ["b_anovaTerms_Dial_fm2", "d_anovaTerms_gls"])
def test_terms_together(name: str) -> None:
    case = TABLES[name]
    fit = fitted(case["fit"])
    first, last = map(int, re.findall(r"(\d+):(\d+)", case["call"])[0])
    names = list(fit.anova().index[first - 1 : last])  # R counts terms from 1
    mine = fit.anova(terms=names).iloc[0]
    np.testing.assert_allclose(mine["F-value"], case["result"]["F"], **CLOSE)
    np.testing.assert_allclose(mine["p-value"], case["result"]["p"], **CLOSE)


@pytest.mark.parametrize("name", NEW_ROWS)
def test_predictions_for_new_rows(name: str) -> None:
    case = TABLES[name]
    fit, new = fitted(case["fit"]), pd.DataFrame(NEW_ROWS[name])
    stored = case["result"]
    if isinstance(stored, list):
        np.testing.assert_allclose(fit.predict(new), numbers(stored), **CLOSE)
        return
    levels = [key for key in stored if key.startswith("predict.")]
    for key in levels:
        mine = fit.predict(new, level=key.removeprefix("predict."))
        np.testing.assert_allclose(mine, numbers(stored[key]), **CLOSE)


@pytest.mark.parametrize("name", MARGINAL)
def test_covariance_of_a_groups_responses(name: str) -> None:
    case = TABLES[name]
    mine = fitted(case["fit"]).marginal_cov(MARGINAL[name])
    want = np.array(matrix(case["result"]))
    np.testing.assert_allclose(mine, want, rtol=5e-3, atol=1e-3 * want.max())


def test_covariance_of_random_effects() -> None:
    case = TABLES["c_getVarCov_re"]
    mine = fitted(case["fit"]).varcorr()["Subject"].cov
    np.testing.assert_allclose(mine, matrix(case["result"]), rtol=5e-3)


@pytest.mark.parametrize("case", LISTS, ids=identifier)
def test_linear_models_by_group(case: dict[str, Any]) -> None:
    formula, data = re.findall(r"lmList\((.*), data = (\w+)\)", case["call"])[0]
    mine = bayeslme.lmlist(formula, load_frame(data))
    want = case["result"]
    assert list(mine.coef().index) == want["coef"]["rows"]
    assert list(mine.coef().columns) == want["coef"]["cols"]
    np.testing.assert_allclose(mine.coef(), np.array(matrix(want["coef"]), float), **EXACT)
    np.testing.assert_allclose(mine.sigma, want["pooledSD"], **EXACT)
    intervals = mine.intervals()
    for name, table in (want["intervals"] or {}).items():
        limits = np.array(matrix(table), float)
        known = np.isfinite(limits)  # nlme has none where a group's own residual df is 0
        np.testing.assert_allclose(intervals[name].to_numpy()[known], limits[known], **EXACT)
