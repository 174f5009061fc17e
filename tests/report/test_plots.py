"""Plots: what is drawn, on how many axes, under which labels."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.report.plots.scatter import scatter_panels


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
