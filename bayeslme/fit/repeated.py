"""Estimates of `mmrm`: what to take where an unstructured covariance fails."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np

from bayeslme import engine
from bayeslme.data.types import Design
from bayeslme.errors import FitError
from bayeslme.fit.settings import SETTINGS
from bayeslme.spec.mmrm import MmrmCall, alternatives


def estimate_mmrm(design: Design, call: MmrmCall) -> engine.Estimate:
    """Estimate, and say what to do where that fails.

    Parameters
    ----------
    design : Design
    call : MmrmCall

    Raises
    ------
    FitError
        Of an unstructured covariance: with other structures, and the pairs of visits that no
        subject has.
    """
    structure = design.spec.correlation
    free = structure is not None and structure.unstructured
    if not free:
        return engine.estimate(design)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = engine.estimate(design)
    except FitError as error:
        raise FitError(f"{_advice(design, call)}. {error}") from error
    if not found.converged:
        raise FitError(f"{_advice(design, call)}. The search ended: {found.message}")
    for one in told:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return found


def _advice(design: Design, call: MmrmCall) -> str:
    pairs = missing_pairs(design)
    shown = ", ".join(f"{a} and {b}" for a, b in pairs[: SETTINGS.max_repeated_pairs])
    more = (
        f" and {len(pairs) - SETTINGS.max_repeated_pairs} other pairs"
        if len(pairs) > SETTINGS.max_repeated_pairs
        else ""
    )
    names = ", ".join(term.partition("(")[0] for term in alternatives(call))
    none = f"; no subject has both visits {shown}{more}" if pairs else ""
    return f"mmrm: {call.text} cannot be estimated; use {names} in its place{none}"


def missing_pairs(design: Design) -> list[tuple[str, str]]:
    """Pairs of visits, by their labels, that no subject has."""
    coords = design.correlation
    if coords is None or coords.position is None:
        return []
    values, visit = np.unique(coords.position[:, 0], return_inverse=True)
    present = np.zeros((len(coords.labels), len(values)), dtype=int)
    present[coords.code, visit.reshape(-1)] = 1
    together = present.T @ present
    labels = [f"{v:g}" for v in values] if coords.visits is None else coords.visits.levels
    return [
        (labels[i], labels[j]) for i, j in combinations(range(len(values)), 2) if not together[i, j]
    ]
