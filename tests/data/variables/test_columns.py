from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.data import settings
from bayeslme.data.variables import columns as frames
from bayeslme.data.variables.columns import as_frame
from bayeslme.errors import DataError, SpecError


@dataclass
class Foreign:
    """A data frame of another library: it can only make a pandas frame of itself."""

    columns: dict[str, list[object]]

    def to_pandas(self) -> pd.DataFrame:
        return pd.DataFrame(self.columns)


class Lame:
    def to_pandas(self) -> pd.DataFrame:
        raise ModuleNotFoundError("pyarrow is required")


class Cube:
    def to_pandas(self) -> pd.Series:
        return pd.Series([1.0])


def growth(**new: object) -> Foreign:
    data = bayeslme.load_data("Orthodont").astype({"Subject": str, "Sex": str})
    return Foreign({**data.to_dict("list"), **new})


def test_frames_of_other_libraries_are_fitted_and_predicted() -> None:
    data = growth()
    fit = bayeslme.lme("distance ~ Sex * age", data, "~ 1 | Subject")
    assert (
        fit.loglik == bayeslme.lme("distance ~ Sex * age", data.to_pandas(), "~ 1|Subject").loglik
    )
    for options in ({}, {"se": True}, {"level": [0, 1]}):
        made = fit.predict(data, **options)
        np.testing.assert_array_equal(made, fit.predict(data.to_pandas(), **options))
    assert fit.update(data=data).loglik == fit.loglik
    fits = bayeslme.lmlist("distance ~ age | Subject", data)
    np.testing.assert_allclose(fits.predict(data), fits.fitted())


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"x": [1]}, "^data: a data frame is needed, not dict$"),
        (Foreign, "^data: a data frame is needed, not type$"),
        (Lame(), "Lame cannot become pandas': pyarrow is required"),
        (Cube(), "Cube is no table"),
    ],
)
def test_what_is_no_frame_is_named(data: object, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        as_frame(data)


def test_new_data_are_named_so() -> None:
    fit = bayeslme.lm("distance ~ age", bayeslme.load_data("Orthodont"))
    with pytest.raises(DataError, match=r"^newdata: a data frame is needed, not dict$"):
        fit.predict({"age": [8]})  # type: ignore[arg-type]


def test_columns_that_are_named_by_numbers_are_told() -> None:
    data = bayeslme.load_data("Orthodont").rename(columns={"distance": 1})
    with pytest.raises(DataError, match=r"named by a value of type int.*rename\(columns=str\)"):
        bayeslme.lm("`1` ~ age", data)


def test_a_frame_in_the_place_of_a_formula_is_told_in_one_line() -> None:
    data = bayeslme.load_data("Orthodont")
    with pytest.raises(SpecError, match=r"must be a string, not DataFrame$"):
        bayeslme.lme(data, "distance ~ age", "~ 1 | Subject")  # type: ignore[arg-type]


def test_variance_functions_in_a_list_are_told() -> None:
    with pytest.raises(SpecError, match="one after the other, in no list"):
        bayeslme.VarComb([bayeslme.VarIdent(form="~ 1 | Sex")])  # type: ignore[arg-type]


def _views(frame: pd.DataFrame, other: pd.DataFrame) -> list[bool]:
    pairs = zip(frame.items(), other.items(), strict=True)
    return [np.shares_memory(a.to_numpy(), b.to_numpy()) for (_, a), (_, b) in pairs]


def test_the_fit_owns_what_it_reads_and_shares_the_rest_of_a_wide_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "DATA", settings.DataSettings(max_unused_bytes=0))
    wide = pd.DataFrame({"y": np.zeros(9), "x": np.ones(9), "n": np.arange(9)})
    assert _views(frames.owned(wide, ["y"]), wide) == [False, True, True]
    roomy = settings.DataSettings(max_unused_bytes=10**6)
    monkeypatch.setattr(settings, "DATA", roomy)
    assert not any(_views(frames.owned(wide, ["y"]), wide))


@pytest.mark.parametrize("names", [[], ["b"]])
def test_columns_that_somebody_else_can_write_to_are_copied(
    monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    monkeypatch.setattr(settings, "DATA", settings.DataSettings(max_unused_bytes=0))
    array, text = np.arange(9.0).reshape(3, 3), np.array(["u", "v", "w"], dtype=object)
    data = pd.DataFrame(array, columns=["a", "b", "c"], copy=False)
    data = pd.concat([data, pd.Series(text, name="s", copy=False)], axis=1)
    data["k"] = pd.Categorical(["u", "v", "u"])
    data["i"] = pd.array([1, None, 3], dtype="Int64")
    found, expected = frames.owned(data, names), data.copy()
    array[:], text[:] = -1, "z"
    for name in ("k", "i"):
        data[name].array[:] = data[name].array[2]
    pd.testing.assert_frame_equal(found, expected)


def test_labels_of_the_rows_and_attributes_are_owned_too() -> None:
    labels = np.array([5, 6, 7])
    data = pd.DataFrame({"y": [1.0, 2, 3]}, index=pd.Index(labels, copy=False))
    data.attrs["about"] = {"unit": ["mm"]}
    found = frames.with_attrs(frames.owned(data, ["y"]), data.attrs)
    labels[:] = 0
    data.attrs["about"]["unit"].append("cm")
    data.columns = ["z"]
    assert list(found.index) == [5, 6, 7] and list(found.columns) == ["y"]
    assert found.attrs == {"about": {"unit": ["mm"]}}
