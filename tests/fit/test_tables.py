"""nlme's tables beside the summary: contrasts, chosen terms, predictions, covariances, lmList."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.errors import FitError
from reference.corpus import family, load_frame, matrix, numbers
from reference.fitting import fitted

TABLES = {case["id"]: case for case in family("tables")}
RTOL = 2e-4

CONTRASTS: dict[str, Any] = {
    "b_anovaL_BW_fm2": {"Time:Diet2": 1, "Time:Diet3": -1},
    "b_anovaL_Wheat2_fm3": [-1, 0, 1] + [0] * 53,
    "d_anovaL_2row": [[0, 0, 1, 0], [0, 0, 0, 1]],
}
TERMS: dict[str, list[int]] = {"b_anovaTerms_Dial_fm2": [8, 9, 10], "d_anovaTerms_gls": [2, 3]}
GROUPS = {
    "c_getVarCov_cond": ("residual", "F01"),
    "c_getVarCov_marg": ("marginal", "F01"),
    "d_gvc_BW3_cond": ("residual", "1"),
    "d_gvc_BW3_marg": ("marginal", "1"),
    "d_gvc_OrthG1": ("marginal", "M01"),
    "d_gvc_OrthG4_F": ("marginal", "F01"),
    "d_gvc_Orth_vi": ("marginal", "F01"),
}
NEW = {
    "b_predict_newOrth": pd.DataFrame(
        {
            "Subject": ["M11"] * 3 + ["F03"] * 3,
            "Sex": ["Male"] * 3 + ["Female"] * 3,
            "age": [16, 17, 18] * 2,
        }
    ),
    "b_predict_newWafer": pd.DataFrame({"Wafer": [1] * 4, "voltage": [1, 1.5, 3, 3.5]}),
    "b_predict_newWafer2": pd.DataFrame(
        {"Wafer": [1] * 4, "Site": [3] * 4, "voltage": [1, 1.5, 3, 3.5]}
    ),
    "c_predict_newOvary": pd.DataFrame({"Time": [-0.75, -0.5, 0, 0.5, 0.75]}),
    "d_predict_newOats": pd.DataFrame(
        {
            "Block": ["I", "VI", "II"],
            "Variety": ["Victory", "Marvellous", "Golden Rain"],
            "nitro": [0.1, 0.3, 0.9],
        }
    ),
    "d_predict_newOrthG": pd.DataFrame({"Sex": ["Female", "Male"], "age": [9, 13]}),
}


def check_row(table: pd.DataFrame, want: dict[str, Any]) -> None:
    assert len(table) == 1
    assert table["numDF"].iloc[0] == want["numDF"]
    if want["denDF"] is not None:
        assert table["denDF"].iloc[0] == want["denDF"]
    assert table["F-value"].iloc[0] == pytest.approx(want["F"], rel=5e-4)
    assert table["p-value"].iloc[0] == pytest.approx(want["p"], rel=5e-3)


@pytest.mark.parametrize("name", CONTRASTS)
def test_contrasts(name: str) -> None:
    table = fitted(TABLES[name]["fit"]).anova(L=CONTRASTS[name])
    check_row(table, TABLES[name]["result"])
    assert "F-test for linear combination(s)" in str(table)


@pytest.mark.parametrize("name", TERMS)
def test_chosen_terms(name: str) -> None:
    table = fitted(TABLES[name]["fit"]).anova(terms=TERMS[name])
    want = TABLES[name]["result"]
    check_row(table, want)
    assert str(table).splitlines()[:-2] == want["label"].rstrip("\n").splitlines()


def test_contrast_across_levels_is_refused() -> None:
    with pytest.raises(FitError, match="denominator DF"):
        fitted("a_orth_fit2_REML").anova(L=[0, 1, 1, 0])


@pytest.mark.parametrize("name", GROUPS)
def test_covariance_of_a_group(name: str) -> None:
    part, group = GROUPS[name]
    fit = fitted(TABLES[name]["fit"])
    got = fit.marginal_cov(group) if part == "marginal" else fit.residual_cov(group)
    want = np.array(matrix(TABLES[name]["result"]))
    np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-3 * np.abs(want).max())


def test_covariance_of_random_effects() -> None:
    want = matrix(TABLES["c_getVarCov_re"]["result"])
    got = fitted("c_Orth_subsetF_REML").varcorr()["Subject"].cov
    np.testing.assert_allclose(got, want, rtol=1e-3)


@pytest.mark.parametrize("name", NEW)
def test_predictions(name: str) -> None:
    case = TABLES[name]
    fit = fitted(case["fit"])
    if isinstance(case["result"], list):
        np.testing.assert_allclose(fit.predict(NEW[name]), numbers(case["result"]), rtol=RTOL)
        return
    for column, values in case["result"].items():
        level = column.removeprefix("predict.")
        if level != column:
            got = fit.predict(NEW[name], level=level)
            np.testing.assert_allclose(got, numbers(values), rtol=RTOL, atol=1e-4)


@pytest.mark.parametrize(
    "case", [c for c in TABLES.values() if c["kind"] == "lmList"], ids=lambda case: case["id"]
)
def test_lmlist(case: dict[str, Any]) -> None:
    spec = bayeslme.translate(case["call"])
    fits = spec.fit(load_frame(str(spec.data)))
    want = case["result"]
    assert list(fits.coef().index) == want["coef"]["rows"]
    assert list(fits.coef().columns) == want["coef"]["cols"]
    np.testing.assert_allclose(fits.coef(), matrix(want["coef"]), rtol=1e-6, atol=1e-8)
    for name, table in want["intervals"].items():
        values = np.array(matrix(table))
        known = np.isfinite(values)  # nlme leaves out groups with as many rows as coefficients
        got = fits.intervals()[name].to_numpy()
        np.testing.assert_allclose(got[known], values[known], rtol=1e-6, atol=1e-6)
        assert np.isfinite(got).all() or not known.all()
    assert fits.sigma == pytest.approx(want["pooledSD"], rel=1e-8)
    assert fits.df == want["pooledSD_df"]
