"""Anderson's mixing of a fixed-point map, and where it has to give way to plain iterates."""

from __future__ import annotations

import numpy as np
import pytest

from bayeslme.engine.search.fixed_point import Mixer


def iterate(image: object, x: np.ndarray, steps: int) -> np.ndarray:
    mixer = Mixer()
    for _ in range(steps):
        x = mixer.next(x, image(x))  # type: ignore[operator]
    return x


def test_a_map_that_swings_is_settled() -> None:
    matrix = np.array([[-1.2, 0.3], [0.1, -0.8]])
    found = iterate(lambda x: matrix @ x + 1.0, np.array([3.0, -2.0]), 12)
    np.testing.assert_allclose(found, np.linalg.solve(np.eye(2) - matrix, np.ones(2)), rtol=1e-9)


@pytest.mark.parametrize("start", [-1.0, -0.5, 0.5])
@pytest.mark.parametrize("gap", [0.02, 0.05])
def test_a_place_that_is_nearly_a_fixed_point_is_left(start: float, gap: float) -> None:
    # residuals x -> T(x) - x are least at 0 and vanish at 2 only
    found = iterate(lambda x: x + 0.2 * (gap + x**2) * (2 - x), np.array([start]), 100)
    np.testing.assert_allclose(found, 2.0, rtol=1e-9)
