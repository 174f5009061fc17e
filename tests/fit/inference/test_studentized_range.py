"""The distribution of the studentized range."""

import numpy as np
import pytest

from bayeslme.fit.inference.studentized_range import cdf, ppf


def test_the_values_of_r() -> None:
    # R 4.2.2: ptukey(c(2, 4, 8), 40, c(3.5, 10, 60)); qtukey(0.95, 3, c(10, Inf, 2)); of 40, 50.
    # Its ptukey stops at an error of some 1e-6 relative, which SciPy's integrals show too.
    found = cdf([2.0, 4.0, 8.0], 40, [3.5, 10.0, 60.0])
    np.testing.assert_allclose(found, [0.00745263951784, 0.34990076588741, 0.99971187295818], 3e-6)
    points = ppf(0.95, 3, np.array([10.0, np.inf, 2.0]))
    np.testing.assert_allclose(points, [3.876776749, 3.314493158, 8.330782551], 1e-7)
    np.testing.assert_allclose(ppf(0.95, 40, np.array([50.0])), [5.847077248], 1e-8)


def test_the_integrals_of_scipy() -> None:
    from scipy.stats import studentized_range

    q, df = np.array([2.0, 4.0, 3.0]), np.array([3.5, 10.0, 60.0])
    np.testing.assert_allclose(cdf(q, 12, df), studentized_range.cdf(q, 12, df), atol=1e-9)


@pytest.mark.parametrize("df", [0.5, 1.0, 3.5, 10.0, 200.0, 1e5, np.inf])
def test_of_two_means_it_is_t(df: float) -> None:
    from scipy.special import ndtr, stdtr

    q = np.array([0.01, 0.5, 2.0, 5.0, 20.0])
    t = ndtr(q / np.sqrt(2)) if np.isinf(df) else stdtr(df, q / np.sqrt(2))
    np.testing.assert_allclose(cdf(q, 2, np.full(5, df)), 2 * t - 1, atol=1e-9)


def test_quantiles_invert_it() -> None:
    df = np.array([1.0, 2.7, 30.0, 5e3, np.inf])
    for means in (2, 5, 60, 500):
        np.testing.assert_allclose(cdf(ppf(0.99, means, df), means, df), 0.99, atol=1e-9)


def test_what_has_no_value_is_missing() -> None:
    assert np.isnan(cdf([np.nan, 1.0, 1.0], 3, [5.0, 0.0, np.nan])).all()
    assert np.isnan(ppf(0.95, 3, np.array([0.0, -1.0]))).all()
