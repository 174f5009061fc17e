"""Limits and tolerances of the structures, in one record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StructureSettings:
    """Limits and tolerances of the structures.

    Attributes
    ----------
    names_in_errors : int
        Names listed in an error message at most, so that it stays below 300 characters.
    boundary_distance : float
        Distance from a bound of its range below which an estimate is said to be at the bound. It is
        near the accuracy to which a search determines a parameter.
    min_start, max_start : float
        Bounds of the size of a starting correlation. Closer to 0 or 1 the likelihood is too flat
        for the first step of a search.
    start_for_zero : float
        Starting correlation used in place of 0 where 0 is outside the range, or where the
        derivative vanishes at 0. It is nlme's start of ``corCAR1``.
    min_pairs_to_share : int
        Number of pairs of rows from which on equal distances are collected, so that a correlation
        is computed once for each distance. For fewer pairs sorting costs more than it saves.
    max_sizes_ratio : float
        Groups are padded to a common size as long as the largest is at most this multiple of the
        smallest. Padding then costs at most the square of it.
    sets_for_time_steps : int
        Number of parameter sets from which on an ARMA covariance is factored step by step for all
        sets at once; for fewer sets one banded factor each is faster.
    max_arma_step : float
        Steps between the nearest rows of a group at most, for ``corARMA`` beyond (1, 0). Beyond
        it the likelihood is flat except for correlations near 1, and a search stays at its start.
    max_arma_coefficients : int
        Coefficients p + q of ``corARMA`` at most. The time of a search grows with more than the
        square of their number; weekly data with a season of a year need 53.
    near_end, end : float
        Size of a moving average's partial autocorrelation from which on it is tried at `end`,
        where the likelihood is still regular. Ends of searches differ by less than 1 - `near_end`.
    prints_as_one : float
        Distance from 1 below which a correlation is printed as 1 with seven digits.
    max_correlations : int
        Correlations of an unstructured matrix at most (45 positions). The time of a search grows
        with the square of their number, that of one step with the cube of the positions.
    max_lags : int
        Correlations of a Toeplitz or ante-dependence structure at most. Each is one parameter of
        the search, and a product of as many terms.
    max_variance_parameters : int
        Parameters of one covariance of random effects at most. The time of a search grows with
        the square of their number; at the limit it takes some minutes.
    far_range : float
        Multiple of the largest distance from which on a spatial range is called far beyond the
        data. There the data only tell how correlations begin to fall.
    shorter_range : float
        Fraction of a range, and one of its multiples, at which it is asked whether another sigma
        fits nearly as well.
    uncertain_log_range : float
        Standard error of the log of a range from which on it is reported as not determined: its
        limits are then a factor of 20 away on both sides.
    zero_pivot : float
        Squared pivot, relative to 1, below which a correlation is treated as perfect. Rounding in
        the Cholesky factor is near 1e-16 for each operation.
    log_range_sd_span : float
        Number of standard deviations of the default prior of log(range) between the nearest and
        the farthest distance, so that both are within two of its centre.
    correlation_start_shifts : tuple of float
        Starting values of the first correlation parameter, relative to the usual one, on the
        unconstrained scale: about 0, 0.6 and -0.5 for a correlation that starts at 0.
    arma_starts_over_gaps : tuple of pairs of floats
        Where rows are several steps apart: correlation of the nearest ones, and first partial
        autocorrelation of the moving average, from which ``corARMA`` starts as well. About its
        usual starts the likelihood is flat there.
    range_start_shifts : tuple of float
        The same of the log of a range, which starts at the smallest distance: up to 90 times it.
    two_part_start_shifts : tuple of float
        The same of a constant and a power together, which may rise or fall together.
    neighbour_start_correlations : tuple of float
        Correlations of neighbouring positions from which an unstructured matrix starts; the maximum
        near zeros is not always the highest.
    slope_step : float
        Step of the central differences of a variance function, of a parameter's scale: truncation
        of order 1e-8, rounding of order 1e-12.
    factor_step : float
        The same of the factor of random effects, a power of two: where the factor is linear in its
        parameters, differences over it are exact but for rounding.
    max_factor_difference : float
        Difference of two factors that is rounding when it is asked whether one is linear.
    asymmetry : float
        Difference of a known matrix from its transpose, over its largest entry, that is rounding of
        numbers written with eight digits.
    clear_pivot : float
        Least pivot of a known matrix over its largest from which on it is called regular: its
        factor has then half of all digits.
    negative_share : float
        Size of a negative eigenvalue of a known matrix, over its largest entry, that is rounding of
        such numbers; it counts as 0.
    """

    names_in_errors: int = 6
    boundary_distance: float = 1e-6
    min_start: float = 1e-3
    max_start: float = 0.999
    start_for_zero: float = 0.2
    min_pairs_to_share: int = 1000
    max_sizes_ratio: float = 1.3
    sets_for_time_steps: int = 4
    max_arma_step: float = 100.0
    max_arma_coefficients: int = 60
    near_end: float = 0.999
    end: float = 1.0 - 1e-6
    prints_as_one: float = 5e-8
    max_correlations: int = 1000
    max_lags: int = 100
    max_variance_parameters: int = 300
    far_range: float = 4.0
    shorter_range: float = 0.25
    uncertain_log_range: float = 1.5
    zero_pivot: float = 1e-14
    log_range_sd_span: float = 4.0
    correlation_start_shifts: tuple[float, ...] = (0.0, 1.5, -1.0)
    arma_starts_over_gaps: tuple[tuple[float, float], ...] = ((0.3, 0.0), (0.6, -0.5), (0.8, -0.5))
    range_start_shifts: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.5)
    two_part_start_shifts: tuple[float, ...] = (0.0, 1.5, -1.5)
    neighbour_start_correlations: tuple[float, ...] = (0.0, 0.4, 0.8)
    slope_step: float = 1e-4
    factor_step: float = 2.0**-10
    max_factor_difference: float = 1e-12
    asymmetry: float = 1e-8
    clear_pivot: float = 1e-8
    negative_share: float = 1e-6


STRUCTURES = StructureSettings()
