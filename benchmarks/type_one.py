"""How often true hypotheses are rejected at nominal 5 %, by each rule for the denominators.

``python -m benchmarks.type_one [--sets 5000] [name ...]`` fits every model to that many data sets
without effects, tests each term in the presence of the others, and replaces the models' lines of
``type_one.csv``. The response is drawn from the covariance given here, in rows that stay the same.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

import bayeslme
from bayeslme import engine
from bayeslme.fit.result import Fit
from bayeslme.structures import CorAR1, CorSymm, VarIdent

STORED = Path(__file__).with_name("type_one.csv")
METHODS = ("inner-outer", "satterthwaite", "kenward-roger")
TRIAL_METHODS = ("satterthwaite", "kenward-roger", "kenward-roger-linear", "CR2")
NOMINAL = 0.05
SEED = 20240

SD = np.array([1.0, 1.2, 1.5, 1.9])  # of four visits
PROFILE = np.array([[1, 0.7, 0.5, 0.3], [0.7, 1, 0.6, 0.5], [0.5, 0.6, 1, 0.8], [0.3, 0.5, 0.8, 1]])
UNSTRUCTURED = PROFILE * np.outer(SD, SD)
FitFrame = Callable[[pd.DataFrame], Fit]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A model, the rows it is fitted to and the truth.

    Attributes
    ----------
    name : str
    subjects, visits : int
    fit : callable
        Fits a frame of y, subject, arm, visit and time.
    cov : array, shape (visits, visits)
        Covariance of a complete subject's responses.
    missing : bool
        Whether every third subject of an arm has left before the last visit, and every sixth one
        visit earlier.
    methods : tuple of str
        Rules for the denominators, and robust covariances.
    """

    name: str
    subjects: int
    visits: int
    fit: FitFrame
    cov: np.ndarray
    missing: bool = False
    methods: tuple[str, ...] = METHODS

    def frame(self) -> pd.DataFrame:
        """The rows, two arms in turn; times have mean zero."""
        subject = np.repeat(np.arange(self.subjects), self.visits)
        visit = np.tile(np.arange(self.visits), self.subjects)
        frame = pd.DataFrame(
            {
                "y": np.sin(np.arange(len(visit)) ** 2.0),  # replaced in every data set
                "subject": [f"s{k:03d}" for k in subject],
                "arm": np.where(subject % 2, "b", "a"),
                "visit": [f"v{k:02d}" for k in visit],
                "time": visit - visit.mean(),
            }
        )
        place = subject // 2
        left = np.where(place % 6 == 5, 2, np.where(place % 3 == 2, 1, 0)) * self.missing
        return frame[visit < self.visits - left].reset_index(drop=True)

    def root(self, frame: pd.DataFrame) -> np.ndarray:
        """Lower Cholesky factor of the covariance of all rows."""
        sizes = frame.groupby("subject", sort=False).size()
        return np.linalg.cholesky(block_diag(*(self.cov[:m, :m] for m in sizes)))


def _profiles(formula: str) -> FitFrame:
    return lambda frame: bayeslme.gls(
        formula,
        frame,
        correlation=CorSymm(form="~ 1 | subject"),
        weights=VarIdent(form="~ 1 | visit"),
        contrasts={"arm": "sum", "visit": "sum"} if "visit" in formula else {"arm": "sum"},
    )


def _misspecified(frame: pd.DataFrame) -> Fit:
    """Autoregression of one variance, where the truth is neither."""
    return bayeslme.gls(
        "y ~ arm * visit",
        frame,
        correlation=CorAR1(form="~ 1 | subject"),
        contrasts={"arm": "sum", "visit": "sum"},
    )


def _serial(random: str) -> FitFrame:
    return lambda frame: bayeslme.lme(
        "y ~ arm * time",
        frame,
        f"{random} | subject",
        correlation=CorAR1(form="~ 1 | subject"),
        contrasts={"arm": "sum"},
    )


def _series(frame: pd.DataFrame) -> Fit:
    return bayeslme.gls(
        "y ~ arm * time",
        frame,
        correlation=CorAR1(form="~ 1 | subject"),
        contrasts={"arm": "sum"},
    )


def _serial_cov(visits: int, intercept: float, slope: float, phi: float) -> np.ndarray:
    """Variances of intercept and slope, and a stationary series of variance one."""
    at = np.arange(visits)
    time = at - at.mean()
    return intercept + slope * np.outer(time, time) + phi ** np.abs(np.subtract.outer(at, at))


SCENARIOS = {
    s.name: s
    for s in (
        Scenario("profiles-12", 12, 4, _profiles("y ~ arm * visit"), UNSTRUCTURED),
        Scenario("profiles-20", 20, 4, _profiles("y ~ arm * visit"), UNSTRUCTURED),
        Scenario("dropout-24", 24, 4, _profiles("y ~ arm * visit"), UNSTRUCTURED, missing=True),
        Scenario(
            "trial-24", 24, 4, _profiles("y ~ arm * visit"), UNSTRUCTURED, True, TRIAL_METHODS
        ),
        Scenario("trial-24, AR(1)", 24, 4, _misspecified, UNSTRUCTURED, True, TRIAL_METHODS),
        Scenario("growth-12", 12, 4, _profiles("y ~ arm * time"), UNSTRUCTURED),
        Scenario("growth-20", 20, 4, _profiles("y ~ arm * time"), UNSTRUCTURED),
        Scenario("growth-40", 40, 4, _profiles("y ~ arm * time"), UNSTRUCTURED),
        Scenario("serial-10", 10, 6, _serial("~ 1"), _serial_cov(6, 1.0, 0.0, 0.5)),
        Scenario("serial-15", 15, 6, _serial("~ 1"), _serial_cov(6, 1.0, 0.0, 0.5)),
        Scenario("series-2", 2, 40, _series, _serial_cov(40, 0.0, 0.0, 0.6)),
        Scenario("slopes-15", 15, 8, _serial("~ time"), _serial_cov(8, 1.0, 0.1, 0.5)),
    )
}


def simulated(scenario: Scenario, sets: int, seed: int = SEED) -> pd.DataFrame:
    """Tests of every term of every data set.

    Returns
    -------
    DataFrame
        Columns set, test, df (the rule), numDF, denDF, p-value and zero (whether a variance is);
        a row each.
    """
    frame = scenario.frame()
    rng = np.random.default_rng([seed, *scenario.name.encode()])
    root, plain, found = scenario.root(frame), scenario.fit(frame), []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the fit did not converge")
        for number in range(sets):
            design = replace(plain.design, y=root @ rng.standard_normal(len(frame)))
            fit = type(plain)(plain.spec, design, engine.estimate(design), frame)
            found += [_tested(fit, method).assign(set=number) for method in scenario.methods]
    return pd.concat(found, ignore_index=True)


def _tested(fit: Fit, method: str) -> pd.DataFrame:
    how = {"vcov": method} if method.startswith("CR") else {"df": method}
    table = pd.DataFrame(fit.anova("marginal", **how)).iloc[1:]  # no test of the intercept
    den = table["denDF"] if "denDF" in table else fit.degrees.terms[1:]
    zero = any(not np.all(np.any(factor, axis=1)) for factor in fit.estimate.factors)
    return pd.DataFrame(
        {
            "test": table.index,
            "df": method,
            "numDF": table["numDF"].to_numpy(),
            "denDF": np.asarray(den, float),
            "p-value": table["p-value"].to_numpy(),
            "zero": zero,
            "converged": fit.converged,
        }
    )


def summarised(tests: pd.DataFrame) -> pd.DataFrame:
    """Share of p-values below 5 %, in per cent, with its Monte Carlo standard deviation."""
    rows = tests.groupby(["test", "df"], sort=False)
    share = rows["p-value"].agg(lambda p: np.mean(p < NOMINAL))
    sets = rows.size()
    return pd.DataFrame(
        {
            "numDF": rows["numDF"].first(),
            "denDF": rows["denDF"].median().round(2),
            "rejected": (100 * share).round(2),
            "mc_sd": (100 * np.sqrt(share * (1 - share) / sets)).round(2),
            "sets": sets,
            "zero": (100 * rows["zero"].mean()).round(1),
            "not_converged": sets - rows["converged"].sum(),
        }
    ).reset_index()


def markdown(stored: pd.DataFrame, methods: tuple[str, ...]) -> str:
    """A table of the documentation: rejections in per cent, denominators in brackets."""
    models = [s.name for s in SCENARIOS.values() if s.methods == methods]
    stored = stored[stored["model"].isin(models)]
    cells = stored.assign(
        cell=[
            f"{row.rejected:.1f} ({row.denDF:.3g})"
            for row in stored[["rejected", "denDF"]].itertuples()
        ]
    )
    wide = cells.pivot_table(
        index=["model", "test"], columns="df", values="cell", aggfunc="first", sort=False
    )[list(methods)]
    lines = [
        f"| {' | '.join([model, f'`{test}`', *row])} |"
        for (model, test), row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    return "\n".join(lines)


def main(names: Sequence[str], sets: int) -> None:
    """Run scenarios one after the other, storing the table after each."""
    for name in names or SCENARIOS:
        begun = time.perf_counter()
        table = summarised(simulated(SCENARIOS[name], sets))
        table.insert(0, "model", name)
        known = pd.read_csv(STORED) if STORED.exists() else table.iloc[:0]
        whole = pd.concat([known[known["model"] != name], table])
        order = whole["model"].map(list(SCENARIOS).index)
        whole.iloc[np.argsort(order, kind="stable")].to_csv(STORED, index=False)
        print(f"{table.to_string(index=False)}\n{time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", choices=[[], *SCENARIOS])
    parser.add_argument("--sets", type=int, default=5000)
    parser.add_argument("--table", action="store_true", help="print the stored table for the docs")
    given = parser.parse_args()
    if given.table:
        print(markdown(pd.read_csv(STORED), METHODS))
        print(markdown(pd.read_csv(STORED), TRIAL_METHODS))
    else:
        main(given.names, given.sets)
