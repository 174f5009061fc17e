"""Limits and tolerances of the verbs of a fit, in one record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What bounds the verbs of a fit, each with its reason.

    Attributes
    ----------
    max_pairs : int
        Pairs of residuals of one variogram: 20 million take about a gigabyte.
    variogram_points : int
        Points of the model's semivariogram, as many as nlme draws.
    max_lags : int
        Whole lags at which the curve of a structure of whole lags is drawn.
    max_acf_lags : int
        Lags of one table of autocorrelations.
    variogram_bins : int
        Distances from which on pairs are put into bins: nlme's number.
    singular_ratio : float
        Standard deviation of a direction over sigma, in the response, below which it is empty:
        lme4's tolerance of singular fits.
    rounding_ratio : float
        Coefficients of a direction relative to the largest that are taken for rounding.
    max_names : int
        Parameters named in one sentence.
    min_ratio : float
        A likelihood ratio below it is no rounding: a search of the larger model ended too early.
    slope_step : float
        Step of a difference quotient for slopes, in standard deviations of the covariate.
    max_grid_rows : int
        Rows of a reference grid, each of which takes a row of the model matrix.
    min_gain : float
        Gain in log-likelihood found while profiling that is worth a note.
    simulated_numbers : int
        Responses simulated at a time: 16 MB.
    negligible_share : float
        Share of a coefficient in a mean that is taken for none.
    equal_loglik : float
        Difference in log-likelihood by which no data tell two models apart.
    max_report_panels : int
        Groups up to which a report draws a panel for each.
    max_caterpillar_groups : int
        Groups up to which a report draws the random effects one by one.
    max_repeated_pairs : int
        Pairs of rows at one time that a message names; it stays under 300 characters.
    singular_correlation : float
        Smallest eigenvalue of the correlations of contrasts below which it is rounding: their
        covariance is a sum over fewer clusters than there are contrasts.
    curve_points : int
        Points of a curve of predictions: nlme's number.
    max_weight : float
        Weight in a contrast whose square, times a variance, is still a number.
    shown_groups : int
        Groups printed of a table of influence, those with the largest distances.
    max_deletions : int
        Groups that are left out by a fit to the other rows, each of which takes some 10 ms.
    range_nodes : int
        Nodes of the integral of the studentized range over the estimated standard deviation.
    range_knots : int
        Knots at which the distribution of the range of normal variables is computed, and nodes of
        that integral: ten digits for 1,000 means.
    smooth_order : int
        Power of zero from which on the integrand is smooth enough for these nodes.
    range_tail : float
        Probability left out at either end of the distribution of the standard deviation.
    many_degrees : float
        Degrees of freedom from which on a standard deviation counts as known: what is lost is of
        the size of their inverse, and the density of more loses as much to rounding.
    normal_reach : float
        Standard deviations beyond which the normal density is left out, below 1e-15.
    max_quantile_steps : int
        Steps of the search for a quantile, which takes about ten.
    quantile_tolerance : float
        Probability by which a quantile may miss.
    """

    max_pairs: int = 20_000_000
    variogram_points: int = 50
    max_lags: int = 1000
    max_acf_lags: int = 100_000
    variogram_bins: int = 20
    singular_ratio: float = 1e-4
    singular_correlation: float = 1e-10
    rounding_ratio: float = 1e-6
    max_names: int = 4
    min_ratio: float = -1e-3
    slope_step: float = 1e-3
    max_grid_rows: int = 100_000
    min_gain: float = 1e-4
    simulated_numbers: int = 2_000_000
    negligible_share: float = 1e-10
    equal_loglik: float = 0.1
    max_report_panels: int = 36
    max_caterpillar_groups: int = 60
    max_repeated_pairs: int = 4
    curve_points: int = 51
    max_weight: float = 1e100
    shown_groups: int = 10
    max_deletions: int = 5000
    range_nodes: int = 96
    range_knots: int = 400
    smooth_order: int = 8
    range_tail: float = 1e-13
    many_degrees: float = 1e7
    normal_reach: float = 8.5
    max_quantile_steps: int = 100
    quantile_tolerance: float = 1e-11


SETTINGS = FitSettings()
