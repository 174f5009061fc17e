"""Variance components: standard deviations and correlations of the random effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import Design, Level
from bayeslme.report.html import varcorr_html
from bayeslme.report.lme4_page import SHORT_DIGITS, components_text
from bayeslme.report.records import RandomBlock, RandomPart
from bayeslme.report.tables import varcorr_text
from bayeslme.spec.deparse import deparse
from bayeslme.spec.formula import parse_formula
from bayeslme.structures import PdBlocked, PdMat

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Component:
    """Covariance of the random effects of one level.

    Attributes
    ----------
    group : str
    sd : Series, length q
        Standard deviations.
    corr, cov : DataFrame, shape (q, q)
        Correlations (NaN beside a zero variance) and covariances.
    """

    group: str
    sd: pd.Series
    corr: pd.DataFrame
    cov: pd.DataFrame


@dataclass(frozen=True, slots=True)
class VarCorr(Mapping[str, Component]):
    """Variance components by group, outermost first; prints as nlme's VarCorr, or lme4's.

    Attributes
    ----------
    components : dict of str to Component
    sigma : float
        Residual standard deviation.
    parts : tuple of RandomPart
        What is printed.
    as_lme4 : bool
        Whether it is laid out as lme4's VarCorr.
    """

    components: dict[str, Component]
    sigma: float
    parts: tuple[RandomPart, ...]
    as_lme4: bool = False

    def __getitem__(self, group: str) -> Component:
        return self.components[group]

    def __iter__(self) -> Iterator[str]:
        return iter(self.components)

    def __len__(self) -> int:
        return len(self.components)

    def __str__(self) -> str:
        if self.as_lme4:
            return components_text(self.parts, self.sigma, digits=SHORT_DIGITS, variances=False)
        return varcorr_text(self.parts, self.sigma)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return varcorr_html(self.parts, self.sigma)


def moments(
    level: Level, factor: FloatArray, sigma: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariance (q, q), standard deviations (q,) and correlations (q, q) of a level's effects.

    A correlation is NaN beside a zero variance, unless the structure has none.
    """
    cov = sigma**2 * factor @ factor.T
    sd = np.sqrt(np.diagonal(cov))
    with np.errstate(invalid="ignore", divide="ignore"):
        corr = np.clip(cov / np.outer(sd, sd), -1.0, 1.0)
    corr[level.structure.independent(len(sd))] = 0.0  # beside a zero variance too
    np.fill_diagonal(corr, 1.0)
    return cov, sd, corr


def component(level: Level, factor: FloatArray, sigma: float) -> Component:
    """Covariance of one level from its relative factor.

    Parameters
    ----------
    level : Level
    factor : (q, q) array
        Lambda with cov(b) = sigma^2 Lambda Lambda'.
    sigma : float

    Returns
    -------
    Component
    """
    cov, sd, corr = moments(level, factor, sigma)
    names = list(level.effects)
    return Component(
        level.group,
        pd.Series(sd, index=names),
        pd.DataFrame(corr, names, names),
        pd.DataFrame(cov, names, names),
    )


def nested_name(design: Design, k: int) -> str:
    """Name nlme prints for the k-th level (from 0), ``"pig %in% litter"``."""
    level = design.levels[k]
    if level.alone:
        return level.group
    return " %in% ".join(design.levels[j].column for j in reversed(design.outer(k)))


def _blocks(level: Level) -> list[tuple[PdMat, str, slice]]:
    """Structure, right-hand side and effects of each block of a level."""
    structure = level.structure
    if not isinstance(structure, PdBlocked):
        return [(structure, deparse(level.formula.rhs), slice(0, len(level.effects)))]
    ends = np.cumsum(structure.sizes or ())
    return [
        (block, deparse(parse_formula(str(block.form)).rhs), slice(int(end - size), int(end)))
        for block, size, end in zip(structure.blocks, structure.sizes or (), ends, strict=True)
    ]


def random_part(level: Level, part: Component, name: str) -> RandomPart:
    """What is printed of one level; `name` is the group with those around it."""
    blocks = tuple(
        RandomBlock(
            formula=f"~{rhs} | {name}",
            r_name=structure.r_name,
            description=structure.description,
            rhs=rhs,
            sd=part.sd.iloc[at],
            corr=part.corr.iloc[at, at],
        )
        for structure, rhs, at in _blocks(level)
    )
    return RandomPart(level.group, blocks)


def varcorr(fit: Fit) -> VarCorr:
    """Variance components of a fit.

    Parameters
    ----------
    fit : Fit

    Examples
    --------
    >>> import bayeslme
    >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    >>> varcorr(fit)
    Subject = pdLogChol(1)
                Variance StdDev
    (Intercept) 4.472056 2.114724
    Residual    2.049456 1.431592
    """
    design, estimate = fit.design, fit.estimate
    made = [
        component(level, factor, fit.sigma)
        for level, factor in zip(design.levels, estimate.factors, strict=True)
    ]
    parts = tuple(
        random_part(level, one, nested_name(design, k))
        for k, (level, one) in enumerate(zip(design.levels, made, strict=True))
    )
    shown = design.shown
    return VarCorr(
        {made[k].group: made[k] for k in shown},
        fit.sigma,
        tuple(parts[k] for k in shown),
        fit.as_lme4,
    )
