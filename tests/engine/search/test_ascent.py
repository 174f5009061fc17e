"""Quasi-Newton steps with a known gradient."""

from __future__ import annotations

import numpy as np
import pytest

from bayeslme.engine.search.ascent import ascend

HESSIAN = np.array([[40.0, 3.0], [3.0, 0.5]])
TOP = np.array([1.5, -2.0])


def bowl(theta: np.ndarray) -> tuple[float, np.ndarray]:
    move = theta - TOP
    bend = 0.1 * move[1] ** 4
    return -0.5 * float(move @ HESSIAN @ move) - bend, -HESSIAN @ move - [0.0, 0.4 * move[1] ** 3]


def test_the_top_is_found() -> None:
    end = ascend(bowl, np.zeros(2), np.ones(2), np.eye(2) * 0.01)
    assert end.converged
    np.testing.assert_allclose(end.theta, TOP, atol=1e-4)
    assert end.value == pytest.approx(0.0, abs=1e-9)


def test_no_step_is_taken_where_nothing_is_defined() -> None:
    def nothing(theta: np.ndarray) -> tuple[float, np.ndarray]:
        return -np.inf, np.zeros_like(theta)

    end = ascend(nothing, np.zeros(2), np.ones(2), np.eye(2))
    assert not end.converged
    assert "not defined" in end.message


def test_undefined_ground_is_stepped_back_from() -> None:
    def cliff(theta: np.ndarray) -> tuple[float, np.ndarray]:
        return bowl(theta) if theta[0] < 1.6 else (-np.inf, np.zeros(2))

    end = ascend(cliff, np.zeros(2), np.ones(2), np.eye(2))
    np.testing.assert_allclose(end.theta, TOP, atol=1e-4)


def test_the_limit_of_iterations_is_told() -> None:
    end = ascend(bowl, np.full(2, 30.0), np.ones(2), np.eye(2) * 1e-3, max_iter=2)
    assert not end.converged
    assert "max_iter" in end.message
