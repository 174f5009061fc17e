"""Settings of the search: where it looks, when it stops, and what counts as equal.

One record for each concern: the search itself, its optimiser, likelihoods without one clear
maximum, the alternation for weights that depend on fitted values, and refits to many responses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Starting values, other local maxima and their comparison.

    Attributes
    ----------
    max_parallel_numbers : float
        Numbers that one evaluation reads, below which a batch of six costs little more than
        one, so that steps of several lengths are evaluated together.
    max_line_starts : int
        Other starting values from which lines to the optimum are searched; each costs a
        batch.
    max_rounds : int
        Rounds of looking for other local maxima; a later round seldom finds a higher one.
    max_climbs_per_round : int
        Local maxima that are climbed in one round, the most promising first.
    rough_iterations : int
        Iterations of a first climb, which only has to show whether a local maximum is worth
        more.
    rough_tolerance : float
        Predicted gain in log-likelihood at which a first climb stops.
    max_deficit : float
        Log-likelihood by which a first climb may end below the best and still be continued.
    path_fractions : tuple[float, ...]
        Fractions of the line between two ends at which the likelihood is evaluated: where
        it never falls, both belong to one maximum.
    equal_loglik : float
        Log-likelihoods closer than this are equal; of two equal ends the converged one is
        kept.
    soundness_step : float
        Relative step at which an end is checked: values there must lie on a line.
    soundness_tolerance : float
        Departure from that line above which the value is rounding beside a singular matrix.
    max_free_correlation : float
        Unconstrained value of a correlation beyond which it no longer changes in double
        precision.
    min_clear_factor : float
        Relative factor of random effects that a subset of the groups clearly tells from
        zero.
    exact_gradient_share : float
        Factor of the tolerance where the gradient is exact: there no rounding of
        differences limits it.
    max_shrinkings : int
        Halvings of starting values at which the likelihood is not defined.
    relative_sds : tuple[float, ...]
        Starting standard deviations of random effects, on their standard scale, relative to
        sigma: together they cover the usual orders of magnitude.
    fine_range_shifts : tuple[float, ...]
        Shifts of the log range of a correlation that ends at the range: it has a kink, and
        often a narrow local maximum, at every distance.
    start_shifts : tuple[float, ...]
        Shifts of a row parameter from its starting value, in its scale, nearest first.
    max_candidates : int
        Starting values that are evaluated; more would cost more than a climb.
    equal_distance_digits : int
        Digits of the logarithm to which distances that are equal agree.
    near_zero_factor : float
        Entries of a relative factor below it are tried at zero: a variance of zero is
        reported as 0.
    factor_values : tuple[float, ...]
        Values at which an entry of a relative factor is evaluated, the others held.
    many_parameters : int
        Parameters above which each is evaluated at fewer values, because the cost grows
        with the square of their number.
    few_row_offsets : tuple[float, ...]
        The offsets of a row parameter, in scales, where there are many parameters.
    factor_multiples : tuple[float, ...]
        Multiples of an entry of a relative factor at which it is evaluated too.
    row_offsets : tuple[float, ...]
        Offsets of a row parameter from the optimum, in scales and to both sides.
    line_fractions : tuple[float, ...]
        Fractions of the line from a starting value to the optimum that are evaluated.
    mirror_fractions : tuple[float, ...]
        Fractions of the line from the optimum to its mirror image, and beyond it, that are
        evaluated.
    batch_size : int
        Points evaluated at once; larger batches are not faster.
    min_prominence : float
        Height above its surroundings, in log-likelihood, at which a local maximum is not
        rounding.
    min_parameters_for_default_start : int
        Parameters of random effects from which on the starts with a long range are left
        out; two levels, one with a slope, have four.
    long_range : float
        A long range, as a multiple of the extent of the positions.
    min_parameters_for_long_range : int
        Parameters of random effects from which on a start with a long range is tried: random slopes
        may stand in for it.
    kinks_per_side : int
        Distances to both sides of the end of the search that are tried as maxima at a kink.
    kink_step : float
        Step to both sides of a distance, in scales, that shows whether the maximum is at
        the kink.
    kink_tolerance : float
        Log-likelihood by which a point beside a kink may be higher by rounding.
    """

    max_parallel_numbers: float = 2e5
    max_line_starts: int = 8
    max_rounds: int = 3
    max_climbs_per_round: int = 3
    rough_iterations: int = 25
    rough_tolerance: float = 1e-2
    max_deficit: float = 0.1
    path_fractions: tuple[float, ...] = tuple(np.linspace(0.0, 1.0, 10)[1:-1].tolist())
    equal_loglik: float = 1e-7
    soundness_step: float = 1e-6
    soundness_tolerance: float = 1e-3
    max_free_correlation: float = 20.0
    min_clear_factor: float = 0.02
    exact_gradient_share: float = 0.1
    max_shrinkings: int = 8
    relative_sds: tuple[float, ...] = (0.3, 1.0, 4.0, 20.0)
    fine_range_shifts: tuple[float, ...] = tuple(np.linspace(0.0, 9.5, 381).tolist())
    start_shifts: tuple[float, ...] = (0.0, 0.1, -0.1, 0.3, -0.3, 1.0, -1.0, 3.0, -3.0)
    max_candidates: int = 400
    equal_distance_digits: int = 9
    near_zero_factor: float = 1e-2
    factor_values: tuple[float, ...] = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
    many_parameters: int = 60
    few_row_offsets: tuple[float, ...] = (0.0, 0.5, 2.0, 8.0, -0.5, -2.0, -8.0)
    factor_multiples: tuple[float, ...] = (0.5, 0.8, 1.25, 2.0)
    row_offsets: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    line_fractions: tuple[float, ...] = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
    mirror_fractions: tuple[float, ...] = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0, 1.5, 2.0)
    batch_size: int = 128
    min_prominence: float = 1e-4
    min_parameters_for_default_start: int = 5
    long_range: float = 10.0
    min_parameters_for_long_range: int = 2
    kinks_per_side: int = 3
    kink_step: float = 1e-5
    kink_tolerance: float = 1e-7


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """Steps and tolerances of one climb.

    Attributes
    ----------
    ascent_settled_gain : float
        Predicted gain of the ascent by exact gradients at which theta is good to some six
        digits.
    ascent_step_lengths : tuple[float, ...]
        Step lengths that the ascent tries in turn.
    sufficient_gain : float
    relative_rounding : float
        Rounding of a log-likelihood, relative to its size.
    difference_step : float
        Step of central differences, in scales: truncation is near 1e-8, rounding near 1e-16
        times the value over the step.
    step_lengths : tuple[float, ...]
        Step lengths evaluated together where a batch costs little more than one evaluation.
    full_step_share : float
        Share of the best length's gain with which the full step is taken, which keeps the
        convergence quadratic.
    shorter_lengths : tuple[float, ...]
        Step lengths tried where the full step gains too little.
    longer_lengths : tuple[float, ...]
        Step lengths tried where the slope at the full step is still steep.
    steep_slope_share : float
        Share of the first slope above which the slope after a step is steep and longer
        steps are tried.
    max_dense_parameters : int
        Parameters above which the inverse Hessian starts as a diagonal matrix: its
        differences would cost the square of their number.
    max_step_scales : float
        Scales that one step may go.
    min_relative_curvature : float
        Least curvature over the gradient, in scales: where the objective is not concave, a
        step is at most its reciprocal long.
    min_curvature : float
        Least curvature per squared scale by which a step divides.
    noise_gain : float
        Predicted gain that may be rounding of the differences.
    settled_gain : float
        Predicted gain at which theta is good to some six digits.
    max_polish_steps : int
        Newton steps after convergence, which give theta its last digits.
    rough_tolerance : float
        Tolerance from which on an end is not confirmed by a second Hessian.
    max_joint_moves : int
        Moves whose second-difference points are made at once; those of more would fill the
        memory.
    points_per_piece : int
        Second-difference points made at a time where there are more moves.
    """

    ascent_settled_gain: float = 1e-10
    ascent_step_lengths: tuple[float, ...] = (1.0, 0.3, 0.09, 0.02, 0.003, 0.0003)
    sufficient_gain: float = 1e-4
    relative_rounding: float = 1e-12
    difference_step: float = 1e-4
    step_lengths: tuple[float, ...] = (1.0, 0.5, 0.2, 2.0, 0.05, 0.005)
    full_step_share: float = 0.9
    shorter_lengths: tuple[float, ...] = (0.5, 0.2, 0.05, 0.005, 5e-4)
    longer_lengths: tuple[float, ...] = (2.0, 4.0)
    steep_slope_share: float = 0.7
    max_dense_parameters: int = 30
    max_step_scales: float = 8.0
    min_relative_curvature: float = 0.2
    min_curvature: float = 1e-7
    noise_gain: float = 1e-5
    settled_gain: float = 1e-11
    max_polish_steps: int = 4
    rough_tolerance: float = 1e-3
    max_joint_moves: int = 60
    points_per_piece: int = 2000


@dataclass(frozen=True, slots=True)
class DegeneracySettings:
    """Flat directions, likelihoods without a maximum, and responses that are reproduced.

    Attributes
    ----------
    start_precision : float
        Relative precision factor at which nlme starts, over the size of the effect's column
        per group.
    em_steps : int
        EM steps of nlme's documented start: its ``niterEM``.
    em_tolerance : float
        Relative change of the factors at which EM has converged.
    curvature_step : float
        Step of second differences, in scales.
    flat_curvature : float
        Curvature per squared scale below which a direction is flat.
    value_rounding : float
        Rounding of second differences, relative to the log-likelihood.
    clear_multiple : float
        Multiple of the flat curvature at which the Hessian of the climb settles that no
        direction is flat.
    large_numbers : float
        Numbers that one evaluation reads, from which on all pairs of parameters are
        examined only on suspicion: it would cost as much as the search.
    many_parameters : int
        Parameters above which pairs are examined only on suspicion too.
    equal_loglik : float
        Log-likelihoods closer than this are equal along a flat direction.
    covariance_change : float
        Change of a relative covariance over a scale, below which the model does not change.
    distant_scales : float
        Scales of a parameter after which twice the distance shows what changes without end.
    equal_rates : float
        Difference between rates of change that is rounding.
    reproduced_residual : float
        Residual over those of least squares at which a row is reproduced.
    first_rows : int
        Rows examined first, then twice as many: most problems are cleared by a few.
    max_coefficient_numbers : float
        Numbers of a matrix of coefficients up to which its rank is computed.
    batch_numbers : float
        Logarithms of standard deviations computed at once: 8 MB.
    further_multiple : float
        Multiple of a level's relative factors at which a further rise is looked for.
    unbounded_gain : float
        Gain in log-likelihood over such a step that no nearby maximum could hide.
    backward_step : float
        Step back along the logarithm of small standard deviations.
    exact_sd : float
        Standard deviation, over that of the other rows and of the residuals of least
        squares, below which rows are fitted exactly.
    null_dimensions : int
        Dimensions left by the groups in which some vector is in the null space of a
        correlation matrix.
    resolved_norm : float
        Norm of the residuals beside random effects, relative to what the fixed effects
        leave, below which it is rounding. Sums of squares resolve less than rows do.
    suspect_share : float
        Share that one elimination leaves below which the rows themselves are examined.
    dwarfing_factor : float
        Relative factors of effects that dwarf the residuals.
    max_passes : int
        Passes of the elimination that refines the residuals.
    """

    start_precision: float = 0.375
    em_steps: int = 25
    em_tolerance: float = 1e-7
    curvature_step: float = 1e-3
    flat_curvature: float = 1e-4
    value_rounding: float = 1e-14
    clear_multiple: float = 1e3
    large_numbers: float = 2e5
    many_parameters: int = 60
    equal_loglik: float = 1e-9
    covariance_change: float = 1e-6
    distant_scales: float = 40.0
    equal_rates: float = 1e-6
    reproduced_residual: float = 1e-8
    first_rows: int = 32
    max_coefficient_numbers: float = 1e6
    batch_numbers: float = 1e6
    further_multiple: float = 3.0
    unbounded_gain: float = 1.0
    backward_step: float = 3.0
    exact_sd: float = 1e-6
    null_dimensions: int = 2
    resolved_norm: float = 2e-7
    suspect_share: float = 1e-5
    dwarfing_factor: float = 1e5
    max_passes: int = 6


@dataclass(frozen=True, slots=True)
class AlternationSettings:
    """Alternation between the fit and a covariate of fitted values.

    Attributes
    ----------
    mixing_memory : int
        Earlier residuals that Anderson mixing combines; more make the small problem
        singular.
    mixing_ridge : float
        Relative ridge of the small least-squares problem of the mixing.
    mixing_patience : int
        Residuals in succession that are not the smallest, after which the mixing is given
        up.
    decreases_before_mixing : int
        Plain residuals in succession that decrease, after which mixing is tried again.
    other_start_factors : tuple[float, ...]
        Relative factors of the random effects behind further starting covariates.
    max_refreshes : int
        Refreshes of the covariate, each followed by a search.
    near_change : float
        Relative change of theta and covariate below which single steps replace searches.
    joined_distance : float
        Distance to a known fixed point at which another sequence ends: it leads there.
    max_higher_maxima : int
        Times that a higher local maximum is followed.
    min_gain : float
        Gain in log-likelihood with which a local maximum is higher.
    patience : int
        Further refreshes without getting nearer.
    departure_multiple : float
        Multiple of the smallest movement so far at which the steps only follow a ridge.
    chord_steps : int
        Steps between refreshes with one Hessian.
    settled_covariate : float
        Relative change of the covariate at which the alternation has converged.
    settled_theta : float
        Relative change of theta at which the alternation has converged.
    max_movement : float
        Movement above which fit and covariate are reported as not converged.
    hessian_step : float
        Step of the differences of the Hessian, in scales.
    flat_curvature : float
        Curvature relative to the largest, below which a direction is flat.
    """

    mixing_memory: int = 5
    mixing_ridge: float = 1e-10
    mixing_patience: int = 5
    decreases_before_mixing: int = 3
    other_start_factors: tuple[float, ...] = (0.0, 1.0)
    max_refreshes: int = 100
    near_change: float = 1e-5
    joined_distance: float = 1e-3
    max_higher_maxima: int = 3
    min_gain: float = 1e-6
    patience: int = 8
    departure_multiple: float = 30.0
    chord_steps: int = 2
    settled_covariate: float = 1e-11
    settled_theta: float = 1e-9
    max_movement: float = 1e-4
    hessian_step: float = 1e-3
    flat_curvature: float = 1e-9


@dataclass(frozen=True, slots=True)
class RefitSettings:
    """Refits to many responses.

    Attributes
    ----------
    starts_per_response : int
        Starting values of each response that are climbed from.
    equal_loglik : float
        Log-likelihoods closer than this are equal.
    tolerance : float
        Predicted gain at which the climb of a response ends.
    min_start_factor : float
        Entries of a relative factor from which a refit starts at least: at zero the slope
        is zero.
    max_responses : int
        Responses fitted side by side.
    gram_copies : int
        Copies of the Gram matrices that elimination holds at a time, which the memory has
        to take.
    """

    starts_per_response: int = 2
    equal_loglik: float = 1e-8
    tolerance: float = 1e-10
    min_start_factor: float = 0.1
    max_responses: int = 250
    gram_copies: int = 6


SEARCH = SearchSettings()
OPTIMISER = OptimiserSettings()
DEGENERACY = DegeneracySettings()
ALTERNATION = AlternationSettings()
REFIT = RefitSettings()
