"""The model specification: everything an nlme call says, frozen, without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Generic, Literal

from bayeslme.errors import SpecError
from bayeslme.formula.expressions import Expr
from bayeslme.formula.formula import Formula, parse_formula
from bayeslme.structures import CorStruct, PdMat, VarFunc

if TYPE_CHECKING:
    import bambi
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pymc as pm
    import xarray as xr
    from typing_extensions import TypeVar  # with a default, which typing has from Python 3.13 on

    from bayeslme.bayes.priors.priors import PriorsLike
    from bayeslme.bayes.pymc.model import BetaRole, Form
    from bayeslme.bayes.pymc.new_data import ModelData
    from bayeslme.spec.mmrm import MmrmCall

    F_co = TypeVar("F_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    F_co = TypeVar("F_co", covariant=True)

    from bayeslme.spec.mmrm import MmrmCall


CONTROL_OPTIONS = (
    "sigma", "max_iter", "maxIter", "msMaxIter", "tolerance", "niterEM", "msMaxEval", "msTol",
    "msVerbose", "returnObject", "gradHess", "apVar", ".relStep", "minAbsParApVar", "opt",
    "optimMethod", "natural", "singular.ok", "allow.n.lt.q", "nlmStepMax", "step.min", "step.max",
)  # fmt: skip
_ITERATION_OPTIONS = ("max_iter", "msMaxIter", "maxIter")
_OPTIONS_WITH_EFFECT = CONTROL_OPTIONS[:4]


@dataclass(frozen=True, slots=True)
class Control:
    """What the user asked of the optimiser.

    Attributes
    ----------
    sigma : float or None
        Residual standard deviation held at this value; None where it is estimated.
    max_iter : int or None
        Limit of iterations; None for the engine's own.
    options : tuple of (str, value)
        All options under R's names; those that steer only R's optimisers, its tolerances among
        them, are kept so that the call can be written back, and have no effect here.
    """

    sigma: float | None = None
    max_iter: int | None = None
    options: tuple[tuple[str, Any], ...] = ()


def make_control(options: Mapping[str, Any] | Control | None) -> Control:
    """Check control options.

    Parameters
    ----------
    options : mapping, Control or None
        R's names, or ``max_iter``.

    Returns
    -------
    Control

    Raises
    ------
    SpecError
        For unknown options and values out of range.

    Examples
    --------
    >>> make_control({"sigma": 1.4, "msMaxIter": 200}).max_iter
    200
    """
    if options is None:
        return Control()
    if isinstance(options, Control):
        return options
    if not isinstance(options, Mapping):
        raise SpecError(
            f"control is a mapping such as {{'sigma': 1.4}}, not {type(options).__name__}"
        )
    for name in options:
        check_option(name)
    limit = next((options[n] for n in _ITERATION_OPTIONS if options.get(n) is not None), None)
    sigma = _positive(options.get("sigma") or None, "sigma")  # R: sigma = 0 means estimate it
    count = _positive(limit, "the limit of iterations")
    if count is not None and count % 1:
        raise SpecError(f"control: the limit of iterations is a whole number, not {limit!r}")
    kept = tuple(
        ("msMaxIter" if k == "max_iter" else str(k), _plain(v))
        for k, v in options.items()
        if v is not None
    )
    return Control(sigma, None if count is None else int(count), kept)


def check_option(name: Any) -> None:
    """Raise a SpecError for an option that neither nlme nor this package knows."""
    if name not in CONTROL_OPTIONS:
        near = get_close_matches(str(name), CONTROL_OPTIONS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        allowed = ", ".join(_OPTIONS_WITH_EFFECT)
        raise SpecError(
            f"unknown control option '{name}'{hint}; {allowed} and R's lmeControl are known"
        )


def _positive(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < float("inf")
    ):
        raise SpecError(f"control: {what} is a positive number, not {value!r}")
    return float(value)


def _plain(value: Any) -> Any:
    """Numbers as floats, so that options read from R and from Python compare equal."""
    return value if isinstance(value, bool | str) or not isinstance(value, int) else float(value)


CONTRASTS = ("contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS")
DEFAULT_CONTRASTS = ("contr.treatment", "contr.poly")


def contrast_name(name: Any) -> str:
    """Return R's full name of a contrast, ``"sum"`` or ``"contr.sum"``.

    Raises
    ------
    SpecError
        For another name.

    Examples
    --------
    >>> contrast_name("sum")
    'contr.sum'
    """
    full = str(name) if str(name).startswith("contr.") else f"contr.{name}"
    if not isinstance(name, str) or full not in CONTRASTS:
        raise SpecError(f"unknown contrasts {name!r}; allowed are {', '.join(CONTRASTS)}")
    return full


def contrast_pair(pair: Any) -> tuple[str, str]:
    """Check R's option pair ``(for unordered factors, for ordered factors)``."""
    if (
        isinstance(pair, str)
        or not isinstance(pair, Sequence)
        or len(pair) != len(DEFAULT_CONTRASTS)
    ):
        raise SpecError(
            f"contrasts are a pair such as {DEFAULT_CONTRASTS}, or a dict {{factor: 'sum'}}, "
            f"not {pair!r}"
        )
    unordered, ordered = (contrast_name(name) for name in pair)
    return unordered, ordered


def read_contrasts(contrasts: Any) -> tuple[tuple[str, str], dict[str, str]]:
    """Read the contrasts argument of the Python functions.

    Parameters
    ----------
    contrasts : None, pair of str, or mapping
        R's option pair, or factor -> name.

    Returns
    -------
    pair : tuple of two str
    by_factor : dict
    """
    if contrasts is None:
        return DEFAULT_CONTRASTS, {}
    if isinstance(contrasts, Mapping):
        return DEFAULT_CONTRASTS, {str(k): contrast_name(v) for k, v in contrasts.items()}
    return contrast_pair(contrasts), {}


type Function = Literal["lme", "gls", "lm", "lmList", "lmer", "mmrm"]
type Method = Literal["REML", "ML", "OLS"]
type NaAction = Literal["fail", "omit", "exclude"]


@dataclass(frozen=True, slots=True)
class RandomLevel:
    """The random effects of one level of grouping.

    Attributes
    ----------
    group : str or None
        The grouping column; None where the call does not say it, as for R's groupedData frames.
    structure : PdMat
        Their covariance; its `form` is the formula's text (None where only the groups are known).
    branch : int
        Levels of one branch nest, outermost first; branches cross.
    """

    group: str | None
    structure: PdMat
    branch: int = 0

    @property
    def formulas(self) -> tuple[Formula, ...]:
        """The formulas of the effects: one, or one for each block."""
        return tuple(parse_formula(block.form) for block in self.structure.components)

    @property
    def formula(self) -> Formula:
        """The formula of the effects, the first block's for a blocked structure."""
        return self.formulas[0]


@dataclass(frozen=True, repr=False)
class LmeSpec(Generic[F_co]):  # noqa: UP046 - the default is written so before Python 3.13
    """A model as one writes it for nlme.

    The specification is generic in what `fit` returns, so that editors complete the result:
    ``LmeSpec[LmeFit]`` for the specification of an `LmeFit`, ``LmeSpec[Fit]`` from `translate`.

    Attributes
    ----------
    function : {"lme", "gls", "lm", "lmList", "lmer", "mmrm"}
    fixed : Formula
        Response and fixed effects; for lmList also the groups.
    random : tuple of RandomLevel
        Outermost first, branch by branch where they cross; empty for gls and lm.
    correlation : CorStruct or None
    weights : VarFunc or None
    subset : Expr or None
        A logical expression on columns.
    method : {"REML", "ML", "OLS"}
        "OLS" for lm and lmList.
    na_action : {"fail", "omit", "exclude"}
    control : Control
    contrasts : tuple of two str
        R's option pair for unordered and for ordered factors.
    factor_contrasts : mapping
        Factor -> contrast name, before the pair.
    priors : mapping, str or None
        Priors of the Bayesian forms, as the user gave them.
    data : str or None
        A label; the data frame itself comes with ``fit``.
    mmrm : MmrmCall or None
        What a call of mmrm says beside the model.
    mask : array of bool or None
        A subset given as rows of the data frame; not compared and not written back.
    """

    function: Function
    fixed: Formula
    random: tuple[RandomLevel, ...] = ()
    correlation: CorStruct | None = None
    weights: VarFunc | None = None
    subset: Expr | None = None
    method: Method = "REML"
    na_action: NaAction = "fail"
    control: Control = field(default_factory=Control)
    contrasts: tuple[str, str] = DEFAULT_CONTRASTS
    factor_contrasts: Mapping[str, str] = field(default_factory=dict)
    priors: Mapping[str, Any] | str | None = None
    data: str | None = None
    mmrm: MmrmCall | None = None
    mask: npt.NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)

    @property
    def crossed(self) -> bool:
        """Whether random effects come in several branches, which may cross."""
        return len({level.branch for level in self.random}) > 1

    @property
    def new_groups_are_zero(self) -> bool:
        """Whether the effects of a group without data count as 0, as lme4 can have it."""
        return self.function == "lmer"

    def __str__(self) -> str:
        """Return the Python call."""
        from bayeslme.spec.write import python_call

        return python_call(self)

    __repr__ = __str__

    def to_r(self) -> str:
        """Write the R call, which `translate` reads back.

        Returns
        -------
        str
            R's option ``contrasts`` is not part of a call, and is left out.

        Examples
        --------
        >>> from bayeslme import translate
        >>> translate("lme(y~x, random=~1|g)").to_r()
        'lme(y ~ x, random = ~1 | g)'
        """
        from bayeslme.spec.write import r_call

        return r_call(self)

    def update(self, **changes: Any) -> LmeSpec[F_co]:
        """Return a specification with some arguments of the call changed.

        Parameters
        ----------
        **changes
            Arguments of `lme`, `gls`, `lm` or `lmlist`. ``fixed`` (or ``model``, ``formula``) may
            use dots for the old sides, ``". ~ . - x"``; None takes correlation, weights, subset,
            control or priors away.

        Returns
        -------
        LmeSpec

        Raises
        ------
        SpecError
            For an argument that such a specification does not have.

        Examples
        --------
        >>> from bayeslme import translate
        >>> spec = translate("gls(y ~ a * b, data = d, correlation = corAR1())")
        >>> print(spec.update(model=". ~ . - a:b", correlation=None, method="ML"))
        gls("y ~ a + b", data=d, method="ML")
        """
        from bayeslme.spec.update import update

        return update(self, **changes)

    def fit(self, data: pd.DataFrame) -> F_co:
        """Estimate the model on a data frame.

        Parameters
        ----------
        data : DataFrame
            Of pandas, or an object with ``to_pandas()``, as Polars' and Arrow's frames.

        Returns
        -------
        LmeFit, GlsFit, LmFit or LmList

        Raises
        ------
        DataError
            If `data` is not a data frame or does not suit the specification.
        FitError
            Where no likelihood exists.

        Examples
        --------
        >>> from bayeslme import load_data, translate
        >>> spec = translate("lme(distance ~ I(age - 11), random = ~ 1 | Subject)")
        >>> round(spec.fit(load_data("orthodont")).loglik, 4)
        -223.5013
        """
        from bayeslme.fit.api import fit_spec

        return fit_spec(self, data)

    def to_pymc(
        self,
        data: pd.DataFrame,
        form: Form = "marginal",
        priors: PriorsLike = None,
        beta: BetaRole = "variable",
    ) -> pm.Model:
        """Translate the specification and data into a PyMC model.

        Parameters
        ----------
        data : DataFrame
        form : {"marginal", "hierarchical"}
            Random effects integrated out, or variables of the model.
        priors : None, preset name or mapping
            By default those of the specification, or the default preset.
        beta : {"variable", "integrated"}
            ``"integrated"`` (marginal form only) integrates the coefficients over their prior,
            which must be flat or Gaussian.

        Returns
        -------
        pymc.Model
            With the data as ``pm.Data``, named dims and coords.

        Raises
        ------
        SpecError
            For an unknown form, priors that cannot be read, and models without a generative form.

        Examples
        --------
        >>> from bayeslme import load_data, translate
        >>> spec = translate("lme(distance ~ age, random = ~ 1 | Subject)")
        >>> model = spec.to_pymc(load_data("orthodont"))  # doctest: +SKIP
        """
        from bayeslme.bayes.pymc.model import to_pymc

        return to_pymc(self, data, form=form, priors=priors, beta=beta)

    def pymc_data(self, newdata: pd.DataFrame, model: pm.Model) -> ModelData:
        """Arrays and coordinates that give a PyMC model other rows and other groups.

        Parameters
        ----------
        newdata : DataFrame
            Factors, polynomials and strata keep what they learned from the data of the model.
            Without the column of the response the observed values are NaN: enough for predictive
            draws, and nothing can be fitted to them by mistake.
        model : pymc.Model
            Of `to_pymc` with this specification, or a copy of it (``pm.do``, ``pm.observe``,
            ``model.copy``).

        Returns
        -------
        ModelData
            A dict with the arguments of ``pm.set_data``: ``new_data``, ``coords`` and ``model``.
            Of each grouping level the model keeps its groups where all of newdata's are among
            them, so that draws of their effects keep their meaning; else it gets those of newdata
            alone, whose effects the hierarchical form has to draw anew:
            ``pm.sample_posterior_predictive(trace, sample_vars=["z_<group>", "y"])``.

        Raises
        ------
        SpecError
            With residual correlation, whose groups and times are part of the model, and for
            crossed random effects that are integrated out: a new model is needed. Also for a model
            of another specification, and for new groups where the groups are related.
        DataError
            For a missing column or value, an unknown level of a factor or stratum.

        Examples
        --------
        >>> import pymc as pm  # doctest: +SKIP
        >>> model = spec.to_pymc(data)  # doctest: +SKIP
        >>> pm.set_data(**spec.pymc_data(newdata, model))  # doctest: +SKIP
        """
        from bayeslme.bayes.pymc.new_data import pymc_data

        return pymc_data(self, newdata, model)

    def prior_predictive(
        self,
        data: pd.DataFrame,
        priors: PriorsLike = None,
        draws: int = 500,
        seed: int | None = None,
    ) -> xr.DataTree:
        """Draw parameters from the priors, and responses from the parameters.

        Parameters
        ----------
        data : DataFrame
            Its response scales the default priors, and is not used otherwise.
        priors : None, preset name or mapping
            By default those of the specification, or the default preset.
        draws : int
        seed : int, optional

        Returns
        -------
        xarray.DataTree
            ``prior`` (variables as in ``Posterior.data``), ``prior_predictive`` (the response, of
            new groups with the design of the old ones) and ``observed_data``.

        Raises
        ------
        SpecError
            For improper priors, which cannot be drawn from, or draws below 1.

        Examples
        --------
        >>> from bayeslme import load_data, translate
        >>> spec = translate("lme(distance ~ age, random = ~ 1 | Subject)")
        >>> tree = spec.prior_predictive(load_data("orthodont"), draws=100, seed=1)
        >>> dict(tree["prior_predictive"].sizes)
        {'chain': 1, 'draw': 100, 'row': 108}
        """
        from bayeslme.bayes.priors.predictive import prior_predictive

        return prior_predictive(self, data, priors=priors, draws=draws, seed=seed)

    def to_bambi(self, data: pd.DataFrame, priors: PriorsLike = None) -> bambi.Model:
        """Translate the specification into a bambi model of the same density.

        Parameters
        ----------
        data : DataFrame
        priors : None, preset name or mapping
            By default those of the specification, or the default preset.

        Returns
        -------
        bambi.Model
            Not built yet; its data are the rows used, factors as ordered Categoricals.

        Raises
        ------
        SpecError
            For what bambi cannot express (correlated residuals, say), with what to do.

        Examples
        --------
        >>> from bayeslme import load_data, translate
        >>> spec = translate("lme(distance ~ age, random = ~ 1 | Subject)")
        >>> model = spec.to_bambi(load_data("orthodont"))  # doctest: +SKIP
        """
        from bayeslme.bayes.bambi.to_bambi import to_bambi

        return to_bambi(self, data, priors=priors)
