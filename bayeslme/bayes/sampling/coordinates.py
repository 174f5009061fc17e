"""All variance parameters of a model as one vector, and the parts of it.

Coordinates of a few variance parameters each, and the maps to what they stand for. A standard
deviation is ``floor sinh|s|``: even in s, so that zero is an ordinary point; linear below the
floor, where the data cannot tell it from zero and nothing else depends on it any more; logarithmic
above. Correlation matrices go through their partial correlations (Lewandowski, Kurowicka and Joe
2009, Journal of Multivariate Analysis 100, 1989), whose cube holds positive definite matrices only.
Every other parameter has the unconstrained scale of its own support or structure.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import override

import numpy as np

from bayeslme.bayes import settings
from bayeslme.bayes.centring import TypicalRows, centred_of, natural_of
from bayeslme.bayes.model_parameters import Block, LevelParameters, ModelParameters
from bayeslme.bayes.priors.priors import Priors
from bayeslme.bayes.sampling.starting import residual_scale
from bayeslme.engine.likelihood.likelihood import NaturalPoint
from bayeslme.structures import Bound, Parameter
from bayeslme.structures.correlation.partial import correlation_matrices, log_jacobian, partials_of
from bayeslme.structures.supports import POSITIVE, REAL


class Transform(ABC):
    """Coordinates of a few parameters.

    Attributes
    ----------
    scale : array, shape (k,)
        Size of a visible step.
    even : bool
        Whether the map does not tell u from -u, one coordinate at a time.
    """

    scale: np.ndarray
    even: bool = False

    @abstractmethod
    def decode(self, u: np.ndarray) -> np.ndarray:
        """Natural parameters (b, m) of coordinates (b, k)."""

    @abstractmethod
    def encode(self, natural: np.ndarray) -> np.ndarray:
        """Coordinates (k,) of natural parameters (m,)."""

    @abstractmethod
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        """Log determinant (b,) of ``decode``."""


class Deviations(Transform):
    """Standard deviations of random effects.

    Parameters
    ----------
    floor : array, shape (k,)
    """

    even = True

    def __init__(self, floor: np.ndarray) -> None:
        self.floor = floor
        self.scale = np.ones(len(floor))

    @override
    def decode(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.floor * np.sinh(np.abs(u)))

    @override
    def encode(self, natural: np.ndarray) -> np.ndarray:
        return np.asarray(np.arcsinh(natural / self.floor))

    @override
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(self.floor * np.cosh(u)).sum(axis=-1))


class Correlations(Transform):
    """The upper triangle of a correlation matrix, row by row.

    Parameters
    ----------
    q : int
        Side of the matrix.
    """

    def __init__(self, q: int) -> None:
        self.q = q
        self.scale = np.ones(q * (q - 1) // 2)

    @override
    def decode(self, u: np.ndarray) -> np.ndarray:
        full = correlation_matrices(np.tanh(u / 2), self.q)
        rows, columns = np.triu_indices(self.q, 1)
        return np.asarray(full[..., rows, columns])

    @override
    def encode(self, natural: np.ndarray) -> np.ndarray:
        limits = settings.SEARCH
        matrix = np.eye(self.q)
        matrix[np.triu_indices(self.q, 1)] = natural
        matrix = matrix + np.triu(matrix, 1).T
        least = float(np.linalg.eigvalsh(matrix).min())
        if least < limits.min_start_eigenvalue:
            matrix += (limits.min_start_eigenvalue - least) * np.eye(self.q)
            matrix /= matrix[0, 0]
        factor = np.linalg.cholesky(matrix)
        rows = [factor[i, : i + 1] for i in range(self.q)]
        return np.asarray(2 * np.arctanh(partials_of(rows)))

    @override
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(log_jacobian(u, self.q, 0.5))


class Supported(Transform):
    """Parameters each on the unconstrained scale of its own support.

    Parameters
    ----------
    parameters : tuple of Parameter
    """

    def __init__(self, parameters: tuple[Parameter, ...]) -> None:
        self.parameters = parameters
        self.scale = np.array([p.scale for p in parameters])

    @override
    def decode(self, u: np.ndarray) -> np.ndarray:
        columns = [p.support.constrain(u[..., j]) for j, p in enumerate(self.parameters)]
        return np.stack(columns, axis=-1)

    @override
    def encode(self, natural: np.ndarray) -> np.ndarray:
        pairs = zip(self.parameters, natural, strict=True)
        return np.array([float(p.support.unconstrain(v)) for p, v in pairs])

    @override
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        terms = [p.support.log_jacobian(u[..., j]) for j, p in enumerate(self.parameters)]
        return np.asarray(sum(terms, np.zeros(u.shape[:-1])))


class Rows(Transform):
    """Parameters of a row structure, held ones among the natural ones.

    The density is that of the printed parameters, to which the Jacobian belongs.

    Parameters
    ----------
    row_structure : Bound
    lower : array, shape (f,), optional
        Where the priors begin; a real parameter whose prior begins at 0 is positive.
    """

    def __init__(self, row_structure: Bound, lower: np.ndarray | None = None) -> None:
        if lower is not None:
            row_structure = replace(row_structure, parameters=_positive(row_structure, lower))
        self.row_structure = row_structure
        self.scale = row_structure.scale

    @override
    def decode(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.row_structure.natural(u))

    @override
    def encode(self, natural: np.ndarray) -> np.ndarray:
        return self.row_structure.to_free(natural)

    @override
    def log_jacobian(self, u: np.ndarray) -> np.ndarray:
        if not len(self.scale):
            return np.zeros(len(u))
        return np.asarray(self.row_structure.log_jacobian(u))


def _positive(row_structure: Bound, lower: np.ndarray) -> tuple[Parameter, ...]:
    out = list(row_structure.parameters)
    for j, low in zip(row_structure.free, lower, strict=True):
        if out[j].support == REAL and low == 0.0:
            out[j] = replace(out[j], support=POSITIVE, start=abs(out[j].start), scale=1.0)
    return tuple(out)


SIGMA = Parameter("sigma", POSITIVE, 1.0)


@dataclass(frozen=True)
class Coordinates:
    """All variance parameters of a model as one vector.

    Sigma enters as the scale of a typical row, so that neither a power of a large covariate nor a
    correlation near 1 drags it along. Correlated random effects enter with their predictors at the
    means, so that a predictor far from zero does not make their correlation near 1.

    Parameters
    ----------
    parameters : ModelParameters
    start : NaturalPoint
        Sets the floors of standard deviations, and sigma where it is held.
    priors : Priors, optional
        Which real parameters are positive.
    """

    parameters: ModelParameters
    start: NaturalPoint
    priors: Priors | None = None

    @cached_property
    def _random(self) -> tuple[tuple[Transform, ...], ...]:
        return tuple(
            _level_transforms(level, floor)
            for level, floor in zip(
                self.parameters.levels, _floors(self.parameters, self.start), strict=True
            )
        )

    @cached_property
    def _rows(self) -> tuple[Rows | None, Rows | None]:
        parameters, problem = self.parameters, self.parameters.problem
        correlation, variance = (
            None if own is None else Rows(own, self._lower(block))
            for own, block in (
                (problem.correlation, parameters.corstruct),
                (problem.variance, parameters.varfunc),
            )
        )
        return correlation, variance

    def _lower(self, block: Block | None) -> np.ndarray | None:
        """Where the priors of a block begin."""
        if block is None or self.priors is None:
            return None
        prior = self.priors[block.name]
        return np.array([prior.bounds(j)[0] for j in range(len(prior.priors))])

    @cached_property
    def _transforms(self) -> tuple[Transform, ...]:
        own = [transform for level in self._random for transform in level]
        own += [rows for rows in self._rows if rows is not None]
        return (*own, *(() if self.parameters.sigma is None else (Supported((SIGMA,)),)))

    @cached_property
    def _places(self) -> list[slice]:
        ends = np.cumsum([0, *(len(transform.scale) for transform in self._transforms)])
        return [slice(int(i), int(j)) for i, j in itertools.pairwise(ends)]

    @cached_property
    def _typical(self) -> TypicalRows:
        return TypicalRows.of(self.parameters.problem)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self._places[-1].stop if self._places else 0

    @property
    def scale(self) -> np.ndarray:
        """Size of a visible step, shape (k,)."""
        return np.concatenate([np.zeros(0), *(transform.scale for transform in self._transforms)])

    @property
    def even(self) -> np.ndarray:
        """Coordinates of which only the size counts, bool, shape (k,)."""
        own = [np.full(len(transform.scale), transform.even) for transform in self._transforms]
        return np.concatenate([np.zeros(0, dtype=bool), *own])

    def decode(self, u: np.ndarray) -> NaturalPoint:
        """Natural points (b) of coordinates (b, k)."""
        return self.decode_with_jacobian(u)[0]

    def decode_with_jacobian(self, u: np.ndarray) -> tuple[NaturalPoint, np.ndarray]:
        """Natural points (b) of coordinates (b, k), and the map's log determinants (b,)."""
        natural = iter(
            transform.decode(u[:, at])
            for transform, at in zip(self._transforms, self._places, strict=True)
        )
        centred = [
            np.concatenate([next(natural) for _ in level], axis=-1) for level in self._random
        ]
        rows = [None if r is None else next(natural) for r in self._rows]
        pairs = zip(self._transforms, self._places, strict=True)
        log_jacobian = sum(
            (transform.log_jacobian(u[:, at]) for transform, at in pairs), np.zeros(len(u))
        )
        levels = self.parameters.levels
        random = tuple(
            natural_of(lv.centred_effects, par, lv.q)
            for lv, par in zip(levels, centred, strict=True)
        )
        for level, par, own in zip(levels, centred, random, strict=True):
            if level.centred_effects is not None:
                log_jacobian -= level.centred_effects.log_jacobian(
                    own[:, : level.q], par[:, : level.q]
                )
        if self.parameters.sigma is None:
            sigma = np.full(len(u), float(self.start.sigma))
        else:
            shift = self._typical.log_scale(*rows)
            sigma, log_jacobian = next(natural)[:, 0] * np.exp(-shift), log_jacobian - shift
        return NaturalPoint(sigma, random, rows[0], rows[1]), log_jacobian

    def encode(self, point: NaturalPoint) -> np.ndarray:
        """Coordinates (k,) of one natural point."""
        natural: list[np.ndarray] = []
        for level, values in zip(self.parameters.levels, point.random, strict=True):
            natural += _cut(level, centred_of(level.centred_effects, values, level.q))
        for rows, own in zip(self._rows, (point.corstruct, point.varfunc), strict=True):
            if rows is not None and own is not None:
                natural.append(own)
        if self.parameters.sigma is not None:
            shift = self._typical.log_scale(point.corstruct, point.varfunc)
            natural.append(np.array([float(point.sigma * np.exp(shift))]))
        pairs = zip(self._transforms, natural, strict=True)
        return np.concatenate([np.zeros(0), *(transform.encode(v) for transform, v in pairs)])


def _level_transforms(level: LevelParameters, floor: np.ndarray) -> tuple[Transform, ...]:
    transforms: list[Transform] = []
    for block in level.covariance_blocks:
        transforms.append(Deviations(floor[block.sds]))
        if block.correlation is not None and block.correlation.matrix:
            transforms.append(Correlations(block.q))
        elif block.correlation is not None:
            effects = level.level.effects[block.rows]
            natural = block.structure.natural_parameters(effects, "")
            transforms.append(Supported((natural[-1],)))
    return tuple(transforms)


def _cut(level: LevelParameters, natural: np.ndarray) -> list[np.ndarray]:
    """Natural parameters of a level by part."""
    out, at = [], 0
    for block in level.covariance_blocks:
        size, sds = block.structure.size(block.q), block.sds.stop - block.sds.start
        out.append(natural[at : at + sds])
        if block.correlation is not None:
            out.append(natural[at + sds : at + size])
        at += size
    return out


def _floors(parameters: ModelParameters, start: NaturalPoint) -> list[np.ndarray]:
    """Standard error of an average group's own effects, from what varies within groups.

    Of every level, outermost first, for each standard deviation.
    """
    problem, out = parameters.problem, []
    # for each row; what is inside adds to it
    rows = residual_scale(parameters, start) ** 2 / problem.n
    within: dict[int, float] = {}
    for level, stage, natural in zip(
        reversed(parameters.levels), problem.stages, reversed(start.random), strict=True
    ):
        branch, groups = level.level.branch, len(level.level.labels)
        inverse = np.linalg.inv(stage.basis)
        if level.centred_effects is not None:
            inverse = level.centred_effects.basis @ inverse
        variance = within.setdefault(branch, rows)  # crossed effects average out
        error = np.sqrt(variance * groups * np.square(inverse).sum(axis=1))
        own = [
            error[block.rows]
            if block.sds.stop - block.sds.start == block.q
            else error[block.rows].mean(keepdims=True)
            for block in level.covariance_blocks
        ]
        out.append(np.concatenate(own))
        spread = stage.basis @ stage.structure.natural_factor(natural, stage.q)
        within[branch] += float(np.square(spread).sum()) / groups
    return out[::-1]
