"""Evidence of other local maxima: slices and lines of sight."""

from __future__ import annotations

import numpy as np

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import Likelihood, build_problem
from bayeslme.engine.search.local_maxima import canonical, other_maxima

# the Subject variance has two local maxima here, one of them at zero
TWO_HILLS = (
    "lme(distance ~ Sex * I(age - 11), data = Orthodont, "
    "random = list(Subject = pdIdent(~ I(age - 11))), method = 'ML')"
)


def likelihood_of(call: str) -> Likelihood:
    spec = bayeslme.translate(call)
    design = build(spec, bayeslme.load_data("Orthodont"))
    return Likelihood(build_problem(design), spec.method)


def tops(likelihood: Likelihood) -> tuple[float, float]:
    """Where a fine grid has its maximum apart from zero, and the lowest point on the way there."""
    grid = np.linspace(0.0, 3.0, 3001)
    values = likelihood(grid[:, None])
    valley = int(np.argmin(values[: np.argmax(grid > 1.0)]))
    return float(grid[valley + np.argmax(values[valley:])]), float(grid[valley])


def test_each_hill_is_seen_from_the_other() -> None:
    likelihood = likelihood_of(TWO_HILLS)
    top, valley = tops(likelihood)
    nothing = np.zeros((0, 1))
    from_top = other_maxima(likelihood, likelihood.problem, np.array([top]), nothing)
    from_zero = other_maxima(likelihood, likelihood.problem, np.array([0.0]), nothing)
    assert np.any(np.abs(from_top) < valley)
    assert np.any(np.abs(from_zero) > valley)


def test_a_single_hill_has_no_other() -> None:
    likelihood = likelihood_of("lme(distance ~ age, data = Orthodont, random = ~ 1 | Subject)")
    grid = np.linspace(0.0, 5.0, 2001)
    top = grid[[np.argmax(likelihood(grid[:, None]))]]
    starts = np.array([[0.1], [10.0]])
    assert not len(other_maxima(likelihood, likelihood.problem, top, starts))


def test_lines_of_sight_find_what_slices_miss() -> None:
    likelihood = likelihood_of("lme(distance ~ age, data = Orthodont, random = ~ age | Subject)")
    centre = np.array([1.7, 0.6, 2.2])  # off every slice through the end

    def two_bumps(theta: np.ndarray) -> np.ndarray:
        near, far = np.sum(theta**2, axis=-1), np.sum((theta - centre) ** 2, axis=-1)
        return np.exp(-20 * near) + 2 * np.exp(-20 * far)

    end = np.zeros(3)
    assert not len(other_maxima(two_bumps, likelihood.problem, end, np.zeros((0, 3))))
    seen = other_maxima(two_bumps, likelihood.problem, end, 1.4 * centre[None])
    assert two_bumps(seen[:1]) > 1.0


def test_canonical_signs_keep_the_covariance() -> None:
    likelihood = likelihood_of("lme(distance ~ age, data = Orthodont, random = ~ age | Subject)")
    theta = np.array([-1.2, 0.4, -0.3])
    same = canonical(likelihood.problem, theta)
    np.testing.assert_allclose(likelihood(same[None]), likelihood(theta[None]), rtol=1e-12)
    assert same[0] > 0
    assert same[2] > 0
