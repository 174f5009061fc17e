"""The variables of a Bayesian model, and how they feed the engine.

The same functions serve draws (NumPy, leading axes are batches) and models (PyTensor). The
variables are ``fixef``, ``sigma``, ``sd_<group>``, ``cor_<group>``,
``varfunc``, ``corstruct``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bayeslme.arrays import NUMPY, Array
from bayeslme.bayes.centring import CentredEffects
from bayeslme.engine.build import bind_variance, build_problem
from bayeslme.engine.problem import Columns, Problem
from bayeslme.errors import SpecError
from bayeslme.structures import Bound, Parameter, PdMat
from bayeslme.structures.supports import Namespace

if TYPE_CHECKING:
    from bayeslme.data.types import Design, Level


Kind = Literal["fixef", "sigma", "sd", "cor", "varfunc", "corstruct"]


@dataclass(frozen=True, slots=True)
class Block:
    """One named variable of the model.

    Attributes
    ----------
    name : str
        ``"sd_Subject"``.
    kind : {"fixef", "sigma", "sd", "cor", "varfunc", "corstruct"}
        Which sort of parameter it is.
    coefs : tuple of str, length k
        Names of its coefficients, as nlme prints them; of a correlation matrix the names of its
        rows.
    lower, upper : tuple of float, length k
        The open interval each coefficient (each entry of a matrix) lives in.
    dim : str or None
        Name of its dimension; None for a single number.
    matrix : bool
        Whether the variable is a whole (k, k) correlation matrix.
    structure : str
        Of corstruct and varfunc: nlme's name of the structure.
    dimension : int
        Of corstruct: number of coordinates of a position.
    image_lower : float or None
        Lower end of the negative values of a correlation whose sign the data do not determine. Such
        a correlation is positive unless the user's prior includes negative values.
    turned_together : bool
        Whether the data leave open the signs of several correlations, which change together.
    """

    name: str
    kind: Kind
    coefs: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    dim: str | None = None
    matrix: bool = False
    structure: str = ""
    dimension: int = 0
    image_lower: float | None = None
    turned_together: bool = False

    @property
    def autoregressive(self) -> bool:
        """Whether it is the one correlation of neighbours in a process of order 1."""
        return self.coefs == ("Phi",) and self.structure in ("corAR1", "corCAR1", "corARMA")


Values = Mapping[str, Array]
_RESERVED = (
    *("chain", "draw", "row", "term", "varfunc_coef", "corstruct_coef"),
    *("y", "fixef", "sigma", "varfunc", "corstruct"),
)


@dataclass(frozen=True, slots=True)
class CovarianceBlock:
    """A block of a level's covariance: its own structure, standard deviations and correlation.

    Attributes
    ----------
    structure : PdMat
    rows : slice
        Which of the level's effects it covers.
    sds : slice
        Which of the level's standard deviations are its own.
    correlation : Block or None
        Its correlation: a matrix, or one number.
    """

    structure: PdMat
    rows: slice
    sds: slice
    correlation: Block | None

    @property
    def q(self) -> int:
        """Number of effects."""
        return int(self.rows.stop - self.rows.start)

    def natural(self, values: Values, sd: Array, xp: Namespace) -> Array:
        """Natural parameters of the structure, (..., size)."""
        own = sd[..., self.sds]
        if self.correlation is None:
            return own
        correlation = values[self.correlation.name]
        if self.correlation.matrix:
            upper = np.triu_indices(self.q, 1)
            return xp.concatenate([own, correlation[..., upper[0], upper[1]]], axis=-1)
        return xp.concatenate([own, correlation[..., None]], axis=-1)


@dataclass(frozen=True, slots=True)
class LevelParameters:
    """One level of random effects.

    Attributes
    ----------
    level : Level
        The design's level.
    key : str
        The group's name as it enters variable names.
    sd : Block
    covariance_blocks : tuple of CovarianceBlock
        One, unless the structure is blocked.
    centred_effects : CentredEffects or None
        Of a general covariance whose effects depend on where their predictors have zero.
    """

    level: Level
    key: str
    sd: Block
    covariance_blocks: tuple[CovarianceBlock, ...]
    centred_effects: CentredEffects | None = None

    @property
    def q(self) -> int:
        """Number of effects."""
        return len(self.level.effects)

    def factor(self, values: Values, xp: Namespace = NUMPY) -> Array:
        """A factor F (..., q, q) with cov(b) = F F'."""
        sd = values[self.sd.name]
        par = [block.natural(values, sd, xp) for block in self.covariance_blocks]
        full = par[0] if len(par) == 1 else xp.concatenate(par, axis=-1)
        return self.level.structure.natural_factor(full, self.q, xp)


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """The variables of a model, and the engine's problem they are the parameters of.

    Attributes
    ----------
    design : Design
    problem : Problem
    fixef : Block
    sigma : Block or None
        None where sigma is held.
    levels : tuple of LevelParameters
        Outermost first.
    varfunc, corstruct : Block or None
        Free parameters of the variance function and of the correlation structure; None where there
        are none.
    """

    design: Design
    problem: Problem
    fixef: Block
    sigma: Block | None
    levels: tuple[LevelParameters, ...]
    varfunc: Block | None
    corstruct: Block | None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All variables, in the order they are printed."""
        random = [
            b
            for lv in self.levels
            for b in (lv.sd, *(p.correlation for p in lv.covariance_blocks if p.correlation))
        ]
        return tuple(
            b
            for b in (self.fixef, *random, self.corstruct, self.varfunc, self.sigma)
            if b is not None
        )

    @property
    def row_blocks(self) -> tuple[tuple[Block, Bound], ...]:
        """Free parameters of the correlation structure and of the variance function.

        Each with the structure it belongs to; empty where there are none.
        """
        pairs = (self.corstruct, self.problem.correlation), (self.varfunc, self.problem.variance)
        return tuple((b, own) for b, own in pairs if b is not None and own is not None)

    @property
    def held_sigma(self) -> float | None:
        """Residual standard deviation held by ``control``, or None."""
        held: float | None = self.design.spec.control.sigma
        return held

    def sigma_of(self, values: Values) -> Array:
        """Residual standard deviation (...)."""
        return self.held_sigma if self.sigma is None else values["sigma"]

    @property
    def n_pieces(self) -> int:
        """Number of independent pieces of the data of a model with random effects."""
        return 1 if self.design.crossed else len(self.levels[0].level.labels)

    def sigmas(self, values: Values) -> np.ndarray:
        """Residual standard deviation (s,) of every draw, also where it is held."""
        held_or_drawn = np.asarray(self.sigma_of(values), dtype=float)
        return np.broadcast_to(held_or_drawn, (len(values["fixef"]),))

    def factors(self, values: Values, xp: Namespace = NUMPY) -> tuple[Array, ...]:
        """Standard relative factors A = T Lambda (..., q, q) of the stages, innermost first."""
        sigma = xp.constant(self.sigma_of(values)) if self.sigma is None else self.sigma_of(values)
        out = []
        for level, stage in zip(reversed(self.levels), self.problem.stages, strict=True):
            relative = level.factor(values, xp) / sigma[..., None, None]
            out.append(xp.matmul(xp.constant(stage.basis), relative))
        return tuple(out)

    def row_parameters(
        self, values: Values, xp: Namespace = NUMPY
    ) -> tuple[Array | None, Array | None]:
        """All natural parameters of the correlation structure and the variance function."""
        structure = self.problem.correlation
        correlation = _with_held(structure, self.corstruct, values, xp)
        if structure is not None:  # values are as printed, in the user's units
            correlation = structure.inside(correlation, xp)
        return correlation, _with_held(self.problem.variance, self.varfunc, values, xp)


def _with_held(
    row_structure: Bound | None, block: Block | None, values: Values, xp: Namespace
) -> Array | None:
    if row_structure is None:
        return None
    held = row_structure.printed_start
    if block is None:
        return xp.constant(held)
    return row_structure.with_held(values[block.name], held, xp)


def build_parameters(design: Design) -> ModelParameters:
    """Name the variables of a design's model.

    Parameters
    ----------
    design : Design

    Raises
    ------
    SpecError
        For a grouping column whose name is taken by a dimension of every posterior.
    """
    problem = build_problem(design)
    if problem.needs_fitted_values:  # for the parameters' names; see ``fitted_variance``
        fitted = design.X @ problem.shift + design.offset
        named = bind_variance(problem, design, (fitted,) * len(design.variance))
        problem = replace(named, needs_fitted_values=True)
    p = len(design.x_names)
    fixef = Block("fixef", "fixef", design.x_names, (-np.inf,) * p, (np.inf,) * p, "term")
    held = design.spec.control.sigma is not None
    sigma = None if held else Block("sigma", "sigma", ("sigma",), (0.0,), (np.inf,))
    levels = tuple(
        _level_parameters(level, matrix)
        for level, matrix in zip(design.levels, design.random_matrices, strict=True)
    )
    varfunc = _row_block("varfunc", problem.variance)
    corstruct = _row_block("corstruct", problem.correlation)
    _check_names(levels)
    return ModelParameters(design, problem, fixef, sigma, levels, varfunc, corstruct)


def _row_block(kind: Kind, row_structure: Bound | None) -> Block | None:
    if row_structure is None or not len(row_structure.free):
        return None
    free = [row_structure.parameters[j] for j in row_structure.free]
    block = _block(kind, kind, tuple(p.name for p in free), free, f"{kind}_coef")
    if kind == "varfunc":
        return block
    dimension = int(row_structure.coords.position.shape[1])
    image = -1.0 if row_structure.two_signs and block.lower == (0.0,) else None
    together = len(row_structure.structure.turned_together(row_structure.coords)) == 1
    turned = row_structure.two_signs and together and len(free) > 1 and min(block.lower) < 0
    own = {"structure": row_structure.structure.r_name, "dimension": dimension}
    return replace(block, **own, image_lower=image, turned_together=turned)


def _block(
    name: str, kind: Any, coefs: tuple[str, ...], parameters: list[Parameter], dim: str | None
) -> Block:
    lower = tuple(float(p.printed_support.lower) for p in parameters)
    upper = tuple(float(p.printed_support.upper) for p in parameters)
    return Block(name, kind, coefs, lower, upper, dim)


def _check_names(levels: tuple[LevelParameters, ...]) -> None:
    """Refuse groups whose variables and dimensions would have the same names."""
    taken: dict[str, str] = {}
    for one in levels:
        key, group = one.key, one.level.group
        for name in (
            *(key, f"{key}_effect", f"{key}_effect_bis", f"{key}_sd", f"{key}_code"),
            *(f"sd_{key}", f"cor_{key}", f"ranef_{key}", f"Z_{key}"),
        ):
            if taken.setdefault(name, group) != group:
                msg = (
                    f"the grouping columns '{taken[name]}' and '{group}' would both be '{name}' in "
                    "a posterior; give one of them another name"
                )
                raise SpecError(msg)


def _level_parameters(level: Level, matrix: Any) -> LevelParameters:
    key = level.group.replace("/", "_")
    if key in _RESERVED:
        msg = (
            f"the grouping column '{level.group}' has a name that posteriors use themselves; "
            f"rename the column, to '{level.group}_group' for example, and fit again"
        )
        raise SpecError(msg)
    structure: PdMat = level.structure
    label = str(level.formula)
    parts = structure.parts(len(level.effects))
    names: list[str] = []
    parameters: list[Parameter] = []
    blocks = []
    for k, (own, rows) in enumerate(parts):
        effects = level.effects[rows]
        natural = own.natural_parameters(effects, label)
        sds = [p for p in natural if p.support.lower == 0.0 and np.isinf(p.support.upper)]
        correlations = [p for p in natural if p not in sds]
        suffix = f"_{k + 1}" if len(parts) > 1 else ""
        at = slice(len(names), len(names) + len(sds))
        names += list(effects) if len(sds) == len(effects) else [p.name for p in sds]
        parameters += sds
        correlation = _correlation_block(own, key, suffix, effects, correlations)
        blocks.append(CovarianceBlock(own, rows, at, correlation))
    dim = f"{key}_effect" if tuple(names) == level.effects else f"{key}_sd"
    sd = _block(f"sd_{key}", "sd", tuple(names), parameters, dim)
    correlation, centred = blocks[0].correlation, None
    if len(blocks) == 1 and correlation is not None and correlation.matrix:
        centred = CentredEffects.of(sd.name, correlation.name, level.Z, matrix)
    return LevelParameters(level, key, sd, tuple(blocks), centred)


def _correlation_block(
    structure: PdMat, key: str, suffix: str, effects: tuple[str, ...], correlations: list[Parameter]
) -> Block | None:
    if not correlations:
        return None
    name, q = f"cor_{key}{suffix}", len(effects)
    if structure.unstructured:
        return Block(
            name, "cor", effects, (-1.0,) * q, (1.0,) * q, f"{key}_effect{suffix}", matrix=True
        )
    return _block(name, "cor", (correlations[0].name,), correlations, None)


def without_fixed(problem: Problem) -> Problem:
    """Return the problem without fixed effects: columns [Z | y], for residuals y - X beta."""
    keep = np.r_[0 : len(problem.columns) - 1 - problem.p, len(problem.columns) - 1]
    return replace(
        problem,
        source=Columns.holding(problem.columns[keep]),
        x_basis=np.zeros((0, 0)),
        shift=np.zeros(0),
    )
