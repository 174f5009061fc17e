"""Digits and widths of printed pages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Digits and widths of printed pages.

    Attributes
    ----------
    page_width : int
        Characters of a printed line where pandas has no width.
    figure_dpi : int
        Dots per inch of the figures of a page: sharp on a screen, and small.
    lme4_digits : int
        Significant digits of the tables of lme4's summary.
    lme4_varcorr_digits : int
        Significant digits of lme4's ``VarCorr``.
    lme4_test_decimals : int
        Decimals of degrees of freedom and t-values there.
    min_shown_p_value : float
        p-values below it, the rounding of 1, are shown as smaller than it.
    significant_digits : int
        Significant digits of printed numbers: R's ``digits``.
    max_decimals : int
        Decimals of a printed number: doubles have no more.
    correlation_decimals : int
        Decimals of printed correlations, as in nlme.
    bootstrap_digits : int
        Significant digits of a table of simulations, more than they determine.
    """

    page_width: int = 80
    figure_dpi: int = 110
    lme4_digits: int = 4
    lme4_varcorr_digits: int = 5
    lme4_test_decimals: int = 3
    min_shown_p_value: float = 2.2e-16
    significant_digits: int = 7
    max_decimals: int = 15
    correlation_decimals: int = 3
    bootstrap_digits: int = 5


REPORT = ReportSettings()
