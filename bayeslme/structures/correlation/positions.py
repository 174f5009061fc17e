"""Positions of the residuals within their correlation groups, shared by groups that look alike.

Everything here is NumPy: positions are data. Rows are sorted by group (and by time within a group
where there is a time), groups are consecutive.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bayeslme.structures import settings

METRICS = ("euclidean", "maximum", "manhattan")


@dataclass(frozen=True, slots=True)
class PaddedGroups:
    """Groups of similar size, padded to one size, for dense work.

    Attributes
    ----------
    rows : int array, shape (h, m)
        Sorted row of each place; ``n`` (one past the last row) where a place is empty.
    groups : int array, shape (h,)
        Which groups these are.
    pattern : int array, shape (h,)
        Pattern of each group.
    patterns : float array, shape (r, m, d)
        Positions of each pattern, NaN in empty places.
    present : bool array, shape (r, m)
    level : int array, shape (r,), or None
        Level of each pattern's groups, where groups have one.
    """

    rows: np.ndarray
    groups: np.ndarray
    pattern: np.ndarray
    patterns: np.ndarray
    present: np.ndarray
    level: np.ndarray | None = None

    def patterns_at(self, at: np.ndarray) -> PaddedGroups:
        """Some of the patterns, without the groups that have them."""
        none = np.zeros(0, dtype=int)
        return PaddedGroups(none, none, none, self.patterns[at], self.present[at])


@dataclass(frozen=True, slots=True)
class CorrelationGroups:
    """Correlation groups of the sorted rows.

    Attributes
    ----------
    starts, sizes : int arrays, shape (h,)
    position : float array, shape (n, d)
        Times or coordinates; the order within the group where none were given.
        In the user's unit, which is also that of new positions.
    step : float array, shape (n,)
        Distance to the previous row of the group along the first coordinate, 1 at the first row of
        a group.
    first : bool array, shape (n,)
        First row of a group.
    unit : float
        In which steps and distances are counted, in the user's units: computing with them then
        does not depend on the user's.
    level : int array, shape (h,), or None
        Which set of parameters each group has, where they differ.
    levels : tuple of str
        The names of these sets.
    """

    starts: np.ndarray
    sizes: np.ndarray
    position: np.ndarray
    step: np.ndarray
    first: np.ndarray
    unit: float = 1.0
    level: np.ndarray | None = None
    levels: tuple[str, ...] = ()
    cache: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.position)

    def counted_in(self, unit: float) -> CorrelationGroups:
        """The same rows with steps and distances in another unit."""
        return correlation_groups(self.starts, self.n, self.position, unit, self.level, self.levels)

    def of_level(self, k: int) -> tuple[CorrelationGroups, np.ndarray]:
        """The groups of one level, and their rows."""
        key = f"level{k}"
        if key not in self.cache:
            own = np.flatnonzero(self.level == k)
            rows = np.flatnonzero(np.repeat(self.level == k, self.sizes))
            starts = np.cumsum(self.sizes[own]) - self.sizes[own]
            made = correlation_groups(starts, len(rows), self.position[rows], self.unit)
            self.cache[key] = made, rows
        return self.cache[key]  # type: ignore[return-value]

    def by_level(self) -> list[tuple[CorrelationGroups, np.ndarray]]:
        """The groups of each level and their rows; all of them where there are no levels."""
        if self.level is None:
            return [(self, np.arange(self.n))]
        return [self.of_level(k) for k in range(len(self.levels))]

    def level_of_rows(self, rows: np.ndarray) -> np.ndarray | None:
        """Level of the groups of some rows; None where there are no levels."""
        if self.level is None:
            return None
        return np.asarray(self.level[np.searchsorted(self.starts, rows, "right") - 1])

    @property
    def place(self) -> np.ndarray:
        """Number of rows of its group before each row, shape (n,)."""
        return np.asarray(np.arange(self.n) - np.repeat(self.starts, self.sizes))

    @property
    def regular(self) -> bool:
        """Whether all rows of every group are one step apart."""
        return bool(np.all(self.step == 1.0))

    def blocks(self, relative: bool) -> tuple[PaddedGroups, ...]:
        """Groups collected by size and pattern.

        Parameters
        ----------
        relative : bool
            Patterns are compared after shifting each group's first position to zero (stationary
            correlation), which lets more groups share.
        """
        key = f"blocks{relative}"
        if key not in self.cache:
            self.cache[key] = tuple(
                self._block(chosen, relative) for chosen in _size_classes(self.sizes)
            )
        return self.cache[key]  # type: ignore[return-value]

    def n_numbers(self, relative: bool) -> int:
        """Numbers in one matrix for every pattern."""
        return sum(b.patterns.shape[0] * b.patterns.shape[1] ** 2 for b in self.blocks(relative))

    def _block(self, groups: np.ndarray, relative: bool) -> PaddedGroups:
        m = int(self.sizes[groups].max())
        inside = np.arange(m) < self.sizes[groups, None]
        rows = np.where(inside, self.starts[groups, None] + np.arange(m), self.n)
        padded = np.concatenate([self.position, np.full((1, self.position.shape[1]), np.nan)])
        places = padded[rows]
        if relative:
            places = (places - places[:, :1]) / self.unit
        flat = np.where(np.isnan(places), np.inf, places).reshape(len(groups), -1)
        level = None if self.level is None else self.level[groups]
        if level is not None:
            flat = np.column_stack([level, flat])
        _, first, pattern = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        own = None if level is None else level[first]
        return PaddedGroups(rows, groups, pattern.reshape(-1), places[first], inside[first], own)

    @property
    def typical_step(self) -> float:
        """About the distance of neighbours in a group, in the user's units; 1 without any.

        On a line the median step; of places the side of a square that each row has to itself.
        """
        dimension = self.position.shape[1]
        if dimension == 1:
            own = self.step[~self.first & (self.step > 0)] * self.unit
        else:
            ends = (
                ufunc.reduceat(self.position, self.starts) for ufunc in (np.maximum, np.minimum)
            )
            sides = np.subtract(*ends).max(axis=1) / self.sizes ** (1.0 / dimension)
            own = sides[sides > 0]
        return float(np.median(own)) if len(own) else 1.0

    @property
    def median_step(self) -> float:
        """Median step in time within groups, in the user's units; 1 where no group has two rows."""
        inner = self.step[~self.first] * self.unit
        return float(np.median(inner)) if len(inner) else 1.0

    @property
    def near_unit(self) -> float:
        """A power of 2 next to that distance, so that nothing is rounded by it."""
        return float(2.0 ** np.round(np.log2(self.typical_step)))

    def minimum_distance(self, metric: str) -> float:
        """Smallest distance between two rows of one group; infinite where no group has two."""
        if self.position.shape[1] == 1:
            inner = self.step[~self.first]
            return float(inner.min()) if len(inner) else np.inf
        least = np.inf
        for block in self.blocks(relative=True):
            d = distances(block.patterns, metric)
            off = (
                ~np.eye(d.shape[-1], dtype=bool)
                & block.present[:, :, None]
                & block.present[:, None, :]
            )
            least = min(least, float(d[off].min(initial=np.inf)))
        return least

    def nearest_and_farthest(self, metric: str) -> tuple[float, float]:
        """Median distance of a row to the nearest of its group, and the largest of all distances.

        In the user's units; 1 and 1 where no group has two rows.
        """
        if self.position.shape[1] == 1:
            nearest, far = self._nearest_on_a_line()
        else:
            nearest, far = self._nearest_of_places(metric)
        nearest = nearest[np.isfinite(nearest)]
        return (float(np.median(nearest)), far) if len(nearest) else (1.0, 1.0)

    def _nearest_on_a_line(self) -> tuple[np.ndarray, float]:
        before = np.where(self.first, np.inf, self.step * self.unit)
        after = np.append(before[1:], np.inf)
        ends = self.starts + self.sizes - 1
        far = float((self.position[ends, 0] - self.position[self.starts, 0]).max())
        return np.minimum(before, after), far

    def _nearest_of_places(self, metric: str) -> tuple[np.ndarray, float]:
        every, far = [], 0.0
        for block in self.blocks(relative=True):
            d = distances(block.patterns, metric) * self.unit
            pair = block.present[:, :, None] & block.present[:, None, :]
            far = max(far, float(np.max(d, where=pair, initial=0.0)))
            pair &= ~np.eye(d.shape[-1], dtype=bool)
            least = np.min(d, axis=-1, where=pair, initial=np.inf)
            every.append(least[block.pattern][block.present[block.pattern]])
        return np.concatenate(every), far

    @property
    def full_grid(self) -> bool:
        """Whether every group has all pairs of its rows and columns, in order, each once."""
        if "full_grid" not in self.cache:
            self.cache["full_grid"] = all(
                _is_grid(self.position[first : first + size])
                for first, size in zip(self.starts, self.sizes, strict=True)
            )
        return bool(self.cache["full_grid"])

    @property
    def grid_neighbours(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Of full grids: the place one row up, then one column left, (n,), and how far it is, (n,).

        The row itself, and 0, at the edge.
        """
        if "grid_neighbours" not in self.cache:
            group = np.repeat(np.arange(len(self.starts)), self.sizes)
            found = []
            for along, across in ((0, 1), (1, 0)):
                keys = (self.position[:, along], self.position[:, across], group)
                order = np.lexsort(keys)
                line = np.column_stack([group, self.position[:, across]])[order]
                same = np.append(False, np.all(line[1:] == line[:-1], axis=1))
                before, lag = np.arange(self.n), np.zeros(self.n)
                before[order[same]] = order[np.flatnonzero(same) - 1]
                lag[order] = self.position[order, along] - self.position[before[order], along]
                found.append((before, lag))
            self.cache["grid_neighbours"] = tuple(found)
        return self.cache["grid_neighbours"]  # type: ignore[return-value]

    @property
    def gap_units(self) -> tuple[float, ...]:
        """Along each coordinate: how many whole steps are counted as one, as `counted_as_one`."""
        if "gap_units" not in self.cache:
            group = np.repeat(np.arange(len(self.starts)), self.sizes)
            found = []
            for column in self.position.T:
                order = np.lexsort([column, group])
                same = np.diff(group[order]) == 0
                found.append(counted_as_one(np.diff(column[order])[same]))
            self.cache["gap_units"] = tuple(found)
        return self.cache["gap_units"]  # type: ignore[return-value]

    def extent(self, metric: str) -> float:
        """Largest distance that two rows of one group may have: between corners of its box."""
        ends = [f.reduceat(self.position, self.starts, axis=0) for f in (np.minimum, np.maximum)]
        corners = np.stack(ends, axis=1)
        return float(distances(corners, metric)[:, 0, 1].max())


def counted_as_one(gaps: np.ndarray) -> float:
    """How many whole steps are counted as one: the common divisor of all gaps, times an odd number.

    With all gaps even only Phi^2 occurs, and its positive root is meant. Gaps that are long without
    a common divisor are counted in the least one, or one less: an odd number leaves the sign.

    Parameters
    ----------
    gaps : array, shape (m,)
        Whole steps between neighbours; those of 0 do not count.
    """
    lags = np.rint(gaps).astype(np.int64)
    lags = lags[lags > 0]
    if not len(lags):
        return 1.0
    common = int(np.gcd.reduce(lags))
    rest = int(lags.min()) // common
    return float(common * (rest - 1 + rest % 2 if rest > 1 else 1))


def correlation_groups(
    starts: np.ndarray,
    n: int,
    position: np.ndarray | None,
    unit: float = 1.0,
    level: np.ndarray | None = None,
    levels: tuple[str, ...] = (),
) -> CorrelationGroups:
    """Correlation groups of rows already sorted by group and, within a group, by time.

    Parameters
    ----------
    starts : int array, shape (h,)
    n : int
    position : float array, shape (n, d), or None for the order of the rows
    unit : float
        In which steps and distances are counted; see `CorrelationGroups`.
    level : int array, shape (h,), or None
    levels : tuple of str
    """
    sizes = np.diff(np.append(starts, n))
    first = np.zeros(n, dtype=bool)
    first[starts] = True
    if position is None:
        position = (np.arange(n) - np.repeat(starts, sizes)).astype(float)[:, None]
    step = np.ones(n)
    step[1:] = np.diff(position[:, 0]) / unit
    step[first] = 1.0
    return CorrelationGroups(starts, sizes, position, step, first, unit, level, levels)


def _is_grid(position: np.ndarray) -> bool:
    """Whether positions (m, 2) are all pairs of some rows and columns, sorted."""
    rows, columns = np.unique(position[:, 0]), np.unique(position[:, 1])
    if len(rows) * len(columns) != len(position):
        return False
    grid = np.column_stack([np.repeat(rows, len(columns)), np.tile(columns, len(rows))])
    return bool(np.array_equal(grid, position))


def coordinate_gaps(patterns: np.ndarray) -> np.ndarray:
    """Distances along each coordinate, shape (d, r, m, m); NaN positions give NaN."""
    gap = np.abs(patterns[:, :, None, :] - patterns[:, None, :, :])
    return np.moveaxis(gap, -1, 0)


def distances(patterns: np.ndarray, metric: str) -> np.ndarray:
    """Distances within each pattern, shape (r, m, m); NaN positions give NaN.

    Parameters
    ----------
    patterns : array, shape (r, m, d)
    metric : {"euclidean", "maximum", "manhattan"}
    """
    gap = np.abs(patterns[:, :, None, :] - patterns[:, None, :, :])
    if metric == "maximum":
        return np.asarray(gap.max(axis=-1))
    if metric == "manhattan":
        return np.asarray(gap.sum(axis=-1))
    return np.asarray(np.sqrt((gap**2).sum(axis=-1)))


def _size_classes(sizes: np.ndarray) -> list[np.ndarray]:
    """Split groups into classes of similar size, so that padding stays bounded."""
    ratio = settings.STRUCTURES.max_sizes_ratio
    order = np.argsort(sizes, kind="stable")
    classes, at = [], 0
    while at < len(order):
        limit = max(sizes[order[at]] * ratio, sizes[order[at]] + 2)
        end = int(np.searchsorted(sizes[order], limit, side="right"))
        classes.append(np.sort(order[at:end]))
        at = end
    return classes
