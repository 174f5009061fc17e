"""The presets of priors, from the data of a model.

``"default"`` is weakly informative, scales with the data and does not depend on where the
response or a predictor has its zero. With s the standard deviation of y, and s_x that of a column
x freed of the columns it contains (an interaction of its main effects, a square of its linear
term; root mean square where nothing varies):

    fixef, a slope      Normal(0, 2.5 s / s_x), with what contains it at its mean
    fixef, intercept    Normal(mean(y), 2.5 s), at the means of the predictors; without an
                        intercept column mean(y) goes to the combination of columns that is
                        constant, if there is one
    sigma               HalfStudentT(4, s); where the variance has fixed weights, powers or
                        exponentials of a covariate this is the residual standard deviation of a
                        typical row, with the mean of their logarithms over the rows
    sd, slope of z      HalfStudentT(4, s / s_z)
    sd, intercept       HalfStudentT(4, s), and the correlations, with the predictors at their
                        means; of uncorrelated or blocked effects, which have no such mean,
                        HalfStudentT(4, s sqrt(1 + sum (mean(z) / s_z)^2)) over the slopes z of
                        the same level, whose lines are extrapolated to zero
    sd, shared          HalfStudentT(4, s / root mean square of the columns)
    sd, known groups    divided by the root of the mean diagonal of their known covariance
    cor                 LKJ(1), uniform over correlation matrices; a single correlation is
                        uniform over its interval
    varfunc, corstruct  see ``default_rows``

``"flat"`` is constant on the natural scale, each parameter on its interval: the mode with beta
integrated is the REML estimate.

``"boundary-avoiding"`` is flat, but for the random effects: Gamma(2, 0.01 / scale) on standard
deviations, with the scale of the default preset, and LKJ(1.5) on correlation matrices. As far as
the rate is 0 that is the density det(Sigma)^(1/2) of the covariance matrix, the Wishart with q + 2
degrees of freedom of Chung, Gelman, Rabe-Hesketh, Liu and Dorie (2015, Journal of Educational and
Behavioral Statistics 40, 136), for a single effect the Gamma of Chung, Rabe-Hesketh, Dorie, Gelman
and Liu (2013, Psychometrika 78, 685): the mode is never at a zero variance or a perfect
correlation, and less than one standard error from the REML estimate.

Default priors of correlation structures and variance functions, in the data's own units. range
LogNormal between the distances of a row to the nearest one of its group (their
median) and to the farthest one: they are two standard deviations from the middle               or
nearer, and the standard deviation is 1 at the least Phi           of corCAR1: Beta(d, 1), d the
median step in time, so that the correlation one               step apart, Phi^d, is uniform; so of
corAR1 where all lags are multiples of d, on               both sides of 0 where d is odd, and
positive where it is even const         of varConstPower: LogNormal(log start, 1), of its ratio to
the power of a typical               row, exp(power mean(log |v|)) prop          of varConstProp:
LogNormal(log start, 1), the start that of the covariate divided               by its root mean
square unless the user gives one; its sign says nothing powers, rates Normal(start, scale): the
scale is 1 over the size of what they multiply positive      LogNormal(log start, 1): ratios,
constants an interval   Uniform
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bayeslme.bayes import settings
from bayeslme.bayes.centring import sweep
from bayeslme.bayes.model_parameters import Block, LevelParameters, ModelParameters
from bayeslme.bayes.priors.language import Prior
from bayeslme.bayes.priors.priors import FloatArray, Priors, PriorsLike, resolve
from bayeslme.bayes.priors.scales import (
    Combinations,
    EffectsAtMeans,
    PriorScale,
    RelativeConstants,
    TypicalScale,
)
from bayeslme.errors import DataError

if TYPE_CHECKING:
    from bayeslme.structures import Bound


def row_priors(row_structure: Bound) -> tuple[Prior, ...]:
    """Priors of the free parameters of a row structure.

    Parameters
    ----------
    row_structure : Bound
    """
    return tuple(Prior(*one) for one in row_structure.default_priors)


def typical_row(variance: Bound | None) -> TypicalScale:
    """How the variance function moves the residual standard deviation of a typical row.

    Only fixed weights, powers and rates do; beside a constant that of the power alone counts.

    Parameters
    ----------
    variance : Bound or None
    """
    if variance is None:
        return TypicalScale(np.zeros(0))
    slopes, constant = variance.structure.typical_log_sd(variance.coords)
    held = np.array([p.start if p.held else 0.0 for p in variance.parameters])
    return TypicalScale(slopes[variance.free], constant + float(held @ slopes))


def relative_constants(variance: Bound | None) -> FloatArray | None:
    """What free constants are measured by: powers of a typical row of their stratum.

    Parameters
    ----------
    variance : Bound or None

    Returns
    -------
    (k, k) array or None
        A constant's row times the parameters is the logarithm of its unit; other rows are zero.
    """
    if variance is None:
        return None
    units = variance.structure.constant_units(variance.coords)
    own: FloatArray = units[np.ix_(variance.free, variance.free)]
    return own if own.any() else None


Preset = dict[str, tuple[Prior, ...]]


def resolve_priors(parameters: ModelParameters, priors: PriorsLike = None) -> Priors:
    """Resolve priors on the data of a model.

    Parameters
    ----------
    parameters : ModelParameters
    priors : None, preset name or mapping
        See ``bayeslme.bayes.priors.priors.resolve``.

    Returns
    -------
    Priors
    """
    if priors == "flat":  # asks nothing of the data
        return resolve(priors, parameters.blocks, {"flat": _flat(parameters)})
    default, basis = _default(parameters)
    presets = {
        "default": default,
        "flat": _flat(parameters),
        "boundary-avoiding": _boundary_avoiding(parameters),
    }
    scales, centred = _default_scales(parameters, basis)
    return resolve(priors, parameters.blocks, presets, scales, centred)


def _default_scales(
    parameters: ModelParameters, basis: FloatArray
) -> tuple[dict[str, PriorScale], dict[str, tuple[Prior, ...]]]:
    """What the default priors are about, and the priors of effects at the predictors' means."""
    variance = parameters.problem.variance
    scales: dict[str, PriorScale] = {"fixef": Combinations(basis)}
    typical, relative = typical_row(variance), relative_constants(variance)
    if typical.weights.any():  # otherwise the scale of sigma's prior is divided by a constant
        scales["sigma"] = typical
    if relative is not None:
        scales["varfunc"] = RelativeConstants(relative)
    centred = _at_means(parameters)
    for level in parameters.levels:
        effects = level.centred_effects
        if effects is not None:
            scales[effects.sd] = EffectsAtMeans(effects, matrix=False)
            scales[effects.cor] = EffectsAtMeans(effects, matrix=True)
    return scales, centred


def _default(parameters: ModelParameters) -> tuple[Preset, FloatArray]:
    s = _response_scale(parameters)
    fixef, basis = _default_fixef(parameters, s)
    out: Preset = {"fixef": fixef}
    for level in parameters.levels:
        out[level.sd.name] = tuple(_half_student(v) for v in _sd_scales(level, s))
        for covariance in level.covariance_blocks:
            if covariance.correlation is not None:
                out[covariance.correlation.name] = _default_cor(covariance.correlation)
    for block, row_structure in parameters.row_blocks:
        out[block.name] = row_priors(row_structure)
    if parameters.sigma is not None:
        typical = typical_row(parameters.problem.variance)
        unit = 1.0 if typical.weights.any() else np.exp(typical.constant)
        out["sigma"] = (_half_student(s / unit),)
    return out, basis


def _default_fixef(parameters: ModelParameters, s: float) -> tuple[tuple[Prior, ...], FloatArray]:
    design = parameters.design
    swept, basis = sweep(design.X, design.matrix.terms.terms, design.assign)
    spread = swept.std(axis=0)
    size = np.sqrt(np.mean(design.X**2, axis=0))
    varies = spread > settings.PRIORS.constant_column * size
    unit = np.where(varies, spread, np.where(size > 0, size, 1.0))
    if design.has_intercept:
        location = np.zeros(len(unit))
        location[0] = float(np.mean(design.response))
    else:
        location = float(np.mean(design.response)) * basis @ _constant_combination(design.X)
    scale = 2.5 * s / unit
    return tuple(_normal(m, v) for m, v in zip(location, scale, strict=True)), basis


def _constant_combination(x: FloatArray) -> FloatArray:
    """Coefficients whose combination of columns is 1 in every row; zeros without any."""
    if x.shape[1] == 0:
        return np.zeros(0)
    found = np.linalg.lstsq(x, np.ones(len(x)), rcond=None)[0]
    return found if np.allclose(x @ found, 1.0, atol=1e-8) else np.zeros(x.shape[1])


def _at_means(parameters: ModelParameters) -> dict[str, tuple[Prior, ...]]:
    """Priors of correlated random effects with the predictors at their means."""
    out = {}
    for level in parameters.levels:
        effects = level.centred_effects
        if effects is None:
            continue
        swept = level.level.Z @ np.linalg.inv(effects.basis)
        spread, size = swept.std(axis=0), np.sqrt(np.mean(swept**2, axis=0))
        unit = np.where(spread > settings.PRIORS.constant_column * size, spread, size)
        scales = _response_scale(parameters) / np.where(unit > 0, unit, 1.0) / level.level.scale
        out[effects.sd] = tuple(_half_student(v) for v in scales)
        correlation = level.covariance_blocks[0].correlation
        out[effects.cor] = () if correlation is None else _default_cor(correlation)
    return out


def _sd_scales(level: LevelParameters, s: float) -> FloatArray:
    z = level.level.Z
    centre, spread = z.mean(axis=0), z.std(axis=0)
    root = np.sqrt(np.mean(z**2, axis=0))
    varies = spread > settings.PRIORS.constant_column * root
    out = []
    for covariance in level.covariance_blocks:
        own = np.arange(z.shape[1])[covariance.rows]
        if covariance.sds.stop - covariance.sds.start != len(own):
            out.append(s / float(np.sqrt(np.mean(z[:, own] ** 2))))
            continue
        slopes = own[varies[own]]
        far = np.sqrt(1.0 + np.sum((centre[slopes] / spread[slopes]) ** 2))
        out += [s / spread[j] if varies[j] else s * far / (root[j] or 1.0) for j in own]
    return np.array(out) / level.level.scale


def _default_cor(block: Block) -> tuple[Prior, ...]:
    if block.matrix:
        return (Prior("LKJ", (("eta", 1.0),)),)
    return (_uniform(block.lower[0], block.upper[0]),)


def _boundary_avoiding(parameters: ModelParameters) -> Preset:
    out, s = _flat(parameters), _response_scale(parameters)
    for level in parameters.levels:
        out[level.sd.name] = tuple(
            Prior("Gamma", (("alpha", 2.0), ("beta", settings.PRIORS.boundary_avoiding_rate / v)))
            for v in _sd_scales(level, s)
        )
        for covariance in level.covariance_blocks:
            if covariance.correlation is not None and covariance.correlation.matrix:
                out[covariance.correlation.name] = (Prior("LKJ", (("eta", 1.5),)),)
    return out


def _response_scale(parameters: ModelParameters) -> float:
    design = parameters.design
    s = float(np.std(design.response))
    if not s > 0:
        msg = f"the response '{design.response_label}' is constant: it has no scale for priors"
        raise DataError(msg)
    return s


def _flat(parameters: ModelParameters) -> Preset:
    return {
        b.name: (Prior("LKJ", (("eta", 1.0),)),)
        if b.matrix
        else (Prior("Flat", ()),) * len(b.coefs)
        for b in parameters.blocks
    }


def _normal(mu: float, sigma: float) -> Prior:
    return Prior("Normal", (("mu", float(mu)), ("sigma", float(sigma))))


def _uniform(lower: float, upper: float) -> Prior:
    return Prior("Uniform", (("lower", lower), ("upper", upper)))


def _half_student(sigma: float) -> Prior:
    return Prior("HalfStudentT", (("nu", settings.PRIORS.half_student_df), ("sigma", float(sigma))))
