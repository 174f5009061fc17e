"""Ante-dependence: each position depends on the one before it, each with its own correlation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import DataError, SpecError
from bayeslme.structures import settings
from bayeslme.structures.base import Parameter, Values, as_named
from bayeslme.structures.correlation.base import CorStruct, Pairs, whiten_markov
from bayeslme.structures.correlation.positions import CorrelationGroups
from bayeslme.structures.supports import CORRELATION, Namespace


@dataclass(frozen=True)
class CorAnte(CorStruct):
    """First-order ante-dependence: corr(s, t) is the product of the correlations between s and t.

    Parameters
    ----------
    value : sequence of floats, optional
        Starting correlations of neighbouring positions; zeros by default.
    form : str
        ``"~ visit | g"``; without positions the order of the rows counts.
    fixed : bool
    by : str, optional
        A factor that is constant within groups: each of its levels has parameters of its own.

    Notes
    -----
    Positions count by their order among all of the data. The process is Markov, so whitening is a
    scaled first difference of the rows, linear in n, with missing positions too (Gabriel 1962, Ann.
    Math. Stat. 33, 201; Zimmerman and Nunez-Anton 2010). The default prior of each correlation is
    uniform.

    Examples
    --------
    >>> import bayeslme
    >>> data = bayeslme.load_data("Orthodont")
    >>> fit = bayeslme.gls("distance ~ age", data, correlation=CorAnte(form="~ age | Subject"))
    >>> fit.correlation_coef.round(2).to_dict()
    {'cor(1,2)': 0.68, 'cor(2,3)': 0.63, 'cor(3,4)': 0.77}
    """

    value: Values = None
    form: str = "~ 1"
    fixed: bool = False
    r_name: ClassVar[str] = "corAnte"
    mmrm_names: ClassVar[Mapping[str, bool]] = {"ad": False, "adh": True}
    description: ClassVar[str | None] = "Ante-dependence"
    several_maxima = True
    stationary = False

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        m = len(np.unique(coords.position[:, 0]))
        most = settings.STRUCTURES.max_lags
        if not 1 < m <= most + 1:
            msg = (
                f"corAnte: {m} positions have {m - 1} correlations of neighbours, and at most "
                f"{most} can be estimated; use CorAR1 or CorCAR1"
            )
            raise DataError(msg) if m > 1 else SpecError("corAnte: there is one position only")
        names = [f"cor({k + 1},{k + 2})" for k in range(m - 1)]
        start = as_named(self.value, names, "corAnte value", repeat=False)
        return tuple(Parameter(n, CORRELATION, start.get(n, 0.0), held=self.fixed) for n in names)

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        i, j = pairs.index[:, :, None], pairs.index[:, None, :]
        return _product(par, np.minimum(i, j), np.maximum(i, j), xp)

    def memory(self, groups: CorrelationGroups) -> int | None:
        return 1

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        place = groups.position[:, 0]
        rank = np.searchsorted(np.unique(place), place)
        before = np.where(groups.first, rank, np.roll(rank, 1))
        return whiten_markov(w, _product(par, before, rank, xp), groups, xp)


def _product(par: Array, first: np.ndarray, last: np.ndarray, xp: Namespace) -> Array:
    """Product of the correlations of the steps from rank ``first`` to ``last``, 1 without any."""
    span = last - first
    value = xp.where(span > 0, par[..., np.where(span > 0, first, 0)], 1.0)
    for s in range(1, int(np.max(span, initial=0))):
        value = value * xp.where(span > s, par[..., np.where(span > s, first + s, 0)], 1.0)
    return value
