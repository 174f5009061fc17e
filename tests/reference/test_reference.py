"""The stored nlme results, each through the whole package from the call as R spells it."""

from __future__ import annotations

import math
from typing import Any

import pytest

import bayeslme
from bayeslme.errors import BayesLMEError
from reference.compare import compare_anova, compare_fit
from reference.corpus import FIT_FAMILIES, family, nlme_is_wrong
from reference.fitting import fitted, identifier

FITS = [case for name in FIT_FAMILIES for case in family(name)]
SOUND = [case for case in FITS if not case["nlme_failed"] and not nlme_is_wrong(case)]
DOUBTFUL = [case for case in FITS if case["nlme_failed"] or nlme_is_wrong(case)]
COMPARISONS = [case for case in family("tables") if case["kind"] == "comparison"]


@pytest.mark.parametrize("case", SOUND, ids=identifier)
def test_fit_equals_nlme(case: dict[str, Any]) -> None:
    outcome = compare_fit(fitted(case["id"]), case)
    assert not outcome.bad, "; ".join(outcome.bad)


@pytest.mark.filterwarnings("ignore:.*REML:UserWarning")  # stored tables compare such fits too
@pytest.mark.parametrize("case", COMPARISONS, ids=identifier)
def test_anova_of_fits_equals_nlme(case: dict[str, Any]) -> None:
    outcome = compare_anova(bayeslme.anova(*map(fitted, case["fits"])), case)
    assert not outcome.bad, "; ".join(outcome.bad)


@pytest.mark.parametrize("case", DOUBTFUL, ids=identifier)
def test_where_nlme_fails_a_finite_fit_or_a_named_error(case: dict[str, Any]) -> None:
    try:
        fit = fitted(case["id"])
    except BayesLMEError as error:
        assert 20 < len(str(error)) <= 300
    else:
        assert math.isfinite(fit.loglik)
        assert fit.fixef.notna().all()


def test_corpus_is_complete() -> None:
    assert len(SOUND) > 470
    assert len(COMPARISONS) == 29
    assert {case["function"] for case in FITS} == {"lme", "gls", "lm"}
