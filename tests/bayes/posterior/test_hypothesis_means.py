from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from bayeslme.errors import DataError, FitError, SpecError


def test_means_are_combinations_of_the_draws(collapsed: Any) -> None:
    found = collapsed.means("Sex", at={"age": 14})
    beta = collapsed.values["fixef"]
    by_hand = np.stack([beta[:, 0] + 3 * beta[:, 2], beta @ [1, 1, 3, 3]], axis=1)
    np.testing.assert_allclose(found.draws, by_hand)
    np.testing.assert_allclose(found.table["Value"], by_hand.mean(axis=0))
    np.testing.assert_allclose(found.table["upper"], np.quantile(by_hand, 0.975, axis=0))
    assert found.notes == ("at age = 14",)
    table = found.contrasts().table
    difference = by_hand[:, 0] - by_hand[:, 1]
    assert table["P(> 0)"].iloc[0] == np.mean(difference > 0)
    assert table.index.tolist() == ["Male - Female"]


def test_slopes_and_limits(collapsed: Any) -> None:
    beta = collapsed.values["fixef"]
    slopes = collapsed.means("Sex", slope="age", level=0.5, kind="hdi")
    np.testing.assert_allclose(slopes.draws[:, 1], beta[:, 2] + beta[:, 3], rtol=1e-8)
    assert "slopes along age" in str(slopes)
    width = slopes.table["upper"] - slopes.table["lower"]
    wide = collapsed.means("Sex", slope="age").table
    assert (width < wide["upper"] - wide["lower"]).all()


def test_they_are_near_the_classical_ones(collapsed: Any) -> None:
    own, classical = collapsed.means("Sex").table, collapsed.fit.means("Sex").table
    np.testing.assert_allclose(own["Value"], classical["Value"], atol=0.3)
    np.testing.assert_allclose(own["SD"], classical["Std.Error"], rtol=0.2)


def test_what_cannot_be_asked_is_refused(collapsed: Any) -> None:
    with pytest.raises(SpecError, match="'Subject' is no predictor"):
        collapsed.means("Subject")
    with pytest.raises(FitError, match="weights"):
        collapsed.means("Sex", weights="cells")
    with pytest.raises(FitError, match="2 weights are needed"):
        collapsed.means("Sex").contrasts({"x": [1, 2, 3]})


def test_new_rows_come_in_frames_of_other_libraries_too(collapsed: Any) -> None:
    new = pd.DataFrame({"Sex": ["Male"], "age": [14.0], "Subject": ["M01"]})

    class Foreign:
        def to_pandas(self) -> pd.DataFrame:
            return new

    pd.testing.assert_series_equal(
        collapsed.predict(Foreign(), seed=1), collapsed.predict(new, seed=1)
    )
    with pytest.raises(DataError, match=r"^newdata: a data frame is needed, not dict"):
        collapsed.predict({"age": [1]})
