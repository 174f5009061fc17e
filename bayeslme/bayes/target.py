"""The posterior density of the variance parameters, and the coefficients given them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayeslme.bayes.coordinates import Coordinates
from bayeslme.bayes.layout import Layout
from bayeslme.bayes.map import PosteriorDensity


@dataclass(frozen=True)
class Target:
    """The posterior density of the variance parameters in coordinates of the whole real line.

    Attributes
    ----------
    density : PosteriorDensity
    coordinates : Coordinates
    rest : tuple of int
        Coefficients whose priors are not Gaussian: `density` takes them for flat, which bounds the
        weights that a draw of the coefficients adds.
    """

    density: PosteriorDensity
    coordinates: Coordinates
    rest: tuple[int, ...] = ()

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """Log density (b,) at coordinates (b, k); large batches in pieces."""
        return self._finite([self._piece(piece)[0] for piece in self._pieces(u)])

    def with_coefficients(
        self, u: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log density (b,), and a draw of beta (b, p) from its Gaussian conditional.

        The prior of the ``rest`` at the draw is part of the density then: what its weight needs.
        """
        values, drawn, fixef = [], [], self.density.priors["fixef"]
        for piece in self._pieces(u):
            value, factor = self._piece(piece)
            beta = coefficients(self.density.layout, factor, len(piece), rng)
            values.append(value + fixef.log_density_of(beta, self.rest) if self.rest else value)
            drawn.append(beta)
        return self._finite(values), np.concatenate(drawn)

    @property
    def cost(self) -> float:
        """Numbers that one density reads."""
        return float(self.density.likelihood.cells + self.density.likelihood.dense_cells)

    def _pieces(self, u: np.ndarray) -> list[np.ndarray]:
        return self.density.likelihood.pieces(u) or [u]

    def _piece(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            point, log_jacobian = self.coordinates.decode_with_jacobian(u)
            value, factor = self.density.evaluate(point)
            return np.broadcast_to(value + log_jacobian, len(u)), factor

    @staticmethod
    def _finite(values: list[np.ndarray]) -> np.ndarray:
        out = np.concatenate(values)
        return np.where(np.isfinite(out), out, -np.inf)


def coefficients(
    layout: Layout, factor: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw beta (b, p) given factors (b, p + 1, p + 1) of [X | y]'V^-1[X | y]."""
    problem, p = layout.problem, layout.problem.p
    factor = np.broadcast_to(factor, (count, *factor.shape[-2:]))
    right = factor[:, p, :p] + rng.standard_normal((count, p))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        diagonal = np.diagonal(factor, axis1=-2, axis2=-1)[:, :p]
        sound = np.all(np.isfinite(factor), axis=(-2, -1)) & np.all(diagonal > 0, axis=-1)
    standard = np.full((count, p), np.nan)
    upper = np.swapaxes(factor[sound, :p, :p], -1, -2)
    standard[sound] = np.linalg.solve(upper, right[sound, :, None])[..., 0]
    return np.asarray(np.linalg.solve(problem.x_basis, standard.T).T + problem.shift)
