"""What a page shows: numbers and names, ready to be laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

Style = Literal["row", "general", "symmetry"]


@dataclass(frozen=True, slots=True)
class RandomBlock:
    """Random effects that share one covariance structure.

    Attributes
    ----------
    formula : str
        One-sided formula with its group, ``"~age | Subject"``.
    r_name : str
        nlme's name of the structure, ``"pdLogChol"``.
    description : str or None
        The same in words.
    rhs : str
        The formula's right-hand side, ``"age"``.
    sd : Series, length q
        Standard deviations by effect.
    corr : DataFrame, shape (q, q)
        Correlations of the effects.
    layout : {"row", "general", "symmetry"}
        How several effects are shown; known to the structure.
    """

    formula: str
    r_name: str
    description: str | None
    rhs: str
    sd: pd.Series
    corr: pd.DataFrame
    layout: Style = "general"

    @property
    def style(self) -> Style:
        """How nlme lays the block out: one row of deviations, or rows with correlations."""
        return "row" if len(self.sd) == 1 else self.layout


@dataclass(frozen=True, slots=True)
class RandomPart:
    """One level of grouping: its blocks, more than one only for pdBlocked."""

    group: str
    blocks: tuple[RandomBlock, ...]


@dataclass(frozen=True, slots=True)
class CorrelationPart:
    """A correlation structure; an unstructured one has a matrix too."""

    label: str
    formula: str
    coef: pd.Series
    matrix: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class VariancePart:
    """A variance function: its label, formula, coefficients, and whether these are a table."""

    label: str
    formula: str
    coef: pd.Series
    by_stratum: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page of a fit can show.

    Attributes
    ----------
    kind : {"lme", "gls", "lm"}
    method : str
        ``"REML"``, ``"ML"``, ``"MAP"`` or ``"OLS"``.
    formula : str
        The fixed part as written.
    data, subset : str or None
        Names of the data and of the subset.
    criteria : Series
        AIC, BIC, logLik.
    fixed : DataFrame, shape (p, 3 to 5)
        Table of coefficients.
    fixed_corr : DataFrame, shape (p, p)
        Correlation of the coefficients.
    random : tuple of RandomPart
        Outermost first.
    correlation : CorrelationPart or None
    variance : tuple of VariancePart
        More than one for varComb.
    quantiles : Series, length 5
        Of the standardized residuals.
    sigma : float
        Residual standard deviation.
    nobs : int
    groups : Series
        Number of groups at each level, labelled ``"pig %in% litter"``.
    notes : tuple of str
        What the reader must know: a variance at zero, no convergence.
    as_lme4 : bool
        Whether the page is laid out as lme4's.
    """

    kind: Literal["lme", "gls", "lm"]
    method: str
    formula: str
    data: str | None
    subset: str | None
    criteria: pd.Series
    fixed: pd.DataFrame
    fixed_corr: pd.DataFrame
    random: tuple[RandomPart, ...]
    correlation: CorrelationPart | None
    variance: tuple[VariancePart, ...]
    quantiles: pd.Series
    sigma: float
    nobs: int
    groups: pd.Series
    notes: tuple[str, ...] = ()
    as_lme4: bool = False


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
