"""lme4's formulas: what they stand for, how they are written back, how they are changed."""

from __future__ import annotations

import pytest

from bayeslme import SpecError, VarFixed, VarPower, translate
from bayeslme.spec.lmer import make_lmer, prior_weights, read_lmer, weights_of
from bayeslme.structures import PdBlocked, PdCompSymm, PdDiag, PdIdent, PdLogChol

FORMULAS = [
    "y ~ x + (x | subject) + (1 | item)",
    "y ~ x + (x || g)",
    "y ~ 1 + (1 | a/b) + (1 | c)",
    "y ~ 1 + (1 | a:b) + (0 + x | a:b)",
    "log(y) ~ a * b + (a * b | g) + (1 | h)",
    "y ~ x - 1 + diag(x | g)",
    "y ~ x + diag(0 + f | g, hom = TRUE)",
    "y ~ x + cs(0 + f | g, hom = TRUE) + us(1 | h)",
    "y ~ offset(z) + (1 | g)",
    "y ~ x + (1 | `a b`) + (1 | g)",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_both_calls_are_read_back(formula: str) -> None:
    spec = make_lmer(formula, REML=False, weights="w", data="d")
    again = eval(str(spec), {"lmer": make_lmer_of_call, "d": "d"})
    assert again == spec
    assert translate(spec.to_r()) == spec
    assert spec.to_r().startswith("lmer(")


def make_lmer_of_call(formula: str, data: str, **options: object) -> object:
    return make_lmer(formula, data=data, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("formula", "groups"),
    [
        ("y ~ (1 | a/b)", ["a", "b:a"]),
        ("y ~ (1 | a/b/c)", ["a", "b:a", "c:b:a"]),
        ("y ~ (1 | a:b) + (1 | a)", ["a:b", "a"]),
        ("y ~ (1 | factor(g)) + (1 | cut(x, 3))", ["g", "cut(x, 3)"]),
        ("y ~ (1 | a * b)", ["a", "b", "a:b"]),
        ("y ~ (1 | a + b)", ["a", "b"]),
    ],
)
def test_groups(formula: str, groups: list[str]) -> None:
    assert [level.group for level in read_lmer(formula)[1]] == groups


@pytest.mark.parametrize(
    ("term", "structure"),
    [
        ("(x | g)", PdLogChol(form="~x")),
        ("(x || g)", PdBlocked([PdLogChol(form="~1"), PdLogChol(form="~0 + x")])),
        ("(1 || g)", PdLogChol(form="~1")),
        ("(1 | g) + (0 + x | g)", PdBlocked([PdLogChol(form="~1"), PdLogChol(form="~0 + x")])),
        ("diag(x | g)", PdDiag(form="~x")),
        ("homdiag(x | g)", PdIdent(form="~x")),
        ("cs(0 + f | g, hom = TRUE)", PdCompSymm(form="~0 + f")),
    ],
)
def test_structures(term: str, structure: object) -> None:
    (level,) = read_lmer(f"y ~ {term}")[1]
    assert level.structure == structure


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ x", "no random effects"),
        ("y ~ x + 1 | g", "brackets"),
        ("y ~ x * (1 | g)", "brackets"),
        ("y ~ (x | g) + (x | g)", "stands in two terms"),
        ("y ~ (1 | g) + (x | g)", "intercept of g"),
        ("y ~ (0 | g)", "no effects"),
        ("y ~ (1 | g^2)", "g^2"),
        ("y ~ cs(x | g)", "hom = TRUE"),
        ("y ~ ar1(0 + t | g)", "CorAR1"),
        ("y ~ toep(0 + t | g)", "toep"),
        ("y ~ diag(x | g, hom = 3)", "hom = TRUE or FALSE"),
        ("y ~ (offset(z) | g)", "outside of the bars"),
        ("y ~ y + (1 | g)", "right-hand side too"),
        ("~ x + (1 | g)", "formula such as"),
    ],
)
def test_errors_name_the_term(formula: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_lmer(formula)
    assert words in str(caught.value)
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("weights", "form"),
    [("w", "~I(1/w)"), ("w / 2", "~I(1/(w/2))"), ("sqrt(n)", "~I(1/sqrt(n))")],
)
def test_prior_weights_divide_the_variance(weights: str, form: str) -> None:
    made = prior_weights(weights)
    assert made == VarFixed(form)
    assert made is not None
    assert weights_of(made) == weights.replace(" / ", "/")
    assert weights_of(VarFixed("~ w")) is None


def test_a_variance_function_is_no_column() -> None:
    assert prior_weights("varPower(form = ~ x)") == VarPower(form="~x")
    with pytest.raises(SpecError, match="name of a column"):
        prior_weights("~ w")
    with pytest.raises(SpecError, match="name of a column"):
        prior_weights(3)


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (". ~ . + z", "y ~ x + z + (x | g) + (1 | h)"),
        (". ~ . - (1 | h)", "y ~ x + (x | g)"),
        (". ~ . + (1 | k)", "y ~ x + (x | g) + (1 | h) + (1 | k)"),
        ("~ z", "y ~ z + (x | g) + (1 | h)"),
        ("log(.) ~ z + (1 | h)", "log(y) ~ z + (1 | h)"),
    ],
)
def test_updates(change: str, after: str) -> None:
    spec = make_lmer("y ~ x + (x | g) + (1 | h)")
    assert spec.update(formula=change) == make_lmer(after)


def test_update_of_what_is_not_there() -> None:
    spec = make_lmer("y ~ x + (1 | g)")
    with pytest.raises(SpecError, match=r"no term \(1 \| k\)"):
        spec.update(formula=". ~ . - (1 | k)")
    assert spec.update(REML=False).method == "ML"


def test_pasted_calls() -> None:
    text = "fm1 <- lme4::lmer(y ~ x + (1 | g), d, REML = FALSE, weights = w, offset = z)"
    spec = translate(text)
    assert spec == make_lmer("y ~ x + offset(z) + (1 | g)", False, weights="w", data="d")
    control = "lmer(y ~ (1 | g), d, control = lmerControl(optimizer = 'bobyqa'), verbose = 2L)"
    assert translate(control) == make_lmer("y ~ (1 | g)", data="d")
