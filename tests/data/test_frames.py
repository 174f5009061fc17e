from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import bayeslme
from bayeslme.data.frames import as_frame
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
