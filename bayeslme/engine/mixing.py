"""Fixed points x = T(x) of a map that is expensive, by Anderson's mixing.

Plain iteration may crawl or swing between two points; combining the last few residuals T(x) - x so
that they nearly cancel settles both (Anderson 1965, Journal of the ACM 12, 547; Walker and Ni 2011,
SIAM Journal on Numerical Analysis 49, 1715). The fixed points are those of T.

Where T nearly has a fixed point, mixing stays: the residuals are least there, and never vanish.
Plain iterates pass such a place, so they take turns: mixing while its residuals get less, plain
iterates until theirs do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

MEMORY = 5
RIDGE = 1e-10  # relative, of the small least-squares problem
PATIENCE = 5  # further residuals that are not the least, after which mixing has lost its way
FALLS = 3  # plain residuals in succession that get less, after which mixing is tried again


@dataclass
class Mixer:
    """The last iterates and their images.

    Examples
    --------
    >>> import numpy as np
    >>> mixer, x = Mixer(), np.array([2.0])
    >>> for _ in range(12):
    ...     x = mixer.next(x, np.cos(x) * 1.5)
    >>> bool(abs(x - 1.5 * np.cos(x))[0] < 1e-9)
    True
    """

    points: list[np.ndarray] = field(default_factory=list)
    residuals: list[np.ndarray] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)  # of the residuals of this turn
    plain: bool = False
    turns: int = 0

    def next(self, x: np.ndarray, image: np.ndarray) -> np.ndarray:
        """Return the next iterate.

        Parameters
        ----------
        x : array, shape (n,)
            The present iterate.
        image : array, shape (n,)
            T(x).
        """
        self._take_turns(float(np.linalg.norm(image - x)))
        self.points = [*self.points, x][-MEMORY - 1 :]
        self.residuals = [*self.residuals, image - x][-MEMORY - 1 :]
        if self.plain or len(self.points) == 1:
            return image
        residual = self.residuals[-1]
        moves = np.diff(self.points, axis=0)
        changes = np.diff(self.residuals, axis=0)
        gram = changes @ changes.T
        gram = gram + RIDGE * np.trace(gram) * np.eye(len(gram))
        weights = np.linalg.lstsq(gram, changes @ residual, rcond=None)[0]
        out = x + residual - weights @ (moves + changes)
        return np.asarray(out) if np.all(np.isfinite(out)) else 0.5 * (x + image)

    def _take_turns(self, size: float) -> None:
        """Change between mixing and plain iterates; every turn of these has to do better."""
        self.sizes.append(size)
        enough = FALLS * self.turns
        if self.plain:
            over = len(self.sizes) > enough and bool(np.all(np.diff(self.sizes[-enough - 1 :]) < 0))
        else:
            over = len(self.sizes) - int(np.argmin(self.sizes)) > PATIENCE
        if over:
            self.plain = not self.plain
            self.turns += self.plain
            self.points, self.residuals, self.sizes = [], [], [size]
