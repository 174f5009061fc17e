"""R's calls in and out: every stored nlme call, and what is refused."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from bayeslme import structures
from bayeslme.errors import SpecError
from bayeslme.spec import make
from bayeslme.spec.script import _translate, translate
from bayeslme.spec.structure_reader import read_structure
from bayeslme.structures import CorAR1, PdBlocked, PdDiag, PdIdent, PdLogChol, PdSymm, VarFixed
from reference.corpus import by_id, family

DEFAULT = ("contr.treatment", "contr.poly")


class Names(dict[str, Any]):
    """A name space in which an unknown name is a label."""

    def __missing__(self, name: str) -> str:
        return name


PYTHON = Names(
    {name: getattr(structures, name) for name in structures.__all__}
    | {
        "lme": lambda fixed, data, **rest: make.make_lme(fixed, data=data, **rest),
        "gls": lambda model, data, **rest: make.make_gls(model, data=data, **rest),
        "lm": lambda formula, data, **rest: make.make_lm(formula, data=data, **rest),
        "lmlist": lambda formula, data, **rest: make.make_lmlist(formula, data=data, **rest),
        "translate": translate,
    }
)


def stored_calls() -> list[tuple[str, tuple[str, str]]]:
    fits = [(case["call"], tuple(case["contrasts"])) for case in by_id().values()]
    lists = [(c["call"], DEFAULT) for c in family("tables") if c["kind"] == "lmList"]
    return sorted(set(fits + lists))


def test_every_stored_call_makes_the_round_trip() -> None:
    calls = stored_calls()
    assert len(calls) > 450
    for call, contrasts in calls:
        spec = translate(call, contrasts)
        assert translate(spec.to_r(), contrasts) == spec, call
        again = eval(str(spec), {}, PYTHON)  # the Python call is what users copy
        assert again == spec, call


def test_stored_calls_are_written_back_as_they_were() -> None:
    same = 0
    calls = [call for call, _ in stored_calls()]
    for call in calls:
        texts = (translate(call).to_r(), call)  # some people write a blank after a lone tilde
        ours, theirs = (sorted(text.replace("~ ", "~").split(", ")) for text in texts)
        same += ours == theirs
    assert same / len(calls) > 0.9


def test_every_stored_structure_is_read() -> None:
    cases = family("units")
    assert len(cases) > 40
    for case in cases:
        structure = read_structure(case["call"])
        assert read_structure(make_text(structure)) == structure, case["call"]


def test_a_structure_of_the_user_is_known_by_being_subclassed() -> None:
    @dataclass(frozen=True)
    class CorMine(structures.CorStruct):
        value: float = 0.5
        form: str = "~ 1"
        order: int = 1
        flat: bool = False
        fixed: bool = False
        r_name: ClassVar[str] = "corMine"

        def parameters(self, coords: Any) -> tuple[structures.Parameter, ...]:
            return ()

        def correlation(self, par: Any, pairs: Any, xp: Any = None) -> Any:
            return pairs.lag

    call = "gls(y ~ x, correlation = corMine(0.2, form = ~1 | g, order = 2, flat = TRUE))"
    spec = translate(call)
    assert spec.correlation == CorMine(0.2, "~1 | g", 2, True)
    assert spec.to_r() == call
    with pytest.raises(SpecError, match="order is a whole number"):
        read_structure("corMine(order = 0.5)")


def make_text(structure: Any) -> str:
    from bayeslme.spec.write import r_structure

    return r_structure(structure)


def test_translation_is_quick() -> None:
    calls = [call for call, _ in stored_calls()][:100]
    for call in calls:
        translate(call)
    _translate.cache_clear()
    start = time.perf_counter()
    for call in calls:
        translate(call)
    assert (time.perf_counter() - start) / len(calls) < 0.02


def test_parts_of_a_call() -> None:
    spec = translate(
        """fm <- nlme::lme(
               current ~ voltage + I(voltage^2),   # a comment
               Wafer,
               list(Wafer = ~ voltage, Site = pdBlocked(list(~1, pdDiag(~ voltage - 1)))),
               correlation = corAR1(form = ~ 1 | Wafer/Site), weights = ~ voltage,
               subset = voltage > 1 & Wafer %in% c("1", "2"), method = 'ML',
               na.action = "na.exclude", control = lmeControl(msMaxIter = 200, sigma = 1.4),
               contrasts = list(Site = contr.sum), keep.data = FALSE)"""
    )
    assert str(spec.fixed) == "current ~ voltage + I(voltage^2)"
    assert [level.group for level in spec.random] == ["Wafer", "Site"]
    assert spec.random[0].structure == PdLogChol(form="~voltage")
    assert spec.random[1].structure == PdBlocked([PdSymm("~1"), PdDiag("~voltage - 1")])
    assert [str(f) for f in spec.random[1].formulas] == ["~1", "~voltage - 1"]
    assert spec.correlation == CorAR1(form="~1 | Wafer/Site")
    assert spec.weights == VarFixed("~voltage")
    assert (spec.method, spec.na_action, spec.data) == ("ML", "exclude", "Wafer")
    assert (spec.control.sigma, spec.control.max_iter) == (1.4, 200)
    assert spec.factor_contrasts == {"Site": "contr.sum"}
    assert translate(spec.to_r()) == spec


@pytest.mark.parametrize(
    ("random", "levels"),
    [
        ("~ x | g1/g2", [("g1", PdLogChol("~x")), ("g2", PdLogChol("~x"))]),
        ("pdDiag(~ sin(2 * pi * Time))", [(None, PdDiag("~sin(2 * pi * Time)"))]),
        ("~ x", [(None, PdLogChol("~x"))]),
        ("list(g = ~ 1)", [("g", PdLogChol("~1"))]),
        ("list(pdIdent(~ x | g))", [("g", PdIdent("~x"))]),
        ("list(Lot = pdDiag(diag(2), ~ age))", [("Lot", PdDiag([[1, 0], [0, 1]], "~age"))]),
        (
            "list(b = pdBlocked(list(~ 1, ~ s - 1), pdClass = c('pdIdent', 'pdDiag')))",
            [("b", PdBlocked([PdIdent("~1"), PdDiag("~s - 1")]))],
        ),
        ("reStruct(~ x | g1/g2)", [("g1", PdLogChol("~x")), ("g2", PdLogChol("~x"))]),
        ("reStruct(~ x | g, pdClass = 'pdDiag')", [("g", PdDiag("~x"))]),
        (
            "reStruct(list(a = ~ x, b = pdIdent(~ 1)), 'pdSymm')",
            [("a", PdSymm("~x")), ("b", PdIdent("~1"))],
        ),
    ],
)
def test_random_effects(random: str, levels: list[tuple[str | None, Any]]) -> None:
    spec = translate(f"lme(y ~ x, random = {random}, data = d)")
    assert [(level.group, level.structure) for level in spec.random] == levels
    assert make.make_lme("y ~ x", random, data="d") == spec


def test_random_effects_default_to_the_fixed_ones() -> None:
    spec = translate("lme(y ~ x + z, data = d)")
    assert [(r.group, str(r.formula)) for r in spec.random] == [(None, "~x + z")]


def test_missing_values_default_as_in_r() -> None:
    assert translate("lm(y ~ x)").na_action == "omit"
    assert translate("gls(y ~ x)").na_action == "fail"
    assert "na.action = na.fail" in translate("lm(y ~ x, na.action = na.fail)").to_r()


def test_both_kinds_of_contrasts_survive_the_python_call() -> None:
    spec = translate(
        "lme(y ~ a, random = ~1 | g, contrasts = list(a = 'contr.sum'))",
        ("contr.helmert", "contr.poly"),
    )
    assert eval(str(spec), {}, PYTHON) == spec


@pytest.mark.parametrize(
    ("call", "token", "message"),
    [
        ("glmmTMB(y ~ x + (1 | g))", "glmmTMB", "from_bambi"),
        ("nlme(y ~ x)", "nlme", "unknown function 'nlme'"),
        ("gam(y ~ x)", "gam", "models are linear here"),
        ("glmer(y ~ x + (1 | g), family = binomial)", "glmer", "no other families"),
        ("brm(y ~ x + (1 | g))", "brm", "from_bambi"),
        ("y ~ x", "y", "a call such as"),
        ('lme("y ~ x", random = ~1 | g)', '"y', "drop the quotes"),
        ("lme(y ~ x, random = '~ 1 | g')", "'~", "drop the quotes"),
        ("lme(random = ~1 | g)", "lme", "'fixed' is missing"),
        ("lme(y ~ x, random = reStruct(~x | g, 'diag'))", "'diag", "pdClass is one of 'pdSymm'"),
        ("lme(y ~ x, random = reStruct(~x | g, ML = TRUE))", "ML", "unknown argument 'ML'"),
        ("lme(y ~ x, random = reStruct())", "reStruct", "takes a formula or a list"),
        ("lme(y ~ x, randon = ~1 | g)", "randon", "did you mean random"),
        ("lme(y ~ x, random = ~1 | g, random = ~x | g)", "~x", "given twice"),
        ("gls(y ~ x, m = 'ML')", "m =", "may be model or method"),
        ("lm(y ~ x, d, s, w, n, m, mo, x, y, q, si, co, o, extra)", "extra", "too many arguments"),
        ("lme(y ~ x, d$e, ~1 | g)", "d$e", "data is a data frame's name"),
        ("lme(y ~ x, transform(d, z = 1), ~1 | g)", "transform", "make the frame first"),
        ("lme(y ~ ., subset(d, select = c(y, x)), ~1 | g)", "lme", "which keeps some only"),
        ("lme(y ~ x, d[1:3, ][x > 1, ], ~1 | g)", "[x", r"unexpected '\['"),
        ("lme(y ~ x, d[1:3, ], ~1 | g, subset = x > 1)", "1:3", "rows by their numbers"),
        ("lme(d$y ~ e$x, random = ~1 | g)", "$", "write the column alone"),
        ("lme(y ~ log(x) + fooo(x), random = ~1 | g)", "fooo", "unknown function 'fooo'"),
        ("lme(y ~ x, random = list(~1, ~x))", "~1", "name the group"),
        ("lme(y ~ x, random = list(g = ~1 | h))", "list", "named twice"),
        ("lme(y ~ x, random = ~1 | g * h)", "~1", "crossed"),
        ("lme(y ~ x, random = ~ 0 | g)", "~ 0", "no effects"),
        ("lme(y ~ x, random = y ~ 1 | g)", "y ~ 1", "one-sided"),
        ("lme(y ~ x, random = list(g = pdFoo(~1)))", "pdFoo", "unknown structure 'pdFoo'"),
        ("lme(y ~ x, random = pdDiag(2))", "pdDiag", "needs a formula"),
        ("lme(y ~ x, random = pdDiag(~x, nam = 'a'))", "'a'", "leave out 'nam'"),
        ("lme(y ~ x, random = list(g = pdBlocked(~1)))", "pdBlocked", "list of blocks"),
        ("gls(y ~ x, correlation = corAR2())", "corAR2", "did you mean corAR1"),
        ("gls(y ~ x, correlation = varPower())", "varPower", "cannot stand here"),
        ("gls(y ~ x, correlation = corAR1)", "corAR1", "is needed"),
        ("gls(y ~ x, correlation = corAR1(phi = 0.2))", "phi", "unknown argument 'phi'"),
        ("gls(y ~ x, correlation = corAR1(0.2, form = t))", "t)", "a formula"),
        ("gls(y ~ x, correlation = corAR1(form = y ~ t))", "y ~ t", "one-sided"),
        ("gls(y ~ x, correlation = corAR1(value = phi))", "phi", "a number"),
        ("gls(y ~ x, correlation = corARMA(form = ~ 1 | g))", "corARMA", "orders p and q"),
        ("gls(y ~ x, correlation = corARMA(p = 1.5))", "1.5", "whole number"),
        ("gls(y ~ x, correlation = corExp(metric = 'x'))", "'x'", "metric is one of"),
        ("gls(y ~ x, correlation = corExp(nugget = 0.1))", "0.1", "TRUE or FALSE"),
        ("gls(y ~ x, weights = varComb(corAR1()))", "corAR1", "cannot stand here"),
        ("gls(y ~ x, weights = w)", "w)", "is needed"),
        ("lm(y ~ x, weights = w)", "w)", "varFixed"),
        ("lm(y ~ x, method = 'lasso')", "'lasso'", "method"),
        ("gls(y ~ x:offset(z))", "y ~", "summand of its own"),
        ("lmer(y ~ x)", "y ~", "no random effects"),
        ("lmer(y ~ x + (1 | g), REML = 2)", "2", "REML is"),
        ("lmer(y ~ x + (1 | g), devFunOnly = TRUE)", "TRUE", "devFunOnly"),
        ("gls(y ~ fitted(.))", "y ~", "may stand in weights only"),
        ("gls(y ~ x, correlation = corAR1(form = ~ resid(.) | g))", "corAR1", "weights only"),
        ("lme(y ~ x, random = ~ fitted(.) | g)", "~ fitted", "weights only"),
        ("gls(y ~ y + x)", "y ~", "right-hand side too"),
        ("gls(~ x)", "~ x", "no response"),
        ("gls(y ~ x | g)", "y ~", "belong into random or correlation"),
        ("lmList(y ~ x, data = d)", "y ~", "needs its groups"),
        ("gls(y ~ x, method = 'MAP')", "'MAP'", "REML or ML"),
        ("gls(y ~ x, na.action = na.pass)", "na.pass", "fail, omit, exclude"),
        ("gls(y ~ x, subset = TRUE)", "TRUE", "expression on columns"),
        ("gls(y ~ x, subset = c(-1, 2))", "c(", "all positive or all negative"),
        ("gls(y ~ x, subset = system('ls') == x)", "system", "unknown function"),
        ("gls(y ~ x, control = list(sgima = 1))", "sgima", "did you mean sigma"),
        ("gls(y ~ x, control = list(sigma = -1))", "list", "positive number"),
        ("gls(y ~ x, control = glsControl)", "glsControl", "control is"),
        ("gls(y ~ x, contrasts = list(a = 'sum2'))", "list", "unknown contrasts"),
        ("gls(y ~ x, contrasts = list(a = matrix(1)))", "matrix", "contr.sum"),
    ],
)
def test_errors_name_the_token_and_its_place(call: str, token: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        translate(call)
    last = call.rindex(token) if token in {"~x", "o)", "w)", "t)"} else call.index(token)
    assert caught.value.position in {call.index(token), last}
    assert len(str(caught.value)) <= 300


def test_only_text_is_translated() -> None:
    with pytest.raises(SpecError, match="a string, not NoneType"):
        translate(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("contrasts", ["contr.sum", ("contr.sum",), ("contr.foo", "contr.poly"), 3])
def test_contrasts_are_a_pair(contrasts: Any) -> None:
    with pytest.raises(SpecError, match="contrasts"):
        translate("gls(y ~ x)", contrasts)
