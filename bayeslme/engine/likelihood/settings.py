"""Settings of the likelihood: memory, the choice between ways of the same result, and rounding."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LikelihoodSettings:
    """Limits of the likelihood and of its derivatives.

    Attributes
    ----------
    max_class_rows : int
        Rows of a group up to which groups of equal rows form a class; longer groups are
        seldom equal.
    max_group_classes : int
        Classes of groups at most: each costs a dense matrix of its rows.
    max_row_classes : int
        Classes of rows at most where rows are independent: each costs one cross product.
    small_constants : float
        Numbers of constants that are always worth keeping.
    max_constants_ratio : float
        Numbers that the constants may take, relative to those of the rows.
    max_whitening_entry : float
        Largest squared entry of a whitening matrix up to which a weighted sum of constants
        loses at most some three digits.
    max_unrolled_effects : int
        Effects of a level up to which rows are eliminated one by one, which is faster than
        a batch of factorisations.
    batch_bytes : float
        Temporary memory of one batch of theta values: 100 MB.
    gradient_memory : float
        Numbers that exact derivatives hold at once, relative to those of a value.
    row_step : float
        Step of differences of a row parameter, in its scale: truncation is near 1e-8,
        rounding near 1e-12.
    max_newton_parameters : int
        Parameters of a single level with known rows up to which exact Hessians are cheap.
    max_difference_parameters : int
        Parameters above which exact gradients are cheaper than differences of values.
    min_gradient_work : float
        Numbers read times parameters above which an exact gradient is faster than a batch
        of values.
    scoring_steps : int
        Steps of Fisher scoring that improve a starting value.
    max_condition : float
        Condition number from which on a matrix is not inverted: half of the digits would be
        lost.
    min_start_share : float
        Smallest variance of a starting value, as a share of its largest: at zero the slope
        is zero, so that no climb leaves it.
    thinned_groups : int
        Groups of the subset that a search starts on where there are very many.
    max_row_points : int
        Points whose rows are whitened at once, where memory allows it.
    block_numbers : int
        Numbers of one array that is worked on at a time: it stays in the cache.
    min_rank_ratio : float
        Smallest singular value of a group's rows over the largest, above which they have
        full rank.
    max_eigen_effects : int
        Effects of a group up to which its eigenvectors cost little.
    rounding_norm : float
        Norm of what is left of a column in a group, relative to the column, below which it
        is rounding.
    min_numbers_to_compress : float
        Numbers of the rows read so far above which it pays to look for equal rows.
    piece_numbers : int
        Numbers of the Gram matrices of one piece: they stay in the cache.
    lost_share : float
        Share of a column's sum of squares below which elimination has left only rounding.
    """

    max_class_rows: int = 12
    max_group_classes: int = 64
    max_row_classes: int = 4096
    small_constants: float = 2e5
    max_constants_ratio: float = 3.0
    max_whitening_entry: float = 1e3
    max_unrolled_effects: int = 4
    batch_bytes: float = 1e8
    gradient_memory: float = 4.0
    row_step: float = 1e-4
    max_newton_parameters: int = 8
    max_difference_parameters: int = 30
    min_gradient_work: float = 1e5
    scoring_steps: int = 2
    max_condition: float = 1e8
    min_start_share: float = 1e-2
    thinned_groups: int = 300
    max_row_points: int = 256
    block_numbers: int = 1 << 14
    min_rank_ratio: float = 1e-5
    max_eigen_effects: int = 20
    rounding_norm: float = 1e-13
    min_numbers_to_compress: float = 1e5
    piece_numbers: int = 1 << 15
    lost_share: float = 1e-13


LIKELIHOOD = LikelihoodSettings()
