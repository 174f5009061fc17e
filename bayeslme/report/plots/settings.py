"""Sizes of figures, and how much text fits on them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlotSettings:
    """Sizes and limits of the plots.

    Attributes
    ----------
    max_name_length : int
        Characters of a name beside a list of groups; longer ones are shortened.
    max_title_length : int
        Characters of the title of a panel.
    max_small_title_length : int
        Characters of the title of one of many small panels.
    max_point_label_length : int
        Characters of a name beside a point.
    max_label_line_length : int
        Characters of one line of an axis label.
    max_group_names : int
        Names in a list of groups: as many as have a line each on the highest figure.
    label_left_from : float
        Share of an axis from which names stand to the left of their points, so that they
        stay inside.
    max_tick_names : int
        Names of levels side by side on the narrowest figure.
    max_tick_letters : int
        Letters of level names side by side; longer ones are turned and shortened.
    panel_size : tuple[float, float]
        Width and height of a panel in inches.
    max_columns : int
        Panels side by side: a figure of that width fits on a screen.
    max_large_panels : int
        Panels up to which each has its full size.
    max_small_columns : int
        Small panels side by side.
    max_panels_with_legend : int
        Panels up to which the legend stands inside the first.
    group_row_height : float
        Inches of a group in a list of groups: a line of small print.
    letter_width : float
        Inches of one letter of a name beside the axis.
    max_ticks : int
        Intervals between ticks of panels side by side, so that their numbers do not meet.
    max_check_title_length : int
        Characters of the title of a check.
    max_labelled_lines : int
        Lines up to which each is drawn strongly and named in full size.
    max_legend_rows : int
        Entries in one column of a legend: more are higher than the figure.
    estimate_panel_width : float
        Inches of the width of a panel of estimates.
    estimate_row_height : float
        Inches of the height that each result takes.
    influence_size : tuple[float, float]
        Width and height of a plot of influence in inches.
    dodge : float
        Share of a row over which several results are spread.
    pair_panel_size : float
        Inches of the side of a panel for a pair of parameters.
    max_opaque_points : int
        Points up to which they are drawn nearly opaque; more would hide one another.
    reference_quantile : float
        Quantile through which, and through its opposite, the line of a Q-Q plot runs, as in
        R's ``qqline``.
    running_mean_points : int
        Points of the running mean.
    """

    max_name_length: int = 28
    max_title_length: int = 38
    max_small_title_length: int = 24
    max_point_label_length: int = 20
    max_label_line_length: int = 34
    max_group_names: int = 77
    label_left_from: float = 0.7
    max_tick_names: int = 30
    max_tick_letters: int = 36
    panel_size: tuple[float, float] = (3.4, 3.0)
    max_columns: int = 4
    max_large_panels: int = 9
    max_small_columns: int = 6
    max_panels_with_legend: int = 1
    group_row_height: float = 0.17
    letter_width: float = 0.066
    max_ticks: int = 4
    max_check_title_length: int = 30
    max_labelled_lines: int = 8
    max_legend_rows: int = 16
    estimate_panel_width: float = 3.0
    estimate_row_height: float = 0.26
    influence_size: tuple[float, float] = (7.0, 3.2)
    dodge: float = 0.6
    pair_panel_size: float = 2.3
    max_opaque_points: int = 400
    reference_quantile: float = 0.25
    running_mean_points: int = 5


PLOTS = PlotSettings()
