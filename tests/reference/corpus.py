"""The stored cases: reading them, their data frames, and what is known to be wrong in nlme."""

from __future__ import annotations

import functools
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from bayeslme.data.datasets import load_data

HERE = Path(__file__).resolve().parent
FIT_FAMILIES = ("lecture", "books", "help", "own", "products")
NUMERIC = ("numeric", "integer", "logical")

type Case = dict[str, Any]

# What is not compared, and why; docs/nlme_differences.md has the evidence.
DIFFERENT: dict[str, tuple[str, ...]] = {
    # with sigma held nlme's curvature (ML) and its criterion itself (REML) are others than the
    # definition's: test_differences.py compares with that
    "d_Orth_sigfix_ML": ("intervals Subject",),
    "d_Orth_sigfix_ar1_ML": ("intervals Subject", "intervals corstruct"),
    "d_Orth_sigfix_REML": ("everything",),
    "d_Orth_sigfix_ar1_REML": ("everything",),
    # a correlation of -1: nlme has it in (-1, 1), we give the part of it that the data allow
    "d_Chick_vpg_REML": ("intervals Chick",),
    # several fixed points of weights and fit; nlme stops where it is at none
    "d_Glu2_car1_vp_ML": ("everything",),
    "d_Glu2_car1_vp_REML": ("everything",),
}


# Weights by fitted values whose alternation nlme ends at 1e-6 of the power, with a sigma far below
# the residuals' standard deviation: there fitted values are compared in the latter.
STOPPED_EARLY = frozenset({"d_Chick_vpg_REML", "d_sleep_vp_ML", "d_sleep_vp_REML"})


@functools.cache
def family(name: str) -> tuple[Case, ...]:
    """All cases of one packed file."""
    with gzip.open(HERE / "cases" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return tuple(_with_constant(json.loads(line)) for line in lines)


def _with_constant(case: Case) -> Case:
    """Put (N - p) log(sigma) back, which nlme's ML log-likelihood lacks where sigma is held."""
    stored = case.get("results") or {}
    if case.get("method") == "ML" and stored.get("sigma_fixed"):
        lacking = (stored["nobs"] - len(stored["fixef"])) * math.log(stored["sigma"])
        stored["logLik"] += lacking
        stored["AIC"] -= 2 * lacking
        stored["BIC"] -= 2 * lacking
    return case


@functools.cache
def by_id() -> dict[str, Case]:
    """Every stored fit by its name."""
    return {case["id"]: case for name in FIT_FAMILIES for case in family(name)}


@functools.cache
def column_types() -> dict[str, dict[str, Any]]:
    """R's type and level order of every column of the data sets that the package does not have."""
    return json.loads((HERE / "data" / "types.json").read_text(encoding="utf-8"))


@functools.cache
def _frame(name: str) -> pd.DataFrame:
    if name not in column_types():
        return load_data(name)
    columns = column_types()[name]
    as_text = {k: "string" for k, m in columns.items() if m["type"] not in NUMERIC}
    frame = pd.read_csv(
        HERE / "data" / f"{name}.csv.gz", dtype=as_text, keep_default_na=False, na_values=["NA"]
    )
    for column, meta in columns.items():
        if "levels" in meta:
            text = frame[column].astype(object).where(frame[column].notna(), None)
            levels = [str(level) for level in meta["levels"]]
            frame[column] = pd.Categorical(text, levels, ordered="ordered" in meta["type"])
        elif meta["type"] == "logical":
            frame[column] = frame[column].astype("boolean")
    return frame


def load_frame(name: str) -> pd.DataFrame:
    """A copy of one data set, factors as Categoricals in R's level order."""
    return _frame(name).copy()


def number(value: Any) -> float:
    """A stored number; null and "NA" are NaN, "Inf" and "-Inf" infinite."""
    return math.nan if value is None or value == "NA" else float(value)


def numbers(values: Any) -> list[float]:
    """Stored numbers of a vector, which R's JSON writes as a scalar where its length is one."""
    return [number(value) for value in (values if isinstance(values, list) else [values])]


def matrix(table: dict[str, Any]) -> list[list[float]]:
    """Rows of a stored matrix."""
    return [numbers(row) for row in table["values"]]


def weights_follow_the_fit(case: Case) -> bool:
    """Whether the variance covariate is fitted(.): nlme's answer is a fixed point, no maximum."""
    weights = (case["spec"]["weights_call"] or "").replace(" ", "")
    bare = ("varPower()", "varExp()", "varConstPower()", "varConstProp()")
    return "fitted(" in weights or any(name in weights for name in bare)


def nlme_is_wrong(case: Case) -> bool:
    """Tell corARMA with q > p >= 1 and corAR1 on truncated times, where nlme's R is another."""
    if "noninteger" in case["id"]:
        return True
    args = (case["spec"]["correlation"] or {}).get("args") or {}
    p, q = int(args.get("p") or 0), int(args.get("q") or 0)
    return q > p >= 1


def root_is_free(case: Case) -> bool:
    """Whether nlme's square root of R is not the Cholesky factor in time order."""
    return "corCompSymm" in (case["spec"]["correlation_call"] or "") or "Shuf" in case["id"]


@functools.cache
def verified() -> frozenset[str]:
    """Cases whose higher likelihood nlme's own likelihood function confirmed at our parameters."""
    lines = (HERE / "verified.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.split()[0] for line in lines if line and not line.startswith("#"))
