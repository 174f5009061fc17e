"""Settings of crossed random effects: sizes of dense blocks, and starting values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CrossedSettings:
    """Limits of crossed random effects.

    Attributes
    ----------
    chunk_numbers : int
        Numbers of a product that is formed at a time: 32 MB.
    max_looped_groups : int
        Groups up to which several effects are factored group by group.
    difference_step : float
        Step of central differences, in the scale of a parameter: truncation is near 1e-8,
        rounding near 1e-12.
    lost_share : float
        Share of a column's sum of squares below which elimination has left only rounding.
    max_kenward_roger_columns : int
        Random effects up to which Kenward and Roger's method is computed: it holds several
        dense matrices of 200 MB.
    max_columns : int
        Columns of the dense block at most: a matrix of so many rows and columns takes 800
        MB.
    dense_matrices : int
        Dense matrices of the block that are held at a time.
    max_mixed_numbers : int
        Numbers of the columns that whitening mixes: 2 GB.
    max_dense_numbers : int
        Numbers of a matrix up to which it is handled faster with all its zeros.
    other_start_factors : tuple[float, ...]
        Relative factors of the further starting values of a small problem, one for all
        effects.
    min_moment_factor : float
        Smallest relative factor that moments may give as a starting value.
    max_moment_factor : float
        Largest relative factor that moments may give as a starting value.
    min_residual_share : float
        Share of the variance of the response that is left at least for the residuals of a
        starting value.
    max_batched_columns : int
        Columns of the dense block up to which many evaluations are stacked: calls cost more than
        the arithmetic within them.
    max_batched_numbers : int
        Numbers of the block's columns by group up to which they are stacked.
    max_class_numbers : int
        Numbers of the cross products by class of equal groups: 32 MB.
    stacked_numbers : int
        Numbers of the matrices that are stacked at a time, what the cache of a core holds.
    equal_products : float
        Relative difference of cross products that is rounding.
    max_related_numbers : int
        Numbers of the columns that a chain of related groups meets: 2 GB.
    min_relative_curvature : float
        Least curvature of a row parameter over its gradient, in its scale, so that a first
        step stays short.
    """

    chunk_numbers: int = 4_000_000
    max_looped_groups: int = 5_000
    difference_step: float = 1e-4
    lost_share: float = 1e-13
    max_kenward_roger_columns: int = 5_000
    max_columns: int = 10_000
    dense_matrices: int = 5
    max_mixed_numbers: int = 250_000_000
    max_dense_numbers: int = 200_000
    other_start_factors: tuple[float, ...] = (0.3, 1.0, 4.0)
    min_moment_factor: float = 0.05
    max_moment_factor: float = 20.0
    min_residual_share: float = 0.1
    max_batched_columns: int = 400
    max_batched_numbers: int = 1_000_000
    max_class_numbers: int = 4_000_000
    stacked_numbers: int = 250_000
    equal_products: float = 1e-11
    max_related_numbers: int = 250_000_000
    min_relative_curvature: float = 0.2


CROSSED = CrossedSettings()
