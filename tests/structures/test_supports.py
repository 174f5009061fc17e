"""Supports: every digit of a number between 0 and 1 counts near 0."""

from __future__ import annotations

import numpy as np

from bayeslme.structures.supports import CORRELATION, UNIT


def test_a_fraction_near_zero_keeps_its_digits():
    u = np.array([-700.0, -300.0, -100.0, -37.0, -1.0, 0.0, 1.0, 30.0])
    np.testing.assert_allclose(UNIT.constrain(u), 1 / (1 + np.exp(-u)), rtol=1e-13)
    np.testing.assert_allclose(UNIT.unconstrain(UNIT.constrain(u[:-1])), u[:-1], rtol=1e-12)
    assert UNIT.constrain(np.array([-2000.0, 2000.0])).tolist() == [0.0, 1.0]


def test_a_correlation_is_odd_about_zero():
    u = np.array([1e-12, 0.3, 5.0])
    assert np.array_equal(CORRELATION.constrain(-u), -CORRELATION.constrain(u))
