"""Offsets of a design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayeslme import DataError
from bayeslme.data.design import build
from bayeslme.data.newdata import new_rows
from bayeslme.spec.make import make_lm

DATA = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 3.0], "z": [1.0, 2.0, np.nan]})


def test_offsets_are_summed_and_their_columns_needed() -> None:
    design = build(make_lm("y ~ x + offset(z) + offset(2 * z)", na_action="omit"), DATA)
    np.testing.assert_allclose(design.offset, [3.0, 6.0])
    np.testing.assert_allclose(design.response, [-2.0, -4.0])
    new = new_rows(design, pd.DataFrame({"x": [1.0], "z": [5.0]}))
    np.testing.assert_allclose(new.offset, [15.0])
    with pytest.raises(DataError, match=r"'z' .*offset"):
        new_rows(design, pd.DataFrame({"x": [1.0]}))


def test_an_offset_is_a_finite_number() -> None:
    with pytest.raises(DataError, match="offset"):
        build(make_lm("y ~ x + offset(1 / x)"), DATA.drop(columns="z"))
