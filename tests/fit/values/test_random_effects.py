"""Random effects: their standardised form, and levels that are none."""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme.errors import FitError, SpecError


def test_standardised_random_effects_are_those_of_nlme():
    fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ age | Subject")
    table = fit.ranef(standard=True)
    np.testing.assert_allclose(table * fit.varcorr()["Subject"].sd, fit.ranef())
    # R: ranef(lme(distance ~ age, Orthodont, random = ~ age | Subject), standard = TRUE)["M13", ]
    np.testing.assert_allclose(table.loc["M13"], [-1.774595303, 1.826933426], rtol=2e-4)
    assert fit.ranef([1], standard=True)["Subject"].equals(table)
    with pytest.raises(FitError, match="standard"):
        fit.ranef(se=True, standard=True)


@pytest.mark.parametrize("level", [True, False, np.True_])
def test_a_truth_value_is_no_level(level):
    fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
    with pytest.raises(SpecError, match="level"):
        fit.fitted(level)
