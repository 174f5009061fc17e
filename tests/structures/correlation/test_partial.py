"""Correlation matrices from partial correlations."""

from __future__ import annotations

import numpy as np

from bayeslme.structures.correlation.partial import (
    correlation_matrices,
    log_jacobian,
    partials_of,
)


def test_partial_correlations_are_those_of_the_matrix() -> None:
    """Given the rows before it: from the inverse of the leading block, in a dense computation."""
    partials = np.random.default_rng(1).uniform(-0.95, 0.95, (5, 6))
    pairs = [(i, j) for i in range(1, 4) for j in range(i)]
    for given, matrix in zip(partials, correlation_matrices(partials, 4), strict=True):
        np.testing.assert_allclose(np.diagonal(matrix), 1.0, rtol=1e-14)
        for want, (i, j) in zip(given, pairs, strict=True):
            inverse = np.linalg.inv(matrix[np.ix_([*range(j + 1), i], [*range(j + 1), i])])
            own = -inverse[-1, -2] / np.sqrt(inverse[-1, -1] * inverse[-2, -2])
            np.testing.assert_allclose(own, want, rtol=1e-9)


def test_one_variable_has_the_matrix_one() -> None:
    assert correlation_matrices(np.zeros((3, 0)), 1).tolist() == [[[1.0]]] * 3


def test_the_partial_correlations_come_back_from_the_cholesky_factor() -> None:
    partials = np.random.default_rng(2).uniform(-0.999, 0.999, 10)
    factor = np.linalg.cholesky(correlation_matrices(partials, 5))
    rows = [factor[i, : i + 1] for i in range(5)]
    np.testing.assert_allclose(partials_of(rows), partials, rtol=1e-9)


def test_the_log_determinant_is_that_of_the_correlations() -> None:
    """Against the determinant of central differences of the lower triangle."""
    u, rate, step = np.random.default_rng(3).normal(size=6), 0.5, 1e-5
    i, j = np.tril_indices(4, -1)

    def correlations(at: np.ndarray) -> np.ndarray:
        return correlation_matrices(np.tanh(rate * at), 4)[..., i, j]

    moves = step * np.eye(6)
    slopes = (correlations(u + moves) - correlations(u - moves)) / (2 * step)
    want = np.linalg.slogdet(slopes)[1]
    np.testing.assert_allclose(log_jacobian(u, 4, rate), want, rtol=1e-8)
