"""The public names: a name that goes, or a new one, is a decision, and is written down here."""

from __future__ import annotations

from dataclasses import fields

import pytest

import bayeslme
from bayeslme.bayes.posterior.posterior import Posterior
from bayeslme.fit.lmlist import LmList
from bayeslme.fit.result import Fit, GlsFit, LmeFit, LmFit
from bayeslme.spec.model import LmeSpec

PACKAGE = """
    BayesLMEError CorAR1 CorAR1AR1 CorARMA CorAnte CorCAR1 CorCompSymm CorExp CorGaus CorLin
    CorMatern CorNatural CorRatio CorSpher CorSymm CorToep DataError FitError GlsFit LmFit
    LmeFit LmeSpec PdBlocked PdCompSymm PdDiag PdIdent PdKnown PdLogChol PdNatural PdSymm
    SpecError
    VarComb VarConstPower VarConstProp VarExp VarFixed VarIdent VarPower anova bayes_factor
    calibrate compare compare_fits compare_models compare_pred data_names from_bambi gls
    group_plot interaction_plot lm lme lmer lmlist load_data load_model load_posterior
    mmrm simulated_lrt table translate
"""

COMMON = """
    acf aic anova as_lme4 aug_pred augment bic bootstrap coef converged correlation_coef data
    default_df degrees design df estimate exported fitted fixef glance icc influence information
    intervals loglik marginal_cov means
    method nobs plot predict r2 refit report residual_cov residuals sample satterthwaite sigma
    simulate singular small_samples spec summary test_vcov tidy to_great_tables to_latex
    to_markdown update varcorr variogram vcov
    weights_coef
"""

NAMES: dict[type, str] = {
    Fit: COMMON,
    LmeFit: COMMON + " kind ranef",
    GlsFit: COMMON + " kind",
    LmFit: COMMON + " kind",
    LmList: """
        aug_pred augment coef coefficients data design df fitted glance groups intervals nobs plot
        predict residuals sigma spec stderr summary tidy update
    """,
    LmeSpec: """
        contrasts control correlation crossed data factor_contrasts fit fixed function mask
        method mmrm na_action new_groups_are_zero prior_predictive priors pymc_data random subset
        to_bambi to_pymc to_r update weights
    """,
    Posterior: """
        augment check contrast data effects exported fit fitted fixef glance hypothesis icc
        intervals loo
        mean_effects means parameters pit plot ppc predict prior_predictive priors quantities r2
        ranef residuals save sensitivity summary tidy to_great_tables to_latex to_markdown values
        varcorr
    """,
}


def test_names_of_the_package() -> None:
    assert sorted(bayeslme.__all__) == sorted(PACKAGE.split())
    assert all(hasattr(bayeslme, name) for name in bayeslme.__all__)


@pytest.mark.parametrize("cls", NAMES, ids=lambda cls: cls.__name__)
def test_names_of_the_results(cls: type) -> None:
    names = {*dir(cls), *(field.name for field in fields(cls))}
    assert sorted(name for name in names if not name.startswith("_")) == sorted(NAMES[cls].split())
