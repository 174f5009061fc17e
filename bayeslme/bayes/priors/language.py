"""Priors by name and arguments, ``"HalfNormal(sigma=5)"``: read, checked, written back.

The text of a prior, read by a grammar of three rules and never evaluated. prior    := name "(" [
argument { "," argument } ] ")" argument := [ name "=" ] value value    := number | "[" number { ","
number } "]"
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np

from bayeslme.bayes.priors.distributions import FAMILIES, MATRIX_FAMILIES
from bayeslme.errors import SpecError

Value = float | tuple[float, ...]


class Reader:
    """Recursive descent over one text; every error names the text and the position."""

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        self.at = 0

    def prior(self) -> tuple[str, list[Value], dict[str, Value]]:
        """Name, arguments by position, and arguments by name."""
        name = self._name()
        positional: list[Value] = []
        named: dict[str, Value] = {}
        self._take("(")
        while not self._found(")"):
            if positional or named:
                self._take(",")
            key, value = self._argument()
            if key is None and named:
                self._fail("an argument without a name cannot follow one with a name")
            if key is None:
                positional.append(value)
            elif key in named:
                self._fail(f"'{key}' is given twice")
            else:
                named[key] = value
        self._skip()
        if self.at < len(self.text):
            self._fail("nothing may follow the closing parenthesis")
        return name, positional, named

    def _argument(self) -> tuple[str | None, Value]:
        self._skip()
        start = self.at
        if self._peek().isalpha() and not self._is_number_word():
            key = self._name()
            self._take("=")
            return key, self._value()
        self.at = start
        return None, self._value()

    def _value(self) -> Value:
        if not self._found("["):
            return self._number()
        values = [self._number()]
        while not self._found("]"):
            self._take(",")
            values.append(self._number())
        return tuple(values)

    def _number(self) -> float:
        self._skip()
        end = self.at
        while end < len(self.text) and (self.text[end].isalnum() or self._in_number(end)):
            end += 1
        word = self.text[self.at : end]
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            self._fail("a number is needed")
        self.at = end
        return number

    def _in_number(self, at: int) -> bool:
        sign_after_exponent = self.text[at] in "+-" and (at == self.at or self.text[at - 1] in "eE")
        return self.text[at] == "." or sign_after_exponent

    def _is_number_word(self) -> bool:
        return self.text[self.at :].lower().startswith("inf")

    def _name(self) -> str:
        self._skip()
        end = self.at
        while end < len(self.text) and (self.text[end].isalnum() or self.text[end] == "_"):
            end += 1
        name = self.text[self.at : end]
        if not name.isidentifier():
            self._fail("a name is needed")
        self.at = end
        return name

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else "\0"

    def _skip(self) -> None:
        while self._peek().isspace():
            self.at += 1

    def _found(self, token: str) -> bool:
        self._skip()
        if self._peek() == token:
            self.at += 1
            return True
        return False

    def _take(self, token: str) -> None:
        if not self._found(token):
            self._fail(f"'{token}' is needed")

    def _fail(self, problem: str) -> NoReturn:
        msg = f"{self.where}: cannot read the prior '{self.text}': {problem}"
        raise SpecError(msg, text=self.text, position=min(self.at, len(self.text)))


_ALIASES = {"LKJCorr": "LKJ", "LKJCholeskyCov": "LKJ", "Lognormal": "LogNormal"}


@dataclass(frozen=True, slots=True)
class Prior:
    """A distribution by name with its arguments; ``str()`` gives back the text it can be read from.

    Attributes
    ----------
    family : str
        PyMC's class name, or ``"LKJ"``.
    args : tuple of (str, float or tuple of float)
        Arguments in PyMC's order, defaults filled in. Where one is a tuple there is one
        distribution for each coefficient.
    """

    family: str
    args: tuple[tuple[str, Value], ...]

    def __str__(self) -> str:
        """Text in the prior language."""
        return f"{self.family}({', '.join(f'{k}={_show(v)}' for k, v in self.args)})"

    @property
    def length(self) -> int | None:
        """Number of coefficients the arguments are given for; None where all are single numbers."""
        sizes = {len(v) for _, v in self.args if isinstance(v, tuple)}
        if len(sizes) > 1:
            msg = f"prior {self}: the lists of arguments have different lengths"
            raise SpecError(msg)
        return sizes.pop() if sizes else None

    def at(self, position: int) -> Prior:
        """Return the distribution of one coefficient."""
        return Prior(
            self.family,
            tuple((k, v[position] if isinstance(v, tuple) else v) for k, v in self.args),
        )

    def numbers(self) -> dict[str, float]:
        """Arguments of a single distribution by name."""
        return {k: float(v) for k, v in self.args if not isinstance(v, tuple)}


def as_prior(given: Any, where: str = "priors") -> Prior:
    """Read a prior.

    Parameters
    ----------
    given : str, Prior or an object with ``name`` and ``args`` such as ``bambi.Prior``
    where : str
        Name of the parameter, for errors.

    Returns
    -------
    Prior

    Raises
    ------
    SpecError
        If the text cannot be read, the distribution is unknown, or an argument is missing, unknown
        or out of range.

    Examples
    --------
    >>> str(as_prior("HalfNormal(5)"))
    'HalfNormal(sigma=5)'
    """
    if isinstance(given, Prior):
        return given
    if isinstance(given, str):
        name, positional, named = Reader(given, where).prior()
        return _build(name, positional, named, where)
    if hasattr(given, "name") and isinstance(getattr(given, "args", None), Mapping):
        named = {str(k): _as_value(v, where) for k, v in given.args.items()}
        return _build(str(given.name), [], named, where)
    kind = type(given).__name__
    msg = f"{where}: a prior is text, 'Normal(mu=0, sigma=1)', or a bambi.Prior, not {kind}"
    raise SpecError(msg)


def _as_value(value: Any, where: str) -> Value:
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"{where}: a prior's arguments must be numbers, not hyperpriors ({value!r})"
        raise SpecError(msg) from error
    return float(array) if array.ndim == 0 else tuple(float(v) for v in array.ravel())


def _build(name: str, positional: list[Value], named: dict[str, Value], where: str) -> Prior:
    family = _ALIASES.get(name, name)
    known = {**{k: f.arguments for k, f in FAMILIES.items()}, **MATRIX_FAMILIES}
    if family not in known:
        plain = {k.casefold(): k for k in known}  # brms writes student_t
        near = get_close_matches(name.replace("_", "").casefold(), plain, n=1, cutoff=0.75)
        hint = f" (did you mean {plain[near[0]]}?)" if near else ""
        msg = f"{where}: unknown distribution '{name}'{hint}; known are {', '.join(sorted(known))}"
        raise SpecError(msg)
    named = _usual(family, named, where)
    arguments = known[family]
    if len(positional) > len(arguments):
        msg = f"{where}: {family} takes {len(arguments)} arguments ({', '.join(arguments)})"
        raise SpecError(msg)
    values: dict[str, Value] = dict(zip(arguments, positional, strict=False))
    for key, value in named.items():
        if key not in arguments or key in values:
            problem = "given twice" if key in values else "unknown"
            has = ", ".join(arguments) or "none"
            msg = f"{where}: {family}'s argument '{key}' is {problem}; it has {has}"
            raise SpecError(msg)
        values[key] = value
    complete = {k: values.get(k, default) for k, default in arguments.items()}
    missing = [k for k, v in complete.items() if v is None]
    if missing:
        msg = f"{where}: {family} needs the argument '{missing[0]}'"
        raise SpecError(msg)
    prior = Prior(family, tuple((k, v) for k, v in complete.items() if v is not None))
    return checked(prior, where)


Args = Mapping[str, np.ndarray]
Change = Callable[[Args], dict[str, np.ndarray]]
_SCALE: Mapping[tuple[str, ...], Change] = {("lam",): lambda a: {"sigma": a["lam"] ** -0.5}}
_PRECISION: Mapping[tuple[str, ...], Change] = {("tau",): lambda a: {"sigma": a["tau"] ** -0.5}}
_ALTERNATIVES: Mapping[str, Mapping[tuple[str, ...], Change]] = {
    "Normal": _PRECISION,
    "HalfNormal": _PRECISION,
    "TruncatedNormal": _PRECISION,
    "SkewNormal": _PRECISION,
    "LogNormal": _PRECISION,
    "StudentT": _SCALE,
    "HalfStudentT": _SCALE,
    "Exponential": {("scale",): lambda a: {"lam": 1 / a["scale"]}},
    "Gamma": {
        ("mu", "sigma"): lambda a: {
            "alpha": (a["mu"] / a["sigma"]) ** 2,
            "beta": a["mu"] / a["sigma"] ** 2,
        }
    },
    "InverseGamma": {
        ("mu", "sigma"): lambda a: {
            "alpha": 2 + (a["mu"] / a["sigma"]) ** 2,
            "beta": a["mu"] * (1 + (a["mu"] / a["sigma"]) ** 2),
        }
    },
    "Beta": {
        ("mu", "nu"): lambda a: {"alpha": a["mu"] * a["nu"], "beta": (1 - a["mu"]) * a["nu"]},
        ("mu", "sigma"): lambda a: _beta(a["mu"], a["sigma"]),
    },
}
"""Other arguments of PyMC's, and what they are in those that a prior is stored with."""


def _beta(mu: np.ndarray, sigma: np.ndarray) -> dict[str, np.ndarray]:
    size = mu * (1 - mu) / sigma**2 - 1
    return {"alpha": mu * size, "beta": (1 - mu) * size}


def _usual(family: str, named: dict[str, Value], where: str) -> dict[str, Value]:
    """Arguments by name, with other parametrisations turned into the stored one.

    Raises
    ------
    SpecError
        For an argument out of its range.
    """
    for names, change in _ALTERNATIVES.get(family, {}).items():
        if not set(names) <= set(named):
            continue
        given = {k: np.asarray(named[k], dtype=float) for k in names}
        low = [k for k in names if not np.all((given[k] > 0) & np.isfinite(given[k]))]
        if low:
            msg = f"{where}: {family}'s argument {low[0]} = {_show(named[low[0]])} must be positive"
            raise SpecError(msg)
        rest = {k: v for k, v in named.items() if k not in names}
        made = {k: _as_value(v, where) for k, v in change(given).items()}
        twice = sorted(set(rest) & set(made))
        if twice:
            msg = f"{where}: {family} takes '{twice[0]}' or {', '.join(names)}, not both"
            raise SpecError(msg)
        return {**rest, **made}
    return named


def checked(prior: Prior, where: str) -> Prior:
    """Return a prior whose arguments are in their ranges.

    Raises
    ------
    SpecError
        Where one is not.
    """
    positive = FAMILIES[prior.family].positive if prior.family in FAMILIES else ("eta",)
    for key, value in prior.args:
        values = np.atleast_1d(np.asarray(value, dtype=float))
        open_end = prior.family == "TruncatedNormal" and key in ("lower", "upper")
        sound = open_end or np.all(np.isfinite(values))
        if not sound or (key in positive and np.any(values <= 0)):
            need = "positive" if key in positive else "finite"
            msg = f"{where}: {prior.family}'s argument {key} = {_show(value)} must be {need}"
            raise SpecError(msg)
    if prior.family.startswith("PC"):
        _check_statement(prior, where)
    if prior.family in ("Uniform", "TruncatedNormal"):
        args = dict(prior.args)
        if np.any(np.asarray(args["lower"]) >= np.asarray(args["upper"])):
            msg = f"{where}: {prior} is empty, lower must be below upper"
            raise SpecError(msg)
    return prior


def _check_statement(prior: Prior, where: str) -> None:
    """Check the probability of a penalised-complexity prior, and what it is of."""
    args = dict(prior.args)
    if np.any(np.asarray(args["alpha"]) >= 1):
        msg = (
            f"{where}: {prior.family}'s alpha is a probability below 1, not {_show(args['alpha'])}"
        )
        raise SpecError(msg)
    if prior.family == "PCCorrelation" and np.any(np.asarray(args["upper"]) >= 1):
        msg = f"{where}: a correlation's upper must be below 1, not {_show(args['upper'])}"
        raise SpecError(msg)


def _show(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(f"{v:.6g}" for v in value) + "]"
    return f"{value:.6g}"


def spread(prior: Prior, names: Sequence[str], where: str) -> tuple[Prior, ...]:
    """One prior for each coefficient.

    Parameters
    ----------
    prior : Prior
    names : sequence of str, length k
    where : str

    Raises
    ------
    SpecError
        If the prior lists another number of values.
    """
    if prior.length not in (None, len(names)):
        msg = (
            f"priors: '{where}' has {len(names)} coefficients ({', '.join(names)}), "
            f"but {prior} lists {prior.length}"
        )
        raise SpecError(msg)
    return tuple(prior.at(j) for j in range(len(names)))
