"""Step sizes, tolerances and limits of standard errors, intervals and degrees of freedom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InferenceSettings:
    """Step sizes, tolerances and limits of the folder.

    Attributes
    ----------
    hessian_step : float
        Step of the second differences of the log-likelihood, in sizes of a parameter. They are
        taken at it and at twice it and extrapolated: truncation is of order step^4 (step^2 alone
        shows where sigma and a power of large fitted values are nearly exchangeable), rounding of
        order |loglik| / step^2.
    loglik_rounding : float
        Rounding error of a log-likelihood, relative to its size or to 1: some fifty operations of
        1e-16 each.
    summed_roundings : float
        How many of these a second difference may hold: weights 1, -2, 1, extrapolated by 4/3.
    max_step_sizes : float
        Sizes of a parameter that a step may be long: 5 % of the interval's own scale, as far as
        the log-likelihood is a parabola there.
    max_flat_share : float
        Share in a flat direction above which a parameter has no limits.
    correlation_grid : int
        Correlations evaluated between a bound and the other one when a correlation is at its bound;
        steps of 1 %.
    probe_sd : float
        Standard deviation, relative to sigma, at which the fall of a likelihood from a zero
        variance is measured: large enough to be visible, small enough that it is a parabola.
    tiny : float
        Smallest number used as a divisor.
    boundary_coordinate : float
        Distance on a logit or logarithmic scale at which a bound is treated as reached: a
        correlation is then 1 - 2e-6.
    saturated_coordinate, nuisance_coordinate : float
        Beyond the first, a parameter that is not held starts from the second, where the
        likelihood still has visible slopes.
    zero_sd_step : float
        Step of a standard deviation that is zero, relative to sigma.
    limit_tolerance : float
        Of a profile limit, relative to the quantile: it is then good to six digits of its distance.
    max_expansions, max_refinements : int
        Evaluations of a profile at most while a limit is bracketed, and while it is refined. Each
        doubles or halves the bracket, so that 60 exhaust double precision.
    min_root_deviance : float
        Root deviance below which a profile is too flat to extrapolate from.
    max_profile_scales : float
        Scales from the estimate at which the end of the range is given as the limit.
    profile_step : float
        Step of the second differences from which a profile starts, in scales.
    min_relative_curvature : float
        Curvature, relative to the largest, below which it is rounding.
    min_limit_distance : float
        Distance of a limit from its estimate, in scales, below which an approximate limit is not
        used as the first guess.
    exact_gradient_step : float
        Step of differences of exact gradients, of a parameter's size: truncation of order 1e-8,
        rounding of order 1e-10.
    gradient_step : float
        Step of the first differences that tell how large each parameter's standard error is, in
        sizes.
    direction_step : float
        Step along the eigenvectors, in standard errors: with the extrapolation, truncation is of
        the order of its fourth power.
    max_standard_error : float
        Standard error, in sizes of a parameter, above which nothing is known of it.
    equal_df : float
        Difference of degrees of freedom that counts as none.
    min_f_df : float
        Denominator degrees of freedom at or below which an F variable has no mean to match.
    covariance_step : float
        Step of the differences of the covariance of the responses, in scales of the parameters.
    bending_step : float
        Step of the second differences of the covariance of the responses, in standard errors.
    max_group_rows : int
        Rows of one group at most where its covariance is formed: several matrices of 72 MB.
    random_covariances : int
        Random covariances for each parameter, from which the space that they span is found.
    relative_rank : float
        Strength of a direction of that space, relative to the strongest, below which it is
        rounding.
    min_information_share : float
        Share of a direction's information below which the fixed effects have taken all of it.
    min_covariance_change : float
        Relative change of the covariance below which differences are rounding.
    max_direction_error : float
        Standard error of a direction without information, in sizes of the covariance.
    known_variance : float
        Squared coefficient of variation below which a variance counts as known.
    min_cluster_share : float
        Share of a cluster's variance that the fixed effects leave, below which it counts as none.
    zero_denominator : float
        Size of a numerator or a denominator of degrees of freedom that counts as zero.
    numbers_at_once : int
        Entries of the covariances of groups and their derivatives handled together, 32 MB.
    no_mean_width, interpolation_distance : float
        Denominator degrees of freedom this close to 2, where the F variable has no mean, are
        interpolated from both sides at the second distance.
    deletion_numbers : float
        Numbers of the arrays of one evaluation without each group: 80 MB.
    deletion_newton_steps : int
        Newton steps at the end of a climb, each of which doubles the number of right digits.
    deletion_difference_step : float
        Step of the differences for them: truncation and rounding are then of order 1e-8.
    min_pivot_share : float
        Share of a column's square that the columns before it leave, below which it is rounding.
    flat_curvature : float
        Curvature, relative to the largest, below which no Newton step is taken along a direction.
    """

    hessian_step: float = 5e-4
    loglik_rounding: float = 1e-14
    summed_roundings: float = 16 / 3
    max_step_sizes: float = 100.0
    max_flat_share: float = 1e-3
    correlation_grid: int = 201
    probe_sd: float = 0.05
    tiny: float = 1e-300
    boundary_coordinate: float = 14.0
    saturated_coordinate: float = 8.0
    nuisance_coordinate: float = 3.6
    zero_sd_step: float = 0.1
    limit_tolerance: float = 1e-6
    max_expansions: int = 60
    max_refinements: int = 60
    min_root_deviance: float = 1e-12
    max_profile_scales: float = 1e4
    profile_step: float = 1e-3
    min_relative_curvature: float = 1e-12
    min_limit_distance: float = 1e-3
    exact_gradient_step: float = 2e-4
    gradient_step: float = 1e-3
    direction_step: float = 2e-2
    max_standard_error: float = 10.0
    equal_df: float = 1e-8
    min_f_df: float = 2.0
    covariance_step: float = 1e-5
    bending_step: float = 1e-2
    max_group_rows: int = 3000
    random_covariances: int = 3
    relative_rank: float = 1e-9
    min_information_share: float = 1e-10
    min_covariance_change: float = 1e-7
    max_direction_error: float = 10.0
    known_variance: float = 1e-12
    min_cluster_share: float = 1e-11
    zero_denominator: float = 1e-10
    numbers_at_once: int = 4 * 10**6
    no_mean_width: float = 1e-2
    interpolation_distance: float = 2e-2
    deletion_numbers: float = 1e7
    deletion_newton_steps: int = 2
    deletion_difference_step: float = 3e-4
    min_pivot_share: float = 1e-10
    flat_curvature: float = 1e-8


INFERENCE = InferenceSettings()
