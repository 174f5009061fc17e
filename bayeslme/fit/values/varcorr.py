"""Variance components, and the principal components of the random effects.

Principal components of the random effects, and the directions that are empty. They are the singular
values and left singular vectors of a level's relative factor Lambda, cov(b) = sigma^2 Lambda
Lambda', as of ``lme4::rePCA`` (Bates, Kliegl, Vasishth and Baayen 2015, arXiv:1506.04967). Whether
a direction is empty is decided on the scale of the responses, so that units and origins of
covariates do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayeslme.data.types import Design, Level
from bayeslme.fit.settings import SETTINGS
from bayeslme.formula.deparse import deparse
from bayeslme.formula.formula import parse_formula
from bayeslme.report.export import Exported, components
from bayeslme.report.html import varcorr_html
from bayeslme.report.lme4_page import components_text
from bayeslme.report.records import RandomBlock, RandomPart
from bayeslme.report.settings import REPORT
from bayeslme.report.tables import varcorr_text
from bayeslme.structures import PdMat

if TYPE_CHECKING:
    from bayeslme.engine.problem import Stage
    from bayeslme.fit.parameter_verbs import ParameterVerbs


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
class VarCorr(Mapping[str, Component], Exported):
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

    def exported(self) -> dict[str, pd.DataFrame]:
        """Variances and standard deviations by group, the residual below the last."""
        return components(self.parts, self.sigma)

    def __str__(self) -> str:
        if self.as_lme4:
            return components_text(
                self.parts, self.sigma, digits=REPORT.lme4_varcorr_digits, variances=False
            )
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
    if not structure.composed:
        return [(structure, deparse(level.formula.rhs), slice(0, len(level.effects)))]
    return [
        (block, deparse(parse_formula(str(block.form)).rhs), rows)
        for block, rows in structure.parts(len(level.effects))
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
            layout=structure.layout,
        )
        for structure, rhs, at in _blocks(level)
    )
    return RandomPart(level.group, blocks)


def varcorr(fit: ParameterVerbs) -> VarCorr:
    """Variance components of a fit; see `Fit.varcorr`."""
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


@dataclass(frozen=True)
class LevelAxes:
    """Principal components of the random effects of one level.

    Attributes
    ----------
    group : str
    sd : Series, length q
        Standard deviations of the components relative to sigma, largest first.
    rotation : DataFrame, shape (q, q)
        Effects by components.
    proportion : Series, length q
        Shares of the summed variances; zero throughout at a level without any.
    empty : tuple of Series
        Combinations of the effects that have no variance, each scaled so that its largest share is
        1.
    size : Series, length q
        Standard deviation of each effect's part in the response, relative to sigma.
    cov : DataFrame, shape (q, q)
        Covariance of the effects relative to sigma^2.
    """

    group: str
    sd: pd.Series
    rotation: pd.DataFrame
    proportion: pd.Series
    empty: tuple[pd.Series, ...]
    size: pd.Series
    cov: pd.DataFrame

    @property
    def zero(self) -> tuple[str, ...]:
        """Effects without any variance."""
        return tuple(str(e) for e in self.size.index[self.size <= SETTINGS.singular_ratio])


def level_axes(fit: ParameterVerbs) -> list[LevelAxes]:
    """Principal components of every level, outermost first."""
    stages = {stage.group: stage for stage in fit.estimate.problem.stages}
    return [
        _axes(level.group, list(level.effects), factor, stages[level.group])
        for level, factor in zip(fit.design.levels, fit.estimate.factors, strict=True)
    ]


def _axes(group: str, effects: list[str], factor: FloatArray, stage: Stage) -> LevelAxes:
    u, sd, _ = np.linalg.svd(factor)
    names = [f"PC{k}" for k in range(1, len(sd) + 1)]
    total = float(np.sum(sd**2))
    share = sd**2 / total if total > 0 else np.zeros(len(sd))
    standard = stage.basis @ factor
    left, values, _ = np.linalg.svd(standard)
    empty = [_combination(stage.basis.T @ left[:, j], factor, effects) for j in _null(values)]
    size = np.sqrt(np.diagonal(stage.basis.T @ stage.basis)) * np.linalg.norm(factor, axis=1)
    return LevelAxes(
        group,
        pd.Series(sd, index=names),
        pd.DataFrame(u, index=effects, columns=names),
        pd.Series(share, index=names),
        tuple(empty),
        pd.Series(size, index=effects),
        pd.DataFrame(factor @ factor.T, index=effects, columns=effects),
    )


def _null(values: FloatArray) -> list[int]:
    return [int(j) for j in np.flatnonzero(values <= SETTINGS.singular_ratio)]


def _combination(c: FloatArray, factor: FloatArray, effects: list[str]) -> pd.Series:
    """A combination c'b without variance, scaled by its largest share."""
    spread = np.linalg.norm(factor, axis=1)
    shares = np.abs(c) * np.where(spread > 0, spread, 1.0)
    c = c / c[int(np.argmax(shares))]
    return pd.Series(
        np.where(np.abs(c) > SETTINGS.rounding_ratio * np.max(np.abs(c)), c, 0.0), index=effects
    )


def describe(level: LevelAxes) -> list[str]:
    """Sentences on the empty directions of a level."""
    if not level.empty:
        return []
    q, zero = len(level.sd), level.zero
    if len(zero) == q:
        return [f"{level.group}: its random effects have no variance at all"]
    found = []
    if zero:
        found.append(f"{level.group}: {', '.join(zero)} has no variance")
    if len(level.empty) > len(zero):
        found.append(f"{level.group}: {_dependence(level)}")
    return found


def _dependence(level: LevelAxes) -> str:
    """Name the effects that determine each other."""
    moving = [str(e) for e in level.cov.index if e not in level.zero]
    if len(moving) == 2:  # noqa: PLR2004 - a pair has a correlation
        at = [level.cov.index.get_loc(name) for name in moving]
        sign = np.sign(level.cov.to_numpy()[at[0], at[1]])
        return f"{moving[0]} and {moving[1]} are perfectly correlated ({sign:.0f})"
    texts = [combination_text(one) for one in level.empty if one.drop(list(level.zero)).any()]
    return f"no variance in {' and in '.join(texts)}"


def combination_text(combination: pd.Series) -> str:
    """Write a combination of effects as a sum.

    Examples
    --------
    >>> combination_text(pd.Series({"(Intercept)": 1.0, "age": -0.25, "x": 0.0}))
    '(Intercept) - 0.25 age'
    """
    parts = [(float(v), str(name)) for name, v in combination.items() if v != 0.0]
    texts = [f"{'- ' if v < 0 else '+ '}{_times(abs(v))}{name}" for v, name in parts]
    return " ".join(texts).removeprefix("+ ")


def _times(value: float) -> str:
    return "" if f"{value:.4g}" == "1" else f"{value:.4g} "


def flat_note(names: tuple[str, ...]) -> str:
    """One sentence on parameters along which the likelihood does not change."""
    if len(names) == 1:
        return f"the likelihood is flat in {names[0]}: the data do not tell it"
    listed = _listed(names)
    return f"the likelihood is flat in a direction of {listed}: the data cannot tell them apart"


def _listed(names: tuple[str, ...]) -> str:
    """Names, or their number and where they are."""
    if len(names) <= SETTINGS.max_names:
        return ", ".join(names)
    places = dict.fromkeys(name.rpartition(" in ")[2] for name in names)
    return f"{len(names)} variance parameters ({', '.join(places)})"
