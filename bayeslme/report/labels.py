"""The names nlme prints for structures and methods; what is not listed prints its own name."""

from __future__ import annotations

from bayeslme.report.records import CorrelationPart, VariancePart

CORRELATION = {
    "corAR1": "AR(1)",
    "corCAR1": "Continuous AR(1)",
    "corCompSymm": "Compound symmetry",
    "corSymm": "General",
    "corNatural": "General",
    "corExp": "Exponential spatial correlation",
    "corGaus": "Gaussian spatial correlation",
    "corLin": "Linear spatial correlation",
    "corRatio": "Rational quadratic spatial correlation",
    "corSpher": "Spherical spatial correlation",
}
VARIANCE = {
    "varFixed": "fixed weights",
    "varIdent": "Different standard deviations per stratum",
    "varPower": "Power of variance covariate",
    "varExp": "Exponential of variance covariate",
    "varConstPower": "Constant plus power of variance covariate",
    "varConstProp": "Constant plus proportion of variance covariate",
}
METHOD = {
    "REML": "REML",
    "ML": "maximum likelihood",
    "MAP": "maximum a posteriori",
    "OLS": "least squares",
}
TITLE = {
    "lme": "Linear mixed-effects model",
    "gls": "Generalized least squares",
    "lm": "Linear model",
}


def correlation_label(part: CorrelationPart) -> str:
    """Name of a correlation structure, ``"ARMA(1,1)"`` with its orders."""
    if part.orders == (1, 0):
        return CORRELATION["corAR1"]
    if part.orders is not None:
        return f"ARMA({part.orders[0]},{part.orders[1]})"
    return CORRELATION.get(part.r_name, part.r_name)


def variance_label(part: VariancePart) -> str:
    """Name of a variance function; strata are mentioned where the name does not imply them."""
    label = VARIANCE.get(part.r_name, part.r_name)
    return f"{label}, different strata" if part.strata and part.r_name != "varIdent" else label
