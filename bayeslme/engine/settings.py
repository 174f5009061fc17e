"""Limits of the engine's problem: blocks of rows, and an exact fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemSettings:
    """Limits of the engine's problem.

    Attributes
    ----------
    rows_per_block : int
        Rows worked on together: a few megabytes, which stay in the processor's cache.
    numbers_per_piece : int
        Numbers of the means of several draws that are added up at a time, in the cache.
    exact_residual : float
        Norm of the residuals, relative to that of the response, below which it is rounding and the
        fixed effects reproduce the response.
    """

    rows_per_block: int = 1 << 15
    numbers_per_piece: int = 50_000
    exact_residual: float = 1e-12


PROBLEM = ProblemSettings()
