"""Rows fitted exactly by fewer coefficients are found whichever local maximum a search ends on."""

from __future__ import annotations

import numpy as np
import pytest

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine.build import build_problem
from bayeslme.engine.problem import Problem
from bayeslme.engine.search.no_maximum import exact_rows, vanishing
from bayeslme.errors import FitError
from reference.corpus import load_frame


def problem(call: str, data: str, **columns: np.ndarray) -> Problem:
    return build_problem(build(bayeslme.translate(call), load_frame(data).assign(**columns)))


@pytest.mark.parametrize("method", ["ML", "REML"])
@pytest.mark.parametrize("random", ["~ cycles", "~ cycles - 1", "~ 1"])
def test_equal_responses_where_the_covariate_is_zero(method: str, random: str) -> None:
    """Every crack of Fatigue is 0.9 inches long after no cycles."""
    call = (
        f"lme(relLength ~ cycles, random = {random} | Path, method = '{method}', "
        "weights = varConstPower(form = ~ cycles))"
    )
    with pytest.raises(FitError, match=r"varConstPower.* of 21 of the rows, which") as caught:
        bayeslme.translate(call).fit(load_frame("Fatigue"))
    assert len(str(caught.value)) <= 300


def orthodont(rows: int, values: list[float], form: str = "~ 1 | s") -> Problem:
    frame = load_frame("Orthodont")
    few = np.arange(len(frame)) < rows
    y = frame["distance"].to_numpy(copy=True)
    y[: len(values)] = values
    call = (
        f"lme(distance ~ Sex, random = ~ 1 | Subject, weights = varIdent(form = {form}), "
        "method = 'ML')"
    )
    return problem(call, "Orthodont", s=np.where(few, "few", "rest"), distance=y)


def test_a_stratum_of_equal_responses() -> None:
    found = orthodont(3, [20.0] * 3)
    np.testing.assert_array_equal(found.order[exact_rows(found)], [0, 1, 2])


def test_a_stratum_that_random_effects_reproduce() -> None:
    """Two subjects' intercepts reproduce their eight rows."""
    assert exact_rows(orthodont(8, [20.0] * 4 + [22.0] * 4)) is not None


@pytest.mark.parametrize(
    ("rows", "values"), [(3, [20.0, 20.0, 20.001]), (1, []), (2, []), (108, []), (40, [20.0] * 39)]
)
def test_others_are_not_meant(rows: int, values: list[float]) -> None:
    """Near ties, and rows of which there are no more than coefficients."""
    if rows < 108:
        assert exact_rows(orthodont(rows, values)) is None
    else:
        assert exact_rows(orthodont(40, values, "~ 1 | Sex")) is None


def test_the_reference_stratum_can_vanish_too() -> None:
    found = problem("gls(distance ~ age, weights = varIdent(form = ~ 1 | age))", "Orthodont")
    assert found.variance is not None
    sets = {int(low.sum()) for low in vanishing(found.variance, found.n)}
    assert sets == {27, 81}
    firsts = {int(np.flatnonzero(low)[0]) for low in vanishing(found.variance, found.n)}
    assert 0 in firsts


def test_powers_send_no_rows_to_zero_alone() -> None:
    call = "gls(distance ~ age, weights = varComb(varPower(form = ~ age), varExp(form = ~ age)))"
    found = problem(call, "Orthodont")
    assert found.variance is not None
    assert not list(vanishing(found.variance, found.n))
