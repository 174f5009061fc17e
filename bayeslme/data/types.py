"""What the engine needs of a data frame: arrays and names, no formulas left to interpret.

Letters as everywhere in the package: n rows used, p fixed columns, q random effects at a level, G
groups at a level. Every array is in the row order of the data frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from bayeslme.data.model_matrix import JoinedMatrix, MatrixSpec
    from bayeslme.data.variables.dates import Origin
    from bayeslme.data.variables.factors import Factor
    from bayeslme.data.variables.groups import KnownGroups
    from bayeslme.formula.formula import Formula
    from bayeslme.spec.model import LmeSpec
    from bayeslme.structures import PdMat, Related

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
VarianceSource = Literal["data", "fitted", "resid"]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of grouping; ``Design.levels`` holds them outermost first.

    Attributes
    ----------
    group : str
        Name of the grouping column, ``"Subject"``.
    structure : PdMat
        The covariance structure of the random effects of this level.
    formula : Formula
        The formula of ``Z`` (for blocked structures the first block's).
    Z : (n, q) array
        The random-effects model matrix.
    effects : tuple of str, length q
        Column names of ``Z`` as R gives them.
    code : (n,) int array
        Group of each row, 0 to G - 1, unique across the outer groups.
    labels : tuple of str, length G
        ``"outer/inner"``, ordered by the outer level's order, then the inner level's.
    parent : (G,) int array
        Code of the group one level out; zeros at the outermost level.
    branch : int
        Levels of one branch nest, outermost first; levels of different branches are crossed.
    alone : bool
        Whether the labels are those of the grouping column itself, not ``"outer/inner"``.
    column : str
        The grouping column, or an expression of columns.
    known : KnownGroups or None
        The values that the groups stand for, by which new rows are found among them.
    related : Related or None
        How the groups' effects hang together, with groups that have no rows; None where they are
        independent.
    """

    group: str
    structure: PdMat
    formula: Formula
    Z: FloatArray
    effects: tuple[str, ...]
    code: IntArray
    labels: tuple[str, ...]
    parent: IntArray
    branch: int = 0
    alone: bool = False
    column: str = ""
    known: KnownGroups | None = None
    related: Related | None = None

    @property
    def all_labels(self) -> tuple[str, ...]:
        """Labels of the groups, and of those without rows whose relation to them is known."""
        return self.labels if self.related is None else (*self.labels, *self.related.labels)

    @property
    def own_labels(self) -> tuple[str, ...]:
        """The same by the labels of the grouping column alone."""
        if self.known is None:
            return self.all_labels
        own = [self.known.levels[-1][j] for j in self.known.members[:, -1].tolist()]
        return (*own, *(() if self.related is None else self.related.labels))

    @property
    def scale(self) -> float:
        """Standard deviation of an average group's effect over that of the structure."""
        if self.related is None:
            return 1.0
        own = np.diagonal(self.related.matrix)[: len(self.labels)]
        return float(np.sqrt(own.mean())) or 1.0

    def all_effects(self, effects: FloatArray) -> FloatArray:
        """Effects (..., G, q), and those expected of the groups without rows."""
        return effects if self.related is None else self.related.extended(effects)

    def correlated(self, spherical: FloatArray) -> FloatArray:
        """Effects (..., G, q) related as the groups are, from independent ones (..., G, q)."""
        return spherical if self.related is None else self.related.correlated(spherical)


@dataclass(frozen=True, slots=True)
class VarianceCoords:
    """What a variance function depends on, row by row.

    Attributes
    ----------
    covariate : (n,) float array or None
        The covariate where it is a function of the data; None for ``fitted(.)``, ``resid(.)`` and
        ``~ 1``.
    source : {"data", "fitted", "resid"}
        Where the covariate comes from.
    level : str, int or None
        The level of ``fitted(., level = )``; None is the innermost.
    stratum : (n,) int array
        Index into `strata`.
    strata : tuple of str
        Stratum names, first met first (after sorting by group in `lme`, in data order in `gls`);
        several factors joined by ``*``. One empty name where there are no strata.
    known : KnownGroups or None
        The values that the strata stand for.
    """

    covariate: FloatArray | None
    source: VarianceSource
    level: str | int | None
    stratum: IntArray
    strata: tuple[str, ...]
    known: KnownGroups | None = None

    def take(self, rows: slice | IntArray) -> VarianceCoords:
        """The coordinates of some rows, in the order given."""
        covariate = None if self.covariate is None else self.covariate[rows]
        return replace(self, covariate=covariate, stratum=self.stratum[rows])


@dataclass(frozen=True, slots=True)
class CorrelationCoords:
    """Where each row stands within its correlation group.

    Attributes
    ----------
    code : (n,) int array
        Correlation group of each row, 0 to m - 1.
    labels : tuple of str, length m
        Names of the groups; one empty name where all rows are one group.
    position : (n, d) float array or None
        Times or places; None is the order of the rows within the group.
    groups : tuple of str
        Names of the grouping columns, outermost first.
    known : KnownGroups or None
        The values that the groups stand for.
    level : (n,) int array or None
        Which set of parameters each row has, where there are several; -1 where it is not known.
    levels : tuple of str
        Names of these sets.
    visits : Factor or None
        The factor whose levels are the positions 1, 2, ..., where one gives them.
    """

    code: IntArray
    labels: tuple[str, ...]
    position: FloatArray | None
    groups: tuple[str, ...]
    known: KnownGroups | None = None
    level: IntArray | None = None
    levels: tuple[str, ...] = ()
    visits: Factor | None = None


@dataclass(frozen=True, slots=True)
class Design:
    """A model specification evaluated on a data frame.

    Attributes
    ----------
    spec : LmeSpec
        The specification this design was built from.
    y : (n,) float array
        The response.
    X : (n, p) float array
        The fixed-effects model matrix.
    x_names : tuple of str, length p
        Column names of `X` as R gives them.
    assign : (p,) int array
        0 for the intercept, k for a column of the k-th term.
    term_labels : tuple of str
        Labels of the terms, the intercept not among them.
    has_intercept : bool
        Whether the first column of `X` is the intercept.
    levels : tuple of Level
        The grouping levels, outermost first, branch by branch; empty for `gls` and `lm`.
    variance : tuple of VarianceCoords
        Coordinates of each component of the variance function; none without one.
    correlation : CorrelationCoords or None
        Coordinates of the correlation structure.
    source : pandas.DataFrame
        The values of the data frame given, which later changes of that frame do not reach.
    picked : (n,) int array or None
        Positions of the used rows in it, ascending; None where all are used.
    needed : tuple of str
        Names of the columns used.
    matrix : MatrixSpec
        What the fixed part learned from the data.
    random_matrices : tuple of MatrixSpec or JoinedMatrix
        The same for each level; blocked structures have a matrix for each block.
    response_label : str
        The left-hand side, deparsed.
    origins : mapping of str to Origin
        From when the days of columns of times are counted.
    counted : tuple of str
        Those columns whose days entered the model as numbers.
    offset : (n,) float array, or 0
        Sum of the offset() terms, part of every fitted value.
    """

    spec: LmeSpec
    y: FloatArray
    X: FloatArray
    x_names: tuple[str, ...]
    assign: IntArray
    term_labels: tuple[str, ...]
    has_intercept: bool
    levels: tuple[Level, ...]
    variance: tuple[VarianceCoords, ...]
    correlation: CorrelationCoords | None
    source: pd.DataFrame
    picked: IntArray | None
    needed: tuple[str, ...]
    matrix: MatrixSpec
    random_matrices: tuple[MatrixSpec | JoinedMatrix, ...]
    response_label: str
    origins: Mapping[str, Origin] = field(default_factory=dict)
    counted: tuple[str, ...] = ()
    offset: FloatArray | float = 0.0

    @property
    def response(self) -> FloatArray:
        """The response less the offset, (n,): what coefficients and random effects explain."""
        return self.y if isinstance(self.offset, float) else self.y - self.offset

    @property
    def crossed(self) -> bool:
        """Whether the grouping levels do not nest: several branches, or groups that are related."""
        return any(level.branch or level.related is not None for level in self.levels)

    @property
    def related(self) -> tuple[str, ...]:
        """Names of the levels whose groups are related."""
        return tuple(level.group for level in self.levels if level.related is not None)

    @property
    def crossed_how(self) -> str:
        """Why the levels do not nest, for messages."""
        if any(level.branch for level in self.levels) or not self.related:
            return "the random effects of this fit are crossed"
        return f"the groups of '{self.related[0]}' are related in this fit"

    def outer(self, k: int) -> tuple[int, ...]:
        """Places of the levels that the k-th nests in, outermost first, and its own."""
        branch = self.levels[k].branch
        return tuple(j for j in range(k + 1) if self.levels[j].branch == branch)

    def included(self, k: int) -> tuple[int, ...]:
        """Places of the levels whose effects the name of the k-th includes, its own last.

        Those it is written to nest in; each term of `lmer` stands for itself.
        """
        first = k
        while not self.levels[first].alone:
            first -= 1
        return tuple(range(first, k + 1))

    @property
    def shown(self) -> tuple[int, ...]:
        """Places of the levels in the order in which results list them, that of the formula."""
        if self.spec.function != "lmer":
            return tuple(range(len(self.levels)))
        written = [level.group for level in self.spec.random]
        return tuple(
            sorted(range(len(written)), key=lambda k: written.index(self.levels[k].column))
        )

    @property
    def term_columns(self) -> tuple[IntArray, ...]:
        """Columns of `X` of each term, the intercept first where there is one."""
        return tuple(np.flatnonzero(self.assign == k) for k in np.unique(self.assign))

    @property
    def rows(self) -> IntArray:
        """Positions of the used rows in the data frame, ascending, (n,)."""
        return np.arange(self.n_frame) if self.picked is None else self.picked

    @property
    def n_frame(self) -> int:
        """Number of rows of the data frame given."""
        return len(self.source)

    @property
    def index(self) -> pd.Index:
        """The data frame's index at the used rows, length n."""
        return self.source.index if self.picked is None else self.source.index[self.picked]

    @property
    def frame(self) -> pd.DataFrame:
        """The used rows of the needed columns."""
        columns = self.source[[*self.needed]]
        return columns if self.picked is None else columns.iloc[self.picked]
