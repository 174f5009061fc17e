"""The functions a user calls first: ``lme``, ``gls``, ``lm`` and ``lmlist``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from bayeslme import engine
from bayeslme.data.design import build
from bayeslme.data.types import Design
from bayeslme.data.variables.columns import as_frame, with_attrs
from bayeslme.errors import SpecError
from bayeslme.fit.repeated import estimate_mmrm
from bayeslme.fit.result import Fit, GlsFit, LmeFit, LmFit
from bayeslme.spec.lmer import make_lmer
from bayeslme.spec.make import make_gls, make_lm, make_lme, make_lmlist, make_mmrm
from bayeslme.spec.model import LmeSpec
from bayeslme.spec.signatures import FORMULA_NAMES

if TYPE_CHECKING:
    from bayeslme.bayes.priors.priors import PriorsLike
    from bayeslme.fit.lmlist import LmList


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
    formula = next(name for name in FORMULA_NAMES if name in own)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs.keys() - own:
            if name in ELSEWHERE:
                raise SpecError(f"{function.__name__}: no argument {name!r}; {ELSEWHERE[name]}")
            if name in FORMULA_NAMES:
                raise SpecError(f"{function.__name__}: the formula is the argument {formula!r}")
        return function(*args, **kwargs)

    return checked


FITS: dict[str, type[Fit]] = {
    "lme": LmeFit,
    "gls": GlsFit,
    "lm": LmFit,
    "lmer": LmeFit,
    "mmrm": GlsFit,
}


def label_of(data: Any) -> str | None:
    """Name of a data frame where it has one (``data.attrs["name"]``)."""
    name = data.attrs.get("name") if isinstance(data, pd.DataFrame) else None
    return name if isinstance(name, str) else None


def fit_spec[F](spec: LmeSpec[F], data: pd.DataFrame) -> F:
    """Estimate a specification on a data frame; see `LmeSpec.fit`."""
    data = as_frame(data)
    if spec.function == "lmList":
        from bayeslme.fit.lmlist import fit_list

        return cast("F", fit_list(spec, data))
    design = build(spec, data)
    kept = with_attrs(design.source, data.attrs)
    known: LmeSpec = spec  # that its function and F belong together is known to no type checker
    fit = FITS[spec.function](known, design, estimate_design(design, spec.priors), kept)
    return cast("F", fit)


def estimate_design(design: Design, priors: PriorsLike) -> engine.Estimate:
    """Estimate a design: by its likelihood, or with priors by the mode of the posterior density.

    Parameters
    ----------
    design : Design
    priors : None, preset name or mapping

    Returns
    -------
    Estimate
    """
    if priors is None:
        call = design.spec.mmrm
        return engine.estimate(design) if call is None else estimate_mmrm(design, call)
    from bayeslme.bayes.sampling.map import map_estimate

    return map_estimate(design, priors)


def grouped(formula: Any, data: Any) -> Any:
    """A formula with the groups of the data's own (``data.attrs["formula"]``) where it has none."""
    own = data.attrs.get("formula") if isinstance(data, pd.DataFrame) else None
    if not isinstance(own, str) or not isinstance(formula, str) or "|" in formula:
        return formula
    return f"{formula} | {own.partition('|')[2].strip()}" if "|" in own else formula


@guided
def lme(
    fixed: str,
    data: pd.DataFrame,
    random: Any = None,
    correlation: Any = None,
    weights: Any = None,
    subset: Any = None,
    method: str = "REML",
    na_action: str = "fail",
    control: Any = None,
    contrasts: Any = None,
    priors: Any = None,
) -> LmeFit:
    """Fit a linear mixed model, y = X beta + sum_k Z_k b_k + eps.

    Parameters
    ----------
    fixed : str
        Formula of the response and the fixed effects, ``"distance ~ Sex * I(age - 11)"``.
    data : DataFrame
        Of pandas, or what has ``to_pandas()``, as Polars' and Arrow's frames.
    random : str, dict, PdMat or list
        ``"~ 1 | Subject"``, ``"~ 1 | litter/pig"``, or ``{"Dog": "~ day", "Side": PdDiag("~ 1")}``,
        outermost first; a list of these has crossed effects, ``["~ x | subject", "~ 1 | item"]``.
        As for R's grouped data, ``data.attrs["formula"]``, which the data sets of
        the package have, stands in where groups or the whole argument are left out; the effects are
        then those of the fixed part.
    correlation : CorStruct, optional
        Correlation of the residuals within groups.
    weights : VarFunc, optional
        Their standard deviation.
    subset : str or bool array, optional
        R expression on columns, or a mask of rows.
    method : {"REML", "ML"}
    na_action : {"fail", "omit", "exclude"}
        What to do about rows with missing values: refuse them, or leave them out; with
        ``"exclude"`` fitted values, residuals and predictions of the fit then have a NaN for each
        such row, and so the length of the data.
    control : dict, optional
        ``sigma`` holds the residual standard deviation fixed; ``max_iter`` limits the search. R's
        options for its own optimisers are read, and have no effect.
    contrasts : tuple of str or dict, optional
        R's option pair, or ``{factor: "sum"}``.
    priors : dict or str, optional
        The estimates are then the mode of the posterior density, method ``"MAP"``, and
        ``fit.sample`` takes these priors.

    Returns
    -------
    LmeFit

    Raises
    ------
    SpecError
        For an argument that cannot be read.
    DataError
        For data that do not suit it: columns, missing values, aliased columns, groups.
    FitError
        Where no likelihood exists.

    Warns
    -----
    IdentificationWarning
        Where the data cannot tell two variances apart.
    UserWarning
        Where the search did not converge.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> fit = bayeslme.lme("distance ~ I(age - 11)", data, "~ 1 | Subject")
    >>> round(fit.loglik, 4)
    -223.5013
    """
    spec = make_lme(
        fixed,
        random,
        correlation=correlation,
        weights=weights,
        subset=subset,
        method=method,
        na_action=na_action,
        control=control,
        contrasts=contrasts,
        priors=priors,
        data=label_of(data),
    )
    return fit_spec(spec, data)


@guided
def lmer(
    formula: str,
    data: pd.DataFrame,
    REML: bool = True,
    weights: Any = None,
    correlation: Any = None,
    subset: Any = None,
    na_action: str = "omit",
    contrasts: Any = None,
    control: Any = None,
    priors: Any = None,
    data2: Any = None,
) -> LmeFit:
    """Fit a linear mixed model written as for lme4, nested or crossed.

    Parameters
    ----------
    formula : str
        ``"y ~ x + (x | subject) + (1 | item)"``: also ``(x || g)``, ``(1 | a/b)``, ``(1 | a:b)``,
        several terms on one factor, ``diag(x | g)`` and ``cs(0 + f | g, hom = TRUE)``.
    data : DataFrame
        Of pandas, or what has ``to_pandas()``, as Polars' and Arrow's frames.
    REML : bool
        False for maximum likelihood.
    weights : str or VarFunc, optional
        Prior weights w, a column's name or an expression of columns: the variance of a residual is
        sigma^2 / w. Or a variance function, as in `lme`.
    correlation : CorStruct, optional
        Of the residuals, within groups; where these lie within none of the factors, all effects are
        one dense matrix.
    na_action : {"omit", "fail", "exclude"}
        What to do about missing values; by default rows with any are left out, as by lme4.
    subset, contrasts, control, priors
        As in `lme`.
    data2 : dict, optional
        Matrices that the formula names: ``{"A": A}`` for ``(1 | gr(animal, cov = A))``, as in brms,
        a covariance among groups that is known, labelled by them.

    Returns
    -------
    LmeFit
        Its tests have Satterthwaite's degrees of freedom by default, and in its predictions the
        effects of a group without data count as 0.

    Raises
    ------
    SpecError
        For a formula or an argument that cannot be read.
    DataError
        For data that do not suit it: a factor of one level, two names of one factor.
    FitError
        Where the crossed effects do not fit into memory, and where no likelihood exists.

    References
    ----------
    Bates, Maechler, Bolker and Walker (2015), Journal of Statistical Software 67(1).

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> fit = bayeslme.lmer("distance ~ age + (1 | Subject) + (1 | age)", data)
    >>> round(fit.loglik, 4)
    -223.5013
    """
    spec = make_lmer(
        formula,
        REML,
        weights=weights,
        correlation=correlation,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        control=control,
        priors=priors,
        data=label_of(data),
        data2=data2,
    )
    return fit_spec(spec, data)


@guided
def gls(
    model: str,
    data: pd.DataFrame,
    correlation: Any = None,
    weights: Any = None,
    subset: Any = None,
    method: str = "REML",
    na_action: str = "fail",
    control: Any = None,
    contrasts: Any = None,
    priors: Any = None,
) -> GlsFit:
    """Fit a linear model whose residuals are correlated or of unequal variance.

    Parameters
    ----------
    model : str
        Formula, ``"distance ~ age"``.
    data, correlation, weights, subset, method, na_action, control, contrasts, priors
        As in `lme`.

    Returns
    -------
    GlsFit

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> fit = bayeslme.gls(
    ...     "distance ~ age", data, correlation=bayeslme.CorAR1(form="~ 1 | Subject")
    ... )
    >>> fit.correlation_coef.round(4).to_dict()
    {'Phi': 0.6...}
    """
    spec = make_gls(
        model,
        correlation=correlation,
        weights=weights,
        subset=subset,
        method=method,
        na_action=na_action,
        control=control,
        contrasts=contrasts,
        priors=priors,
        data=label_of(data),
    )
    return fit_spec(spec, data)


@guided
def mmrm(
    formula: str,
    data: pd.DataFrame,
    REML: bool = True,
    df: str = "satterthwaite",
    weights: str | None = None,
    na_action: str = "omit",
    control: Any = None,
) -> GlsFit:
    """Fit a model for repeated measures, written as for R's mmrm.

    Parameters
    ----------
    formula : str
        With one covariance term, ``"y ~ arm * visit + us(visit | id)"``: unstructured (us),
        Toeplitz (toep, toeph), first-order autoregressive (ar1, ar1h), ante-dependence (ad, adh),
        compound symmetry (cs, csh), each with one variance or, with an h and for us, one for each
        visit; exponential or Gaussian in coordinates, ``sp_exp(x, y | id)``, sp_gau. In
        ``us(visit | arm / id)`` each arm has all parameters of its own.
    data : DataFrame
    REML : bool
        Maximise the restricted likelihood.
    df : {"satterthwaite", "kenward-roger", "kenward-roger-linear", "between-within", "residual"}
        Denominator degrees of freedom of all tests and intervals of the fit. "kenward-roger" is
        that of R's mmrm and SAS, ``"kenward-roger-observed"`` elsewhere in this package.
    weights : str, optional
        A column, or an expression, that divides the variances.
    na_action : {"omit", "exclude", "fail"}
        Rows with missing values are left out by default, as there.
    control : mapping, optional
        As in `lme`.

    Returns
    -------
    GlsFit

    Raises
    ------
    SpecError
        For a formula without a covariance term, or with two.
    FitError
        Where there is no maximum; with structures to take in the place of an unstructured one, and
        the pairs of visits that no subject has.

    Notes
    -----
    Under maximum likelihood standard errors are not multiplied by sqrt(n / (n - p)), as nlme's are.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("orthodont")
    >>> data["visit"] = data["age"].astype("category")
    >>> fit = bayeslme.mmrm("distance ~ Sex * visit + us(visit | Subject)", data)
    >>> round(fit.loglik, 2)
    -207.02
    >>> fit.anova("marginal")["denDF"].round(2).tolist()
    [25.0, 25.0, 25.0, 25.0]
    """
    spec = make_mmrm(
        formula,
        REML=REML,
        df=df,
        weights=weights,
        na_action=na_action,
        control=control,
        data=label_of(data),
    )
    return fit_spec(spec, data)


@guided
def lm(
    formula: str,
    data: pd.DataFrame,
    subset: Any = None,
    na_action: str = "fail",
    contrasts: Any = None,
    priors: Any = None,
) -> LmFit:
    """Fit an ordinary linear model by least squares.

    Parameters
    ----------
    formula : str
    data, subset, na_action, contrasts, priors
        As in `lme`.

    Returns
    -------
    LmFit
        Its log-likelihood is the maximum one, its sigma counts n - p degrees of freedom.

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lm("distance ~ age", bayeslme.load_data("orthodont"))
    >>> fit.fixef.round(4).to_dict()
    {'(Intercept)': 16.7611, 'age': 0.6602}
    """
    spec = make_lm(
        formula,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        priors=priors,
        data=label_of(data),
    )
    return fit_spec(spec, data)


@guided
def lmlist(
    formula: str,
    data: pd.DataFrame,
    subset: Any = None,
    na_action: str = "fail",
    contrasts: Any = None,
) -> LmList:
    """Fit a linear model to each group, ``"distance ~ age | Subject"``.

    Parameters
    ----------
    formula : str
        Without ``| g`` the groups are those of ``data.attrs["formula"]``, as for R's grouped data.
    data, subset, na_action, contrasts
        As in `lme`.

    Returns
    -------
    LmList

    Examples
    --------
    >>> import bayeslme
    >>> fits = bayeslme.lmlist("distance ~ age | Subject", bayeslme.load_data("orthodont"))
    >>> fits.coef().loc[["M13", "F10"]]
             (Intercept)   age
    Subject
    M13             2.80  1.95
    F10            13.55  0.45
    """
    spec = make_lmlist(
        grouped(formula, data),
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        data=label_of(data),
    )
    return fit_spec(spec, data)
