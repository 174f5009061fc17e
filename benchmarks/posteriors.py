"""Weights of the collapsed sampler on every stored fit: ``python -m benchmarks.posteriors``.

Fits of the reference corpus that share a posterior (ML and REML of one call do) are sampled once,
with the default priors. Cases with more than ``--most`` variance parameters or with a variance that
depends on fitted values are left out.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import bayeslme
from bayeslme.bayes.model_parameters import ModelParameters, build_parameters
from bayeslme.bayes.priors.defaults import resolve_priors
from bayeslme.bayes.sampling import collapsed
from bayeslme.errors import BayesLMEError
from reference.corpus import by_id, load_frame, weights_follow_the_fit

K_HAT, EFFICIENCY = 0.5, 0.4  # what a case should reach


class OutOfTimeError(Exception):
    """The limit of one case is over."""


def posteriors() -> Iterator[tuple[str, list[str]]]:
    """One case for each posterior, and the names of all that share it."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for name, case in by_id().items():
        if case["nlme_failed"] or weights_follow_the_fit(case):
            continue
        call = case["call"].replace(", method = 'ML'", "").replace(', method = "ML"', "")
        call = call.replace(', method = "REML"', "").replace(", method = 'REML'", "")
        shared.setdefault((call, case["data"], *case["contrasts"]), []).append(name)
    return iter([(names[0], names) for names in shared.values()])


def variance_parameters(parameters: ModelParameters) -> int:
    """Number of theta and sigma."""
    blocks = [b for b in parameters.blocks if b.name != "fixef"]
    sizes = [len(b.coefs) * (len(b.coefs) - 1) // 2 if b.matrix else len(b.coefs) for b in blocks]
    return int(sum(sizes))


def _fit(name: str) -> Any:
    case = by_id()[name]
    spec = bayeslme.translate(case["call"], contrasts=tuple(case["contrasts"]))
    return spec.fit(load_frame(case["data"]))


def measure(name: str, draws: int, most: int, seed: int) -> dict[str, Any]:
    """Sample one posterior and describe the weights.

    Parameters
    ----------
    name : str
    draws : int
    most : int
        Variance parameters above which nothing is sampled.
    seed : int
    """
    start = time.perf_counter()
    fit = _fit(name)
    parameters = build_parameters(fit.design)
    size = variance_parameters(parameters)
    row: dict[str, Any] = {"parameters": size, "rows": parameters.problem.n}
    row["fit_seconds"] = time.perf_counter() - start
    if parameters.problem.needs_fitted_values or size > most:
        return {**row, "outcome": "left out"}
    start = time.perf_counter()
    priors = resolve_priors(parameters)
    drawn = collapsed.draw(
        fit.design, parameters, priors, draws, np.random.default_rng(seed), fit.estimate
    )
    good = drawn.k_hat <= K_HAT and drawn.efficiency >= EFFICIENCY
    return {
        **row,
        "seconds": time.perf_counter() - start,
        "k_hat": drawn.k_hat,
        "efficiency": drawn.efficiency,
        "candidates": drawn.candidates,
        "effective": drawn.effective,
        "route": drawn.route,
        "outcome": "good" if good else "poor",
    }


def _stop(signum: int, frame: FrameType | None) -> None:
    raise OutOfTimeError


def run(options: argparse.Namespace) -> pd.DataFrame:
    """Measure every posterior, printing as it goes."""
    signal.signal(signal.SIGALRM, _stop)
    rows = []
    for name, names in posteriors():
        if options.only not in name:
            continue
        signal.alarm(options.limit)
        try:
            row = measure(name, options.draws, options.most, options.seed)
        except OutOfTimeError:
            row = {"outcome": "out of time"}
        except BayesLMEError as error:
            row = {"outcome": f"refused: {error}"}
        finally:
            signal.alarm(0)
        rows.append({"case": name, "cases": len(names), **row})
        print(
            "  ".join(
                f"{k}={v:.3g}" if isinstance(v, float) else f"{v}" for k, v in rows[-1].items()
            ),
            flush=True,
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Read the options, run, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a part of the names")
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--most", type=int, default=12, help="variance parameters")
    parser.add_argument("--limit", type=int, default=120, help="seconds for each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="csv file")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    table = run(options)
    if options.out is not None:
        table.to_csv(options.out, index=False, float_format="%.3g")
    sampled = table[~table["outcome"].eq("left out") & ~table["outcome"].str.startswith("refused")]
    good = sampled["outcome"].eq("good")
    print(f"{good.sum()} of {len(sampled)} posteriors ({good.mean():.1%}), ", end="")
    print(f"{sampled['cases'][good].sum()} of {sampled['cases'].sum()} cases")


if __name__ == "__main__":
    main()
