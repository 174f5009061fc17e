"""Singular random effects: what is empty, and simpler models in their place."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from bayeslme.data.model_matrix import MatrixSpec
from bayeslme.data.types import Level
from bayeslme.fit.refit import components
from bayeslme.fit.values.varcorr import LevelAxes, describe, flat_note, level_axes
from bayeslme.formula.deparse import deparse
from bayeslme.formula.formula import Formula, parse_formula
from bayeslme.report.tables import singular_html, singular_text
from bayeslme.spec.model import RandomLevel
from bayeslme.spec.update import update_formula
from bayeslme.structures import PdDiag, PdMat

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit


COLUMNS = ["df", "AIC", "BIC", "logLik"]


class Empty(Protocol):
    """What is needed of a level: its empty combinations of effects, and those without variance."""

    @property
    def empty(self) -> tuple[pd.Series, ...]:
        """Combinations of the effects without variance."""

    @property
    def zero(self) -> tuple[str, ...]:
        """Effects without variance."""

    @property
    def size(self) -> pd.Series:
        """Standard deviation of each effect's part in the response."""


def alternatives(fit: Fit, levels: Mapping[str, Empty], flat: Collection[str] = ()) -> pd.DataFrame:
    """Fit simpler models by the method of the fit and tabulate their criteria.

    Parameters
    ----------
    fit : Fit
    levels : mapping of group to its empty directions
    flat : collection of str
        Groups along whose parameters the likelihood is flat.

    Returns
    -------
    DataFrame
        Columns df, AIC, BIC, logLik; first row ``"as fitted"``, then one for each change that has
        fewer parameters. Under REML the rows compare, as all have the same fixed effects.
    """
    rows = {"as fitted": _criteria(fit)}
    for k, level in enumerate(fit.design.levels):
        if levels[level.group].empty or level.group in flat:
            for label, changed in _changes(fit, k, levels[level.group]):
                if changed.df < fit.df:
                    rows[label] = _criteria(changed)
    return pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)


def _criteria(fit: Fit) -> list[float]:
    return [fit.df, fit.aic, fit.bic, fit.loglik]


def _changes(fit: Fit, k: int, found: Empty) -> Iterator[tuple[str, Fit]]:
    """Models in which one level is simpler, the level left out last."""
    level = fit.design.levels[k]
    group, structure = level.group, level.structure
    if structure.composed:
        yield from _without_level(fit, group)
        return
    effects = len(level.effects)
    if effects > len(found.zero) and not structure.uncorrelated(effects):
        yield f"{group}: effects uncorrelated", _with(fit, k, PdDiag(form=_form(level)))
    for term, label in _droppable(fit, k, found):
        yield f"{group}: without {label}", _with(fit, k, _reform(structure, term))
    yield from _without_level(fit, group)


def _droppable(fit: Fit, k: int, found: Empty) -> Iterator[tuple[Formula, str]]:
    """Formulas of a level without one term that has a part in an empty direction."""
    level, matrix = fit.design.levels[k], fit.design.random_matrices[k]
    if not isinstance(matrix, MatrixSpec) or len(np.unique(matrix.assign)) == 1:
        return
    formula = level.formula.without_groups()
    parts = [one.to_numpy() != 0.0 for one in found.empty] or [np.ones(len(level.effects), bool)]
    part = np.any(parts, axis=0)
    for number in np.unique(matrix.assign[part]):
        label = "(Intercept)" if number == 0 else matrix.terms.terms[int(number) - 1].label
        gone = "1" if number == 0 else label
        shorter = update_formula(replace(formula, lhs=None), parse_formula(f"~ . - {gone}"))
        yield shorter, label


def _form(level: Level) -> str:
    return f"~ {deparse(level.formula.rhs)}"


def _reform(structure: PdMat, formula: Formula) -> PdMat:
    changed: Any = structure
    return replace(changed, form=str(formula.without_groups()), value=None)  # type: ignore[no-any-return]


def _with(fit: Fit, k: int, structure: PdMat) -> Fit:
    levels = [
        (level, structure if i == k else _named(level)) for i, level in enumerate(fit.design.levels)
    ]
    return _refit(replace(fit.spec, random=_random(levels)), fit.data)


def _random(levels: list[tuple[Level, PdMat]]) -> tuple[RandomLevel, ...]:
    """Levels as a specification has them: one with labels of its own begins a branch."""
    out: list[RandomLevel] = []
    last: Level | None = None
    branch = -1
    for level, structure in levels:
        branch += last is None or level.alone or last.branch != level.branch
        out.append(RandomLevel(level.column, structure, branch))
        last = level
    return tuple(out)


def _named(level: Level) -> PdMat:
    """The level's structure under its own formula."""
    if level.structure.form is not None or level.structure.composed:
        return level.structure
    changed: Any = level.structure
    return replace(changed, form=_form(level))  # type: ignore[no-any-return]


def _without_level(fit: Fit, group: str) -> Iterator[tuple[str, Fit]]:
    """The model without a level; without the only one a gls, where residual groups stay theirs."""
    rest = [(one, _named(one)) for one in fit.design.levels if one.group != group]
    label = f"without {group}"
    if rest:
        yield label, _refit(replace(fit.spec, random=_random(rest)), fit.data)
    elif fit.spec.correlation is None:
        yield label, _refit(replace(fit.spec, function="gls", random=()), fit.data)


def _refit(spec: Any, data: pd.DataFrame) -> Fit:
    from bayeslme.fit.api import fit_spec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the table has what they would say
        found: Fit = fit_spec(spec, data)
    return found


PRIOR = "boundary-avoiding"


@dataclass(frozen=True)
class Singular(Mapping[str, LevelAxes]):
    """Report on singular and unidentified random effects; a mapping from groups to `LevelAxes`.

    Attributes
    ----------
    fit : Fit
    levels : dict of str to LevelAxes
        Outermost first.
    flat : tuple of str
        Variance parameters along which, alone or together, the likelihood does not change.
    prior : str or None
        Priors whose posterior mode is set beside the estimates.
    """

    fit: Fit
    levels: dict[str, LevelAxes]
    flat: tuple[str, ...]
    prior: str | None

    def __getitem__(self, group: str) -> LevelAxes:
        return self.levels[group]

    def __iter__(self) -> Iterator[str]:
        return iter(self.levels)

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def is_singular(self) -> bool:
        """Whether any direction is empty."""
        return any(one.empty for one in self.levels.values())

    @property
    def flat_groups(self) -> frozenset[str]:
        """Groups with flat parameters."""
        return frozenset(g for g in self.levels if any(f.endswith(f" in {g}") for f in self.flat))

    @property
    def doubtful(self) -> bool:
        """Whether a direction is empty or the likelihood flat along random effects."""
        return self.is_singular or bool(self.flat_groups)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each level with empty directions, and one on flat parameters."""
        found = [text for one in self.levels.values() for text in describe(one)]
        if self.flat:
            found.append(flat_note(self.flat))
        return tuple(found)

    @cached_property
    def alternatives(self) -> pd.DataFrame | None:
        """Simpler models with their criteria, the fit first; None where nothing is in doubt.

        Columns df, AIC, BIC, logLik; the index says what was left out.
        """
        return alternatives(self.fit, self.levels, self.flat_groups) if self.doubtful else None

    @cached_property
    def under_prior(self) -> pd.DataFrame | None:
        """Estimates and posterior mode side by side, a row for each variance component.

        None where no prior was asked for. Printed only where something is in doubt.
        """
        if self.prior is None:
            return None
        mode = self.fit.update(priors=self.prior)
        columns = {
            name: pd.concat([components(one), pd.Series({"sigma": one.sigma})])
            for name, one in ((self.fit.method, self.fit), ("MAP", mode))
        }
        return pd.DataFrame(columns)

    def __str__(self) -> str:
        modes = self.under_prior if self.doubtful else None
        return singular_text(self.levels, self.notes, self.alternatives, modes, self.prior)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        modes = self.under_prior if self.doubtful else None
        return singular_html(self.levels, self.notes, self.alternatives, modes, self.prior)


def singular(fit: Fit, prior: str | None = PRIOR) -> Singular:
    """Look for empty directions of the random effects, and for parameters the data do not identify.

    See `Fit.singular`.
    """
    levels = {one.group: one for one in level_axes(fit)}
    chosen = None if fit.method == "MAP" else prior
    return Singular(fit, levels, fit.information.flat, chosen)
