"""Formulas with bars, as lme4 and bambi write them, read into specifications."""

from __future__ import annotations

import pytest

import bayeslme as bl
from bayeslme.spec.bars import from_bambi


@pytest.mark.parametrize(
    ("formula", "call"),
    [
        ("y ~ x", "lm(y ~ x, na.action = na.fail)"),
        ("y ~ (1|g)", "lme(y ~ 1, random = ~ 1 | g)"),
        ("y ~ x + (1|g)", "lme(y ~ x, random = ~ 1 | g)"),
        ("y ~ x + (x|g)", "lme(y ~ x, random = ~ x | g)"),
        ("y ~ x + (1|a/b)", "lme(y ~ x, random = ~ 1 | a/b)"),
        ("y ~ x + (1|a) + (1|a:b)", "lme(y ~ x, random = ~ 1 | a/b)"),
        ("y ~ x + (1|b:a) + (1|a)", "lme(y ~ x, random = ~ 1 | a/b)"),
        ("y ~ x + (x||g)", "lme(y ~ x, random = list(g = pdDiag(~ x)))"),
        ("y ~ x + (0 + x|g)", "lme(y ~ x, random = ~ 0 + x | g)"),
        ("y ~ (x|a) + (1|a:b)", "lme(y ~ 1, random = list(a = ~ x, b = ~ 1))"),
        ("y ~ (1|a/b/c) + x - 1", "lme(y ~ x - 1, random = ~ 1 | a/b/c)"),
        ("y ~ 0 + (1|g) + x", "lme(y ~ 0 + x, random = ~ 1 | g)"),
        ("y ~ (1|g) - 1", "lme(y ~ -1, random = ~ 1 | g)"),
        (
            "y ~ (1|g) + (0 + x|g)",
            "lme(y ~ 1, random = list(g = pdBlocked(list(pdLogChol(~ 1), pdLogChol(~ 0 + x)))))",
        ),
        (
            "np.log(y) ~ np.sin(2 * np.pi * x) + C(f) + center(z) + I(x**2) + np.arctan(x)"
            " + (1|C(g))",
            "lme(log(y) ~ sin(2 * pi * x) + factor(f) + scale(z, scale = FALSE) + I(x^2) + atan(x),"
            " random = ~ 1 | g)",
        ),
        ("y ~ (1|a:b)", "lme(y ~ 1, random = ~ 1 | interaction(a, b))"),
    ],
)
def test_reads(formula: str, call: str) -> None:
    assert from_bambi(formula) == bl.translate(call)


def test_a_part_that_another_contains_adds_nothing() -> None:
    """The covariances of (1|g) + (x|g) are those of (x|g)."""
    assert from_bambi("y ~ (1|g) + (x|g)") == from_bambi("y ~ (x|g)")
    assert from_bambi("y ~ (x||g) + (x|g)") == from_bambi("y ~ (x|g)")
    assert from_bambi("y ~ (1|g) + (x||g) + (1|g)") == from_bambi("y ~ (x||g)")


def test_bambi_has_independent_effects() -> None:
    spec = from_bambi("y ~ (1|g) + (x|g)", independent=True)
    assert spec == bl.translate("lme(y ~ 1, random = list(g = pdDiag(~ x)))")
    assert from_bambi("y ~ (1|g)", independent=True) == from_bambi("y ~ (1|g)")


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("y ~ x + 1|g", ("brackets",)),
        ("y ~ x * (1|g)", ("brackets",)),
        ("y ~ (x|g) + (z|g)", ("effect 1 of g", "(0 + x | g)")),
        ("y ~ (0|g)", ("no effects",)),
        ("y ~ (1|g^2)", ("g^2",)),
        ("y ~ (1|2)", ("groups", "2")),
        ("~ x + (1|g)", ("y ~ x + (1 | g)",)),
        ("x", ("y ~ x + (1 | g)",)),
        ("y ~ x + (1|g", ("bracket",)),
        ("y ~ te(x, 4) + (1|g)", ("te",)),
        ("y ~ __import__('os') + (1|g)", ("_",)),
        (3, ("string",)),
    ],
)
def test_errors_name_the_culprit(formula: str, words: tuple[str, ...]) -> None:
    with pytest.raises(bl.SpecError) as caught:
        from_bambi(formula)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert len(str(caught.value)) <= 300


def test_data_show_how_groups_nest() -> None:
    pastes = bl.load_data("Pastes")
    spec = from_bambi("strength ~ (1|sample) + (1|batch)", data=pastes)
    assert spec == bl.translate("lme(strength ~ 1, random = ~ 1 | batch/sample)")
    plain = from_bambi("strength ~ (1|batch/cask)")
    assert spec.fit(pastes).loglik == pytest.approx(plain.fit(pastes).loglik, rel=1e-10)


@pytest.mark.parametrize("given", [False, True])
def test_groups_that_do_not_nest_are_crossed(given: bool) -> None:
    data = bl.load_data("Penicillin")
    spec = from_bambi("diameter ~ (1|plate) + (1|sample)", data=data if given else None)
    assert spec.crossed
    crossed = bl.lmer("diameter ~ (1|plate) + (1|sample)", data)
    assert spec.fit(data).loglik == pytest.approx(crossed.loglik, abs=1e-9)


def test_nested_and_crossed_groups_are_told_apart() -> None:
    spec = from_bambi("y ~ (1|a) + (0 + x|b) + (1|a:c)")
    assert str(spec) == 'lme("y ~ 1", data=..., random=["~1 | a/c", "~0 + x | b"])'


def test_data_must_have_the_groups() -> None:
    pastes = bl.load_data("Pastes")
    with pytest.raises(bl.DataError, match="'nowhere'"):
        from_bambi("strength ~ (1|nowhere) + (1|batch)", data=pastes)
    with pytest.raises(bl.DataError, match="DataFrame"):
        from_bambi("strength ~ (1|batch)", data=pastes.to_dict())  # type: ignore[arg-type]


def test_combined_groups_alone() -> None:
    pastes = bl.load_data("Pastes")
    combined, column = from_bambi("strength ~ (1|batch:cask)"), from_bambi("strength ~ (1|sample)")
    assert combined.fit(pastes).loglik == pytest.approx(column.fit(pastes).loglik, rel=1e-10)


def test_exported() -> None:
    assert bl.from_bambi is from_bambi


def test_crossed_effects_as_blocks_of_one_group() -> None:
    data = bl.load_data("Penicillin")
    blocks = bl.PdBlocked([bl.PdIdent("~ sample - 1"), bl.PdIdent("~ plate - 1")])
    fit = bl.lme("diameter ~ 1", data.assign(c="c"), {"c": blocks})
    assert fit.varcorr()["c"].sd.round(4).unique().tolist() == [1.9316, 0.8467]  # lme4's
