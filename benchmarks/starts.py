"""Does the optimum depend on luck? Every fit of the reference corpus from perturbed starts.

``python -m benchmarks.starts [seeds]`` moves starting values by standard normal draws in steps of
the unconstrained scale: once every candidate of the built-in grid, each by draws of its own, and
once a single starting value that is given beside it. Where weights follow the fitted values the
end of the ordinary fit is moved by up to 20 %. A case counts where every seed ends at
the log-likelihood of the ordinary fit to ``CLOSE``; ``starts.csv`` gets one row a case.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import bayeslme
from bayeslme.data.design import build
from bayeslme.data.types import Design
from bayeslme.engine import Estimate, estimate
from bayeslme.engine.search.search import search
from bayeslme.engine.search.starts import candidates, generic_start, scales

CLOSE = 1e-3  # of the log-likelihood
MAX_ITER = 200
OUT = Path(__file__).with_name("starts.csv")


@dataclass(frozen=True, slots=True)
class Count:
    """Log-likelihoods from perturbed starts less the ordinary one, for one case.

    Attributes
    ----------
    case : str
    kind : {"grid", "single", "weights"}
    gaps : array, shape (seeds,)
    """

    case: str
    kind: str
    gaps: np.ndarray

    @property
    def elsewhere(self) -> int:
        """Number of seeds that end at another log-likelihood, lower or higher."""
        return int(np.sum(~(np.abs(self.gaps) < CLOSE)))


def moved(plain: Estimate, starts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Starting values (s, k) moved; the moves halved until the likelihood is defined somewhere."""
    moves = rng.standard_normal(starts.shape) * scales(plain.problem)
    likelihood = plain.likelihood()
    while not np.isfinite(likelihood(starts + moves)).any():
        moves = moves / 2
    return starts + moves


def counts(case: dict[str, Any], frame: Any, seeds: int) -> Iterator[Count]:
    """Both ways to start one case, or the one of weights that follow the fit."""
    design: Design = build(
        bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"])), frame
    )
    plain = estimate(design)
    if not plain.problem.size:
        return
    name, best = case["id"], plain.loglik
    generators = [np.random.default_rng(seed) for seed in range(seeds)]
    coords = design.variance if isinstance(design.variance, tuple) else (design.variance,)
    if any(c is not None and c.source != "data" for c in coords):
        shares = [rng.uniform(0.8, 1.2, plain.problem.size) for rng in generators]
        ends = [estimate(design, start=plain.theta * share).loglik for share in shares]
        yield Count(name, "weights", np.array(ends) - best)
        return
    likelihood = plain.likelihood()
    grid, single = candidates(plain.problem), generic_start(plain.problem, 1.0)[None]
    ends = [search(likelihood, max_iter=MAX_ITER, grid=moved(plain, grid, r)) for r in generators]
    yield Count(name, "grid", np.array([end.value for end in ends]) - best)
    ends = [
        search(likelihood, max_iter=MAX_ITER, start=moved(plain, single, r)[0]) for r in generators
    ]
    yield Count(name, "single", np.array([end.value for end in ends]) - best)


def main(seeds: int) -> None:
    """Print the cases in which a seed ends elsewhere, and the share of the others."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from reference.corpus import FIT_FAMILIES, family, load_frame, nlme_is_wrong

    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    found: list[Count] = []
    begun = time.process_time()
    with OUT.open("w", newline="", encoding="utf-8", buffering=1) as file:  # a row when it is known
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("case", "starts", "seeds", "elsewhere", "lowest", "highest"))
        for case in (case for name in FIT_FAMILIES for case in family(name)):
            if case["nlme_failed"] or nlme_is_wrong(case) or case["function"] == "lm":
                continue
            for c in counts(case, load_frame(case["data"]), seeds):
                found.append(c)
                edges = (f"{c.gaps.min():.2g}", f"{c.gaps.max():.2g}")
                writer.writerow((c.case, c.kind, seeds, c.elsewhere, *edges))
                if c.elsewhere:
                    print(_line(c), flush=True)
    for kind in ("grid", "single", "weights"):
        own = [c for c in found if c.kind == kind]
        good = sum(not c.elsewhere for c in own)
        print(f"{kind}: {good} of {len(own)} cases ({good / len(own):.1%}), {seeds} seeds each")
    print(f"{time.process_time() - begun:.0f} s")


def _line(count: Count) -> str:
    lowest, highest = count.gaps.min(), count.gaps.max()
    where = f"{count.elsewhere:>3} elsewhere ({lowest:.3g}; {highest:+.3g})"
    return f"{count.case:<28}{count.kind:<8}{where}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
