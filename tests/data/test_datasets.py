"""The data sets of the package: types, sources, and the simulated ones bit for bit."""

from __future__ import annotations

import gzip
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayeslme.data.datasets import data_names, load_data, simulate
from bayeslme.errors import DataError
from bayeslme.formula.formula import parse_formula


@pytest.mark.parametrize("name", data_names())
def test_every_data_set_says_where_it_is_from(name: str) -> None:
    frame = load_data(name)
    assert isinstance(frame.index, pd.RangeIndex) and len(frame)
    assert frame.attrs["source"] and frame.attrs["licence"]
    assert set(frame.attrs["units"]) | set(frame.attrs["labels"]) <= set(frame.columns)
    formula = frame.attrs["formula"]
    if formula is not None:
        assert set(parse_formula(formula).variables) <= set(frame.columns)
    for column in frame.select_dtypes("category"):
        assert not (frame[column].isna().any() and name in ("piglets", "Orthodont", "Oats"))


def test_names_in_any_case() -> None:
    pd.testing.assert_frame_equal(load_data("ORTHODONT"), load_data("orthodont"))
    with pytest.raises(DataError, match="'orthodon'; did you mean Orthodont"):
        load_data("orthodon")
    with pytest.raises(DataError, match="data_names"):
        load_data("zzzzzz")


def test_a_frame_is_a_fresh_copy() -> None:
    frame = load_data("Rail")
    frame["travel"] = 0.0
    frame.attrs["units"]["travel"] = "hours"
    assert load_data("Rail")["travel"].min() > 0
    assert load_data("Rail").attrs["units"] == {"travel": "nanoseconds"}


def test_the_lecture_data() -> None:
    piglets = load_data("piglets")
    assert len(piglets) == 60 and piglets["loglact"].isna().sum() == 1
    assert piglets.groupby("litter", observed=True)["pig"].nunique().tolist() == [4, 4, 3, 2, 7]
    orthodont = load_data("orthodont")
    assert list(orthodont.columns) == ["distance", "age", "Subject", "Sex"]
    assert orthodont["Subject"].cat.ordered and orthodont["Subject"].cat.categories[0] == "M16"
    beech = load_data("beech")
    assert beech.shape == (300, 4) and "Synthetic" in beech.attrs["note"]
    assert beech["depth"].cat.categories.tolist() == ["1", "3", "5", "7", "9"]
    cows = load_data("cows")
    assert list(cows.columns) == ["farm", "cow", "cup", "fat"] and len(cows) == 8
    trees = load_data("trees")
    assert len(trees) == 1530 and (trees["dds.log"] > 0).all()
    for frame in (cows, trees):
        assert "imulated" in frame.attrs["note"] and "seed" in frame.attrs["true_values"]


@pytest.mark.parametrize("name", ["cows", "trees"])
def test_simulated_data_are_made_again_bit_for_bit(name: str, tmp_path: Path) -> None:
    simulate.main(str(tmp_path))
    stored = (resources.files("bayeslme.data.datasets") / "files" / f"{name}.csv.gz").read_bytes()
    assert (tmp_path / f"{name}.csv").read_bytes() == gzip.decompress(stored)
    truth = {"cows": simulate.COWS, "trees": simulate.TREES}[name]
    assert load_data(name).attrs["true_values"] == truth


def test_trees_have_the_structure_they_are_said_to_have() -> None:
    trees, true = load_data("trees"), simulate.TREES
    dummies = [(trees["SITES"] == s).to_numpy(float) for s in ("I", "II", "III")]
    covariates = [trees[c].to_numpy() for c in ("dbh.log", "dbh", "BAL", "BA")]
    X = np.column_stack([*dummies, *covariates])
    y = trees["dds.log"].to_numpy()
    rest = pd.Series(y - X @ np.linalg.lstsq(X, y, rcond=None)[0])
    within = rest - rest.groupby([trees["PLot"], trees["MP"]], observed=True).transform("mean")
    scaled = (within / trees["dbh"] ** true["power"]).to_numpy().reshape(-1, true["trees"])
    assert scaled.std() == pytest.approx(true["sigma"], rel=0.1)
    lagged = np.corrcoef(scaled[:, :-1].ravel(), scaled[:, 1:].ravel())[0, 1]
    assert lagged == pytest.approx(true["Phi"], abs=0.12)
