"""Specifications back into calls: R's ``lme(...)`` and the Python one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from bayeslme.errors import SpecError
from bayeslme.formula.deparse import deparse, quoted_name, quoted_string
from bayeslme.formula.expressions import exact_number
from bayeslme.formula.formula import parse_formula
from bayeslme.spec.frame_expression import with_frame
from bayeslme.spec.mmrm import MmrmCall, whole_formula
from bayeslme.spec.model import DEFAULT_CONTRASTS, LmeSpec, RandomLevel
from bayeslme.spec.signatures import SIGNATURES
from bayeslme.structures import PdLogChol

_LISTED = frozenset({"varConstPower", "varConstProp"})  # their fixed is a list in R


def r_call(spec: LmeSpec) -> str:
    """Write the R call of a specification, defaults left out.

    What lme cannot say, crossed random effects, is written as a call of lmer; a correlation or a
    variance function beside them, which R's lmer does not have, under the names of lme.
    """
    if spec.mmrm is not None:
        return _r_mmrm(spec, spec.mmrm)
    if spec.function == "lmer" or spec.crossed:
        return _lmer_call(spec)
    parts = [str(spec.fixed)]
    if spec.data is not None:
        parts.append(f"data = {_r_name(spec.data)}")
    if spec.random:
        parts.append(f"random = {_r_random(spec.random)}")
    if spec.correlation is not None:
        parts.append(f"correlation = {r_structure(spec.correlation)}")
    if spec.weights is not None:
        parts.append(f"weights = {r_structure(spec.weights)}")
    if spec.subset is not None:
        parts.append(f"subset = {_r_subset(spec)}")
    if spec.method == "ML":
        parts.append('method = "ML"')
    if spec.na_action != SIGNATURES[spec.function].r_na_action:
        parts.append(f"na.action = na.{spec.na_action}")
    if spec.control.options:
        options = r_value(dict(spec.control.options), "list").removeprefix("list")
        parts.append(f"control = {spec.function}Control{options}")
    if spec.factor_contrasts:
        parts.append(f"contrasts = {r_value(spec.factor_contrasts, 'list')}")
    return f"{spec.function}({', '.join(parts)})"


def _r_subset(spec: LmeSpec) -> str:
    """A subset as R reads it, where complete.cases() of all columns needs the frame's name."""
    assert spec.subset is not None
    return deparse(with_frame(spec.subset, spec.data or "data"))


def _lmer_call(spec: LmeSpec) -> str:
    from bayeslme.spec.lmer import weights_of, write_formula

    for level in spec.random:
        _require_in_r(level.structure)
    parts = [write_formula(spec)]
    if spec.data is not None:
        parts.append(f"data = {_r_name(spec.data)}")
    if spec.method == "ML":
        parts.append("REML = FALSE")
    if spec.correlation is not None:
        parts.append(f"correlation = {r_structure(spec.correlation)}")
    if spec.weights is not None:
        parts.append(f"weights = {weights_of(spec.weights) or r_structure(spec.weights)}")
    if spec.subset is not None:
        parts.append(f"subset = {_r_subset(spec)}")
    if spec.na_action != SIGNATURES["lmer"].r_na_action:
        parts.append(f"na.action = na.{spec.na_action}")
    if spec.control.options:
        options = r_value(dict(spec.control.options), "list").removeprefix("list")
        parts.append(f"control = lmerControl{options}")
    if spec.factor_contrasts:
        parts.append(f"contrasts = {r_value(spec.factor_contrasts, 'list')}")
    return f"lmer({', '.join(parts)})"


_R_DEGREES = {
    "kenward-roger-observed": 'method = "Kenward-Roger"',
    "kenward-roger-linear": 'method = "Kenward-Roger", vcov = "Kenward-Roger-Linear"',
    "between-within": 'method = "Between-Within"',
    "residual": 'method = "Residual"',
}


def _r_mmrm(spec: LmeSpec, call: MmrmCall) -> str:
    parts = [whole_formula(spec.fixed, call)]
    parts += [] if spec.data is None else [f"data = {_r_name(spec.data)}"]
    parts += [] if call.weights is None else [f"weights = {call.weights}"]
    parts += ["reml = FALSE"] if spec.method == "ML" else []
    parts += [_R_DEGREES[call.df]] if call.df in _R_DEGREES else []
    parts += [] if spec.na_action == "omit" else [f"na.action = na.{spec.na_action}"]
    return f"mmrm({', '.join(parts)})"


def _python_mmrm(spec: LmeSpec, call: MmrmCall) -> str:
    formula = _quote(whole_formula(spec.fixed, call))
    parts = [formula, f"data={'...' if spec.data is None else spec.data}"]
    parts += ["REML=False"] if spec.method == "ML" else []
    shown = call.df.removesuffix("-observed")
    parts += [] if shown == "satterthwaite" else [f"df={_quote(shown)}"]
    parts += [] if call.weights is None else [f"weights={_quote(call.weights)}"]
    parts += [] if spec.na_action == "omit" else [f"na_action={_quote(spec.na_action)}"]
    if spec.control.options:
        parts.append(f"control={python_value(dict(spec.control.options))}")
    return f"mmrm({', '.join(parts)})"


def r_structure(structure: Any) -> str:
    """Write a structure as R spells it."""
    if structure.composed:
        return str(structure.r_call).format(", ".join(map(r_structure, structure.components)))
    _require_in_r(structure)
    if getattr(structure, "by", None) is not None:
        raise SpecError(
            f"{structure.r_name}: nlme cannot express by = '{structure.by}', parameters of its own "
            "for each level; str() of the specification gives the Python call"
        )
    parts: list[str] = []
    for name, value in given_arguments(structure):
        leading = not parts and name in ("value", structure.first_argument)
        wrapper = "list" if structure.r_name in _LISTED and name == "fixed" else "c"
        written = str(parse_formula(value)) if name == "form" else r_value(value, wrapper)
        parts.append(written if leading else f"{name} = {written}")
    return f"{structure.r_name}({', '.join(parts)})"


def _require_in_r(structure: Any) -> None:
    """Refuse what neither nlme nor lme4 has."""
    if getattr(structure, "relates_groups", False):
        raise SpecError(
            "to_r: nlme and lme4 cannot express a known covariance among groups (brms writes "
            "gr(g, cov = A)); str() of the specification gives the Python call"
        )


def r_value(value: Any, wrapper: str = "c") -> str:
    """Write a number, string, vector, named vector, list or matrix as R does."""
    if value is None:
        text = "NULL"
    elif isinstance(value, bool):
        text = "TRUE" if value else "FALSE"
    elif isinstance(value, str):
        text = quoted_string(value)
    elif isinstance(value, Mapping):
        nested = wrapper == "list" or any(isinstance(v, Mapping) for v in value.values())
        items = ", ".join(f"{quoted_name(str(k))} = {r_value(v)}" for k, v in value.items())
        text = f"{'list' if nested else 'c'}({items})"
    elif isinstance(value, Sequence):
        text = _r_vector(value)
    else:
        text = exact_number(float(value))
    return text


def _r_vector(values: Sequence[Any]) -> str:
    if values and isinstance(values[0], Sequence) and not isinstance(values[0], str):
        columns = [x for column in zip(*values, strict=True) for x in column]
        return f"matrix({r_value(columns)}, {len(values)})"
    return f"c({', '.join(map(r_value, values))})"


def python_call(spec: LmeSpec) -> str:
    """Write the Python call of a specification, defaults left out."""
    if spec.mmrm is not None and spec.contrasts == DEFAULT_CONTRASTS:
        return _python_mmrm(spec, spec.mmrm)
    pairs = spec.factor_contrasts or spec.mmrm is not None
    if pairs and spec.contrasts != DEFAULT_CONTRASTS:
        return f"translate({_quote(r_call(spec))}, contrasts={_pair(spec.contrasts)})"
    lmer = spec.function == "lmer"
    parts = [_quote(_formula(spec)), f"data={'...' if spec.data is None else spec.data}"]
    if spec.random and not lmer:
        parts.append(f"random={_python_random(spec.random)}")
    if spec.correlation is not None:
        parts.append(f"correlation={python_structure(spec.correlation)}")
    if spec.weights is not None:
        parts.append(f"weights={_python_weights(spec)}")
    if spec.subset is not None:
        parts.append(f"subset={_quote(deparse(spec.subset))}")
    if spec.method == "ML":
        parts.append("REML=False" if lmer else 'method="ML"')
    if spec.na_action != ("omit" if lmer else "fail"):
        parts.append(f"na_action={_quote(spec.na_action)}")
    if spec.control.options:
        parts.append(f"control={python_value(dict(spec.control.options))}")
    if spec.factor_contrasts:
        parts.append(f"contrasts={python_value(spec.factor_contrasts)}")
    elif spec.contrasts != DEFAULT_CONTRASTS:
        parts.append(f"contrasts={_pair(spec.contrasts)}")
    if spec.priors is not None:
        parts.append(f"priors={python_value(spec.priors)}")
    parts += _matrices(spec) if lmer else []
    return f"{spec.function.lower()}({', '.join(parts)})"


def _matrices(spec: LmeSpec) -> list[str]:
    """The argument data2, where a formula names matrices."""
    named = [one.structure.matrix for one in spec.random if one.structure.matrix is not None]
    each = dict.fromkeys(f"{_quote(one.name)}: {one.name}" for one in named)
    return [f"data2={{{', '.join(each)}}}"] if each else []


def _formula(spec: LmeSpec) -> str:
    from bayeslme.spec.lmer import write_formula

    return write_formula(spec) if spec.function == "lmer" else str(spec.fixed)


def _python_weights(spec: LmeSpec) -> str:
    from bayeslme.spec.lmer import weights_of

    own = weights_of(spec.weights) if spec.function == "lmer" and spec.weights else None
    return python_structure(spec.weights) if own is None else _quote(own)


def python_structure(structure: Any) -> str:
    """Write a structure as the Python constructor call."""
    if structure.composed:
        inner = ", ".join(map(python_structure, structure.components))
        return str(structure.python_call).format(inner)
    parts: list[str] = []
    for argument, value in given_arguments(structure):
        leading = not parts and argument in ("value", structure.first_argument)
        written = python_value(value)
        parts.append(written if leading else f"{argument}={written}")
    return f"{type(structure).__name__}({', '.join(parts)})"


def python_value(value: Any) -> str:
    """Write a value as Python does, strings in double quotes."""
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, Mapping):
        items = ", ".join(f"{python_value(k)}: {python_value(v)}" for k, v in value.items())
        return f"{{{items}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(python_value, value))}]"
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15  # noqa: PLR2004
    return repr(int(value)) if whole else repr(value)


def given_arguments(structure: Any) -> list[tuple[str, Any]]:
    """Return the arguments of a structure that differ from their defaults, in order."""
    first = structure.first_argument
    first = "value" if first == "form" else first  # nlme's value comes before its form
    return [
        (f.name, value)
        for f in sorted(fields(structure), key=lambda f: (f.kw_only is True, f.name != first))
        if (value := getattr(structure, f.name)) != f.default
    ]


def _plain(level: RandomLevel) -> bool:
    return type(level.structure) is PdLogChol and level.structure.value is None


def _shared_formula(random: tuple[RandomLevel, ...]) -> str | None:
    """One formula for all levels, ``~x | g1/g2``, where that says everything."""
    if not all(_plain(level) and level.formula == random[0].formula for level in random):
        return None
    groups = "/".join(quoted_name(level.group) for level in random if level.group is not None)
    text = str(random[0].formula)
    return f"{text} | {groups}" if groups else text


def _r_random(random: tuple[RandomLevel, ...]) -> str:
    shared = _shared_formula(random)
    if shared is not None:
        return shared
    if random[0].group is None:
        return r_structure(random[0].structure)
    levels = [
        f"{quoted_name(str(level.group))} = "
        + (str(level.formula) if _plain(level) else r_structure(level.structure))
        for level in random
    ]
    return f"list({', '.join(levels)})"


def _python_random(random: tuple[RandomLevel, ...]) -> str:
    branches = [level.branch for level in random]
    if len(set(branches)) > 1:
        own = [tuple(one for one in random if one.branch == k) for k in dict.fromkeys(branches)]
        return f"[{', '.join(map(_python_random, own))}]"
    shared = _shared_formula(random)
    if shared is not None:
        return _quote(shared)
    if random[0].group is None:
        return python_structure(random[0].structure)
    levels = [
        f"{_quote(str(level.group))}: "
        + (_quote(str(level.formula)) if _plain(level) else python_structure(level.structure))
        for level in random
    ]
    return f"{{{', '.join(levels)}}}"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _pair(pair: tuple[str, str]) -> str:
    return f"({_quote(pair[0])}, {_quote(pair[1])})"


def _r_name(label: str) -> str:
    return "::".join(map(quoted_name, label.split("::")))
