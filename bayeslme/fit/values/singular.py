"""What is empty or unidentified of the random effects, what to drop, what a prior would give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from bayeslme.fit.alternatives import alternatives
from bayeslme.fit.components import LevelAxes, describe, flat_note, level_axes
from bayeslme.fit.refit import components
from bayeslme.report.singular import singular_html, singular_text

if TYPE_CHECKING:
    from bayeslme.fit.result import Fit

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

    Parameters
    ----------
    fit : Fit
    prior : str, optional
        Preset of priors whose posterior mode is shown beside the estimates where a direction is
        empty; None for none. A fit with priors is not compared.

    Returns
    -------
    Singular
        Empty of levels for `gls` and `lm`. Simpler models and the mode are fitted when they are
        first looked at.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("oats")
    >>> fit = bayeslme.lme("yield ~ nitro", data, {"Block": "~ nitro", "Variety": "~ 1"})
    >>> print(*fit.singular().notes)
    Block: (Intercept) and nitro are perfectly correlated (1)
    """
    levels = {one.group: one for one in level_axes(fit)}
    chosen = None if fit.method == "MAP" else prior
    return Singular(fit, levels, fit.information.flat, chosen)
