"""Limits, tolerances and sizes of the Bayesian half, one frozen record for each subsystem.

Modules read the record at the time of use, as in ``settings.SAMPLING.max_pareto_k``; a test that
needs other values replaces it: ``replace(settings.SAMPLING, max_pareto_k=0.5)``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CentringSettings:
    """Random effects at the predictors' means, and typical rows (`centring`).

    Attributes
    ----------
    negligible_overlap : float
        Share of a column's size below which what it contains of other columns is rounding.
    lost_digits : float
        Share of the terms of a variance below which their difference is rounding only.
    variance_rows : int
        Rows, evenly spread, over which the variance function is averaged for a typical row.
    correlation_rows : int
        Rows of a group whose correlation stands for all; more cost time in every density.
    min_log_determinant : float
        Log determinant that stands for a correlation matrix that is singular in all digits.
    """

    negligible_overlap: float = 1e-10
    lost_digits: float = 1e-15
    variance_rows: int = 200
    correlation_rows: int = 6
    min_log_determinant: float = -200.0


@dataclass(frozen=True, slots=True)
class PriorSettings:
    """Default priors and draws from priors (`priors`).

    Attributes
    ----------
    half_student_df : float
        Degrees of freedom of default priors of standard deviations: heavier tails than a normal
        density, with a finite variance.
    boundary_avoiding_rate : float
        Rate of the Gamma prior of a standard deviation, in units of 1 / its scale: 0 would be the
        improper density of the references.
    constant_column : float
        Spread of a column, relative to its size, below which it counts as constant.
    candidates_per_round : int
        Draws tried at a time for parameters that are restricted jointly.
    max_rounds : int
        Such rounds before a prior is refused as having next to nothing in the joint region.
    share_rounds : int
        Such rounds for the share of a prior in the joint region; its error is then below 0.003.
    small_correlation : float
        Size of Phi below which |Phi| over its distance from independence is 1 in all digits.
    """

    half_student_df: float = 4.0
    boundary_avoiding_rate: float = 0.01
    constant_column: float = 1e-10
    candidates_per_round: int = 2000
    max_rounds: int = 500
    share_rounds: int = 100
    small_correlation: float = 1e-8


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Searches for the mode of a posterior (`sampling.map`, `sampling.coordinates`).

    Attributes
    ----------
    min_start_eigenvalue : float
        Smallest eigenvalue of the correlation matrix from which a search starts; a singular matrix
        has no finite coordinates.
    zero_sd_share : float
        Share of sigma below which the mode of a standard deviation is tried at zero.
    equal_log_densities : float
        Difference of log densities that is rounding.
    difference_step : float
        Step of second differences, in units of a coordinate's scale: truncation and rounding are
        then about equal.
    """

    min_start_eigenvalue: float = 1e-3
    zero_sd_share: float = 1e-4
    equal_log_densities: float = 1e-8
    difference_step: float = 1e-3


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """Mixtures of Student-t distributions, and their components at boundaries (`sampling.mixture`).

    Attributes
    ----------
    degrees_of_freedom : float
        Of every component. The tails bound the weights of a nearly Gaussian target; heavier ones
        cost efficiency in its middle.
    mixture_iterations : int
        Iterations of expectation maximisation; the last ones change next to nothing.
    max_folding_distance : float
        Standard deviations from zero within which a component is folded there. Farther away its
        mirror image has negligible mass.
    max_folded_coordinates : int
        Coordinates in which a component is folded, those nearest to zero; it has 2 to the power of
        their number images.
    covariance_shrinkage : float
        Draws, for each coordinate, with which the covariance of all enters that of a component.
    covariance_inflation : float
        Factor of fitted covariances, since the weights of few draws miss the tails.
    rows_per_batch : int
        Draws whose densities are computed together, which bounds the memory.
    zero_stand_in : float
        Coordinate that stands for a standard deviation of zero, which lies outside of the open
        interval of its prior.
    max_boundary_drop : float
        Log density below the mode's beyond which a boundary gets no component: exp(-12) of the
        height has no visible mass.
    max_face_drop : float
        The same before the other parameters have been optimised, which may raise it by much.
    min_boundary_width : float
        Smallest scale, in coordinates, of a component at zero.
    covered_distance : float
        Standard deviations from zero within which the component at the mode covers the boundary.
    tail_radii : tuple of float
        Standard deviations from the mode at which tails are examined.
    min_tail_excess : float
        Log density above that of the proposal from which on a tail gets a component.
    max_tail_components : int
        Tails that get one, those with the largest excess.
    tail_component_width : float
        Scale of such a component, as a share of its distance from the mode.
    """

    degrees_of_freedom: float = 7.0
    mixture_iterations: int = 8
    max_folding_distance: float = 4.0
    max_folded_coordinates: int = 3
    covariance_shrinkage: float = 1.0
    covariance_inflation: float = 1.1
    rows_per_batch: int = 20_000
    zero_stand_in: float = 1e-3
    max_boundary_drop: float = 12.0
    max_face_drop: float = 30.0
    min_boundary_width: float = 0.1
    covered_distance: float = 1.0
    tail_radii: tuple[float, ...] = (4.0, 7.0)
    min_tail_excess: float = 1.0
    max_tail_components: int = 4
    tail_component_width: float = 0.35


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """Adaptive importance sampling (`sampling.importance`, `sampling.collapsed`), and NUTS' tuning.

    Attributes
    ----------
    tuning_draws : int
        Draws of each chain that NUTS spends on adaptation by default.
    pilot_draws : int
        Draws of an adaptation round; later rounds take more.
    max_adaptation_rounds : int
        Rounds of adaptation. A refined mixture takes over where these do not suffice.
    sufficient_efficiency : float
        Share of effective draws at which adaptation stops.
    component_counts : tuple of int
        Numbers of components that are tried.
    min_round_gain, min_stop_efficiency : float
        Factor of efficiency for which another round is made, once the efficiency is above the
        second number.
    min_component_gain : float
        Factor of efficiency for which more components are taken.
    jump_components : int
        Components of the mixture from which annealed particles draw their jumps.
    good_pareto_k, good_efficiency : float
        Weights as good as these are not improved further. Below 0.5 their variance is finite.
    max_even_weight : float
        Largest weight, relative to their mean, up to which weights are even whatever the shape of
        their largest ones: of a thousand with k-hat 0.5 the largest would be 16 times the mean.
    tail_share, tail_width : float
        Share and width of the component that covers the tails of the target.
    boundary_share, max_boundary_share : float
        Share of each boundary component, and of all of them together.
    max_pareto_k : float
        k-hat above which importance weights do not estimate means (Vehtari et al. 2024, JMLR 25).
    candidate_surplus : float
        Candidates for each draw kept, over the efficiency, so that few are kept twice.
    min_candidates : int
        Candidates at least: k-hat is the shape of a tail, which needs this many draws.
    max_candidates_per_draw : int
        Candidates for each draw kept at most.
    min_refined_candidates : int
        Candidates at least once a mixture has been refined, whose weights are harder to judge.
    max_refinements : int
        Refinements of a mixture before the best one is taken as it is.
    max_pooled_candidates : int
        Candidates to which a refined mixture is fitted at most.
    max_numbers_read : float
        Numbers read by all densities, beyond which nothing more is tried. It bounds
        the time of one call.
    densities_per_particle : float
        Densities that annealing takes for each particle, to know beforehand what it costs.
    min_effective_draws : float
        Effective draws below which weights are not used, or half of those asked for if fewer. 400
        are what R-hat and quantiles need (Vehtari et al. 2021, Bayesian Analysis 16, 667).
    max_population_r_hat : float
        R-hat between populations of particles up to which they are draws of one posterior.
    """

    tuning_draws: int = 500
    pilot_draws: int = 1000
    max_adaptation_rounds: int = 5
    sufficient_efficiency: float = 0.8
    component_counts: tuple[int, ...] = (1, 2, 3, 5, 8)
    min_round_gain: float = 1.15
    min_stop_efficiency: float = 0.5
    min_component_gain: float = 1.04
    jump_components: int = 6
    good_pareto_k: float = 0.5
    good_efficiency: float = 0.4
    max_even_weight: float = 5.0
    tail_share: float = 0.1
    tail_width: float = 2.0
    boundary_share: float = 0.04
    max_boundary_share: float = 0.2
    max_pareto_k: float = 0.7
    candidate_surplus: float = 1.3
    min_candidates: int = 1000
    max_candidates_per_draw: int = 10
    min_refined_candidates: int = 6000
    max_refinements: int = 3
    max_pooled_candidates: int = 8000
    max_numbers_read: float = 1e10
    densities_per_particle: float = 200.0
    min_effective_draws: float = 400.0
    max_population_r_hat: float = 1.05


@dataclass(frozen=True, slots=True)
class MixtureSettings:
    """Priors of coefficients as mixtures of normal densities (`priors.mixtures`).

    Attributes
    ----------
    log_precision_step : float
        Step of the grid of log precisions: the sum is then within 1e-5 of the integral, relative.
    relative_step : float
        The same as a multiple of the standard deviation of what is summed, where that is narrow.
    lost_mass : float
        Mass of the largest precisions that is left out.
    lost_tail : float
        Smallest precision, in units of what the farthest coefficient asks for: what is left out of
        a Cauchy density there is a thousandth.
    lost_variance : float
        Smallest variance, in units of the prior's: coefficients smaller than its root are as zero.
    least_log_weight : float
        Log weight below the largest at which a grid point is left out.
    half_normal_reach : float
        Standard deviations of a half-normal shift that are summed over, and more far from the data.
    max_shifts : int
        Points of that sum at most.
    numbers_per_batch : float
        Covariances of draws worked on together: 4 MB, which stay in a processor's cache.
    defended_share : float
        Share of the draws of all scales together that follow the prior alone, so that no
        combination of coefficients at their priors' centres is out of reach.
    """

    log_precision_step: float = 0.6
    relative_step: float = 1.2
    lost_mass: float = 1e-12
    lost_tail: float = 1e-6
    lost_variance: float = 1e-10
    least_log_weight: float = 300.0
    half_normal_reach: float = 8.0
    max_shifts: int = 400
    numbers_per_batch: float = 5e5
    defended_share: float = 0.2


@dataclass(frozen=True, slots=True)
class ConflictSettings:
    """Priors far from the data, and what is looked for there (`sampling.modes`).

    Attributes
    ----------
    min_distance : float
        Standard deviations between prior and data from which on searches start from the prior too.
    max_drop : float
        Log mass of a mode below the largest's at which it gets no component.
    max_modes : int
        Modes that get one.
    max_single : int
        Coefficients in conflict up to which each of them is tied to its prior alone.
    same_mode : float
        Standard deviations within which two searches have found the same mode.
    min_share : float
        Smallest share of a component relative to the largest.
    scouts : int
        Draws of wider components that look for what the candidates have not visited.
    scout_width, scout_df : float
        Their width relative to the components', and their degrees of freedom.
    seen_share : float
        Share of all weight that a single draw would have where the candidates count as absent.
    max_unvisited : float
        Estimated mass not visited from which on there is a warning.
    """

    min_distance: float = 2.0
    max_drop: float = 25.0
    max_modes: int = 8
    max_single: int = 4
    same_mode: float = 0.5
    min_share: float = 0.1
    scouts: int = 500
    scout_width: float = 2.5
    scout_df: float = 3.0
    seen_share: float = 0.02
    max_unvisited: float = 0.01


@dataclass(frozen=True, slots=True)
class GibbsSettings:
    """Chains over the scales of many priors (`sampling.gibbs`).

    Attributes
    ----------
    chains : int
        Chains side by side; more cost little, as all share their array operations.
    burn_in : int
        Steps that are thrown away, in which the local moves find their length.
    round_steps : int
        Steps between looks at the diagnostics.
    max_steps : int
        Steps at most.
    local_moves : int
        Local Metropolis moves of the variance parameters in a step.
    target_acceptance : float
        Acceptance rate to which the local moves are scaled.
    wanted_effective, wanted_share : float
        Effective draws at which the chains end: this number, or this share of the draws.
    least_left : float
        Share of a variance that is left of it by a component, at the least: a narrower component
        is as wide as rounding.
    min_efficiency : float
        Efficiency of importance weights below which several mixed priors are left to the chains.
    """

    chains: int = 64
    burn_in: int = 100
    round_steps: int = 60
    max_steps: int = 1200
    local_moves: int = 2
    target_acceptance: float = 0.3
    wanted_effective: float = 1000.0
    wanted_share: float = 0.5
    least_left: float = 1e-12
    min_efficiency: float = 0.3


@dataclass(frozen=True, slots=True)
class EffectsSettings:
    """Random effects in the variances (`sampling.linearised`, `sampling.fitted_variances`).

    Attributes
    ----------
    newton_steps : int
        Steps from the estimate's random effects to the modes of a draw's. What they leave is
        corrected by the weights.
    max_log_integral : float
        Size of a group's log integral, as the least squares have it, beyond which what is left of
        it has too few digits: only far from the data.
    difference_step : float
        Step in a fitted value, relative to it, for the slope of the log standard deviation.
    tail_share, tail_df : float
        Share of the groups whose effects are drawn from a Student-t distribution, and its degrees
        of freedom: the likelihood of effects may have longer tails than its Gaussian.
    full_share_groups : int
        Groups up to which the share is as large as that; it falls with the root of their number,
        as the weights of all groups multiply.
    pairs : int
        Pairs of draws of each group's effects, to begin with.
    max_pairs : int
        Pairs at most.
    max_log_variance : float
        Variance that these draws may add to the log weights; more pairs are drawn above it.
    learned_draws : int
        Draws from whose modes those of all others are predicted.
    sufficient_efficiency : float
        Share of effective draws at which adaptation stops: densities are expensive here.
    pilot_draws : int
        Draws by which the number of pairs is chosen.
    max_surplus : float
        Candidates for each draw kept at most.
    max_refinements : int
        Refinements of the mixture where the weights are uneven.
    numbers_per_batch : float
        Numbers in one array of the rows of a batch: not quite a megabyte, which stays in the cache.
    """

    newton_steps: int = 2
    max_log_integral: float = 1e8
    difference_step: float = 1e-6
    tail_share: float = 0.1
    tail_df: float = 5.0
    full_share_groups: int = 10
    pairs: int = 2
    max_pairs: int = 24
    max_log_variance: float = 0.2
    learned_draws: int = 200
    sufficient_efficiency: float = 0.5
    pilot_draws: int = 100
    max_surplus: float = 1.5
    max_refinements: int = 2
    numbers_per_batch: float = 1e5


@dataclass(frozen=True, slots=True)
class AnnealingSettings:
    """Sequential Monte Carlo (`sampling.annealing`).

    Attributes
    ----------
    populations : int
        Populations that never meet, so that they can certify each other.
    min_particles : int
        Particles of a population at least.
    initial_spread : float
        Factor of the proposal's scale for the first particles, so that they surround the target.
    min_effective_share : float
        Share of the particles that the weights of one temperature step leave effective.
    max_memory : float
        Correlation of a coordinate with its value before the moves at which these end.
    max_move_rounds : int
        Rounds of moves at each temperature at most.
    local_moves_per_round : int
        Local Metropolis moves beside each jump.
    target_acceptance : float
        Acceptance rate to which the local step is scaled; near the best one in some dimensions.
    max_temperatures : int
        Temperatures at most, after which a population stays where it is.
    """

    populations: int = 4
    min_particles: int = 500
    initial_spread: float = 2.0
    min_effective_share: float = 0.7
    max_memory: float = 0.1
    max_move_rounds: int = 40
    local_moves_per_round: int = 3
    target_acceptance: float = 0.25
    max_temperatures: int = 100


@dataclass(frozen=True, slots=True)
class PosteriorSettings:
    """What a posterior stores, and the memory of its methods (`posterior`, `compare`).

    Attributes
    ----------
    max_bytes : float
        Bytes of all random effects and log likelihoods of a posterior, and of the draws that one
        call returns; more are refused with the number that fits.
    numbers_per_batch : float
        Numbers in the temporary arrays of one batch of simulated draws: 16 MB, as larger ones are
        given back to the system and asked for again with every batch.
    rows_of_draws_per_batch : float
        Rows times draws of one batch of predictions and means: 160 MB.
    max_stored_replicates : float
        Numbers of stored posterior predictive draws, 20 MB; of more, only every few draws have one.
    max_replicated_draws : int
        Draws that have a stored replicate at most: a predictive check asks for so many.
    max_drawn_replicates : float
        Numbers of replicates that a predictive check draws again where too few are stored.
    max_single_term : float
        Largest log likelihood of a piece of the data up to which they are stored in single
        precision: its rounding is below 1e-4 then.
    interval_level : float
        Probability of the intervals that a summary prints.
    max_r_hat : float
        R-hat above which a summary says that the chains have not mixed (Vehtari et al. 2021).
    sd_digits : int
        Digits of a standard deviation that a summary prints; the mean gets as many places.
    comparison_digits : int
        Digits of a comparison of fits.
    min_diagnostic_draws : int
        Draws of a chain below which there are no diagnostics.
    min_judged_draws : int
        Draws of a chain below which R-hat is mostly noise: the summary notes it, nothing warns.
    max_listed_characters : int
        Characters of a list of names in an error message.
    max_quoted_characters : int
        Characters of another library's message in an error of ours.
    """

    max_bytes: float = 4e9
    numbers_per_batch: float = 2e6
    rows_of_draws_per_batch: float = 2e7
    max_stored_replicates: float = 5e6
    max_replicated_draws: int = 1000
    max_drawn_replicates: float = 2e7
    max_single_term: float = 1000.0
    interval_level: float = 0.95
    max_r_hat: float = 1.01
    sd_digits: int = 3
    comparison_digits: int = 4
    min_diagnostic_draws: int = 4
    min_judged_draws: int = 200
    max_listed_characters: int = 200
    max_quoted_characters: int = 150


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """Checks of a model and of a sampler (`checks`).

    Attributes
    ----------
    significance : float
        p-value at and below which a check says that something is off.
    envelope_simulations : int
        Simulated samples behind the p-values of uniformity.
    envelope_ranks : int
        Ranks at which the distribution functions are compared.
    envelope_seed : int
        Seed of these simulations, so that a check gives the same answer twice.
    units_per_batch : int
        Unit columns that are whitened together.
    max_pairs : int
        Pairs of residuals in a semivariance; of more, so many are drawn.
    default_draws : int
        Replicates of a predictive check.
    numbers_per_batch : float
        Numbers in the temporary arrays of one batch of replicates: 16 MB.
    min_envelope_draws : int
        Replicates below which there is no envelope.
    min_weighted_draws : int
        Draws below which importance weights cannot be judged.
    max_names_in_notes : int
        Rows or groups named in a note.
    min_compared_models : int
        Models of a comparison.
    sensitivity_digits : int
        Digits asked of ArviZ, which rounds what it returns.
    constant_log_density : float
        Spread of a log density below which it does not depend on its parameter.
    max_marginal_effects : int
        Crossed effects whose covariance matrix is formed for every draw: a tenth of a second each.
    max_group_columns : int
        Effects beside those of a factor whose groups are left out one by one: as many Cholesky
        factors of that size as there are groups, for every draw.
    """

    significance: float = 0.05
    envelope_simulations: int = 10_000
    envelope_ranks: int = 100
    envelope_seed: int = 20_220_401
    units_per_batch: int = 8
    max_pairs: int = 1_000_000
    default_draws: int = 1000
    numbers_per_batch: float = 2e6
    min_envelope_draws: int = 100
    min_weighted_draws: int = 100
    max_names_in_notes: int = 5
    min_compared_models: int = 2
    sensitivity_digits: int = 10
    constant_log_density: float = 1e-10
    max_marginal_effects: int = 1500
    max_group_columns: int = 500


@dataclass(frozen=True, slots=True)
class PyMCSettings:
    """PyMC models and NUTS (`pymc`).

    Attributes
    ----------
    max_time_units : float
        Units of time between neighbours up to which Phi over one unit has enough digits.
    max_low_rank_dimensions : int
        Dimensions up to which NUTS adapts to correlated parameters, such as sigma and a power; the
        matrix costs too much beyond.
    max_crossed_columns : int
        Columns of the dense matrix of crossed random effects up to which they are integrated out
        symbolically: its Cholesky factor and the gradient through it take a second beyond.
    timed_gradients : int
        Gradients that are timed before NUTS starts.
    usual_steps : float
        Gradients of a transition, as a rule: trees of depth 3 or 4.
    long_run_seconds : float
        Expected seconds from which on a warning says how long it may take.
    """

    max_time_units: float = 1e9
    max_low_rank_dimensions: int = 1000
    max_crossed_columns: int = 2000
    timed_gradients: int = 3
    usual_steps: float = 12.0
    long_run_seconds: float = 120.0


CENTRING = CentringSettings()
PRIORS = PriorSettings()
SEARCH = SearchSettings()
PROPOSAL = ProposalSettings()
SAMPLING = SamplingSettings()
MIXTURES = MixtureSettings()
CONFLICT = ConflictSettings()
GIBBS = GibbsSettings()
EFFECTS = EffectsSettings()
ANNEALING = AnnealingSettings()
POSTERIOR = PosteriorSettings()
CHECKS = CheckSettings()
PYMC = PyMCSettings()
