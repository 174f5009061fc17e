"""Separable autoregression on a grid of rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.errors import SpecError
from bayeslme.structures.base import Parameter, Values, as_named
from bayeslme.structures.correlation.base import CorStruct, Pairs, half_logdet_by_group
from bayeslme.structures.correlation.positions import CorrelationGroups
from bayeslme.structures.correlation.serial import autoregression, power_of
from bayeslme.structures.supports import UNIT, Namespace

AXES = 2


@dataclass(frozen=True)
class CorAR1AR1(CorStruct):
    """Separable autoregression of a field: corr = Phi1^|rows apart| Phi2^|columns apart|.

    Parameters
    ----------
    value : sequence of floats, optional
        Starting values of Phi1 and Phi2, and of the nugget where there is one.
    form : str
        ``"~ row + col | trial"``, whole-number positions; the grid may have holes.
    nugget : bool
        Estimate a nugget n: two plots apart have (1 - n) times this correlation.
    fixed : bool
    by : str, optional
        A factor that is constant within groups: each of its levels has parameters of its own.

    Notes
    -----
    Where rows of a group are an even number of rows apart, -Phi1 has the same likelihood as Phi1,
    and the positive one is meant; so of columns and Phi2. Where every group is a full grid, and
    without a nugget, C is a Kronecker product and rows are whitened by differences along the
    columns, then along the rows, linear in n (Martin 1979, Biometrika 66, 209; Gilmour, Cullis and
    Verbyla 1997, J. Agric. Biol. Environ. Stat. 2, 269).

    Examples
    --------
    >>> import bayeslme
    >>> wheat = bayeslme.load_data("Wheat2")
    >>> wheat["row"] = (wheat["latitude"] / 4.3).round()
    >>> wheat["col"] = (wheat["longitude"] / 1.2).round()
    >>> fit = bayeslme.gls("yield ~ 1", wheat, correlation=CorAR1AR1(form="~ row + col"))
    >>> fit.correlation_coef.round(2).to_dict()
    {'Phi1': 0.43, 'Phi2': 0.47}
    """

    value: Values = None
    form: str = "~ 1"
    nugget: bool = False
    fixed: bool = False
    r_name: ClassVar[str] = "corAR1AR1"
    description: ClassVar[str | None] = "AR(1) x AR(1)"
    needs_integers = True
    by_coordinate = True

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        if coords.position.shape[1] != AXES:
            raise SpecError("corAR1AR1: form needs two positions, such as ~ row + col | trial")
        names = ["Phi1", "Phi2", *(["nugget"] if self.nugget else [])]
        start = as_named(self.value, names, "corAR1AR1 value", repeat=False)
        out = [
            autoregression(name, start.get(name, 0.0), unit, held=self.fixed)
            for name, unit in zip(names[:AXES], self._units(coords.gap_units), strict=True)
        ]
        if self.nugget:
            out.append(Parameter("nugget", UNIT, start.get("nugget", 0.1), held=self.fixed))
        return tuple(out)

    def mirrored(self, coords: Any) -> np.ndarray:
        nugget = [False] if self.nugget else []
        return np.array([*(unit % 2 == 0 for unit in coords.gap_units), *nugget])

    def _units(self, known: tuple[float, ...]) -> tuple[float, ...]:
        """In which rows and columns are counted inside; held values are of the user's steps."""
        return (1.0,) * AXES if self.fixed else known

    def starts(self, bound: Any) -> list[np.ndarray]:
        if len(bound.free) < AXES:
            return [bound.start]
        shifts = ((0.0, 0.0), (1.5, 1.5), (1.5, 0.0), (0.0, 1.5))
        return [bound.start + np.append(s, 0.0 * bound.start[AXES:]) for s in shifts]

    def correlation(self, par: Array, pairs: Pairs, xp: Namespace = NUMPY) -> Array:
        value: Array = 1.0
        gaps = np.zeros((AXES, 1, 1, 1)) if pairs.gaps is None else pairs.gaps
        units = self._units(pairs.gap_units or (1.0,) * AXES)
        for k, (lag, unit) in enumerate(zip(gaps, units, strict=True)):
            apart, place = np.unique(lag, return_inverse=True)  # few, of very many pairs
            steps = np.where(apart == 0, unit, apart) / unit
            powers = xp.where(apart == 0, 1.0, power_of(par[..., k : k + 1], steps, unit, xp))
            value = value * powers[..., place.reshape(lag.shape)]
        return (1.0 - par[..., AXES][..., None, None, None]) * value if self.nugget else value

    def dense(self, groups: CorrelationGroups) -> bool:
        return self.nugget or not groups.full_grid

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        if self.dense(groups):
            return self.whiten_dense(w, par, groups, xp)
        logs: Array = 0.0
        units = self._units(groups.gap_units)
        for k, (before, lag) in enumerate(groups.grid_neighbours):
            inner = lag > 0
            steps = np.where(inner, lag, units[k]) / units[k]
            r = xp.where(inner, power_of(par[..., k : k + 1], steps, units[k], xp), 0.0)
            rest = 1.0 - r * r
            w = (w - r[..., None, :] * w[..., before]) / xp.sqrt(rest)[..., None, :]
            logs = logs + xp.log(rest)
        return w, half_logdet_by_group(logs, groups, xp)
