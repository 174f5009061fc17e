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


SETTINGS = FitSettings()
