"""Read R's own calls: of ``lme``, ``gls``, ``lm``, ``lmList``, ``lmer`` and ``mmrm``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bayeslme.errors import SpecError
from bayeslme.formula.constants import constant, locate_name, match_arguments
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import (
    Arg,
    Call,
    Constant,
    Dot,
    Expr,
    Name,
    String,
    bare,
    start,
    walk,
)
from bayeslme.formula.formula import Formula, as_formula, with_offset
from bayeslme.spec.frame_expression import (
    FrameExpression,
    both,
    frames_named,
    read_frame,
    without_frame,
)
from bayeslme.spec.lmer import prior_weights, read_lmer, reml
from bayeslme.spec.make import (
    check_fixed,
    check_method,
    check_na_action,
    check_subset,
    make_mmrm,
)
from bayeslme.spec.model import (
    Control,
    LmeSpec,
    RandomLevel,
    check_option,
    contrast_name,
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
PACKAGE = re.compile(r"^(nlme|stats|lme4|lmerTest|mmrm)::")


@dataclass(frozen=True, slots=True)
class FitCall:
    """A call of a function that fits a model, its arguments matched to names.

    Attributes
    ----------
    function : {"lme", "gls", "lm", "lmList", "lmer", "mmrm"}
    given : dict of str to Expr
        The arguments by R's names.
    text : str
        The source, for error messages.
    position : int
    frames : dict of str to FrameExpression
        What statements before the call have chosen from data frames, by name.
    """

    function: Function
    given: dict[str, Expr]
    text: str
    position: int
    frames: dict[str, FrameExpression] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Expr, text: str) -> FitCall | None:
        """The call that an expression is, or None where it calls no such function."""
        name = PACKAGE.sub("", node.function) if isinstance(node, Call) else ""
        function = next((known for known in SIGNATURES if known == name), None)
        if function is None or not isinstance(node, Call):
            return None
        given = match_arguments(node, SIGNATURES[function].r_arguments, text)
        return cls(function, given, text, node.position)

    @property
    def formula_argument(self) -> str:
        """R's name of the argument that is the formula."""
        return SIGNATURES[self.function].r_arguments[0]

    def matched(self, args: Sequence[Arg], text: str) -> dict[str, Expr]:
        """Further arguments of the function, matched to its names."""
        call = Call(self.function, tuple(args), position=self.position)
        return match_arguments(call, SIGNATURES[self.function].r_arguments, text)


def read_call(
    call: FitCall, contrasts: tuple[str, str], matrices: Mapping[str, Any]
) -> LmeSpec[Fit]:
    """Read the arguments of a call into a specification.

    Parameters
    ----------
    call : FitCall
    contrasts : pair of str
        R's option ``contrasts``.
    matrices : dict of str to KnownMatrix
        Those that a formula of lmer may name.

    Returns
    -------
    LmeSpec

    Raises
    ------
    SpecError
        For what R's grammar or nlme does not know, with its place.
    """
    for argument, reason in SIGNATURES[call.function].r_refused:
        if argument in call.given:
            raise SpecError(reason, text=call.text, position=start(call.given[argument]))
    if matrices and call.function != "lmer":
        raise SpecError(
            f"data2: a call of {call.function} names no matrix; lmer(... (1 | gr(g, cov = A)))"
        )
    return _Reader(call, matrices).spec(contrasts)


_BARS = "; lmer() and from_bambi() read lme4's formulas"
_NORMAL = "; responses are normal here, there are no other families"
_LINEAR = "; models are linear here"
_ELSEWHERE = {
    **dict.fromkeys(("glmmTMB", "brm", "stan_lmer", "blmer"), _BARS),
    **dict.fromkeys(("glm", "glmer", "glmmPQL", "stan_glmer", "bglmer"), _NORMAL),
    **dict.fromkeys(("nlme", "nls", "gnls", "nlmer", "nlsList", "gam", "gamm"), _LINEAR),
    "aov": "; write lme(y ~ x, random = ~ 1 | g) for Error(g)",
}


def no_fit(text: str, node: Expr | None) -> SpecError:
    """The error for an expression that fits no model."""
    function = PACKAGE.sub("", node.function) if isinstance(node, Call) else ""
    position = 0 if node is None else start(node)
    if node is None or not function:
        shown = "" if node is None else f", not {deparse(node):.40}"
        message = f"a call such as lme(y ~ x, random = ~ 1 | g) is needed{shown}"
    else:
        hint = _ELSEWHERE.get(function, "")
        known = ", ".join(SIGNATURES)
        message = f"unknown function '{function}': translate() reads {known}{hint}"
    return SpecError(message, text=text, position=position)


class _Reader:
    """The arguments of one call, read one by one; errors carry their place."""

    def __init__(self, call: FitCall, matrices: Mapping[str, Any]) -> None:
        self.function, self.matrices, self.text = call.function, matrices, call.text
        self.position = call.position
        given = {name: v for name, v in call.given.items() if bare(v) != Constant("NULL")}
        self.frame = self._frame(given, call.frames)
        name = None if self.frame is None else self.frame.name
        self.given = (
            given if name is None else {k: without_frame(v, name) for k, v in given.items()}
        )

    def _frame(
        self, given: Mapping[str, Expr], known: Mapping[str, FrameExpression]
    ) -> FrameExpression | None:
        """The data frame: the argument data, or the one whose columns are written as d$x."""
        if "data" in given:
            return read_frame(given["data"], self.text, known)
        named = list({name: None for node in given.values() for name in frames_named(node)})
        if len(named) != 1:
            return None  # without data; columns of several frames are refused by their place
        return known.get(named[0], FrameExpression(named[0]))

    def spec(self, contrasts: tuple[str, str]) -> LmeSpec:
        """Read all arguments."""
        signature = SIGNATURES[self.function]
        formula_argument = signature.r_arguments[0]
        if formula_argument not in self.given:
            raise self._error(
                f"{self.function}: the formula '{formula_argument}' is missing", self.position
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
            subset=self._subset(),
            method=self._method(),
            na_action=self._located("na.action", self._na_action, signature.r_na_action),
            control=self._located("control", self._control, Control()),
            contrasts=contrasts,
            factor_contrasts=self._located("contrasts", self._contrasts, {}),
            data=None if self.frame is None else self.frame.name,
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
            "data": None if self.frame is None else self.frame.name,
        }
        self._located("vcov", lambda node: self._vcov(node, str(options["df"])))
        if options["df"] == "kenward-roger" and self._vcov_name() == "Kenward-Roger-Linear":
            options["df"] = "kenward-roger-linear"
        spec: LmeSpec = self._located(
            "formula", lambda node: make_mmrm(self._whole(node), **options)
        )
        return replace(spec, contrasts=contrasts, subset=self._subset())

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
        function = PACKAGE.sub("", node.function) if isinstance(node, Call) else ""
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

    def _subset(self) -> Expr | None:
        """The argument subset and the rows that data chooses, together."""
        own: Expr | None = self._located("subset", lambda node: check_subset(node, self.text))
        if self.frame is None:
            return own
        if self.frame.columns and _has_dot(self.given[SIGNATURES[self.function].r_arguments[0]]):
            raise self._error(
                "a dot in the formula is every column of data, which keeps some only; write their "
                "names",
                self.position,
            )
        if self.frame.rows is None:
            return own
        return both(check_subset(self.frame.rows, self.text), own, self.text)


def _has_dot(formula: Expr) -> bool:
    return any(isinstance(node, Dot) for node in walk(formula))
