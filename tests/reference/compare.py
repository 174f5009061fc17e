"""A fit of ours against the stored one, quantity by quantity.

The tolerances state how exact nlme itself is: its optimiser stops at about 1e-6 of the
log-likelihood, which leaves variances at a flat optimum uncertain in the third digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from reference.corpus import (
    DIFFERENT,
    STOPPED_EARLY,
    Case,
    matrix,
    number,
    numbers,
    root_is_free,
    verified,
    weights_follow_the_fit,
)

# log-likelihood: what nlme may be above us, and from where a gain of ours counts as another optimum
LOGLIK, LOGLIK_FIXED_POINT, HIGHER, HIGHER_SUBOPTIMAL = 1e-4, 5e-3, 2e-3, 2e-4
CRITERION = 1e-3  # AIC and BIC, beside twice the difference of log-likelihoods
FIXEF = 5e-3  # in standard errors
COLUMNS = {  # of the table of coefficients: relative, absolute
    "Std.Error": (5e-3, 0.0),
    "DF": (0.0, 0.0),
    "t-value": (1e-2, 1e-2),
    "p-value": (2e-2, 1e-4),
}
SIGMA, SD, SD_FLOOR, CORRELATION = 5e-3, 1e-2, 2e-3, 3e-2  # SD_FLOOR in sigma
COEF, COEF_FLOOR, COEF_FLOOR_SYMM = 2e-2, 2e-3, 5e-3  # of variance and correlation structures
ROW = 1e-2  # fitted values in sigma, residuals in their largest standard deviation
STANDARDISED, SUM_OF_SQUARES = 3e-2, 0.03
INTERVAL, INTERVAL_FLOOR = 3e-2, 1e-8  # in widths
F_VALUE, F_FLOOR, F_P = 1e-2, 1e-4, 2e-3
COMPARISON = {  # anova of several fits: absolute, beside 1e-6 relative
    "df": 0.0,
    "AIC": 1e-2,
    "BIC": 1e-2,
    "logLik": 5e-3,
    "L.Ratio": 1e-2,
    "p-value": 2e-3,
}
CUT_ROWS = 200  # longer vectors are stored up to here


@dataclass
class Outcome:
    """What disagrees, and why some quantity was not compared."""

    bad: list[str] = field(default_factory=list)
    note: str = ""
    skip: tuple[str, ...] = ()

    def close(self, what: str, got: Any, want: Any, tol: Any) -> None:
        """Compare arrays where the stored one is finite; tol is absolute, scalar or (n,)."""
        if what in self.skip:
            return
        got, want = np.asarray(got, float), np.asarray(want, float)
        if got.shape != want.shape:
            self.bad.append(f"{what}: shape {got.shape} for {want.shape}")
            return
        known = np.isfinite(want)
        excess = np.abs(got - want) - np.broadcast_to(np.asarray(tol, float), want.shape)
        wrong = known & ~(excess <= 0)
        if wrong.any():
            worst = np.flatnonzero(wrong)[np.nanargmax(np.nan_to_num(excess[wrong], nan=np.inf))]
            self.bad.append(f"{what}: {got.flat[worst]:.8g} for {want.flat[worst]:.8g}")

    def named(self, what: str, got: pd.Series, want: Mapping[str, Any], tol: Any) -> None:
        """Compare by name; ours may be in another order, not under another name."""
        missing = [name for name in want if name not in got.index]
        if missing:
            self.bad.append(f"{what}: no {missing[:3]} among {list(got.index)[:6]}")
        else:
            self.close(what, got.loc[list(want)], [number(v) for v in want.values()], tol)

    def same(self, what: str, got: Iterable[Any], want: Iterable[Any]) -> bool:
        """Compare labels; False stops the comparison of what they label."""
        got, want = [str(v) for v in got], [str(v) for v in want]
        if got != want:
            self.bad.append(f"{what}: {got[:4]} for {want[:4]}")
        return got == want


def compare_fit(fit: Any, case: Case) -> Outcome:
    """Every stored quantity of one fit; another optimum or a flat one ends the comparison early."""
    stored = case["results"]
    out = another_optimum(fit.loglik, case)
    out.close("df", fit.df, stored["df"], 0)
    if not out.same("fixef names", fit.fixef.index, stored["fixef"]):
        return out
    if out.note:
        return out
    gain = fit.loglik - number(stored["logLik"])
    out.close("AIC", fit.aic, number(stored["AIC"]), CRITERION + 2 * abs(gain))
    out.close("BIC", fit.bic, number(stored["BIC"]), CRITERION + 2 * abs(gain))
    _fixed(out, fit, stored)
    if "error" in (stored.get("apVar") or {}):
        out.note = "flat optimum: how the variance is split is arbitrary"
        return out
    _variances(out, fit, stored)
    _coefficients(out, fit, case)
    _rows(out, fit, case)
    _ranef(out, fit, stored)
    _intervals(out, fit, stored)
    _anova(out, fit, stored)
    return out


def another_optimum(loglik: float, case: Case) -> Outcome:
    """Judge a log-likelihood; a note says that it belongs to another optimum than nlme's."""
    out, want = Outcome(skip=DIFFERENT.get(case["id"], ())), number(case["results"]["logLik"])
    if "everything" in out.skip:
        out.note = "nlme differs"
        return out
    gain = loglik - want
    slack = LOGLIK_FIXED_POINT if weights_follow_the_fit(case) else LOGLIK
    if not gain >= -1e-6 * abs(want) - slack:  # NaN is wrong too
        out.bad.append(f"logLik: {loglik:.8g} for {want:.8g}")
    above = HIGHER + (slack if slack > LOGLIK else 0)
    if case.get("nlme_default_suboptimal"):
        above = min(above, HIGHER_SUBOPTIMAL)
    if gain > above:
        out.note = f"higher by {gain:.2g}"
        best = want + max(0.0, number(case.get("best_refit_gain") or 0.0))
        if loglik > best + HIGHER + slack and case["id"] not in verified():
            out.bad.append(f"logLik: {loglik:.8g} is above all of R's optimisers' {best:.8g}")
    return out


def _fixed(out: Outcome, fit: Any, stored: dict[str, Any]) -> None:
    se = np.sqrt(np.diag(np.array(matrix(stored["vcov"]))))
    out.named("fixef", fit.fixef, stored["fixef"], FIXEF * se)
    want = pd.DataFrame(matrix(stored["tTable"]), columns=stored["tTable"]["cols"])
    mine = fit.summary().fixed
    for column, (relative, absolute) in COLUMNS.items():
        if column in want:
            target = want[column].to_numpy()
            out.close(column, mine[column], target, relative * np.abs(target) + absolute)


def _variances(out: Outcome, fit: Any, stored: dict[str, Any]) -> None:
    sigma = number(stored["sigma"])
    out.close("sigma", fit.sigma, sigma, SIGMA * sigma)
    for group, parts in (stored.get("re") or {}).items():
        mine = fit.varcorr()[group]
        sd = np.array(numbers(list(parts["stddev"].values())))
        out.named(f"sd {group}", mine.sd, parts["stddev"], SD * sd + SD_FLOOR * sigma)
        if len(sd) > 1 and sd.min() > SD * sd.max():
            out.close(f"corr {group}", mine.corr, matrix(parts["cor"]), CORRELATION)


def _coefficients(out: Outcome, fit: Any, case: Case) -> None:
    for part, mine in (("varStruct", "weights_coef"), ("corStruct", "correlation_coef")):
        coef = (case["results"].get(part) or {}).get("coef")
        if isinstance(coef, dict):
            if "corAR1" in (case["spec"]["correlation_call"] or ""):
                coef = {"Phi" if name == "Phi1" else name: v for name, v in coef.items()}
            tol = [COEF * abs(number(v)) + COEF_FLOOR for v in coef.values()]
            out.named(part, getattr(fit, mine), coef, tol)
        elif coef:  # corSymm's are unnamed: (1,2), (1,3), ..., (2,3), ...
            want = np.array(numbers(coef))
            out.close(part, getattr(fit, mine), want, COEF * np.abs(want) + COEF_FLOOR_SYMM)


def _rows(out: Outcome, fit: Any, case: Case) -> None:
    stored = case["results"]
    spread = np.abs(numbers(stored.get("residual_std") or [stored["sigma"]]))
    unit = number(stored["sigma"])
    if case["id"] in STOPPED_EARLY:
        unit = float(np.nanmedian(spread))
    for level, values in stored["fitted"].items():
        all_rows = fit.fitted() if level == "fitted" else fit.fitted(level=level)
        mine = _present(all_rows)  # the stored values are without na.exclude's NaN
        out.close(f"fitted {level}", mine[: len(values)], numbers(values), ROW * unit)
    widest = float(np.nanmax(spread))
    for kind, values in stored["residuals"].items():
        # nlme's own normalized residuals are in a wrong order where data are not sorted by group
        right = stored.get("normalized_correct") if kind == "normalized" else None
        _residuals(out, fit, case, (kind, right or values, ROW * widest))


def _present(values: Any) -> np.ndarray:
    """Values of the rows of the fit, without those of excluded rows."""
    numbers = np.asarray(values, float)
    return numbers[~np.isnan(numbers)]


def _residuals(out: Outcome, fit: Any, case: Case, stored: tuple[str, list[Any], float]) -> None:
    kind, values, tol = stored
    want = [number(v) for v in values if v is not None]  # na.exclude pads
    mine = _present(fit.residuals(type=kind))
    if kind == "normalized" and root_is_free(case):
        if (
            len(values) == len(want) == len(mine)
        ):  # any root of R is fair, its sum of squares is not
            total = float(np.sum(np.square(want)))
            out.close("normalized squares", np.sum(mine**2), total, SUM_OF_SQUARES * len(want))
        return
    limit = tol if kind == "response" else STANDARDISED
    out.close(f"residuals {kind}", mine[: len(want)], want, limit)


def _ranef(out: Outcome, fit: Any, stored: dict[str, Any]) -> None:
    sigma = number(stored["sigma"])
    for group, table in (stored.get("ranef") or {}).items():
        mine, want = fit.ranef(level=group), np.array(matrix(table))
        sd = np.array(numbers(list(stored["re"][group]["stddev"].values())))
        rows = len(want)
        if out.same(f"ranef {group} columns", mine.columns, table["cols"]) and out.same(
            f"ranef {group} rows", mine.index[:rows], table["rows"]
        ):
            out.close(f"ranef {group}", mine.iloc[:rows], want, 1e-2 * sd + 3e-3 * sigma)


def _intervals(out: Outcome, fit: Any, stored: dict[str, Any]) -> None:
    parts = stored.get("intervals") or {}
    if not parts or "error" in parts:
        return
    ours = {"fixed": "fixed", "coef": "fixed", "varStruct": "varfunc", "corStruct": "corstruct"}
    tables = {ours[name]: table for name, table in parts.items() if name in ours}
    mine = fit.intervals()
    for part, table in {**tables, **(parts.get("reStruct") or {})}.items():
        want = np.array(matrix(table))
        got = mine[part][["lower", "est.", "upper"]].to_numpy(float, copy=True)
        if got.shape != want.shape:
            out.bad.append(f"intervals {part}: shape {got.shape} for {want.shape}")
            continue
        width = np.abs(want[:, 2] - want[:, 0])[:, None]
        usable = np.isfinite(want).all(axis=1) & (want[:, 2] < 20 * np.abs(want[:, 1]) + 1e-8)
        keep = usable | (part == "fixed")
        tol = INTERVAL * np.nan_to_num(width[keep]) + INTERVAL_FLOOR
        out.close(f"intervals {part}", got[keep], want[keep], tol)


def _anova(out: Outcome, fit: Any, stored: dict[str, Any]) -> None:
    for kind in ("sequential", "marginal"):
        table = stored.get(f"anova_{kind}") or {}
        if "F" not in table:
            continue
        mine, terms = fit.anova(type=kind), table["term"]
        if not out.same(
            f"anova {kind} terms", mine.index, terms if isinstance(terms, list) else [terms]
        ):
            continue
        want = np.array(numbers(table["F"]))
        out.close(f"anova {kind} F", mine["F-value"], want, F_VALUE * np.abs(want) + F_FLOOR)
        out.close(f"anova {kind} p", mine["p-value"], numbers(table["p"]), F_P)
        out.close(f"anova {kind} numDF", mine["numDF"], numbers(table["numDF"]), 0)
        den = numbers(table["denDF"])
        if "denDF" not in mine.columns:  # gls prints one number for all terms
            continue
        out.close(f"anova {kind} denDF", mine["denDF"], den * (len(want) // len(den)), 0)


def compare_anova(mine: pd.DataFrame, case: Case) -> Outcome:
    """Compare the table of several fits."""
    out, table = Outcome(), case["table"]
    better = sorted(verified().intersection(case["fits"]))
    out.note = f"higher likelihood: {', '.join(better)}" if better else ""
    for column, tol in COMPARISON.items():
        if better and column != "df":
            continue
        stored = table.get("p.value" if column == "p-value" else column)
        if stored is not None:
            want = np.array(numbers(stored))
            out.close(column, mine[column].astype(float), want, tol + 1e-6 * np.abs(want))
    return out
