"""Bins of distances: rounding makes none of its own, and breaks are what they say."""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme.errors import FitError


@pytest.fixture(scope="module")
def fit():
    return bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")


def test_rounding_makes_no_distances():
    """Voltages 0.8, 1.2, ... 2.4 are 0.4 to 1.6 apart, in whatever way differences are rounded."""
    data = bayeslme.load_data("Wafer")
    fit = bayeslme.lme("current ~ voltage", data, "~ 1 | Wafer/Site")
    table = fit.variogram("~ voltage | Wafer/Site")
    np.testing.assert_allclose(table["dist"], [0.4, 0.8, 1.2, 1.6])
    assert table["n_pairs"].tolist() == [80 * k for k in (4, 3, 2, 1)]


def test_breaks_are_the_ends_of_the_bins(fit):
    own = fit.variogram("~ age | Subject", collapse="none")
    table = fit.variogram("~ age | Subject", breaks=[3.0, 5.0])
    assert (len(own), own["n_pairs"].unique().tolist()) == (27 * 6, [1])
    ends = [(0, 3), (3, 5)]
    for (low, high), (_, row) in zip(ends, table.iterrows(), strict=True):
        inside = own[(own["dist"] > low) & (own["dist"] <= high)]
        assert row["n_pairs"] == len(inside)
        assert row["variog"] == pytest.approx(inside["variog"].mean())


def test_bins_of_equal_width():
    fit = bayeslme.gls("follicles ~ Time", bayeslme.load_data("ovary"))
    table = fit.variogram("~ Time | Mare", bins=4, collapse="fixed")
    own = fit.variogram("~ Time | Mare", collapse="none")
    ends = np.linspace(own["dist"].min(), own["dist"].max(), 5)
    ends[0] = 0.0
    counts = np.histogram(own["dist"], ends)[0]  # no distance is at an inner end
    assert table["n_pairs"].tolist() == counts.tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"breaks": [1, 2], "bins": 3}, "bins: leave it out"),
        ({"breaks": [1, 2], "collapse": "fixed"}, "collapse: leave it out"),
        ({"breaks": [2, 1]}, "breaks: distances have to increase"),
        ({"breaks": "far"}, "breaks: a sequence"),
        ({"breaks": [0.5]}, "breaks: all pairs"),
        ({"collapse": "all"}, "collapse: 'all' is none of"),
        ({"collapse": "none", "bins": 3}, "bins: leave it out"),
    ],
)
def test_bins_that_are_none_are_named(fit, options, message):
    with pytest.raises(FitError, match=message):
        fit.variogram("~ age | Subject", **options)
