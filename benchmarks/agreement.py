"""The collapsed sampler against NUTS over all structures: ``python -m benchmarks.agreement``.

Adds to ``benchmarks/agreement.csv``, a line for each model; compiling takes up to a minute a model.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bayes.agreement import MODELS, PRIORS, agreement, fitted

SEED = 20
DRAWS = 4000  # of each NUTS chain: the spread of a range with a long tail takes many
TABLE = Path(__file__).with_suffix(".csv")


def main(names: list[str]) -> None:
    """Compare the models named, or all that the table does not have."""
    rows = pd.read_csv(TABLE).to_dict("records") if TABLE.exists() else []
    known = [row["model"] for row in rows]
    rows = [row for row in rows if row["model"] in MODELS and row["model"] not in names]
    for name in names or [m for m in MODELS if m not in known]:
        fit = fitted(MODELS[name])
        start = time.perf_counter()
        options = {"chains": 4, "priors": PRIORS.get(name), "progress": False}
        ours = fit.sample(draws=2500, method="collapsed", seed=SEED, **options)
        between = time.perf_counter()
        nuts = fit.sample(draws=DRAWS, tune=1000, method="nuts", seed=SEED + 1, **options)
        spent = between - start, time.perf_counter() - between
        stats = ours.data["sample_stats"].attrs
        row = {"model": name, **asdict(agreement(ours, nuts)), "k_hat": stats["k_hat"]}
        rows.append({**row, "collapsed_seconds": spent[0], "nuts_seconds": spent[1]})
        print(rows[-1], flush=True)
        pd.DataFrame(rows).to_csv(TABLE, index=False, float_format="%.3g")


if __name__ == "__main__":
    main(sys.argv[1:])
