"""The simulated data sets: cows and trees, for which the lecture published no measurements.

Run ``python -m bayeslme.data.datasets.simulate DIR`` to write ``cows.csv`` and ``trees.csv``,
equal bit for bit to the files of the package. Only the standard library is used, whose generator
and normal quantiles do not change between versions.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from pathlib import Path
from random import Random
from statistics import NormalDist

COWS = {"seed": 1, "mean": 4.0, "sd_farm": 0.4, "sd_cow": 0.3, "sigma": 0.1}
TREES = {
    "seed": 20,
    "plots": 30,
    "periods": 3,
    "trees": 17,
    "(Intercept)": 0.9,
    "dbh.log": 1.1,
    "dbh": -0.015,
    "BAL": -0.012,
    "BA": -0.008,
    "SITESII": -0.15,
    "SITESIII": -0.35,
    "sd_PLot": 0.25,
    "sd_MP": 0.15,
    "Phi": 0.45,
    "power": 0.4,
    "sigma": 0.12,
}
SITES = ("I", "II", "III")
_STANDARD = NormalDist()


class Draws:
    """Normal numbers from a stored seed.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def normal(self, mean: float = 0.0, sd: float = 1.0) -> float:
        """One normal number, by its quantile."""
        u = self._random.random()
        return mean + sd * _STANDARD.inv_cdf(u or 0.5)


def cows() -> str:
    """Fat content (percent) of two cups of milk of two cows of each of two farms, as CSV text."""
    draws = Draws(int(COWS["seed"]))
    rows: list[tuple[object, ...]] = []
    for farm in (1, 2):
        of_farm = draws.normal(0.0, COWS["sd_farm"])
        for cow in (2 * farm - 1, 2 * farm):
            of_cow = draws.normal(0.0, COWS["sd_cow"])
            for cup in (1, 2):
                fat = COWS["mean"] + of_farm + of_cow + draws.normal(0.0, COWS["sigma"])
                rows.append((farm, cow, cup, f"{fat:.3f}"))
    return _csv(("farm", "cow", "cup", "fat"), rows)


def trees() -> str:
    """Growth of trees in measured periods of plots, as CSV text.

    Errors are AR(1) along the plot; their standard deviation is a power of dbh.
    """
    t, draws = TREES, Draws(int(TREES["seed"]))
    rows: list[tuple[object, ...]] = []
    for plot in range(1, int(t["plots"]) + 1):
        site = SITES[(plot - 1) % len(SITES)]
        level = t["(Intercept)"] + (0.0 if site == "I" else t[f"SITES{site}"])
        level += draws.normal(0.0, t["sd_PLot"])
        for period in range(1, int(t["periods"]) + 1):
            mean = level + draws.normal(0.0, t["sd_MP"])
            rows += _stand(draws, plot, period, site, mean)
    return _csv(("PLot", "MP", "SITES", "dbh", "dbh.log", "BAL", "BA", "dds.log"), rows)


def _stand(
    draws: Draws, plot: int, period: int, site: str, mean: float
) -> list[tuple[object, ...]]:
    """The trees of one plot in one period, in the order in which they stand along it."""
    t = TREES
    spread = [math.exp(draws.normal(3.0, 0.45)) for _ in range(int(t["trees"]))]
    dbh = [round(min(max(d, 5.0), 70.0), 1) for d in spread]
    areas = [math.pi * (d / 200) ** 2 * 25 for d in dbh]  # m^2 per hectare, plots of 0.04 ha
    ba = round(sum(areas), 2)
    rows: list[tuple[object, ...]] = []
    error = 0.0
    for k, (d, area) in enumerate(zip(dbh, areas, strict=True)):
        larger = round(sum(a for a in areas if a > area), 2)
        fresh = draws.normal()
        error = fresh if k == 0 else t["Phi"] * error + math.sqrt(1 - t["Phi"] ** 2) * fresh
        fixed = t["dbh.log"] * math.log(d) + t["dbh"] * d + t["BAL"] * larger + t["BA"] * ba
        value = mean + fixed + t["sigma"] * d ** t["power"] * error
        rows.append((plot, period, site, d, f"{math.log(d):.6f}", larger, ba, f"{value:.4f}"))
    return rows


def _csv(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def main(folder: str) -> None:
    """Write both files into a folder."""
    for name, make in (("cows", cows), ("trees", trees)):
        (Path(folder) / f"{name}.csv").write_text(make())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
