"""Specifications from Python arguments, which are checked and brought into one form."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from bayeslme.errors import SpecError
from bayeslme.formula.expressions import Dot, Expr, is_expression, start, variables, walk
from bayeslme.formula.formula import Formula, parse_formula
from bayeslme.formula.functions import check_functions, refuse_fitted
from bayeslme.formula.grammar import parse_expression
from bayeslme.formula.terms import expand
from bayeslme.spec.mmrm import read_mmrm
from bayeslme.spec.model import Function, LmeSpec, NaAction, make_control, read_contrasts
from bayeslme.spec.random import read_random, same_effects
from bayeslme.spec.structure_reader import canonical, is_formula, read_structure
from bayeslme.structures import CorStruct, VarFixed, VarFunc
from bayeslme.structures.base import RowStructure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


_NA_ACTIONS: tuple[str, ...] = get_args(NaAction.__value__)


def check_fixed(formula: Formula, function: str) -> Formula:
    """Return the formula of the fixed effects after checking response and groups."""
    if formula.lhs is None:
        raise SpecError(f"{function}: the formula {formula} has no response; write y ~ x")
    if function == "lmList":
        if not formula.groups or formula.crossed:
            raise SpecError(f"lmList: the formula {formula} needs its groups, y ~ x | g")
    elif formula.grouping is not None:
        raise SpecError(
            f"{function}: the groups of {formula} belong into random or correlation, "
            "as in random = ~ 1 | g"
        )
    refuse_fitted(formula.rhs, function)
    refuse_fitted(formula.lhs, function)
    if not any(isinstance(node, Dot) for node in walk(formula.rhs)):
        _check_terms(formula)
    return formula


def _check_terms(formula: Formula) -> None:
    """Refuse what cannot be expanded, and the response among the terms."""
    if any(term.variables == (formula.lhs,) for term in expand(formula).terms):
        raise SpecError(f"the response of {formula} stands on the right-hand side too")


def check_method(method: str, function: str) -> Any:
    """Return the estimation method after checking it."""
    allowed = ("OLS",) if function in {"lm", "lmList"} else ("REML", "ML")
    if method not in allowed:
        raise SpecError(f"{function}: method is {' or '.join(allowed)}, not {method!r}")
    return method


def check_na_action(action: str) -> Any:
    """Return the treatment of missing values, ``"omit"`` or R's ``"na.omit"``."""
    name = str(action).removeprefix("stats::").removeprefix("na.")
    if name not in _NA_ACTIONS:
        raise SpecError(f"na_action is one of {', '.join(_NA_ACTIONS)}, not {action!r}")
    return name


def check_priors(priors: Any) -> Any:
    """Return priors after checking that they are a preset's name or a mapping by variable."""
    if priors is not None and not isinstance(priors, str | Mapping):
        raise SpecError(
            f"priors are a preset's name or a mapping from variables, not {type(priors).__name__}"
        )
    if not isinstance(priors, Mapping):
        return priors
    return {k: copy.deepcopy(dict(v) if isinstance(v, Mapping) else v) for k, v in priors.items()}


def read_correlation(correlation: Any) -> CorStruct | None:
    """Read a correlation structure, as an object or as R's text."""
    if isinstance(correlation, str):
        correlation = read_structure(correlation, CorStruct)
    if correlation is None:
        return None
    if not isinstance(correlation, CorStruct):
        raise SpecError(
            f"correlation is a structure such as CorAR1(form='~ 1 | g'), not {_shown(correlation)}"
        )
    return canonical(correlation)  # type: ignore[no-any-return]


def read_weights(weights: Any) -> VarFunc | None:
    """Read a variance function, as an object, as R's text, or as the formula of a VarFixed."""
    if isinstance(weights, str):
        if is_formula(parse_expression(weights)):
            return canonical(VarFixed(weights))  # type: ignore[no-any-return]
        weights = read_structure(weights, VarFunc)
    if weights is None:
        return None
    if not isinstance(weights, VarFunc):
        raise SpecError(
            "weights is a variance function such as VarPower(form='~ x'); for numbers w that "
            "divide the variance give the data a column v = 1 / w, and weights='~ v' (VarFixed); "
            f"not {_shown(weights)}"
        )
    return canonical(weights)  # type: ignore[no-any-return]


def _shown(value: Any) -> str:
    """A value in one line; of columns and lists their kind."""
    return (
        f"{value!r:.60}" if isinstance(value, int | float | RowStructure) else type(value).__name__
    )


def read_subset(subset: Any) -> tuple[Expr | None, npt.NDArray[np.bool_] | None]:
    """Read a subset, an expression on columns or a boolean mask.

    Returns
    -------
    expression : Expr or None
    mask : (n_frame,) bool array or None
    """
    if subset is None:
        return None, None
    if is_expression(subset):
        return check_subset(subset, ""), None
    if isinstance(subset, str):
        return check_subset(parse_expression(subset), subset), None
    import numpy as np

    mask = np.array(subset)  # a copy: the user may go on changing the one given
    if mask.dtype != bool or mask.ndim != 1:
        raise SpecError(
            "subset is an expression on columns, such as 'age > 8', or a boolean mask of the rows"
        )
    return None, mask


def check_subset(node: Expr, text: str) -> Expr:
    """Return a subset expression after checking its functions."""
    if not variables(node):
        raise SpecError(
            "subset is an expression on columns, such as age > 8",
            text=text or None,
            position=start(node),
        )
    check_functions(node, text)
    refuse_fitted(node, "subset")
    return node


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


def make_mmrm(
    formula: str,
    REML: bool = True,
    df: str = "satterthwaite",
    weights: Any = None,
    na_action: str = "omit",
    control: Mapping[str, Any] | None = None,
    data: str | None = None,
) -> LmeSpec:
    """Specify a model for repeated measures as R's mmrm does; see `make_lme`.

    Parameters
    ----------
    formula : str
        With a covariance term, ``"y ~ arm * visit + us(visit | id)"``.
    REML : bool
    df : {"satterthwaite", "kenward-roger", "kenward-roger-linear", "between-within", "residual"}
    weights : str, optional
        A column or an expression that divides the variances.
    na_action : {"fail", "omit", "exclude"}
    control : mapping, optional
    data : str, optional
        The label of the data frame.

    Returns
    -------
    LmeSpec
    """
    if not isinstance(REML, bool):
        raise SpecError(f"mmrm: REML is True or False, not {REML!r}")
    if weights is not None and not isinstance(weights, str):
        raise SpecError(
            "mmrm: weights is a column of the data or an expression, such as 'w', not "
            f"{type(weights).__name__}"
        )
    fixed, correlation, variance, call = read_mmrm(str(formula), reml=REML, df=df, weights=weights)
    spec = _base(
        "mmrm",
        fixed,
        subset=None,
        method="REML" if REML else "ML",
        na_action=na_action,
        control=control,
        contrasts=None,
        data=data,
    )
    return replace(spec, correlation=correlation, weights=variance, mmrm=call)


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
