"""Specifications from Python arguments: what ``lme()``, ``gls()`` and ``lm()`` make first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bayeslme.spec.checks import (
    check_fixed,
    check_method,
    check_na_action,
    check_priors,
    read_correlation,
    read_subset,
    read_weights,
)
from bayeslme.spec.contrasts import read_contrasts
from bayeslme.spec.control import make_control
from bayeslme.spec.formula import Formula, parse_formula
from bayeslme.spec.model import Function, LmeSpec
from bayeslme.spec.random import read_random, same_effects
from bayeslme.structures import CorStruct, VarFunc


def make_lme(
    fixed: str | Formula,
    random: Any = None,
    correlation: CorStruct | str | None = None,
    weights: VarFunc | str | None = None,
    subset: Any = None,
    method: str = "REML",
    na_action: str = "fail",
    control: Mapping[str, Any] | None = None,
    contrasts: Any = None,
    priors: Any = None,
    data: str | None = None,
) -> LmeSpec:
    """Specify a linear mixed model.

    Parameters
    ----------
    fixed : str
        ``"y ~ x"``.
    random : str, dict or PdMat
        ``"~ 1 | g"``, ``"~ x | g1/g2"``, ``{"g1": "~ 1", "g2": PdDiag("~ x")}``. By default the
        effects of the fixed part, by the groups that the data's own formula names.
    correlation : CorStruct or R text, optional
    weights : VarFunc or R text, optional
        A one-sided formula stands for VarFixed, as in nlme.
    subset : str or boolean mask, optional
    method : {"REML", "ML"}
    na_action : {"fail", "omit", "exclude"}
    control : mapping, optional
    contrasts : pair of str or mapping, optional
    priors : mapping or str, optional
    data : str, optional
        The label of the data frame.

    Returns
    -------
    LmeSpec
    """
    spec = _base(
        "lme",
        fixed,
        subset=subset,
        method=method,
        na_action=na_action,
        control=control,
        contrasts=contrasts,
        priors=priors,
        data=data,
    )
    return replace(
        spec,
        random=same_effects(spec.fixed) if random is None else read_random(random),
        correlation=read_correlation(correlation),
        weights=read_weights(weights),
    )


def make_gls(
    model: str | Formula,
    correlation: CorStruct | str | None = None,
    weights: VarFunc | str | None = None,
    subset: Any = None,
    method: str = "REML",
    na_action: str = "fail",
    control: Mapping[str, Any] | None = None,
    contrasts: Any = None,
    priors: Any = None,
    data: str | None = None,
) -> LmeSpec:
    """Specify a linear model with correlated or heteroscedastic residuals; see `make_lme`.

    Returns
    -------
    LmeSpec
    """
    spec = _base(
        "gls",
        model,
        subset=subset,
        method=method,
        na_action=na_action,
        control=control,
        contrasts=contrasts,
        priors=priors,
        data=data,
    )
    return replace(spec, correlation=read_correlation(correlation), weights=read_weights(weights))


def make_lm(
    formula: str | Formula,
    subset: Any = None,
    na_action: str = "fail",
    contrasts: Any = None,
    priors: Any = None,
    data: str | None = None,
) -> LmeSpec:
    """Specify an ordinary linear model; see `make_lme`.

    Returns
    -------
    LmeSpec
    """
    return _base(
        "lm",
        formula,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        priors=priors,
        data=data,
    )


def make_lmlist(
    formula: str | Formula,
    subset: Any = None,
    na_action: str = "fail",
    contrasts: Any = None,
    data: str | None = None,
) -> LmeSpec:
    """Specify one linear model a group, ``"y ~ x | g"``; see `make_lme`.

    Returns
    -------
    LmeSpec
    """
    return _base(
        "lmList", formula, subset=subset, na_action=na_action, contrasts=contrasts, data=data
    )


def _base(
    function: Function,
    fixed: str | Formula,
    *,
    subset: Any,
    na_action: str,
    contrasts: Any,
    data: str | None,
    method: str = "OLS",
    control: Any = None,
    priors: Any = None,
) -> LmeSpec:
    pair, by_factor = read_contrasts(contrasts)
    rows, mask = read_subset(subset)
    return LmeSpec(
        function=function,
        fixed=check_fixed(parse_formula(fixed), function),
        subset=rows,
        method=check_method(method, function),
        na_action=check_na_action(na_action),
        control=make_control(control),
        contrasts=pair,
        factor_contrasts=by_factor,
        priors=check_priors(priors),
        data=data,
        mask=mask,
    )
