"""The pages of crossed fits and of ``lmer()``, as lme4 and lmerTest lay them out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayeslme.report.grid import grid, named
from bayeslme.report.numbers import abbreviate, format_numbers
from bayeslme.report.parts import lower_triangle, row_parts_text
from bayeslme.report.records import Page, RandomPart
from bayeslme.report.settings import REPORT

TITLES = {
    "REML": "Linear mixed model fit by REML",
    "ML": "Linear mixed model fit by maximum likelihood",
    "MAP": "Linear mixed model, mode of the posterior density",
}
HEADS = {
    "Value": "Estimate",
    "Std.Error": "Std. Error",
    "DF": "df",
    "t-value": "t value",
    "p-value": "Pr(>|t|)",
}


def components_text(
    parts: Sequence[RandomPart], sigma: float, *, digits: int, variances: bool
) -> str:
    """Print the variance components, a row for each effect.

    Parameters
    ----------
    parts : sequence of RandomPart
    sigma : float
    digits : int
        Significant digits.
    variances : bool
        Also the variances.
    """
    blocks = [
        (part.group if k == 0 else f"{part.group}.{k}", block)
        for part in parts
        for k, block in enumerate(part.blocks)
    ]
    sd = [float(v) for _, block in blocks for v in block.sd] + [sigma]
    groups, names, corr = [], [], []
    for group, block in blocks:
        q = len(block.sd)
        groups += [group, *[""] * (q - 1)]
        names += [str(name) for name in block.sd.index]
        corr += _correlations(block.corr, digits) if block.r_name not in _DIAGONAL else [[]] * q
    columns = [[*groups, "Residual"], [*names, ""]]
    heads = ["Groups", "Name"]
    if variances:
        columns.append(format_numbers(np.square(sd), digits))
        heads.append("Variance")
    columns.append(format_numbers(sd, digits))
    heads.append("Std.Dev.")
    width = max(map(len, corr), default=0)
    for k in range(width):
        columns.append([*(row[k] if k < len(row) else "" for row in corr), ""])
        heads.append("Corr" if k == 0 else "")
    return _padded(heads, columns)


_DIAGONAL = frozenset({"pdDiag", "pdIdent"})


def _correlations(corr: pd.DataFrame, digits: int) -> list[list[str]]:
    """Correlations of each effect with those before it, as text."""
    decimals = max(2, digits - 2)
    values = corr.to_numpy(float)
    return [
        [f"{values[i, j]:.{decimals}f}".replace("nan", "NaN").rjust(decimals + 3) for j in range(i)]
        for i in range(len(values))
    ]


def _padded(heads: list[str], columns: list[list[str]]) -> str:
    """Columns aligned to the left, as R prints text."""
    widths = [max(map(len, [head, *own])) for head, own in zip(heads, columns, strict=True)]
    rows = [heads, *map(list, zip(*columns, strict=True))]
    lines = [
        " " + " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(lines)


def groups_line(page: Page) -> str:
    """Numbers of observations and of groups in one line."""
    counts = "; ".join(f"{name}, {count}" for name, count in page.groups.items())
    return f"Number of obs: {page.nobs}, groups:  {counts}"


def coefficients(fixed: pd.DataFrame) -> str:
    """Print a table of coefficients with R's heads."""
    both = fixed[["Value", "Std.Error"]].to_numpy(float)
    size = np.floor(np.log10(np.abs(both[both != 0]))) if np.any(both) else np.zeros(1)
    decimals = int(max(1, REPORT.lme4_digits - 1 - size.min()))
    texts = format_numbers(np.round(both, decimals).ravel(), REPORT.lme4_digits)
    shown = {"Value": texts[0::2], "Std.Error": texts[1::2]}
    if "DF" in fixed:
        shown["DF"] = format_numbers(
            np.round(fixed["DF"], REPORT.lme4_test_decimals), REPORT.lme4_varcorr_digits
        )
    shown["t-value"] = format_numbers(
        np.round(fixed["t-value"], REPORT.lme4_test_decimals), REPORT.lme4_digits
    )
    shown["p-value"] = [_p_value(float(p)) for p in fixed["p-value"]]
    heads = [HEADS[name] for name in shown]
    return grid([str(i) for i in fixed.index], heads, list(shown.values()))


def _p_value(p: float) -> str:
    if np.isnan(p):
        return "NA"
    return "<2e-16" if p < REPORT.min_shown_p_value else f"{p:.3g}"


def _head(page: Page) -> list[str]:
    lines = [TITLES[page.method], f"Formula: {page.formula}"]
    if page.data:
        lines.append(f"   Data: {page.data}")
    if page.subset:
        lines.append(f" Subset: {page.subset}")
    return lines


def _criterion(page: Page) -> str:
    loglik = float(page.criteria["logLik"])
    if page.method == "REML":
        return f"REML criterion at convergence: {-2.0 * loglik:.1f}"
    if page.method == "MAP":
        return f"Log-posterior-density: {loglik:.4f}"
    aic = float(page.criteria["AIC"])
    free = round((aic + 2.0 * loglik) / 2.0)
    values = [aic, float(page.criteria["BIC"]), loglik, -2.0 * loglik]
    cells = [*(f"{v:.1f}" for v in values), str(page.nobs - free)]
    heads = ["AIC", "BIC", "logLik", "deviance", "df.resid"]
    widths = [max(len(a), len(b)) for a, b in zip(heads, cells, strict=True)]
    rows = [
        " ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in (heads, cells)
    ]
    return "\n".join(f"  {row}" for row in rows)


def _rows_and_notes(page: Page) -> list[str]:
    rows = row_parts_text(page)
    notes = [f"Note: {note}" for note in page.notes]
    return [*(["", *rows] if rows else []), *(["", *notes] if notes else [])]


def summary_page(page: Page) -> str:
    """Print the summary of a fit in lme4's layout."""
    corr = []
    if len(page.fixed_corr) > 1:
        names = [str(i) for i in page.fixed_corr.index]
        cells = [column[1:] for column in lower_triangle(page.fixed_corr)[:-1]]
        table = grid(names[1:], abbreviate(names)[:-1], cells, left=True)
        corr = ["", "Correlation of Fixed Effects:", table]
    parts = components_text(page.random, page.sigma, digits=REPORT.lme4_digits, variances=True)
    lines = [
        *_head(page),
        "",
        _criterion(page),
        "",
        "Scaled residuals: ",
        named(page.quantiles),
        "",
        "Random effects:",
        parts,
        groups_line(page),
        "",
        "Fixed effects:",
        coefficients(page.fixed),
        *corr,
        *_rows_and_notes(page),
    ]
    return "\n".join(lines)


def fit_page(page: Page) -> str:
    """Print a fit in short in lme4's layout."""
    parts = components_text(
        page.random, page.sigma, digits=REPORT.lme4_varcorr_digits, variances=False
    )
    lines = [
        *_head(page),
        _criterion(page),
        "Random effects:",
        parts,
        groups_line(page),
        "Fixed Effects:",
        named(page.fixed["Value"]),
        *_rows_and_notes(page),
    ]
    return "\n".join(lines)
