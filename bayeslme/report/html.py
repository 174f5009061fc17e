"""Small HTML tables for notebooks: inherited colours, hair lines, readable in light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from bayeslme.report.labels import METHOD, TITLE, correlation_label, variance_label
from bayeslme.report.numbers import column_texts, format_numbers
from bayeslme.report.records import Page, RandomPart

STYLE = (
    "<style>.blme table{border-collapse:collapse;margin:.3em 0 .9em;font-size:90%}"
    ".blme th,.blme td{padding:.15em .7em;text-align:right;border:0;"
    "font-variant-numeric:tabular-nums;background:transparent;color:inherit}"
    ".blme thead th{border-bottom:1px solid currentColor;font-weight:600}"
    ".blme thead th[colspan]{text-align:center}"
    ".blme tbody th{text-align:left;font-weight:400}"
    ".blme caption{caption-side:top;text-align:left;font-weight:600;color:inherit;padding:.2em 0;"
    "white-space:nowrap}"
    ".blme p{margin:.2em 0}</style>"
)


def wrap(*parts: str) -> str:
    """Put pieces of a page into one block with its style."""
    return f'{STYLE}<div class="blme">{"".join(parts)}</div>'


def html_table(frame: pd.DataFrame, caption: str = "") -> str:
    """Make a table of a frame: numbers with common decimals by column, missing cells blank.

    Parameters
    ----------
    frame : DataFrame
    caption : str

    Returns
    -------
    str
    """
    columns = [
        [text.strip() for text in column_texts(frame.iloc[:, j])] for j in range(frame.shape[1])
    ]
    head = "".join(f"<th>{escape(str(c))}</th>" for c in frame.columns)
    rows = "".join(
        f"<tr><th>{escape(str(label))}</th>{''.join(f'<td>{escape(c)}</td>' for c in cells)}</tr>"
        for label, *cells in zip(frame.index, *columns, strict=True)
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def components_frame(part: RandomPart, sigma: float | None) -> pd.DataFrame:
    """Variances and deviations of a level, the residual below where it is given."""
    sd = pd.concat([block.sd for block in part.blocks])
    if sigma is not None:
        sd = pd.concat([sd, pd.Series({"Residual": sigma})])
    return pd.DataFrame({"Variance": sd**2, "StdDev": sd})


def _correlation_tables(part: RandomPart) -> str:
    wide = [block for block in part.blocks if block.style != "row"]
    return "".join(html_table(block.corr, "Corr") for block in wide)


def note_html(note: str) -> str:
    """Make a paragraph of a note."""
    return f"<p>Note: {escape(note)}</p>"


def varcorr_html(parts: Sequence[RandomPart], sigma: float) -> str:
    """Make the tables of the variance components."""
    alone = pd.DataFrame({"Variance": [sigma**2], "StdDev": [sigma]}, index=["Residual"])
    return wrap(*(_components(parts, sigma) or [html_table(alone)]))


def _components(parts: Sequence[RandomPart], sigma: float) -> list[str]:
    """Tables of every level; the residual stands in the innermost."""
    last = len(parts) - 1
    return [
        html_table(components_frame(part, sigma if k == last else None), part.blocks[0].formula)
        + _correlation_tables(part)
        for k, part in enumerate(parts)
    ]


def _rows_html(page: Page) -> list[str]:
    texts = []
    if page.correlation is not None:
        frame = page.correlation.coef.to_frame("estimate")
        texts.append(
            html_table(frame, f"{correlation_label(page.correlation)}, {page.correlation.formula}")
        )
    for part in page.variance:
        frame = part.coef.to_frame("estimate")
        texts.append(html_table(frame, f"{variance_label(part)}, {part.formula}"))
    return texts


def page_html(page: Page) -> str:
    """Make the summary of a fit."""
    title = f"{TITLE[page.kind]} fit by {METHOD.get(page.method, page.method)}"
    sizes = ", ".join(f"{escape(str(name))} {count}" for name, count in page.groups.items())
    return wrap(
        f"<p><b>{escape(title)}</b></p><p>{escape(page.formula)}</p>",
        f"<p>{page.nobs} observations{'; groups: ' + sizes if sizes else ''}</p>",
        html_table(pd.DataFrame([page.criteria], index=[""])),
        *_components(page.random, page.sigma),
        *_rows_html(page),
        html_table(page.fixed, "Fixed effects" if page.kind == "lme" else "Coefficients"),
        f"<p>Residual standard deviation {escape(format_numbers([page.sigma])[0])}</p>",
        *map(note_html, page.notes),
    )


def frames_html(frames: Mapping[str, pd.DataFrame], notes: Sequence[str] = ()) -> str:
    """Make one table for each of several frames."""
    tables = [html_table(frame, str(name)) for name, frame in frames.items()]
    return wrap(*tables, *map(note_html, notes))
