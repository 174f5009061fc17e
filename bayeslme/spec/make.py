"""Specifications from Python arguments, which are checked and brought into one form."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from bayeslme.errors import SpecError
from bayeslme.formula.constants import constant
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Dot, Expr, is_expression, start, walk
from bayeslme.formula.formula import Formula, offsets, parse_formula
from bayeslme.formula.functions import check_functions, refuse_fitted
from bayeslme.formula.grammar import parse_expression
from bayeslme.formula.terms import expand
from bayeslme.spec.frame_expression import by_number
from bayeslme.spec.mmrm import read_mmrm
from bayeslme.spec.model import Function, LmeSpec, NaAction, make_control, read_contrasts
from bayeslme.spec.random import read_random, same_effects
from bayeslme.spec.signatures import SIGNATURES, Signature
from bayeslme.spec.structure_reader import canonical, is_formula, read_structure
from bayeslme.structures import CorStruct, VarFixed, VarFunc
from bayeslme.structures.base import RowStructure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bayeslme.fit.lmlist import LmList
    from bayeslme.fit.result import GlsFit, LmeFit, LmFit


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
    if function == "lmList" and offsets(formula):
        raise SpecError("lmList: offset() is not available here; subtract it from the response")
    if not any(isinstance(node, Dot) for node in walk(formula.rhs)):
        _check_terms(formula)
    return formula


def _check_terms(formula: Formula) -> None:
    """Refuse what cannot be expanded, and the response among the terms."""
    if any(term.variables == (formula.lhs,) for term in expand(formula).terms):
        raise SpecError(f"the response of {formula} stands on the right-hand side too")


def check_method(method: str, function: Function) -> Any:
    """Return the estimation method after checking it."""
    allowed = SIGNATURES[function].methods
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
    """Return a subset expression after checking its functions, or that it numbers rows."""
    if by_number(node):
        row_numbers(node, text)
        return node
    check_functions(node, text)
    refuse_fitted(node, "subset")
    return node


def row_numbers(node: Expr, text: str) -> tuple[int, ...]:
    """The numbers of rows in a subset such as ``1:20`` or ``-c(3, 5)``; all have one sign."""
    try:
        value = constant(node, text)
    except SpecError:
        value = None
    items = value if isinstance(value, tuple) else (value,)
    if not all(type(item) is float and item.is_integer() for item in items):
        raise SpecError(
            "subset is an expression on columns, such as age > 8, or numbers of rows, such as "
            f"1:20 or -c(3, 5); not {deparse(node)}",
            text=text or None,
            position=start(node),
        )
    numbers = [int(item) for item in items if item]
    if len({number > 0 for number in numbers}) > 1 or len(set(numbers)) < len(numbers):
        raise SpecError(
            f"subset: numbers of rows are all positive or all negative, each once; not "
            f"{deparse(node)}",
            text=text or None,
            position=start(node),
        )
    return tuple(numbers)


_READERS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "random": lambda value: (read_random(value),),
    "correlation": lambda value: (read_correlation(value),),
    "weights": lambda value: (read_weights(value),),
    "subset": read_subset,
    "na_action": lambda value: (check_na_action(value),),
    "control": lambda value: (make_control(value),),
    "contrasts": read_contrasts,
    "priors": lambda value: (check_priors(value),),
    "data": lambda value: (value,),
}
# The fields of an LmeSpec that an argument gives, where it gives more than the one of its name.
_FIELDS = {"subset": ("subset", "mask"), "contrasts": ("contrasts", "factor_contrasts")}


def read_argument(function: Function, name: str, value: Any) -> dict[str, Any]:
    """Read one argument of `lme`, `gls`, `lm` or `lmlist`.

    Parameters
    ----------
    function : {"lme", "gls", "lm", "lmList", "mmrm"}
    name : str
        One of ``SIGNATURES[function].arguments``.
    value : Any

    Returns
    -------
    dict
        Fields of `LmeSpec`.

    Raises
    ------
    SpecError
        If the value cannot be read.
    """
    if name == "method":
        return {"method": check_method(value, function)}
    return dict(zip(_FIELDS.get(name, (name,)), _READERS[name](value), strict=True))


def make_spec(function: Function, formula: str | Formula, **arguments: Any) -> LmeSpec:
    """Specify a model from the arguments of the Python function.

    Parameters
    ----------
    function : {"lme", "gls", "lm", "lmList", "mmrm"}
    formula : str
        Response and fixed effects, ``"y ~ x"``; for lmList with the groups, ``"y ~ x | g"``.
    **arguments
        Those of ``SIGNATURES[function].arguments``, see `bayeslme.lme`; `data` is the label of the
        data frame. What is left out, and a `random` that is None, has its default.

    Returns
    -------
    LmeSpec

    Raises
    ------
    SpecError
        If an argument is unknown or cannot be read.

    Examples
    --------
    >>> print(make_spec("gls", "y ~ x", weights="~ v", data="d"))
    gls("y ~ x", data=d, weights=VarFixed("~v"))
    """
    signature = SIGNATURES[function]
    fixed = check_fixed(parse_formula(formula), function)
    fields: dict[str, Any] = {"method": signature.methods[0]}
    if function == "lme":
        fields["random"] = same_effects(fixed)
    for name, value in arguments.items():
        if name not in signature.arguments:
            raise SpecError(f"{function} has no argument {name!r}; it has {listed(signature)}")
        if name != "random" or value is not None:
            fields |= read_argument(function, name, value)
    return LmeSpec(function=function, fixed=fixed, **fields)


def listed(signature: Signature) -> str:
    """Write the arguments of a function for a message."""
    return ", ".join(sorted((signature.formula, *signature.arguments)))


def make_lme(fixed: str | Formula, random: Any = None, **arguments: Any) -> LmeSpec[LmeFit]:
    """Specify a linear mixed model; see `make_spec`."""
    return make_spec("lme", fixed, random=random, **arguments)


def make_gls(model: str | Formula, correlation: Any = None, **arguments: Any) -> LmeSpec[GlsFit]:
    """Specify a linear model with correlated or heteroscedastic residuals; see `make_spec`."""
    return make_spec("gls", model, correlation=correlation, **arguments)


def make_mmrm(
    formula: str,
    REML: bool = True,
    df: str = "satterthwaite",
    weights: Any = None,
    na_action: str = "omit",
    control: Mapping[str, Any] | None = None,
    data: str | None = None,
) -> LmeSpec[GlsFit]:
    """Specify a model for repeated measures as R's mmrm does; see `make_spec`.

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
    method = "REML" if REML else "ML"
    spec = make_spec("mmrm", fixed, method=method, na_action=na_action, control=control, data=data)
    return replace(spec, correlation=correlation, weights=variance, mmrm=call)


def make_lm(formula: str | Formula, **arguments: Any) -> LmeSpec[LmFit]:
    """Specify an ordinary linear model; see `make_spec`."""
    return make_spec("lm", formula, **arguments)


def make_lmlist(formula: str | Formula, **arguments: Any) -> LmeSpec[LmList]:
    """Specify one linear model for each group; see `make_spec`."""
    return make_spec("lmList", formula, **arguments)
