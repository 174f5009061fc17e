"""One set of parameters for each level of a factor that is constant within correlation groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.structures.base import Bound, DefaultPrior, Parameter
from bayeslme.structures.correlation.positions import CorrelationGroups
from bayeslme.structures.supports import Namespace

# Methods that take the parameters of one level: `member` gives the structure that has them.
OF_ONE_LEVEL = frozenset({"correlation", "matrix_of"})


@dataclass(frozen=True)
class ByLevels:
    """A correlation structure whose groups have the parameters of their level.

    Parameters are those of the first level, then those of the second, and so on. What is not said
    here is that of the structure itself.

    Parameters
    ----------
    inner : CorStruct
        The structure, its ``by`` left out.
    by : str
        The factor's name.
    groups : CorrelationGroups
        With levels.
    """

    inner: Any
    by: str
    groups: CorrelationGroups

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in OF_ONE_LEVEL or "inner" not in vars(self):
            raise AttributeError(name)
        return getattr(self.inner, name)

    def _of_level(self, k: int) -> Any:
        """The structure with the starting values of one level."""
        value, end = self.inner.value, f".{self.groups.levels[k]}"
        if not isinstance(value, Mapping):
            return self.inner
        ends = tuple(f".{level}" for level in self.groups.levels)
        shared = {name: v for name, v in value.items() if not str(name).endswith(ends)}
        own = {str(n).removesuffix(end): v for n, v in value.items() if str(n).endswith(end)}
        return replace(self.inner, value={**shared, **own} or None)

    @cached_property
    def bounds(self) -> tuple[Bound, ...]:
        """The structure bound to the groups of each level."""
        parts = (self._of_level(k) for k in range(len(self.groups.levels)))
        return tuple(part.bind(self.groups.of_level(k)[0]) for k, part in enumerate(parts))

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """Where the parameters of each level are."""
        ends = np.cumsum([0, *(len(b.parameters) for b in self.bounds)]).tolist()
        return tuple(slice(*pair) for pair in pairwise(ends))

    def parts(self, par: Array) -> list[Array]:
        """The parameters (..., k) of each level."""
        return [par[..., place] for place in self.places]

    def bind(self, coords: CorrelationGroups) -> Bound:
        """Join the structure to its coordinates."""
        return Bound(self, coords, self.parameters(coords))

    def parameters(self, coords: Any) -> tuple[Parameter, ...]:
        """The parameters of every level, named ``Phi.level``."""
        return tuple(
            replace(p, name=f"{p.name}.{level}")
            for bound, level in zip(self.bounds, self.groups.levels, strict=True)
            for p in bound.parameters
        )

    def _joined(self, method: str, values: Array, parameters: Any, *more: Any) -> Any:
        call = getattr(self.inner, method)  # all parameters are free, or none
        return [call(values[..., own], parameters[own], *more) for own in self.places]

    def constrain(self, u: Array, parameters: Any, xp: Namespace = NUMPY) -> Array:
        """As of the structure, level by level; so are the following."""
        return xp.concatenate(self._joined("constrain", u, parameters, xp), axis=-1)

    def unconstrain(self, par: np.ndarray, parameters: Any) -> np.ndarray:
        return np.concatenate(self._joined("unconstrain", par, parameters), axis=-1)

    def to_interval_scale(self, par: np.ndarray, parameters: Any) -> np.ndarray:
        return np.concatenate(self._joined("to_interval_scale", par, parameters), axis=-1)

    def from_interval_scale(self, u: np.ndarray, parameters: Any) -> np.ndarray:
        return np.concatenate(self._joined("from_interval_scale", u, parameters), axis=-1)

    def log_jacobian(self, u: Array, parameters: Any, xp: Namespace = NUMPY) -> Array:
        first, *rest = self._joined("log_jacobian", u, parameters, xp)
        return sum(rest, first)

    def admissible(self, par: np.ndarray, parameters: Any) -> np.ndarray:
        return np.asarray(np.logical_and.reduce(self._joined("admissible", par, parameters)))

    def uniform_draws(self, parameters: Any, n: int, rng: np.random.Generator) -> np.ndarray | None:
        found = [self.inner.uniform_draws(parameters[own], n, rng) for own in self.places]
        known = [one for one in found if one is not None]
        return np.concatenate(known, axis=-1) if len(known) == len(found) else None

    def log_region(self, parameters: Any) -> float | None:
        found = [self.inner.log_region(parameters[own]) for own in self.places]
        known = [one for one in found if one is not None]
        return sum(known) if len(known) == len(found) else None

    def in_region(self, par: np.ndarray, bound: Bound) -> np.ndarray:
        pairs = zip(self.bounds, self.parts(par), strict=True)
        return np.asarray(np.all([b.structure.in_region(own, b) for b, own in pairs], axis=0))

    def default_priors(self, coords: Any) -> tuple[DefaultPrior, ...]:
        return tuple(p for b in self.bounds for p in b.structure.default_priors(b.coords))

    def starts(self, bound: Bound) -> list[np.ndarray]:
        """Those of the structure, the same for all levels."""
        return [np.concatenate(one) for one in zip(*(b.starts for b in self.bounds), strict=True)]

    def mirrored(self, coords: Any) -> np.ndarray:
        return np.concatenate([b.mirrored for b in self.bounds])

    def turned_together(self, coords: Any) -> list[np.ndarray]:
        """Those of each level: levels turn over one by one."""
        every = self.mirrored(coords)
        where = np.zeros((len(self.places), len(every)), dtype=bool)
        for k, own in enumerate(self.places):
            where[k, own] = every[own]
        return [turns for turns in where if turns.any()]

    def require(self, coords: Any) -> None:
        for bound in self.bounds:
            bound.structure.require(bound.coords)

    def twins(self, par: np.ndarray) -> list[np.ndarray]:
        pairs = zip(self.bounds, self.parts(par), strict=True)
        each = zip(*(b.structure.twins(own) for b, own in pairs), strict=True)
        return [np.concatenate(one) for one in each]

    def remarks(self, par: np.ndarray, error: np.ndarray, coords: Any) -> tuple[str, ...]:
        """Those of each level, its name before them."""
        parts = zip(
            self.groups.levels, self.bounds, self.parts(par), self.parts(error), strict=True
        )
        return tuple(
            f"{self.by} {level}: {text}"
            for level, bound, own, e in parts
            for text in bound.structure.remarks(own, e, bound.coords)
        )

    def matrix_shown(self, par: np.ndarray) -> None:
        """None: the parameters of all levels are shown."""

    def memory(self, groups: CorrelationGroups) -> int | None:
        """The longest of the levels'."""
        found = [self.inner.memory(one) for one, _ in groups.by_level()]
        known = [m for m in found if m is not None]
        return max(known) if len(known) == len(found) else None

    def dense(self, groups: CorrelationGroups) -> bool:
        return any(self.inner.dense(one) for one, _ in groups.by_level())

    def linear_with(self, strata: np.ndarray, groups: CorrelationGroups) -> bool:
        return all(self.inner.linear_with(strata[rows], one) for one, rows in groups.by_level())

    def member(
        self, par: Array, groups: CorrelationGroups, level: int
    ) -> tuple[Any, Array, CorrelationGroups]:
        """The structure, the parameters and the groups of one level."""
        return self.inner, self.parts(par)[level], groups.of_level(level)[0]

    def matrix(self, par: Array, groups: CorrelationGroups, k: int, xp: Namespace = NUMPY) -> Array:
        """Correlation matrices (..., r, m, m) of the patterns of block ``k``."""
        block = groups.blocks(self.inner.stationary)[k]
        pieces, places = [], []
        for number, own in enumerate(self.parts(par)):
            at = np.flatnonzero(block.level == number)
            if len(at):
                pairs = self.inner.pairs_at(groups.of_level(number)[0], block.patterns_at(at))
                pieces.append(self.inner.matrix_of(own, pairs, xp))
                places.append(at)
        return xp.concatenate(pieces, axis=-3)[..., np.argsort(np.concatenate(places)), :, :]

    def pairs(self, groups: CorrelationGroups, k: int) -> Any:
        """Pairs of block ``k``, for their distances."""
        return self.inner.pairs(groups, k)

    def whiten(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        """Whiten the rows of each level with its parameters."""
        return self._each("whiten", w, par, groups, xp)

    def whiten_dense(
        self, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace = NUMPY
    ) -> tuple[Array, Array]:
        """Whiten through dense factors of the patterns."""
        return self._each("whiten_dense", w, par, groups, xp)

    def _each(
        self, method: str, w: Array, par: Array, groups: CorrelationGroups, xp: Namespace
    ) -> tuple[Array, Array]:
        whitened, halves, places, owners = [], [], [], []
        for number, ((own, rows), values) in enumerate(
            zip(groups.by_level(), self.parts(par), strict=True)
        ):
            if not len(rows):
                continue
            white, half = getattr(self.inner, method)(w[..., rows], values, own, xp)
            whitened.append(white)
            halves.append(half)
            places.append(rows)
            owners.append(np.flatnonzero(groups.level == number))
        back, home = np.argsort(np.concatenate(places)), np.argsort(np.concatenate(owners))
        return (
            xp.concatenate(whitened, axis=-1)[..., back],
            xp.concatenate(halves, axis=-1)[..., home],
        )

    def colour(self, z: np.ndarray, par: np.ndarray, groups: CorrelationGroups) -> np.ndarray:
        """Give independent rows the correlation of their groups, level by level."""
        out = np.empty_like(z)
        for (own, rows), values in zip(groups.by_level(), self.parts(par), strict=True):
            out[rows] = self.inner.colour(z[rows], values, own)
        return out
