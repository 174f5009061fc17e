"""mmrm's formulas, read, written and changed."""

from __future__ import annotations

import pytest

import bayeslme
from bayeslme.errors import BayesLMEError, SpecError
from bayeslme.spec.make import make_mmrm
from bayeslme.structures import CorExp, CorSymm, CorToep, VarComb, VarIdent

CALLS = [
    "mmrm(FEV1 ~ RACE + ARMCD * AVISIT + us(AVISIT | USUBJID), data = fev)",
    "mmrm(FEV1 ~ ARMCD + ar1h(AVISIT | ARMCD / USUBJID), data = fev, weights = w, reml = FALSE)",
    'mmrm(FEV1 ~ 1 + toep(AVISIT | USUBJID), data = fev, method = "Kenward-Roger")',
    'mmrm(FEV1 ~ 1 + cs(AVISIT | USUBJID), data = fev, method = "Kenward-Roger", '
    'vcov = "Kenward-Roger-Linear")',
    'mmrm(FEV1 ~ 1 + sp_exp(x, y | USUBJID), data = fev, method = "Between-Within")',
]


@pytest.mark.parametrize("call", CALLS)
def test_calls_are_read_and_written_back(call: str) -> None:
    spec = bayeslme.translate(call)
    again = bayeslme.translate(spec.to_r())
    assert again == spec
    made = eval(str(spec).replace("data=fev", "data='fev'"), {"mmrm": make_mmrm})
    assert made == spec


def test_structures() -> None:
    spec = bayeslme.translate("fit <- mmrm::mmrm(y ~ x + us(v | id), data = d)")
    assert isinstance(spec.correlation, CorSymm)
    assert spec.weights == VarIdent(form="~1 | v")
    assert (spec.method, spec.na_action, spec.mmrm.df) == ("REML", "omit", "satterthwaite")
    spec = bayeslme.translate("mmrm(y ~ x + toeph(v | arm / id), data = d, weights = w)")
    assert isinstance(spec.correlation, CorToep) and spec.correlation.by == "arm"
    assert isinstance(spec.weights, VarComb) and spec.weights.functions[0].form == "~1 | v * arm"
    spec = bayeslme.translate("mmrm(y ~ sp_exp(x, z | id), data = d)")
    assert isinstance(spec.correlation, CorExp) and spec.weights is None
    assert str(spec.fixed) == "y ~ 1"


def test_mmrm_control_and_covariance() -> None:
    spec = bayeslme.translate(
        "mmrm(y ~ x, data = d, covariance = as.cov_struct(~ cs(v | id)), "
        'control = mmrm_control(method = "Kenward-Roger", optimizer = "BFGS"))'
    )
    assert spec.mmrm.text == "cs(v | id)" and spec.mmrm.df == "kenward-roger-observed"


def test_update() -> None:
    spec = bayeslme.translate("mmrm(y ~ x * v + us(v | id), data = d)")
    assert str(spec.update(formula=". ~ . - x:v").fixed) == "y ~ x + v"
    other = spec.update(formula=". ~ . + adh(v | id)", REML=False, df="residual")
    assert other.mmrm.text == "adh(v | id)" and str(other.fixed) == "y ~ x + v + x:v"
    assert (other.method, other.mmrm.df) == ("ML", "residual")
    assert spec.update(weights=None).function == "gls"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("mmrm(y ~ x, data = d)", "us, toep|covariance term"),
        ("mmrm(y ~ us(v | id) + cs(v | id), data = d)", "2 covariance terms"),
        ("mmrm(y ~ x * us(v | id), data = d)", "added"),
        ("mmrm(y ~ us(v), data = d)", "visit and subject"),
        ("mmrm(y ~ us(v, w | id), data = d)", "one visit"),
        ("mmrm(y ~ us(v | a / b / id), data = d)", "one factor"),
        ('mmrm(y ~ us(v | id), data = d, method = "Welch")', "welch"),
        ('mmrm(y ~ us(v | id), data = d, vcov = "Empirical")', "summary"),
        ('mmrm(y ~ us(v | id), data = d, reml = FALSE, method = "Kenward-Roger")', "REML"),
        ("mmrm(y ~ us(v | id), data = d, REML = FALSE)", "REML"),
    ],
)
def test_refusals(call: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        bayeslme.translate(call)
    assert issubclass(type(caught.value), BayesLMEError) and len(str(caught.value)) <= 400
