"""Fixed points x = T(x) of a map that is expensive, by Anderson's mixing.

Plain iteration may crawl or swing between two points; combining the last few residuals T(x) - x so
that they nearly cancel settles both (Anderson 1965, Journal of the ACM 12, 547; Walker and Ni 2011,
SIAM Journal on Numerical Analysis 49, 1715). The fixed points are those of T.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MEMORY = 5
RIDGE = 1e-10  # relative, of the small least-squares problem


@dataclass
class Mixer:
    """The last iterates and their images.

    Parameters
    ----------
    memory : int
        Residuals combined beside the present one; with 0 the next iterate is the image.

    Examples
    --------
    >>> import numpy as np
    >>> mixer, x = Mixer(), np.array([2.0])
    >>> for _ in range(12):
    ...     x = mixer.next(x, np.cos(x) * 1.5)
    >>> bool(abs(x - 1.5 * np.cos(x))[0] < 1e-9)
    True
    """

    memory: int = MEMORY
    points: list[np.ndarray] = field(default_factory=list)
    residuals: list[np.ndarray] = field(default_factory=list)

    def next(self, x: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Return the next iterate.

        Parameters
        ----------
        x : array, shape (n,)
            The present iterate.
        image : array, shape (n,)
            T(x).
        """
        self.points = [*self.points, x][-self.memory - 1 :]
        self.residuals = [*self.residuals, image - x][-self.memory - 1 :]
        if len(self.points) == 1:
            return image
        residual = self.residuals[-1]
        moves = np.diff(self.points, axis=0)
        changes = np.diff(self.residuals, axis=0)
        gram = changes @ changes.T
        gram = gram + RIDGE * np.trace(gram) * np.eye(len(gram))
        weights = np.linalg.lstsq(gram, changes @ residual, rcond=None)[0]
        out = x + residual - weights @ (moves + changes)
        return np.asarray(out) if np.all(np.isfinite(out)) else 0.5 * (x + image)
