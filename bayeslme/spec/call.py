"""Read R's own calls: of ``lme``, ``gls``, ``lm``, ``lmList``, ``lmer`` and ``mmrm``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bayeslme.errors import SpecError
from bayeslme.formula.constants import constant, locate_name, match_arguments
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Call, Constant, Expr, Name, String, bare, start
from bayeslme.formula.formula import Formula, as_formula, with_offset
from bayeslme.formula.grammar import parse_expression
from bayeslme.spec.lmer import prior_weights, read_lmer, read_matrices, reml
from bayeslme.spec.make import (
    check_fixed,
    check_method,
    check_na_action,
    check_subset,
    make_mmrm,
)
from bayeslme.spec.model import (
    DEFAULT_CONTRASTS,
    Control,
    LmeSpec,
    RandomLevel,
    check_option,
    contrast_name,
    contrast_pair,
    make_control,
)
from bayeslme.spec.random import random_of, same_effects
from bayeslme.spec.signatures import SIGNATURES
from bayeslme.spec.structure_reader import (
    canonical,
    is_formula,
    one_sided,
    structure_of,
)
from bayeslme.structures import CorStruct, VarFixed, VarFunc

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit
    from bayeslme.spec.model import Function

_CONTROLS = ("lmeControl", "glsControl", "list")
_PACKAGE = re.compile(r"^(nlme|stats|lme4|lmerTest|mmrm)::")
_ASSIGNMENT = re.compile(r"\s*(?:[^\W\d_]|\.(?!\d))[\w.]*\s*(?:<-|=)(?!=)")


def translate(
    call: str,
    contrasts: Sequence[str] = DEFAULT_CONTRASTS,
    data2: Mapping[str, Any] | None = None,
) -> LmeSpec[Fit]:
    """Read a call of lme, gls, lm, lmList, lmer or mmrm as R spells it.

    Parameters
    ----------
    call : str
        ``"lme(distance ~ age, random = ~ 1 | Subject, data = Orthodont)"``; an assignment in front
        of it is skipped.
    contrasts : pair of str
        R's option ``contrasts`` for unordered and for ordered factors.
    data2 : dict, optional
        Matrices that the formula of a call of lmer names, as ``(1 | gr(animal, cov = A))`` does.

    Returns
    -------
    LmeSpec
        Its `fit` gives a `Fit`, of the class that belongs to the function; a call of lmList an
        `LmList`.

    Raises
    ------
    SpecError
        For what R's grammar or nlme does not know, with the token and its place.

    Examples
    --------
    >>> spec = translate("lme(distance ~ age, random = ~ 1 | Subject, data = Orthodont)")
    >>> print(spec)
    lme("distance ~ age", data=Orthodont, random="~1 | Subject")
    >>> spec.to_r()
    'lme(distance ~ age, data = Orthodont, random = ~1 | Subject)'
    """
    if not isinstance(call, str):
        raise SpecError(f"translate() reads an R call, a string, not {type(call).__name__}")
    if data2 is None:
        return _translate(call, contrast_pair(contrasts))
    return _read(call, contrast_pair(contrasts), read_matrices(data2))


@lru_cache(maxsize=256)
def _translate(text: str, contrasts: tuple[str, str]) -> LmeSpec[Fit]:
    return _read(text, contrasts, {})


def _read(text: str, contrasts: tuple[str, str], matrices: Mapping[str, Any]) -> LmeSpec[Fit]:
    assignment = _ASSIGNMENT.match(text)
    blank = " " * assignment.end() if assignment else ""
    node = bare(parse_expression(blank + text[len(blank) :]))
    name = _PACKAGE.sub("", node.function) if isinstance(node, Call) else ""
    function = next((known for known in SIGNATURES if known == name), None)
    if not isinstance(node, Call) or function is None:
        raise SpecError(_unknown(node, name), text=text, position=start(node))
    given = match_arguments(node, SIGNATURES[function].r_arguments, text)
    for argument, reason in SIGNATURES[function].r_refused:
        if argument in given:
            raise SpecError(reason, text=text, position=start(given[argument]))
    if matrices and function != "lmer":
        raise SpecError(
            f"data2: a call of {function} names no matrix; lmer(... (1 | gr(g, cov = A)))"
        )
    return _Reader(function, given, text, matrices).spec(node.position, contrasts)


_BARS = "; lmer() and from_bambi() read lme4's formulas"
_NORMAL = "; responses are normal here, there are no other families"
_LINEAR = "; models are linear here"
_ELSEWHERE = {
    **dict.fromkeys(("glmmTMB", "brm", "stan_lmer", "blmer"), _BARS),
    **dict.fromkeys(("glm", "glmer", "glmmPQL", "stan_glmer", "bglmer"), _NORMAL),
    **dict.fromkeys(("nlme", "nls", "gnls", "nlmer", "nlsList", "gam", "gamm"), _LINEAR),
    "aov": "; write lme(y ~ x, random = ~ 1 | g) for Error(g)",
}


def _unknown(node: Expr, function: str) -> str:
    if not function:
        return f"a call such as lme(y ~ x, random = ~ 1 | g) is needed, not {deparse(node):.40}"
    hint = _ELSEWHERE.get(function, "")
    return f"unknown function '{function}': translate() reads {', '.join(SIGNATURES)}{hint}"


class _Reader:
    """The arguments of one call, read one by one; errors carry their place."""

    def __init__(
        self, function: Function, given: dict[str, Expr], text: str, matrices: Mapping[str, Any]
    ) -> None:
        self.function, self.matrices = function, matrices
        self.given = {name: node for name, node in given.items() if bare(node) != Constant("NULL")}
        self.text = text

    def spec(self, position: int, contrasts: tuple[str, str]) -> LmeSpec:
        """Read all arguments."""
        signature = SIGNATURES[self.function]
        formula_argument = signature.r_arguments[0]
        if formula_argument not in self.given:
            raise self._error(
                f"{self.function}: the formula '{formula_argument}' is missing", position
            )
        for name in self.given.keys() & set(signature.r_ignored):
            constant(self.given[name], self.text)
        if self.function == "mmrm":
            return self._mmrm(contrasts)
        fixed, random = self._located(formula_argument, self._formula)
        if "offset" in self.given:
            fixed = check_fixed(with_offset(fixed, self.given["offset"]), self.function)
        if self.function == "lme":
            default = same_effects(fixed)
            random = self._located("random", lambda node: random_of(node, self.text), default)
        return LmeSpec(
            function=self.function,
            fixed=fixed,
            random=random,
            correlation=self._located("correlation", self._correlation),
            weights=self._located("weights", self._weights),
            subset=self._located("subset", lambda node: check_subset(node, self.text)),
            method=self._method(),
            na_action=self._located("na.action", self._na_action, signature.r_na_action),
            control=self._located("control", self._control, Control()),
            contrasts=contrasts,
            factor_contrasts=self._located("contrasts", self._contrasts, {}),
            data=self._located("data", self._data),
        )

    def _formula(self, node: Expr) -> tuple[Formula, tuple[RandomLevel, ...]]:
        if self.function == "lmer":
            return read_lmer(node, self.matrices)
        return check_fixed(as_formula(node, self.text), self.function), ()

    def _mmrm(self, contrasts: tuple[str, str]) -> LmeSpec:
        """A call of mmrm; options of mmrm_control() may stand among the arguments."""
        if "control" in self.given:
            inner = bare(self.given.pop("control"))
            if not isinstance(inner, Call) or inner.function.removeprefix("mmrm::") not in (
                "mmrm_control", "list",
            ):  # fmt: skip
                raise self._error("mmrm: control is mmrm_control(...)", start(inner))
            self.given |= match_arguments(inner, SIGNATURES["mmrm"].r_arguments[6:], self.text)
        restricted = self._located("reml", lambda node: constant(node, self.text), True)
        options = {
            "weights": self._located("weights", deparse),
            "REML": restricted,
            "df": self._located("method", self._degrees, "satterthwaite"),
            "na_action": self._located("na.action", self._na_action, "omit"),
            "data": self._located("data", self._data),
        }
        self._located("vcov", lambda node: self._vcov(node, str(options["df"])))
        if options["df"] == "kenward-roger" and self._vcov_name() == "Kenward-Roger-Linear":
            options["df"] = "kenward-roger-linear"
        spec: LmeSpec = self._located(
            "formula", lambda node: make_mmrm(self._whole(node), **options)
        )
        return replace(spec, contrasts=contrasts)

    def _whole(self, node: Expr) -> str:
        """The formula with the term of the argument covariance, where that is given."""
        formula = deparse(node)
        if "covariance" not in self.given:
            return formula
        extra = bare(self.given["covariance"])
        if isinstance(extra, Call) and extra.function.endswith("cov_struct") and extra.args:
            extra = bare(extra.args[0].value)
        return f"{formula} + {deparse(extra).removeprefix('~').strip()}"

    def _degrees(self, node: Expr) -> str:
        return str(constant(node, self.text)).lower()

    def _vcov_name(self) -> str:
        return str(self._located("vcov", lambda node: constant(node, self.text), "Asymptotic"))

    def _vcov(self, node: Expr, df: str) -> None:
        name = str(constant(node, self.text))
        usual = "Kenward-Roger" if df == "kenward-roger" else "Asymptotic"
        if name not in (usual, f"{usual}-Linear"):
            raise SpecError(
                f"mmrm: vcov {name!r} goes with another method; robust covariances are asked for "
                "afterwards, fit.summary(vcov='CR0')"
            )

    def _located(self, name: str, read: Callable[[Expr], Any], default: Any = None) -> Any:
        if name not in self.given:
            return default
        node = self.given[name]
        try:
            return read(node)
        except SpecError as error:
            if error.text is not None:
                raise
            raise self._error(str(error), start(node)) from error

    def _error(self, message: str, position: int) -> SpecError:
        return SpecError(message, text=self.text, position=position)

    def _correlation(self, node: Expr) -> Any:
        return structure_of(node, self.text, CorStruct)

    def _weights(self, node: Expr) -> Any:
        if self.function == "lmer":
            call = bare(node)
            if isinstance(call, Call) and call.function.removeprefix("nlme::").startswith("var"):
                return structure_of(node, self.text, VarFunc)
            return prior_weights(node)
        if is_formula(node):
            formula = as_formula(node, self.text)
            return canonical(VarFixed(str(one_sided(formula, "weights", self.text, start(node)))))
        return structure_of(node, self.text, VarFunc)

    def _method(self) -> Any:
        if self.function == "lm":
            method = self._located("method", lambda node: constant(node, self.text), "qr")
            if method != "qr":
                raise self._error('lm: method is "qr"', self.given["method"].position)
            return "OLS"
        if self.function == "lmList":
            return "OLS"
        if self.function == "lmer":
            return self._located("REML", lambda node: reml(constant(node, self.text)), "REML")
        return self._located("method", self._checked_method, "REML")

    def _checked_method(self, node: Expr) -> Any:
        value = constant(node, self.text)
        if value == ("REML", "ML"):
            return "REML"  # R's own default vector
        return check_method(value, self.function)  # type: ignore[arg-type]

    def _na_action(self, node: Expr) -> Any:
        node = bare(node)
        if isinstance(node, Name):
            return check_na_action(node.name)
        if isinstance(node, String):
            return check_na_action(node.value)
        raise SpecError(f"na.action is na.fail, na.omit or na.exclude, not {deparse(node)}")

    def _control(self, node: Expr) -> Control:
        node = bare(node)
        function = _PACKAGE.sub("", node.function) if isinstance(node, Call) else ""
        if self.function == "lmer" and function == "lmerControl":
            return Control()  # its options steer lme4's optimisers only
        if not isinstance(node, Call) or function not in _CONTROLS:
            raise SpecError(f"control is {', '.join(_CONTROLS)} with options, not {deparse(node)}")
        options: dict[str, Any] = {}
        for arg in node.args:
            if arg.name is None or arg.name in options:
                problem = "is given twice" if arg.name else "needs a name, such as sigma = 1"
                raise self._error(
                    f"control: the option {arg.name or deparse(arg.value)} {problem}",
                    start(arg.value),
                )
            try:
                check_option(arg.name)
            except SpecError as error:
                where = locate_name(arg.name, self.text, start(arg.value))
                raise self._error(str(error), where) from error
            options[arg.name] = constant(arg.value, self.text)
        return make_control(options)

    def _contrasts(self, node: Expr) -> dict[str, str]:
        node = bare(node)
        if not isinstance(node, Call) or node.function not in {"list", "c"}:
            raise SpecError(f'contrasts is list(f = "contr.sum"), not {deparse(node)}')
        chosen = {}
        for arg in node.args:
            value = bare(arg.value)
            if arg.name is None or not isinstance(value, Name | String):
                raise self._error(
                    f'contrasts is list(f = "contr.sum"), not {deparse(node)}', value.position
                )
            name = value.name if isinstance(value, Name) else value.value
            chosen[arg.name] = contrast_name(name.removeprefix("stats::"))
        return chosen

    def _data(self, node: Expr) -> str:
        node = bare(node)
        if not isinstance(node, Name):
            raise SpecError(
                f"data is the name of a data frame, not {deparse(node)}: choose rows by subset, "
                "and columns by their names"
            )
        return node.name
