"""Draws as a DataTree with the groups and variables that every ArviZ function knows.

This module imports xarray, so it is imported only after sampling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.indexes import PandasIndex

from bayeslme.bayes import settings
from bayeslme.bayes.density import by_group, given_effects_by_group
from bayeslme.bayes.model_parameters import Block, ModelParameters
from bayeslme.bayes.posterior.rows.random_effects import (
    BYTES,
    PIECES,
    SEED,
    drawn_pieces,
    effects_and_terms,
)
from bayeslme.bayes.posterior.rows.simulate import replicated
from bayeslme.bayes.priors.priors import Priors

if TYPE_CHECKING:
    from bayeslme.bayes.posterior.draws import Draws

_SAMPLE = ("chain", "draw")
EVERY, REPLICATES_SEED = "every", "seed"  # attributes of posterior_predictive
EARLIER_REPLICATES = 2e7  # numbers of replicates up to which every draw had one, without EVERY


def flatten(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Join chains and draws, (c, d, ...) to (c d, ...)."""
    # the number of draws is written out: -1 cannot be told where a model has no coefficients
    return {k: v.reshape(v.shape[0] * v.shape[1], *v.shape[2:]) for k, v in values.items()}


def build_tree(
    parameters: ModelParameters,
    priors: Priors,
    values: Mapping[str, np.ndarray],
    stats: Mapping[str, np.ndarray],
    *,
    seeds: tuple[int, int],
    route: str,
    effects: Mapping[str, np.ndarray] | None = None,
    keep: bool = True,
) -> xr.DataTree:
    """Complete draws of the parameters to a whole posterior.

    Parameters
    ----------
    parameters : ModelParameters
    priors : Priors
    values : mapping of variable name to array (chains, draws, ...)
    stats : mapping of statistic to array (chains, draws)
    seeds : tuple of int
        Of the random effects and of the replicated responses.
    route : str
        How the draws were made; kept as an attribute of ``sample_stats``.
    effects : mapping of group key to array (chains, draws, G, q), optional
        Random effects where they were sampled; drawn exactly from their conditional otherwise.
    keep : bool
        Keep the random effects that are drawn, or the seed alone that draws them again.

    Returns
    -------
    DataTree
        ``posterior``, ``sample_stats``, ``log_likelihood``, ``log_prior``,
        ``posterior_predictive``, ``observed_data``, ``constant_data``.
    """
    chains, draws = next(iter(values.values())).shape[:2]
    flat = flatten({"fixef": np.zeros((chains, draws, parameters.problem.p)), **values})
    drawn, terms = _completed(parameters, flat, effects, keep=keep, seed=seeds[0])
    pieces, labels = log_likelihood_dim(parameters)
    prior = priors.log_density({b.name: values[b.name] for b in parameters.blocks})
    kind = "given the random effects" if parameters.problem.needs_fitted_values else "marginal"
    groups = {
        "posterior": xr.Dataset(_parameters(parameters, values, drawn)),
        "sample_stats": xr.Dataset(
            {k: variable(v, ()) for k, v in stats.items()},
            attrs={"route": route, SEED: seeds[0], PIECES: BYTES},
        ),
        "log_likelihood": xr.Dataset(
            {"y": variable(_shortened(terms).reshape(chains, draws, -1), (pieces,))},
            attrs={"kind": kind},
        ),
        "log_prior": xr.Dataset({k: variable(v, ()) for k, v in prior.items()}),
        "posterior_predictive": _replicates(parameters, flat, drawn, (chains, draws), seeds[1]),
        "observed_data": xr.Dataset({"y": ("row", parameters.design.y)}),
        "constant_data": xr.Dataset(_constant(parameters)),
    }
    coords = {**coordinates(parameters), pieces: labels}
    return xr.DataTree.from_dict({k: with_coords(v, coords) for k, v in groups.items()})


def _completed(
    parameters: ModelParameters,
    flat: Mapping[str, np.ndarray],
    effects: Mapping[str, np.ndarray] | None,
    *,
    keep: bool,
    seed: int,
) -> tuple[Mapping[str, np.ndarray], np.ndarray]:
    """Random effects (s, G, q) that are kept, and the log likelihood (s, pieces)."""
    if effects is not None:
        drawn = flatten(effects)
        given = parameters.problem.needs_fitted_values
        terms = (
            given_effects_by_group(parameters, flat, drawn) if given else by_group(parameters, flat)
        )
        return drawn, terms
    rng = np.random.default_rng(seed)
    return effects_and_terms(parameters, flat, rng) if keep else ({}, _terms(parameters, flat, rng))


def _parameters(
    parameters: ModelParameters, values: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray]
) -> dict[str, xr.Variable]:
    """Parameters as they were drawn, and the random effects that are kept."""
    out = {b.name: variable(values[b.name], dims_of(b)) for b in parameters.blocks if b.coefs}
    sample = next(iter(values.values())).shape[:2]
    for level in parameters.levels if drawn else ():
        b = drawn[level.key]
        dims = (level.key, f"{level.key}_effect")
        own = b.reshape(*sample, *b.shape[1:]).astype(np.float32)
        out[f"ranef_{level.key}"] = variable(own, dims)
    return out


def _shortened(terms: np.ndarray) -> np.ndarray:
    """Log likelihoods in single precision, where that leaves four decimals of them."""
    largest = np.max(np.abs(terms), initial=0.0)
    return terms.astype(np.float32) if largest < settings.POSTERIOR.max_single_term else terms


def _replicates(
    parameters: ModelParameters,
    flat: Mapping[str, np.ndarray],
    drawn: Mapping[str, np.ndarray],
    sample: tuple[int, int],
    seed: int,
) -> xr.Dataset:
    """Replicated responses of some of the draws, evenly spaced."""
    limits, count = settings.POSTERIOR, int(np.prod(sample))
    most = min(limits.max_stored_replicates / parameters.problem.n, limits.max_replicated_draws)
    step = int(max(1, np.ceil(count / most)))
    kept = np.arange(count).reshape(sample)[:, ::step]
    rng = np.random.default_rng(seed)
    if drawn or not parameters.levels:
        y = replicated(parameters, flat, drawn, kept.ravel(), rng)
    else:
        y = _replicated_anew(parameters, flat, kept.ravel(), rng)
    y = y.reshape(*kept.shape, -1).astype(np.float32)
    return xr.Dataset({"y": variable(y, ("row",))}, attrs={EVERY: step, REPLICATES_SEED: seed})


def replicated_draws(posterior: Draws) -> np.ndarray:
    """Which draws the stored replicates belong to, by chain, (chains, replicates of each)."""
    stored, drawn = posterior.data["posterior_predictive"], posterior.data["posterior"]
    chains = drawn.sizes["chain"]
    every = np.arange(chains * drawn.sizes["draw"]).reshape(chains, -1)
    if EVERY in stored.attrs:
        return np.asarray(every[:, :: int(stored.attrs[EVERY])])
    numbers = every.size * posterior.parameters.problem.n  # of a file of an earlier version
    return np.asarray(every[:, :: int(max(1, np.ceil(numbers / EARLIER_REPLICATES)))])


def _terms(
    parameters: ModelParameters, flat: Mapping[str, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Marginal terms (s, pieces) alone."""
    if not parameters.levels:
        return by_group(parameters, flat)
    terms = np.empty((len(flat["fixef"]), parameters.n_pieces))
    for piece, _, some in drawn_pieces(parameters, flat, rng):
        terms[piece] = some
    return terms


def _replicated_anew(
    parameters: ModelParameters,
    flat: Mapping[str, np.ndarray],
    chosen: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Replicates (r, n) at random effects that are drawn for them, piece by piece."""
    y = np.empty((len(chosen), parameters.problem.n))
    own = {name: v[chosen] for name, v in flat.items()}
    for piece, effects, _ in drawn_pieces(parameters, own, rng):
        some = {name: v[piece] for name, v in own.items()}
        y[piece] = replicated(parameters, some, effects, np.arange(len(y[piece])), rng)
    return y


def variable(values: np.ndarray, dims: tuple[str, ...]) -> xr.Variable:
    """Draws (chains, draws, ...) with their dimensions."""
    return xr.Variable((*_SAMPLE, *dims), values)


def dims_of(block: Block) -> tuple[str, ...]:
    """Dimensions of a draw of a variable."""
    if block.dim is None:
        return ()
    return (block.dim, f"{block.dim}_bis") if block.matrix else (block.dim,)


def log_likelihood_dim(parameters: ModelParameters) -> tuple[str, list[Any]]:
    """Dimension and labels of the independent pieces: groups, correlation groups or rows."""
    design = parameters.design
    if design.crossed:
        return "data", ["all"]
    if parameters.levels:
        return parameters.levels[0].key, list(parameters.levels[0].level.labels)
    if parameters.problem.correlation is not None and design.correlation is not None:
        starts = parameters.problem.correlation.coords.starts
        code = design.correlation.code[parameters.problem.order[starts]]
        return "correlation_group", [design.correlation.labels[c] for c in code]
    return "row", list(row_labels(parameters)[parameters.problem.order])


def row_labels(parameters: ModelParameters) -> np.ndarray:
    """Labels of the rows of a model; see `labels_of_rows`."""
    return labels_of_rows(parameters.design.index, np.asarray(parameters.design.rows))


def labels_of_rows(index: pd.Index, rows: np.ndarray) -> np.ndarray:
    """The index where it is simple and unique, else its text or the rows' positions."""
    simple = index.is_unique and index.nlevels == 1
    if simple and index.dtype.kind in "iufU":
        return np.asarray(index)
    if simple and index.dtype.kind == "O":
        labels = np.asarray(index.map(str), dtype=object)  # a file takes no other objects
        if len(set(labels)) == len(labels):
            return labels
    return rows


def coordinates(parameters: ModelParameters) -> dict[str, Any]:
    """Labels of all dimensions."""
    coords: dict[str, Any] = {"row": row_labels(parameters), "term": list(parameters.fixef.coefs)}
    for level in parameters.levels:
        coords[level.key] = list(level.level.labels)
        coords[f"{level.key}_effect"] = list(level.level.effects)
    for block in parameters.blocks:
        for dim in dims_of(block):
            coords[dim] = list(block.coefs)
    return coords


def with_coords(dataset: xr.Dataset, coords: Mapping[str, Any]) -> xr.Dataset:
    """Give a data set the labels of the dimensions it has."""
    sample = {d: np.arange(dataset.sizes[d]) for d in _SAMPLE if d in dataset.dims}
    own = {**{k: v for k, v in coords.items() if k in dataset.dims}, **sample}
    indexes = {dim: _index(dim, labels) for dim, labels in own.items()}
    variables = {k: v for i in indexes.values() for k, v in i.create_variables().items()}
    return dataset.assign_coords(xr.Coordinates(variables, indexes))


def _index(dim: str, labels: Any) -> PandasIndex:
    """Index of a dimension; from pandas' own, as xarray loads sparse and numba for any other."""
    values = np.asarray(labels)
    whole = pd.Index(values, dtype=object) if values.dtype.kind == "O" else pd.Index(values)
    return PandasIndex(whole, dim, coord_dtype=values.dtype)


def _constant(parameters: ModelParameters) -> dict[str, Any]:
    out: dict[str, Any] = {"X": (("row", "term"), parameters.design.X)}
    if not isinstance(parameters.design.offset, float):
        out["offset"] = (("row",), parameters.design.offset)
    for level in parameters.levels:
        out[f"Z_{level.key}"] = (("row", f"{level.key}_effect"), level.level.Z)
        out[f"{level.key}_code"] = (("row",), level.level.code)
    return out
