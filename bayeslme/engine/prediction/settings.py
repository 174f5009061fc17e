"""Limits of predictions that condition on observed residuals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PredictionSettings:
    """Limits of predictions.

    Attributes
    ----------
    max_dense_rows : int
        Rows of one correlation matrix at most: 0.8 GB.
    negative_share : float
        Variance left by conditioning, relative to the residual variance, that may be negative by
        rounding; a more negative one means that the matrix is not a correlation matrix.
    """

    max_dense_rows: int = 10_000
    negative_share: float = 1e-9


PREDICTION = PredictionSettings()
