"""Does the optimum depend on luck? Every fit of the reference corpus from perturbed starts.

``python -m benchmarks.starts [seeds]`` moves every built-in candidate by standard normal draws (in
steps of the unconstrained scale) and searches from the best two, as the package does from its own;
where weights follow the fitted values the end of the ordinary fit is moved by up to 20 %. It counts
the cases in which every seed reaches the log-likelihood of the ordinary fit, or a higher one.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import bayeslme
from bayeslme.data.design import build
from bayeslme.engine import Estimate, estimate
from bayeslme.engine.optimise import best_start
from bayeslme.engine.starts import candidates, scales

CLOSE = 1e-3  # of the log-likelihood, relative to 1 + |log-likelihood| / 1e3


def starts(plain: Estimate, seed: int, *, follows: bool) -> np.ndarray:
    """Starting values of one seed, shape (s, k)."""
    rng, problem = np.random.default_rng(seed), plain.problem
    if follows:
        return np.array([plain.theta * (1 + rng.uniform(-0.2, 0.2, len(plain.theta)))])
    grid = candidates(problem)
    moved = grid + rng.standard_normal(grid.shape) * scales(problem)
    return best_start(plain.likelihood(), moved, 2)


def spread(case: dict[str, Any], frame: Any, seeds: int) -> np.ndarray:
    """Log-likelihoods from perturbed starts less the ordinary one, shape (seeds,)."""
    design = build(bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"])), frame)
    plain = estimate(design)
    coords = design.variance if isinstance(design.variance, tuple) else (design.variance,)
    follows = any(c is not None and c.source != "data" for c in coords)
    found = [
        max(estimate(design, start=start).loglik for start in starts(plain, seed, follows=follows))
        for seed in range(seeds)
    ]
    return np.array(found) - plain.loglik


def main(seeds: int) -> None:
    """Print the cases in which a seed ends elsewhere, and the share of the others."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from reference.corpus import FIT_FAMILIES, family, load_frame

    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    good, total, begun = 0, 0, time.perf_counter()
    for case in (case for name in FIT_FAMILIES for case in family(name)):
        if case["nlme_failed"] or case["function"] == "lm":
            continue
        gaps = spread(case, load_frame(case["data"]), seeds)
        total += 1
        low = gaps < -CLOSE
        good += not low.any()
        if low.any() or gaps.max(initial=0) > CLOSE:
            worst, best = gaps.min(), gaps.max()
            print(
                f"{case['id']:<28}{low.sum():>3} lower (by {-worst:.3g}), best {best:+.3g}",
                flush=True,
            )
    print(f"{good} of {total} cases from {seeds} starts each, {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
