"""Plots: what is drawn, on how many axes, under which labels."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

import bayeslme
from bayeslme.report.plots.checks import envelope_plot, nominal_plot
from bayeslme.report.plots.data import curve_panels, look
from bayeslme.report.plots.estimates import (
    caterpillar_panels,
    compared_panels,
    forest_panels,
    forest_rows,
    interval_panels,
    pairs_grid,
)
from bayeslme.report.plots.residuals import lag_plot, scatter_panels, variogram_plot
from bayeslme.report.plots.style import COLOURS, folded, short_names


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_interaction_lines_are_the_cell_means() -> None:
    beech = bayeslme.load_data("beech")
    ax = bayeslme.interaction_plot(beech, "depth", "width", "humidity")
    means = beech.groupby(["depth", "width"], observed=True)["humidity"].mean().unstack()
    drawn = np.column_stack([line.get_ydata() for line in ax.lines])
    np.testing.assert_allclose(drawn, means.to_numpy())
    assert [t.get_text() for t in ax.get_xticklabels()] == list(means.index)
    assert ax.get_ylabel() == "mean of humidity"
    assert ax.get_legend() is not None


def test_many_lines_have_no_legend() -> None:
    ax = bayeslme.interaction_plot(bayeslme.load_data("beech"), "width", "plank", "humidity")
    assert len(ax.lines) == 20
    assert ax.get_legend() is None


def test_many_lines_with_a_legend_are_told_apart() -> None:
    beech = bayeslme.load_data("beech")
    ax = bayeslme.interaction_plot(beech, "width", "plank", "humidity", legend=True)
    assert len(ax.lines) == 20
    assert len({look(k) for k in range(48)}) == 48
    figure = ax.figure
    figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    assert figure.bbox.contains(legend.x0, legend.y0)
    assert figure.bbox.contains(legend.x1, legend.y1)
    assert ax.get_window_extent().height > 0.6 * figure.bbox.height


def test_no_line_is_too_light_for_white_paper() -> None:
    for colour in COLOURS:
        red, green, blue = (c**2.2 for c in to_rgb(colour))
        contrast = 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
        assert contrast > 2, colour


def test_means_say_what_they_are_and_contrasts_where_zero_is() -> None:
    data = bayeslme.load_data("Orthodont")
    means = bayeslme.lme("distance ~ Sex * age", data, "~ 1 | Subject").means("Sex")
    ax = means.plot()
    assert ax.get_xlabel().endswith("fissure (mm)")
    assert not any(list(line.get_xdata()) == [0, 0] for line in ax.lines)
    ax = means.contrasts().plot()
    assert ax.get_xlabel().startswith("contrast: Distance")
    assert any(list(line.get_xdata()) == [0, 0] for line in ax.lines)


def test_interaction_draws_into_given_axes() -> None:
    _, ax = plt.subplots()
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["u", "u"], "v": [1.0, np.nan]})
    assert bayeslme.interaction_plot(frame, "a", "b", "v", legend=False, ax=ax) is ax


def test_unknown_column_is_named() -> None:
    with pytest.raises(bayeslme.DataError, match="no column 'deep'"):
        bayeslme.interaction_plot(bayeslme.load_data("beech"), "deep", "width", "humidity")


def test_panels_lines_and_marks() -> None:
    frame = pd.DataFrame(
        {"x": np.arange(6.0), "y": np.arange(6.0), "panel": list("aabbcc")}, index=list("uvwxyz")
    )
    axes = scatter_panels(frame, labels=("x", "y"), abline=(0.0, 1.0), smooth=True, marked=[0])
    assert [ax.get_title() for ax in axes] == ["a", "b", "c"]
    assert [t.get_text() for t in axes[0].texts] == ["u"]
    assert axes[0].get_xlim()[0] > -1.0
    assert axes[1].get_ylabel() == ""


def test_a_factor_gives_box_plots() -> None:
    frame = pd.DataFrame({"x": pd.Categorical(list("aabb")), "y": range(4), "panel": 0})
    (ax,) = scatter_panels(frame, labels=("x", "y"), abline=0.0)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b"]


def test_a_factor_upwards_gives_boxes_along() -> None:
    frame = pd.DataFrame({"x": range(4), "y": pd.Categorical(list("aabb")), "panel": 0})
    (ax,) = scatter_panels(frame, labels=("x", "y"), abline=0.0)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b"]
    line = ax.lines[-1]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0, 0], [0, 1])  # of the height


def test_caterpillar_is_in_order_with_its_intervals() -> None:
    groups = pd.Index(["a", "b", "c"], name="g")
    estimate = pd.DataFrame({"one": [2.0, -1.0, 0.5], "two": [0.0, 1.0, 2.0]}, index=groups)
    axes = caterpillar_panels(estimate, estimate * 0 + 0.75)
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ["b", "c", "a"]
    segments = next(c for c in axes[0].collections).get_segments()
    np.testing.assert_allclose(
        [s[:, 0] for s in segments], [[-1.75, -0.25], [-0.25, 1.25], [1.25, 2.75]]
    )
    filled = next(p for p in axes[0].lines if p.get_markerfacecolor() == COLOURS[0])
    assert sorted(filled.get_xdata()) == [-1.0, 2.0]
    same = caterpillar_panels(estimate, estimate * 0, sort=False)
    assert [t.get_text() for t in same[0].get_yticklabels()] == ["c", "b", "a"]


def test_pairs_have_points_below_and_correlations_above() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, np.nan], "b": [2.0, 1.0, 4.0, 0.0]})
    grid = pairs_grid(frame, [2])
    np.testing.assert_allclose(grid[1, 0].collections[0].get_offsets(), frame.dropna())
    assert [t.get_text() for t in grid[1, 0].texts] == ["2"]
    assert [t.get_text() for t in grid[0, 1].texts] == [f"{frame.corr().iloc[0, 1]:.2f}"]
    with pytest.raises(bayeslme.DataError, match="at least two coefficients"):
        pairs_grid(frame[["a"]])


def test_intervals_of_groups_from_the_top() -> None:
    table = pd.DataFrame(
        {"lower": [0.0, 1.0], "est.": [1.0, 2.0], "upper": [2.0, 3.0]}, index=["u", "v"]
    )
    axes = interval_panels({"x": table, "z": table})
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ["u", "v"]
    assert list(axes[0].get_yticks()) == [1, 0]
    segments = axes[1].collections[0].get_segments()
    np.testing.assert_allclose([s[:, 0] for s in segments], [[0, 2], [1, 3]])


def test_curves_over_observations() -> None:
    table = pd.DataFrame(
        {
            "x": [0.0, 1.0, 0.0, 1.0],
            ".groups": pd.Categorical(["a", "b", "a", "a"]),
            "y": [3.0, 4.0, 5.0, 6.0],
            ".type": pd.Categorical(["original", "original", "predicted", "predicted"]),
        }
    )
    axes = curve_panels(table)
    assert [ax.get_title() for ax in axes] == ["a", "b"]
    points, line = axes[0].lines
    assert (list(points.get_ydata()), list(line.get_ydata())) == ([3.0], [5.0, 6.0])


def test_variogram_with_and_without_a_curve() -> None:
    table = pd.DataFrame({"variog": [1.0, 3.0], "dist": [1.0, 2.0], "n_pairs": [3, 1]})
    ax = variogram_plot(table, {"dist": [1.0, 2.0], "variog": [0.5, 0.75]}, smooth=True)
    fitted, smoothed = ax.lines
    assert list(fitted.get_ydata()) == [0.5, 0.75]
    assert list(smoothed.get_ydata()) == [1.5, 1.5]
    assert len(variogram_plot(table).lines) == 0


WARDS = [f"the ward of the hospital of district number {k}" for k in range(14)]


def overlapping(figure: plt.Figure, texts: list[plt.Text]) -> list[str]:
    """Texts whose boxes lie over the one before, or outside of the figure."""
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    page = figure.bbox
    over = [a.overlaps(b) for a, b in pairwise(boxes)]
    out = [b.x0 < page.x0 or b.x1 > page.x1 for b in boxes]
    return [f"{k}" for k, bad in enumerate([*over, any(out)]) if bad]


def test_names_are_shortened_but_told_apart() -> None:
    assert short_names(["short", "short"], 8) == ["short", "short"]
    assert short_names(["ab-1-long-name-yz", "ab-2-long-name-yz"], 6) == [
        "ab-1\u2026me-yz",
        "ab-2\u2026me-yz",
    ]
    assert all(len(name) <= 24 for name in short_names(WARDS, 24))
    assert folded("`a name`") == "a name"
    assert folded("`a b` + `c d`") == "`a b` + `c d`"


def test_long_names_over_panels_do_not_overlap() -> None:
    frame = pd.DataFrame({"x": np.tile([0.0, 1.0], 14), "y": 1.0, "panel": np.repeat(WARDS, 2)})
    axes = scatter_panels(frame, labels=("x", "y"))
    assert overlapping(axes[0].figure, [ax.title for ax in axes]) == []
    table = frame.rename(columns={"panel": ".groups"})[["x", ".groups", "y"]]
    axes = curve_panels(table.assign(**{".type": pd.Categorical(["original"] * len(table))}))
    assert overlapping(axes[0].figure, [ax.title for ax in axes]) == []


def test_long_names_beside_lists_leave_room_for_the_effects() -> None:
    groups = pd.Index(WARDS, name="ward")
    estimate = pd.DataFrame({"a": np.linspace(-0.1, 0.1, 14), "b": np.arange(14.0)}, index=groups)
    axes = caterpillar_panels(estimate, estimate * 0 + 0.01)
    figure = axes[0].figure
    figure.canvas.draw()
    for ax in axes:
        assert ax.get_window_extent().width > 150  # pixels at 100 an inch
        low, high = ax.get_xlim()
        ticks = [t for t in ax.get_xticklabels() if low <= t.get_position()[0] <= high]
        assert overlapping(figure, ticks) == []


def test_too_many_groups_have_no_names() -> None:
    many = pd.DataFrame({"x": np.arange(300.0), "y": np.repeat(np.arange(100), 3).astype(str)})
    many["y"] = many["y"].astype("category")
    (ax,) = scatter_panels(many.assign(panel=0), labels=("x", "y"))
    assert {t.get_text() for t in ax.get_yticklabels()} == {""}


def test_too_many_levels_have_no_names_below() -> None:
    frame = pd.DataFrame({"x": np.arange(100).astype(str), "y": np.arange(100.0), "panel": 0})
    (ax,) = scatter_panels(frame.assign(x=frame["x"].astype("category")), labels=("x", "y"))
    assert len(ax.get_xticks()) == 0


def test_marks_at_the_right_edge_stand_to_the_left() -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "panel": 0}, index=WARDS[:2])
    (ax,) = scatter_panels(frame, labels=("x", "y"), marked=[0, 1])
    assert [t.get_ha() for t in ax.texts] == ["left", "right"]
    assert all(len(t.get_text()) <= 20 for t in ax.texts)


def test_equal_row_labels_mark_only_the_row_meant() -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0], "panel": 0}, index=["a", "a"])
    (ax,) = scatter_panels(frame, labels=("x", "y"), marked=[1])
    assert [t.xy for t in ax.texts] == [(1.0, 1.0)]


def test_lags_are_whole_numbers() -> None:
    ax = lag_plot(pd.DataFrame({"lag": [0, 1, 2], "ACF": [1.0, 0.2, 0.1], "n_used": 9}), 1.96)
    ax.figure.canvas.draw()
    assert all(float(at).is_integer() for at in ax.get_xticks())


def test_numbers_and_long_levels_under_an_interaction_plot() -> None:
    frame = pd.DataFrame({"a": [0.0, 1.5], "b": ["u", "u"], "v": [1.0, 2.0]})
    ax = bayeslme.interaction_plot(frame, "a", "b", "v")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "1.5"]
    long = pd.DataFrame({"a": WARDS, "b": "u", "v": np.arange(14.0)})
    ax = bayeslme.interaction_plot(long, "a", "b", "v")
    assert {t.get_rotation() for t in ax.get_xticklabels()} == {90.0}


def test_grouped_data_have_a_panel_for_every_group() -> None:
    data = bayeslme.load_data("Orthodont")
    axes = bayeslme.group_plot(data)
    assert [ax.get_title() for ax in axes] == list(data["Subject"].cat.categories)
    own = data[data["Subject"] == "M01"]
    (line,) = axes[list(data["Subject"].cat.categories).index("M01")].lines
    assert list(line.get_xdata()) == list(own["age"])
    assert list(line.get_ydata()) == list(own["distance"])
    assert axes[0].figure.get_supxlabel() == "Age (yr)"


def test_grouped_data_as_lines_of_outer_panels() -> None:
    data = bayeslme.load_data("Orthodont").sample(frac=1.0, random_state=3)
    male, female = bayeslme.group_plot(data, "distance ~ age | Subject", outer="Sex")
    assert (len(male.lines), len(female.lines)) == (16, 11)
    assert all(list(line.get_xdata()) == [8, 10, 12, 14] for line in male.lines)
    (one,) = bayeslme.group_plot(data, outer="1")
    assert len(one.lines) == 27


def test_grouped_data_of_other_kinds() -> None:
    rail = bayeslme.load_data("Rail")
    (ax,) = bayeslme.group_plot(rail)
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names == list(rail["Rail"].cat.categories)
    drawn = dict(zip(*ax.lines[0].get_data(), strict=True))
    lowest = rail.loc[rail["travel"].idxmin()]
    assert names[int(drawn[lowest["travel"]])] == lowest["Rail"]
    nested = bayeslme.group_plot(bayeslme.load_data("Pixel"), "pixel ~ day | Dog/Side")
    assert {ax.get_title() for ax in nested} >= {"1/L", "1/R", "10/L"}
    stools = bayeslme.group_plot(bayeslme.load_data("ergoStool"), "effort ~ Type | Subject")
    assert [t.get_text() for t in stools[-1].get_xticklabels()] == ["T1", "T2", "T3", "T4"]


@pytest.mark.parametrize(
    ("formula", "options", "complaint"),
    [
        ("distance ~ age", {}, r"y ~ x \| g is needed"),
        ("distance ~ age + Sex | Subject", {}, r"y ~ x \| g is needed"),
        ("distance ~ agee | Subject", {}, "no column 'agee'"),
        ("Sex ~ age | Subject", {}, "'Sex' is not numeric"),
        (None, {"outer": "sex"}, "no column 'sex'"),
    ],
)
def test_what_is_no_grouped_data_is_told(
    formula: str | None, options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(bayeslme.BayesLMEError, match=complaint):
        bayeslme.group_plot(bayeslme.load_data("Orthodont"), formula, **options)
    plain = pd.DataFrame({"y": [1.0]})
    with pytest.raises(bayeslme.SpecError, match="the data have no formula"):
        bayeslme.group_plot(plain)


MATHEMATICS = ["$$", "$x^{2$", r"$\frac{$", "a $ b $ c", r"\$ alone", "_hidden", "5 $"]


def _drawn_texts() -> list[str]:
    """All texts of the open figures as they are drawn; none may be read as mathematics."""
    found = []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.canvas.draw()
        for text in figure.findobj(plt.Text):
            shown, mathematics = text._preprocess_math(text.get_text())
            assert not mathematics
            found.append(shown)
    return found


def test_dollars_in_names_are_drawn_as_they_are() -> None:
    rng = np.random.default_rng(3)
    names = np.repeat(MATHEMATICS, 6)
    level = np.tile(MATHEMATICS[:3], 14)
    x, y, price, size = "$x^{2$", "$y_{$", "$$", "${4}_{$"
    data = pd.DataFrame(
        {x: np.tile(np.arange(6.0), 7), y: rng.normal(size=42), price: names, size: level}
    )
    data[y] += np.repeat(np.arange(7.0), 6)
    fit = bayeslme.lme(f"`{y}` ~ `{x}` + `{size}`", data, f"~ 1 | `{price}`")
    for draw in (
        lambda: fit.plot.aug_pred(f"`{x}`"),
        fit.plot.caterpillar,
        lambda: fit.plot.residuals(f"resid(.) ~ `{x}` | `{size}`", id=0.9),
        lambda: fit.plot.residuals(f"`{price}` ~ resid(.)"),
        lambda: fit.plot.qq(id=0.5),
        lambda: fit.means(size).plot(),
        lambda: bayeslme.group_plot(data, f"`{y}` ~ `{x}` | `{price}`"),
        lambda: bayeslme.group_plot(data, f"`{y}` ~ 1 | `{price}`"),
        lambda: bayeslme.interaction_plot(data, size, price, y, legend=True),
    ):
        draw()
    texts = _drawn_texts()
    assert {*MATHEMATICS, x, y, f"mean of {y}"} <= {text.strip("\u2060") for text in texts}


def test_dollars_in_names_of_results_and_curves() -> None:
    index = pd.Index(MATHEMATICS, name="$$")
    values = pd.DataFrame({"lower": 0.0, "est.": 1.0, "upper": 2.0}, index=index)
    interval_panels({"$x^{2$": values}, label=r"$\frac{$")
    caterpillar_panels(
        values[["est."]].set_axis(["$$"], axis=1), values[["upper"]].set_axis(["$$"], axis=1)
    )
    compared_panels({"$$": values.set_axis(["_a", "$x^{2$", "c"], axis=1)}, {})
    both = pd.concat({"$$": values, "_b": values}, axis=1).rename(columns={"est.": "Value"})
    forest_rows({"$x^{2$": both}, "$$")
    forest_panels(both.set_axis(pd.MultiIndex.from_product([["fixed"], MATHEMATICS])))
    table = values.rename(columns={"est.": "observed"}).assign(outside=False)
    envelope_plot(table, "$x^{2$")
    nominal_plot({"$$": np.array([0.1, 0.5])})
    curves = pd.DataFrame({"$$": MATHEMATICS * 3, ".groups": "$x^{2$", "y": np.arange(21.0)})
    kinds = np.repeat(["original", "$$", "$x^{2$"], 7)
    curve_panels(curves.assign(**{".type": pd.Categorical(kinds)}))
    texts = {text.strip("\u2060") for text in _drawn_texts()}
    assert {*MATHEMATICS, "$x^{2$", "_a", "_b"} <= texts
