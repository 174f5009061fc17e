"""The comparison itself: a fit of stored numbers passes, and every wrong number is seen."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reference.compare import compare_fit
from reference.corpus import by_id, load_frame, matrix, number, numbers


def frame(table: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(matrix(table), index=table["rows"], columns=table["cols"])


def echo(case: dict[str, Any]) -> SimpleNamespace:
    """Make a fit whose every verb answers with the stored result."""
    stored = case["results"]
    parts = stored["intervals"]
    fixed = frame(stored["tTable"])
    tables = {"fixed": parts["fixed"], "varfunc": parts["varStruct"], **parts["reStruct"]}

    def anova(type: str) -> pd.DataFrame:
        table = stored[f"anova_{type}"]
        names = {"numDF": "numDF", "denDF": "denDF", "F": "F-value", "p": "p-value"}
        return pd.DataFrame({names[k]: table[k] for k in names}, index=table["term"])

    group = SimpleNamespace(
        sd=pd.Series(stored["re"]["Subject"]["stddev"]), corr=pd.DataFrame([[1.0]])
    )
    return SimpleNamespace(
        loglik=stored["logLik"],
        aic=stored["AIC"],
        bic=stored["BIC"],
        df=stored["df"],
        sigma=stored["sigma"],
        fixef=pd.Series(stored["fixef"]),
        summary=lambda: SimpleNamespace(fixed=fixed),
        varcorr=lambda: {"Subject": group},
        weights_coef=pd.Series(stored["varStruct"]["coef"]),
        fitted=lambda level: np.array(stored["fitted"][level]),
        residuals=lambda type: np.array(stored["residuals"][type]),
        ranef=lambda level: frame(stored["ranef"][level]),
        intervals=lambda: {name: frame(table) for name, table in tables.items()},
        anova=anova,
    )


@pytest.fixture
def case() -> dict[str, Any]:
    return by_id()["a_orth_fit3_REML"]


def test_stored_numbers_agree_with_themselves(case: dict[str, Any]) -> None:
    assert compare_fit(echo(case), case).bad == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("loglik", -207.7),
        ("loglik", float("nan")),
        ("loglik", -200.0),
        ("aic", 430.0),
        ("bic", 447.0),
        ("df", 6),
        ("sigma", 1.7),
        ("fixef", pd.Series([24.9, -2.3, 0.78, -0.30], ["(Intercept)", "a", "b", "c"])),
        ("weights_coef", pd.Series({"Female": 0.48})),
        ("weights_coef", pd.Series({"Male": 0.4679})),
        ("fitted", lambda level: np.zeros(108)),
        ("residuals", lambda type: np.ones(108)),
        ("residuals", lambda type: np.ones(7)),
        ("ranef", lambda level: pd.DataFrame({"(Intercept)": np.zeros(27)})),
    ],
)
def test_a_wrong_number_is_seen(case: dict[str, Any], name: str, wrong: Any) -> None:
    fit = echo(case)
    setattr(fit, name, wrong)
    assert compare_fit(fit, case).bad


def test_frames_have_r_level_order() -> None:
    subjects = load_frame("Orthodont")["Subject"]
    assert list(subjects.cat.categories[:3]) == ["M16", "M05", "M02"]
    assert subjects.cat.ordered


def test_numbers_of_the_store() -> None:
    assert np.isnan(number(None))
    assert number("Inf") == np.inf
    assert numbers(3) == [3.0]
