"""Scripts of R: what their names stand for, and which of their fits is meant."""

import pytest

from bayeslme import load_data
from bayeslme.errors import SpecError
from bayeslme.spec.script import translate

ALONE = "lme(distance ~ age, data = Orthodont, random = ~1 | Subject)"


@pytest.mark.parametrize(
    ("script", "same"),
    [
        ("f <- distance ~ age\nlme(f, data = Orthodont, random = ~1 | Subject)", ALONE),
        ("re = ~1 | Subject; lme(distance ~ age, Orthodont, re)", ALONE),
        (f"library(nlme)\ndata(Orthodont)\nfm <- {ALONE}\nsummary(fm)\nfm", ALONE),
        (f"fm <- {ALONE}\nfm2 <- fm", ALONE),
        (
            "fm <- lme(distance ~ age + Sex, Orthodont, ~ age | Subject)\n"
            "update(fm, . ~ . - Sex, random = ~ 1 | Subject)",
            ALONE,
        ),
        (
            "m <- gls(distance ~ age, data = Orthodont,  # by least squares\n"
            "         correlation = corAR1(form = ~ 1 | Subject))\n"
            "update(m, correlation = NULL, method = 'ML')",
            'gls(distance ~ age, data = Orthodont, method = "ML")',
        ),
        (
            "cs <- corAR1(0.3, form = ~ 1 | Subject)\n"
            "ctrl <- lmeControl(opt = 'optim')\n"
            "lme(distance ~ age, Orthodont, ~ 1 | Subject, correlation = cs, control = ctrl)",
            "lme(distance ~ age, data = Orthodont, random = ~1 | Subject, "
            "correlation = corAR1(0.3, form = ~1 | Subject), control = lmeControl(opt = 'optim'))",
        ),
        (
            "d <- subset(Orthodont, age > 8)\nd <- na.omit(d)\n"
            "lme(distance ~ age, data = d, random = ~1 | Subject)",
            "lme(distance ~ age, data = Orthodont, random = ~1 | Subject, "
            "subset = age > 8 & complete.cases(Orthodont))",
        ),
        (
            "m <- lmer(distance ~ age + (1 | Subject), Orthodont)\nupdate(m, REML = FALSE)",
            "lmer(distance ~ age + (1 | Subject), data = Orthodont, REML = FALSE)",
        ),
        (
            "lme(distance ~\n    age,\n  Orthodont, ~1 |\n  Subject)",
            ALONE,
        ),
    ],
)
def test_a_script_is_the_call_that_it_comes_to(script: str, same: str) -> None:
    assert translate(script) == translate(same)


def test_fits_come_by_name_in_order() -> None:
    script = f"""
        {ALONE}
        fm <- {ALONE}
        fm2 <- update(fm, method = "ML")   # for the comparison
        anova(update(fm, method = "ML"), fm2)
        fm <- update(fm2, . ~ . + Sex)
    """
    specs = translate(script, by_name=True)
    assert list(specs) == ["1", "fm2", "fm"]
    assert [spec.method for spec in specs.values()] == ["REML", "ML", "ML"]
    assert translate(script) == specs["fm"]


def test_contrasts_are_an_option_of_the_session() -> None:
    script = 'options(contrasts = c("contr.sum", "contr.poly"))\n' + ALONE
    assert translate(script).contrasts == ("contr.sum", "contr.poly")
    assert translate(script) == translate(ALONE, contrasts=("contr.sum", "contr.poly"))


@pytest.mark.parametrize(
    ("script", "line", "message"),
    [
        (f"fm <- {ALONE}\nupdate(fn, method = 'ML')", "fn", "not fn; there is fm"),
        (f"x <- read.csv('a')\n{ALONE}", "read.csv", "unknown function 'read.csv'"),
        (f"fm <- {ALONE}\nupdate(fm, metod = 'ML')", "metod", "did you mean method"),
        (f"for (i in 1:3) {ALONE}", "for", "unexpected"),
        ("summary(fm)", "summary", "unknown function 'summary'"),
    ],
)
def test_errors_show_the_line(script: str, line: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        translate(script)
    assert line in str(caught.value)


def test_nothing_is_fitted_by_an_empty_script() -> None:
    for text in ("", "   ", "# a comment", "library(nlme)"):
        with pytest.raises(SpecError, match=r"a call such as|unknown function"):
            translate(text)


def test_a_translated_script_fits() -> None:
    # nlme 3.1-162: logLik(lme(distance ~ age, data = Orthodont[-c(3, 5), ], ~ 1 | Subject))
    spec = translate("lme(distance ~ age, data = Orthodont[-c(3, 5), ], random = ~ 1 | Subject)")
    assert spec.fit(load_data("Orthodont")).loglik == pytest.approx(-220.367833949, abs=1e-8)
