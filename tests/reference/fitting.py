"""Stored calls fitted once for the whole suite."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import bayeslme
from reference.corpus import Case, by_id, load_frame


def identifier(case: Case) -> str:
    """Return a case's name."""
    return str(case["id"])


@functools.cache
def fitted(name: str) -> Any:
    """Fit one stored call; what the package warns of (a variance of zero, say) is its own test."""
    case = by_id()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
        return spec.fit(load_frame(case["data"]))
