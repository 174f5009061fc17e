"""R code as it is pasted: one call, or a script with formulas, frames and fits under names.

A script is read statement by statement, as R does, and nothing is run. Formulas, structures and
control options under a name stand for the name where a call uses it; ``subset(d, ...)`` and its
like become the subset of a specification; ``update(fm, ...)`` is the earlier call with other
arguments. Statements that look at a fit (``summary``, ``anova``, ``plot``) say nothing about a
model and are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, overload

from bayeslme.errors import SpecError, listed
from bayeslme.formula.constants import constant
from bayeslme.formula.deparse import deparse
from bayeslme.formula.expressions import Arg, Call, Expr, Name, String, bare, start
from bayeslme.formula.formula import as_formula
from bayeslme.formula.grammar import parse_expression
from bayeslme.spec.call import PACKAGE, FitCall, no_fit, read_call
from bayeslme.spec.frame_expression import FrameExpression, read_frame
from bayeslme.spec.lmer import read_matrices
from bayeslme.spec.model import DEFAULT_CONTRASTS, LmeSpec, contrast_pair
from bayeslme.spec.structure_reader import is_formula, structure_class
from bayeslme.spec.update import update_formula

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

_ASSIGNMENT = re.compile(r"\s*((?:[^\W\d_]|\.(?!\d))[\w.]*|`[^`]+`)\s*(?:<-|=)(?!=)")
# Strings, names in backticks and comments are one piece each; so are brackets and line ends.
_PIECES = re.compile(
    r"""(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|(?P<comment>\#[^\n]*)"""
    r"""|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>[\n;])|(?P<other>[^"'`\#()\[\]{}\n;]+|.)""",
    re.S,
)
_GOES_ON = re.compile(r"(?:[-+*/^~|&<>=!,:$@]|%[^%\s]*%)\s*\Z")  # an operator waits for more
_FRAMES = ("subset", "na.omit", "drop_na", "droplevels", "as.data.frame", "[")
_KEPT = ("list", "c", "lmeControl", "glsControl", "lmerControl", "mmrm_control", "reStruct")
_SESSION = (
    *("library", "require", "requireNamespace", "suppressPackageStartupMessages", "data", "rm"),
    *("set.seed", "setwd", "str", "head", "tail", "names", "dim", "View", "par"),
)
_LOOKS = (
    *("summary", "anova", "print", "plot", "intervals", "VarCorr", "fixef", "fixed.effects"),
    *("ranef", "random.effects", "coef", "coefficients", "fitted", "resid", "residuals", "logLik"),
    *("AIC", "BIC", "deviance", "confint", "predict", "getVarCov", "getData", "ACF", "Variogram"),
    *("augPred", "comparePred", "compareFits", "pairs", "qqnorm", "simulate", "emmeans", "vcov"),
    *("corMatrix", "pairs", "contrast", "lsmeans", "formula", "nobs", "drop1", "ranova", "show"),
)


@overload
def translate(
    call: str,
    contrasts: Sequence[str] = ...,
    data2: Mapping[str, Any] | None = ...,
    by_name: Literal[False] = ...,
) -> LmeSpec[Fit]: ...


@overload
def translate(
    call: str,
    contrasts: Sequence[str] = ...,
    data2: Mapping[str, Any] | None = ...,
    *,
    by_name: Literal[True],
) -> dict[str, LmeSpec[Fit]]: ...


def translate(
    call: str,
    contrasts: Sequence[str] = DEFAULT_CONTRASTS,
    data2: Mapping[str, Any] | None = None,
    by_name: bool = False,
) -> LmeSpec[Fit] | dict[str, LmeSpec[Fit]]:
    r"""Read calls of lme, gls, lm, lmList, lmer or mmrm as R spells them.

    Parameters
    ----------
    call : str
        One call, ``"lme(distance ~ age, random = ~ 1 | Subject, data = Orthodont)"``, or a script
        of several statements: formulas and data frames under names, fits, ``update(fm, ...)``.
        Nothing is run; statements that only look at a fit, such as ``anova(fm1, fm2)``, are passed
        over.
    contrasts : pair of str
        R's option ``contrasts`` for unordered and for ordered factors; a statement
        ``options(contrasts = ...)`` replaces it.
    data2 : dict, optional
        Matrices that the formula of a call of lmer names, as ``(1 | gr(animal, cov = A))`` does.
    by_name : bool
        Whether to return every fit of a script rather than the last.

    Returns
    -------
    LmeSpec or dict of str to LmeSpec
        Its `fit` gives a `Fit`, of the class that belongs to the function; a call of lmList an
        `LmList`. With `by_name` the specifications by the names of the fits; those without a name
        are numbered from ``"1"``.

    Raises
    ------
    SpecError
        For what R's grammar or nlme does not know, with the token and its place, and for
        statements that neither specify a model nor look at one.

    Examples
    --------
    >>> spec = translate("lme(distance ~ age, random = ~ 1 | Subject, data = Orthodont)")
    >>> print(spec)
    lme("distance ~ age", data=Orthodont, random="~1 | Subject")
    >>> spec.to_r()
    'lme(distance ~ age, data = Orthodont, random = ~1 | Subject)'

    A script:

    >>> specs = translate('''
    ...     girls <- subset(Orthodont, Sex == "Female")
    ...     fm1 <- lme(distance ~ age, data = girls, random = ~ 1 | Subject)
    ...     fm2 <- update(fm1, random = ~ age | Subject)
    ...     anova(fm1, fm2)
    ... ''', by_name=True)
    >>> print(specs["fm2"])
    lme("distance ~ age", data=Orthodont, random="~age | Subject", subset="Sex == \"Female\"")
    """
    if not isinstance(call, str):
        raise SpecError(f"translate() reads an R call, a string, not {type(call).__name__}")
    pair = contrast_pair(contrasts)
    if data2 is None:
        specs = _translate(call, pair)
    else:
        specs = _Script(call, pair, read_matrices(data2)).read()
    return dict(specs) if by_name else next(reversed(specs.values()))


@lru_cache(maxsize=256)
def _translate(text: str, contrasts: tuple[str, str]) -> dict[str, LmeSpec[Fit]]:
    return _Script(text, contrasts, {}).read()


@dataclass
class _Script:
    """The statements of a script, and what they have named so far."""

    text: str
    contrasts: tuple[str, str]
    matrices: Mapping[str, Any]
    kept: dict[str, Expr] = field(default_factory=dict)
    frames: dict[str, FrameExpression] = field(default_factory=dict)
    calls: dict[str, FitCall] = field(default_factory=dict)
    specs: dict[str, LmeSpec[Fit]] = field(default_factory=dict)

    def read(self) -> dict[str, LmeSpec[Fit]]:
        """Return the specifications by name, in order; there is at least one."""
        last: Expr | None = None
        for name, statement in _statements(self.text):
            last = bare(parse_expression(statement))
            self._statement(name, last)
        if not self.specs:
            raise no_fit(self.text, last)
        return self.specs

    def _statement(self, name: str | None, node: Expr) -> None:
        function = PACKAGE.sub("", node.function) if isinstance(node, Call) else ""
        if function == "update" and isinstance(node, Call):
            self._fit(name, self._updated(node))
        elif name is not None and isinstance(node, Name) and node.name in self.calls:
            self._fit(name, self.calls[node.name])
        elif (call := FitCall.of(node, self.text)) is not None:
            self._fit(name, self._resolved(call))
        elif name is not None and self._names(name, node, function):
            return
        elif function == "options" and isinstance(node, Call):
            self._options(node)
        elif function not in _SESSION and not self._only_looks(node, function):
            raise no_fit(self.text, node)

    def _fit(self, name: str | None, call: FitCall) -> None:
        spec = read_call(call, self.contrasts, self.matrices)
        key = name or str(1 + sum(other.isdecimal() for other in self.specs))
        self.specs.pop(key, None)  # a name given again comes last
        self.specs[key], self.calls[key] = spec, call

    def _names(self, name: str, node: Expr, function: str) -> bool:
        """Keep what stands under a name, and tell whether it is something that a call can use."""
        if function in _FRAMES or (isinstance(node, Name) and node.name not in self.kept):
            self.frames[name] = read_frame(node, self.text, self.frames)
            return True
        usable = is_formula(node) or structure_class(node) is not None or function in _KEPT
        if not usable and not isinstance(node, Name | String):
            return False
        self.kept[name] = self.kept[node.name] if isinstance(node, Name) else node
        return True

    def _only_looks(self, node: Expr, function: str) -> bool:
        """Whether a statement looks at a fit or prints one."""
        return function in _LOOKS or (isinstance(node, Name) and node.name in self.calls)

    def _options(self, call: Call) -> None:
        for arg in call.args:
            if arg.name == "contrasts":
                value = constant(arg.value, self.text)
                pair = list(value.values()) if isinstance(value, dict) else value
                self.contrasts = contrast_pair(pair)

    def _resolved(self, call: FitCall) -> FitCall:
        """A call with what its names stand for."""
        given = {
            argument: self.kept.get(node.name, node)
            if isinstance(node := bare(given), Name) and argument != "data"
            else given
            for argument, given in call.given.items()
        }
        return replace(call, given=given, frames=dict(self.frames))

    def _updated(self, node: Call) -> FitCall:
        """R's ``update(fm, formula, ...)``: the earlier call with other arguments."""
        first, *rest = node.args or (Arg(None, node),)
        old = bare(first.value)
        if not isinstance(old, Name) or old.name not in self.calls:
            there = f"; there is {listed(list(self.calls))}" if self.calls else ""
            raise SpecError(
                f"update() needs the name of a fit of this script, not {deparse(old):.40}{there}",
                text=self.text,
                position=start(old),
            )
        call = self.calls[old.name]
        changes = [
            Arg((arg.name or call.formula_argument).removesuffix("."), arg.value)
            if arg.name is None or arg.name.endswith(".")
            else arg
            for arg in rest
        ]
        new = replace(call, given=call.matched(changes, self.text), text=self.text)
        formula = new.given.get(call.formula_argument)
        resolved = self._resolved(new)
        given = dict(call.given) | resolved.given
        if formula is not None:
            given[call.formula_argument] = self._new_formula(
                call.given[call.formula_argument], resolved.given[call.formula_argument]
            )
        return replace(resolved, given=given)

    def _new_formula(self, old: Expr, new: Expr) -> Expr:
        changed = update_formula(as_formula(old, self.text), as_formula(new, self.text))
        return parse_expression(str(changed))


def _statements(text: str) -> Iterator[tuple[str | None, str]]:
    """The statements of a script: the name assigned to, and the text, at its place in the script.

    As in R, a line end ends a statement where no bracket is open and no operator waits for more.
    """
    begin, depth, pending = 0, 0, ""
    for piece in _PIECES.finditer(text):
        depth += (piece.lastgroup == "open") - (piece.lastgroup == "close")
        if piece.lastgroup == "end" and depth <= 0:
            if _GOES_ON.search(pending) and piece[0] == "\n":
                continue
            if pending.strip():
                yield _split(text, begin, piece.start())
            begin, pending = piece.end(), ""
        elif piece.lastgroup != "comment":
            pending += piece[0]
    if pending.strip():
        yield _split(text, begin, len(text))


def _split(text: str, begin: int, end: int) -> tuple[str | None, str]:
    """The assigned name, and the statement with blanks before it, so that places stay."""
    assignment = _ASSIGNMENT.match(text, begin, end)
    name = None if assignment is None else assignment[1].strip("`")
    body = begin if assignment is None else assignment.end()
    return name, " " * body + text[body:end]
