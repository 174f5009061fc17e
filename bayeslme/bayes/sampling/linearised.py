"""Random effects integrated out where the variance depends on fitted values.

Given the coefficients and the variance parameters the outermost groups are independent, but no
longer Gaussian: the effects move the standard deviations too. With e the standardised residuals of
a point b0 and l the slopes of the log standard deviations in the fitted values,

    e(b) = e - (z / v + e l z)(b - b0),      sum log v(b) = sum log v + sum l z (b - b0),

a group is a least-squares problem again: its rows are those of e(b), and one more row
(-1, -l z) for each, whose square has the slope of log v and the curvature that it lacks. The engine
eliminates the effects from both kinds of rows, which gives the next point, as Gauss and Newton do,
and at the mode Laplace's approximation of the integral.

The approximation is then corrected. Effects are drawn from the Gaussian of each group, each draw
with its mirror image at the mode, and the mean of their weights makes the integral exact on
average. One of them is kept in proportion to its weight; with the weight of the integrals it is a
draw of the posterior (Andrieu and Roberts 2009, Annals of Statistics 37, 697).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import gammaln, logsumexp

from bayeslme.arrays import NUMPY
from bayeslme.bayes import settings
from bayeslme.bayes.density import LOG_2PI, at_sorted_fitted
from bayeslme.bayes.model_parameters import ModelParameters, Values, without_fixed
from bayeslme.engine import depth_of
from bayeslme.engine.fitted import means_by_depth
from bayeslme.engine.likelihood.eliminate import Eliminated, eliminate, modes
from bayeslme.engine.likelihood.whiten import Gram, gram
from bayeslme.engine.problem import Problem

Effects = tuple[np.ndarray, ...]  # of every level, outermost first, each (b, G, q)


@dataclass(frozen=True, slots=True)
class Linearised:
    """The groups of some draws as least-squares problems.

    Attributes
    ----------
    white, further : arrays, shape (b, c + 1, n)
        Whitened rows of the residuals, and those of the log standard deviations.
    log_sd : array, shape (b, n)
        Where the rows were linearised.
    eliminated : Eliminated
    factors : tuple of arrays (b, q, q), innermost first
    sigma : array, shape (b,)
    log_integral : array, shape (b, G)
        Log integral of each outermost group over its effects.
    """

    white: np.ndarray
    further: np.ndarray
    log_sd: np.ndarray
    eliminated: Eliminated
    factors: tuple[np.ndarray, ...]
    sigma: np.ndarray
    log_integral: np.ndarray


@dataclass(frozen=True)
class GroupIntegrals:
    """The likelihood of (b,) parameters with the random effects integrated out.

    Attributes
    ----------
    parameters : ModelParameters
        Of a model whose levels are nested.
    start : tuple of arrays (G, q), outermost first
        Where the random effects are first linearised.
    """

    parameters: ModelParameters
    start: Effects

    @cached_property
    def problem(self) -> Problem:
        """The columns [Z | y], no group of which the effects are taken to reproduce."""
        bare = without_fixed(self.parameters.problem)
        return replace(bare, stages=tuple(replace(stage, filled=None) for stage in bare.stages))

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Numbers of levels in the fitted values that variances depend on, each once."""
        design = self.parameters.design
        found = {depth_of(design, c.level) for c in design.variance if c.source == "fitted"}
        return tuple(sorted(found))

    @property
    def exact(self) -> bool:
        """Whether the random effects enter no variance: the integrals are then exact."""
        return max(self.depths, default=0) == 0

    @cached_property
    def roots(self) -> tuple[np.ndarray, ...]:
        """Outermost group of each group, innermost level first."""
        out: list[np.ndarray] = []
        for stage in self.problem.stages[::-1]:
            out.append(out[-1][stage.parent] if out else np.arange(stage.n_groups))
        return tuple(out[::-1])

    @cached_property
    def starts(self) -> np.ndarray:
        """First sorted row of each outermost group, or of each independent piece without groups."""
        problem = self.problem
        if problem.stages:
            return problem.level_starts(len(problem.stages) - 1)
        if problem.correlation is not None:
            return np.asarray(problem.correlation.coords.starts)
        return np.zeros(1, dtype=int)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of rows of each of these."""
        return np.diff(np.append(self.starts, self.problem.n))

    @cached_property
    def effects_of_root(self) -> np.ndarray:
        """Number of random effects of each outermost group."""
        pairs = zip(self.problem.stages, self.roots, strict=True)
        counts = (stage.q * np.bincount(root, minlength=len(self.sizes)) for stage, root in pairs)
        return np.asarray(sum(counts, np.zeros(len(self.sizes))))

    @cached_property
    def _y(self) -> np.ndarray:
        return np.asarray(self.parameters.design.y[self.order])

    @property
    def order(self) -> np.ndarray:
        """Row of the design at each sorted place."""
        return self.problem.order

    @cached_property
    def _offset(self) -> np.ndarray | float:
        offset = self.parameters.design.offset
        return offset if isinstance(offset, float) else np.asarray(offset)[self.order]

    @cached_property
    def _x(self) -> np.ndarray:
        return np.ascontiguousarray(self.parameters.design.X[self.order].T)

    @cached_property
    def _levels(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Z (n, q) and the group (n,) of each level's sorted rows, outermost first."""
        order = self.order
        levels = (one.level for one in self.parameters.levels)
        return tuple((level.Z[order], level.code[order]) for level in levels)

    @cached_property
    def _z(self) -> np.ndarray:
        """Standardised columns of the effects (c, n), innermost first."""
        return np.ascontiguousarray(self.problem.columns[:-1])

    @cached_property
    def _depth_of_column(self) -> np.ndarray:
        """Place of the level of each column, counted from 1 for the outermost."""
        stages = self.problem.stages
        return np.repeat(np.arange(len(stages), 0, -1), [stage.q for stage in stages])

    def means(self, fixed: np.ndarray, effects: Effects) -> list[np.ndarray]:
        """Fitted values (b, n) of sorted rows with 0, 1, ... levels of random effects."""
        pairs = zip(self._levels, effects, strict=True)
        return means_by_depth(fixed, [(z, b, code) for (z, code), b in pairs])

    def log_sd(self, varfunc: np.ndarray | None, means: Sequence[np.ndarray]) -> np.ndarray:
        """Log standard deviation (b, n) over sigma of sorted rows."""
        variance = at_sorted_fitted(self.parameters, means).variance
        assert variance is not None
        log_sd = variance.structure.log_sd(varfunc, variance.coords)
        return np.broadcast_to(log_sd, np.shape(means[0]))

    def slopes(
        self, varfunc: np.ndarray | None, means: Sequence[np.ndarray], log_sd: np.ndarray
    ) -> dict[int, np.ndarray]:
        """Slopes (b, n) of the log standard deviations in the fitted values, by depth above 0."""
        out = {}
        for depth in self.depths:
            if depth == 0:
                continue
            size = np.abs(means[depth])
            step = settings.EFFECTS.difference_step * np.maximum(
                size, size.mean(axis=-1, keepdims=True)
            )
            moved = list(means)
            moved[depth] = means[depth] + step
            out[depth] = (self.log_sd(varfunc, moved) - log_sd) / step
        return out

    def _uncorrelated(
        self, columns: np.ndarray, corstruct: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Columns (b, c, n) freed of the correlation; its log determinant (b or 1, G) halved."""
        correlation = self.problem.correlation
        if correlation is None:
            return columns, np.zeros((1, len(self.starts)))
        lattice = correlation.coords
        white, logs = correlation.structure.whiten(columns, corstruct, lattice, NUMPY)
        inner = np.searchsorted(lattice.starts, self.starts)
        return white, np.atleast_2d(NUMPY.segment_sum(logs, inner))

    def linearise(self, values: Values, fixed: np.ndarray, effects: Effects) -> Linearised:
        """The groups at effects (b, G, q), or (1, G, q) for all draws."""
        corstruct, varfunc = self.parameters.row_parameters(values)
        sigma = self.parameters.sigmas(values)
        means = self.means(fixed, effects)
        log_sd = self.log_sd(varfunc, means)
        slopes = self.slopes(varfunc, means, log_sd)
        inverse = np.exp(-log_sd)
        e = (self._y - means[-1]) * inverse
        shape = (len(e), len(self._z) + 1, self.problem.n)
        rows, further = np.empty(shape), np.empty(shape)
        for j, (z, depth) in enumerate(zip(self._z, self._depth_of_column, strict=True)):
            slope = sum((own for d, own in slopes.items() if d >= depth), np.zeros(()))
            rows[:, j] = z * (inverse + e * slope)
            further[:, j] = z * slope
        carried = sum((own * (means[d] - means[0]) for d, own in slopes.items()), np.zeros(()))
        rows[:, -1] = e + (means[-1] - means[0]) * inverse + e * carried
        further[:, -1] = carried - 1.0
        further *= sigma[:, None, None]
        white, half_rows = self._uncorrelated(rows, corstruct)
        both = [gram(self.problem, columns, by_group=True) for columns in (white, further)]
        factors = self.parameters.factors(values)
        e_left = eliminate(self.problem, _sum(*both), factors, by_group=True)
        scale = self.sizes * (0.5 * LOG_2PI + np.log(sigma)[:, None])
        half = NUMPY.segment_sum(log_sd, self.starts) + half_rows + e_left.half_logdet
        rest = np.asarray(e_left.block)[:, 0, 0] / sigma[:, None] ** 2 - self.sizes
        integral = -scale - half - 0.5 * rest
        return Linearised(white, further, log_sd, e_left, factors, sigma, np.asarray(integral))

    def at_modes(
        self, values: Values, fixed: np.ndarray, start: Effects | None
    ) -> tuple[Linearised, Effects]:
        """The groups linearised close to their modes, and the modes (b, G, q)."""
        steps = settings.EFFECTS.newton_steps if start is None else 1
        effects = self._spread(len(fixed)) if start is None else start
        found = self.linearise(values, fixed, effects)
        for _ in range(0 if self.exact else steps - 1):
            found = self.linearise(values, fixed, self._effects(found, None))
        return found, self._effects(found, None)

    def modes(self, values: Values) -> Effects:
        """Modes (b, G, q) of the random effects, outermost level first."""
        return self.at_modes(values, self.fixed(values["fixef"]), None)[1]

    def _spread(self, count: int) -> Effects:
        return tuple(np.broadcast_to(b, (count, *b.shape)) for b in self.start)

    def _effects(self, found: Linearised, spherical: tuple[np.ndarray, ...] | None) -> Effects:
        """Modes of the least-squares problems, or draws from standard normal numbers."""
        none = np.zeros((len(found.sigma), 0))
        at = modes(
            self.problem, found.eliminated, found.factors, none, found.sigma, None, spherical
        )
        return at[::-1]

    def fixed(self, beta: np.ndarray) -> np.ndarray:
        """X beta (b, n) of sorted rows, with the offset."""
        return np.asarray(beta @ self._x + self._offset)

    def laplace(self, values: Values, start: Effects | None = None) -> np.ndarray:
        """Log likelihood (b,) by Laplace's approximation; exact where no variance has effects.

        Parameters
        ----------
        values : mapping of variable name to array (b, ...)
        start : tuple of arrays (b, G, q), outermost first, optional
            Effects close to the modes, one step away.
        """
        fixed = self.fixed(values["fixef"])
        if not self.problem.stages:
            return self._without_effects(values, fixed)
        found, effects = self.at_modes(values, fixed, start)
        total = found.log_integral
        if not self.exact:  # with the height at the mode itself, also where a step has led far off
            total = total + self._log_ratios(values, fixed, found, [effects])[0]
        return _certain(found, total.sum(axis=-1))

    def _without_effects(self, values: Values, fixed: np.ndarray) -> np.ndarray:
        corstruct, varfunc = self.parameters.row_parameters(values)
        log_sd = self.log_sd(varfunc, [fixed])
        sigma = self.parameters.sigmas(values)
        e = (self._y - fixed) * np.exp(-log_sd)
        white, half = self._uncorrelated(e[:, None, :], corstruct)
        scale = self.problem.n * (0.5 * LOG_2PI + np.log(sigma))
        rest = np.square(white[:, 0]).sum(axis=-1) / sigma**2
        return np.asarray(-scale - log_sd.sum(axis=-1) - half.sum(axis=-1) - 0.5 * rest)

    def drawn(
        self,
        values: Values,
        pairs: int,
        rng: np.random.Generator,
        start: Effects | None = None,
    ) -> tuple[np.ndarray, Effects, np.ndarray]:
        """Unbiased log likelihood (b,), a draw of the effects with it, and its variance.

        Parameters
        ----------
        values : mapping of variable name to array (b, ...)
        pairs : int
            Pairs of draws of each group.
        rng : Generator
        start : tuple of arrays (b, G, q), outermost first, optional
            As in `laplace`.

        Returns
        -------
        total : array, shape (b,)
        effects : tuple of arrays (b, G, q), outermost first
        variance : array, shape (b,)
            Estimated variance of the likelihood's estimate, relative to its square.
        """
        fixed = self.fixed(values["fixef"])
        if not self.problem.stages:
            return self._without_effects(values, fixed), (), np.zeros(len(fixed))
        found, at = self.at_modes(values, fixed, start)
        if self.exact:
            z = self._normal(len(fixed), rng)[0]
            total = found.log_integral.sum(axis=-1)
            return np.asarray(total), self._effects(found, z), np.zeros(len(fixed))
        every, log_ratios = [], []
        for _ in range(pairs):
            z, log_ratio = self._normal(len(fixed), rng)
            one = self._effects(found, z)
            every += [one, tuple(2 * m - b for m, b in zip(at, one, strict=True))]
            log_ratios += [log_ratio, log_ratio]
        log_w = self._log_ratios(values, fixed, found, every) + np.stack(log_ratios)
        log_w = np.where(np.isnan(log_w), -np.inf, log_w)
        log_mean = logsumexp(log_w, axis=0) - np.log(len(log_w))
        with np.errstate(invalid="ignore"):
            share = np.exp(log_w - log_mean)
        of_pairs = np.nan_to_num(0.5 * (share[::2] + share[1::2]))
        variance = np.square(of_pairs - 1.0).sum(axis=0) / max(pairs * (pairs - 1), 1)
        total = _certain(found, (found.log_integral + log_mean).sum(axis=-1))
        return total, self._chosen(share, every, rng), np.asarray(variance.sum(axis=-1))

    def _normal(
        self, count: int, rng: np.random.Generator
    ) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Numbers (b, q, G) by level, innermost first, and their log density ratio (b, G_1).

        They are normal, but for a share of the outermost groups, where they are Student-t.
        """
        limits, dims = settings.EFFECTS, self.effects_of_root
        groups, df = len(dims), limits.tail_df
        share = limits.tail_share * min(1.0, np.sqrt(limits.full_share_groups / groups))
        wide = rng.random((count, groups)) < share
        scale = np.ones((count, groups))
        scale[wide] = np.sqrt(df / rng.chisquare(df, size=int(wide.sum())))
        z, square = [], np.zeros((count, groups))
        for k, (stage, root) in enumerate(zip(self.problem.stages, self.roots, strict=True)):
            own = rng.standard_normal((count, stage.q, stage.n_groups)) * scale[:, None, root]
            starts = self.problem.nested_starts(k, len(self.problem.stages) - 1)
            square += NUMPY.segment_sum(np.square(own).sum(axis=1), starts)
            z.append(own)
        half = 0.5 * (df + dims)
        log_t = gammaln(half) - gammaln(0.5 * df) - 0.5 * dims * np.log(0.5 * df)
        log_t = log_t - half * np.log1p(square / df) + 0.5 * square  # over the normal density
        return tuple(z), -np.logaddexp(np.log1p(-share), np.log(share) + log_t)

    def _log_ratios(
        self, values: Values, fixed: np.ndarray, found: Linearised, every: Sequence[Effects]
    ) -> np.ndarray:
        """Log (m, b, G) of the likelihood given m effects over that of the least squares."""
        corstruct, varfunc = self.parameters.row_parameters(values)
        e = np.empty((len(fixed), len(every), self.problem.n))
        rows = np.empty((len(every), *fixed.shape))
        for m, effects in enumerate(every):
            means = self.means(fixed, effects)
            log_sd = self.log_sd(varfunc, means)
            np.subtract(found.log_sd, log_sd, out=rows[m])
            np.exp(-log_sd, out=e[:, m])
            e[:, m] *= self._y - means[-1]
        white, _ = self._uncorrelated(e, corstruct)
        half = 0.5 / found.sigma[:, None] ** 2
        for m, effects in enumerate(every):
            linear, further = self._least_squares(found, effects)
            rows[m] -= half * (np.square(white[:, m]) - np.square(linear) - np.square(further))
        return np.asarray(NUMPY.segment_sum(rows, self.starts) - 0.5 * self.sizes)

    def _least_squares(self, found: Linearised, effects: Effects) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (b, n) of the rows of both kinds at some effects."""
        linear, further = found.white[:, -1].copy(), found.further[:, -1].copy()
        at = 0
        pairs = zip(self.problem.stages, effects[::-1], self._levels[::-1], strict=True)
        for stage, b, (_, code) in pairs:
            standard = b @ stage.basis.T
            for j in range(stage.q):
                own = np.take(standard[..., j], code, axis=-1)
                linear -= found.white[:, at] * own
                further -= found.further[:, at] * own
                at += 1
        return linear, further

    def _chosen(
        self, share: np.ndarray, every: Sequence[Effects], rng: np.random.Generator
    ) -> Effects:
        """One of the draws of each outermost group, by their shares (m, b, G_1)."""
        edges = np.cumsum(np.nan_to_num(share), axis=0)
        u = rng.random(edges.shape[1:]) * edges[-1]
        which = np.minimum((edges <= u).sum(axis=0), len(share) - 1)
        out = []
        for k in range(len(self.problem.stages)):
            root = self.roots[::-1][k]
            stacked = np.stack([effects[k] for effects in every])
            own = which[:, root][None, :, :, None]
            out.append(np.take_along_axis(stacked, own, axis=0)[0])
        return tuple(out)


def _certain(found: Linearised, total: np.ndarray) -> np.ndarray:
    """Log integrals (b,), minus infinity where rounding has taken the digits of their parts."""
    size = np.abs(found.log_integral).max(axis=-1)
    return np.where(size < settings.EFFECTS.max_log_integral, total, -np.inf)


def _sum(one: Gram, other: Gram) -> Gram:
    """Cross products of the rows of both."""
    levels = tuple(a + b for a, b in zip(one.levels, other.levels, strict=True))
    assert one.roots is not None
    assert other.roots is not None
    return Gram(levels, one.total + other.total, one.roots + other.roots)
