"""The models of the benchmarks, as each package spells them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """One model on simulated data.

    Attributes
    ----------
    title : str
    frame : str
        Name in ``benchmarks.frames.FRAMES``.
    nlme : str
        R's call of lme or gls on ``d``; read by bayeslme's ``translate`` too.
    lme4 : str or None
        lme4's call, where lme4 has the model.
    """

    title: str
    frame: str
    nlme: str
    lme4: str | None = None


MODELS = {
    "slopes": Model(
        "random intercept and slope",
        "slopes",
        "lme(y ~ x1 + x2, data = d, random = ~ x1 | g)",
        "lmer(y ~ x1 + x2 + (x1 | g), data = d)",
    ),
    "serial": Model(
        "the same, corAR1, varIdent of two strata",
        "serial",
        "lme(y ~ x1 + x2, data = d, random = ~ x1 | g, correlation = corAR1(form = ~ time | g), "
        "weights = varIdent(form = ~ 1 | s))",
    ),
    "intercepts": Model(
        "random intercept, 100 rows a group",
        "long_groups",
        "lme(y ~ x1 + x2, data = d, random = ~ 1 | g)",
        "lmer(y ~ x1 + x2 + (1 | g), data = d)",
    ),
    "nested": Model(
        "three nested levels",
        "nested",
        "lme(y ~ x1 + x2, data = d, random = ~ 1 | a/b/c)",
        "lmer(y ~ x1 + x2 + (1 | a/b/c), data = d)",
    ),
    "arma": Model(
        "one series, ARMA(1, 1)",
        "series",
        "gls(y ~ x1, data = d, correlation = corARMA(form = ~ 1, p = 1, q = 1), method = 'ML')",
    ),
    "car1": Model(
        "one series, continuous-time AR(1)",
        "series",
        "gls(y ~ x1, data = d, correlation = corCAR1(form = ~ t), method = 'ML')",
    ),
}
