"""Arguments of other packages: where what they ask for stands here."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from bayeslme.errors import SpecError

_RANDOM = 'the random effects are one argument, random="~ x | group"'
_METHOD = 'say method="REML" or method="ML"'
_SAMPLE = "priors and draws are for the posterior: fit.sample({})"
_ERRORS = "responses are normal here; there are no other families"

ELSEWHERE = {
    "groups": _RANDOM,
    "group": _RANDOM,
    "re_formula": _RANDOM,
    "vc_formula": f'{_RANDOM}, "~ 1 | outer/inner" for nested ones',
    "exog_re": _RANDOM,
    "reml": _METHOD,
    "REML": _METHOD,
    "method": "lmer says REML=True or REML=False, and lm has one method",
    "random": "lmer has the random effects in the formula, y ~ x + (x | g); lm and gls have none",
    "family": _ERRORS,
    "link": _ERRORS,
    "missing": 'say na_action="omit" to leave out rows with missing values',
    "dropna": 'say na_action="omit" to leave out rows with missing values',
    "na_rm": 'say na_action="omit" to leave out rows with missing values',
    "prior": _SAMPLE.format('priors={"sigma": "HalfNormal(sigma=5)"}'),
    "draws": _SAMPLE.format("draws=1000"),
    "chains": _SAMPLE.format("chains=4"),
    "iter": _SAMPLE.format("draws=1000"),
    "tune": _SAMPLE.format("tune=1000"),
    "autocor": "the correlation of the residuals is correlation=CorAR1(...)",
    "corr": "the correlation of the residuals is correlation=CorAR1(...)",
    "cov_struct": "the correlation of the residuals is correlation=CorAR1(...)",
    "offset": "an offset is a term of the formula, y ~ x + offset(z)",
}
FORMULAS = ("fixed", "model", "formula")


def guided[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Answer an argument of another package with the one that does the same here.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
        The same function; an unknown argument that is known elsewhere is a SpecError, any other
        stays Python's TypeError.
    """
    own = frozenset(function.__code__.co_varnames[: function.__code__.co_argcount])
    formula = next(name for name in FORMULAS if name in own)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs.keys() - own:
            if name in ELSEWHERE:
                raise SpecError(f"{function.__name__}: no argument {name!r}; {ELSEWHERE[name]}")
            if name in FORMULAS:
                raise SpecError(f"{function.__name__}: the formula is the argument {formula!r}")
        return function(*args, **kwargs)

    return checked
