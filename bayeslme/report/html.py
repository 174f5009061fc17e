"""HTML: small tables for notebooks, and pages that need no other file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayeslme.report.numbers import column_texts, format_numbers
from bayeslme.report.records import (
    METHOD,
    TITLE,
    Page,
    RandomPart,
)
from bayeslme.report.settings import REPORT

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        texts.append(html_table(frame, f"{page.correlation.label}, {page.correlation.formula}"))
    for part in page.variance:
        frame = part.coef.to_frame("estimate")
        texts.append(html_table(frame, f"{part.label}, {part.formula}"))
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


# Pictures are drawn for paper; in the dark their lightness is turned round, their hues are not.
PAGE_STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1f2328;--soft:#57606a;--line:#d0d7de;--box:#f6f8fa}
@media (prefers-color-scheme:dark){
:root{--page:#0f1419;--ink:#e3e6ea;--soft:#9aa4af;--line:#30363d;--box:#171d24}
img{filter:invert(.9) hue-rotate(180deg)}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:2rem 1.2rem 4rem;
color:var(--ink);background:var(--page)}
h1{font-size:1.7rem;margin:0 0 .3rem}
h2{font-size:1.25rem;margin:2.4rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.4rem 0 .3rem}
nav{margin:1rem 0;color:var(--soft)}nav a{color:inherit;margin-right:1.1em;white-space:nowrap}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--box);border:1px solid var(--line);
border-radius:6px;padding:.8rem;font-size:13px;line-height:1.4}
.blme{overflow-x:auto}
figure{margin:1rem 0 1.6rem}img{max-width:100%;height:auto;background:#fff}
figcaption{color:var(--soft);font-size:.9rem}
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of a page.

    Attributes
    ----------
    title : str
    parts : list of str
        Pieces of HTML, made by `code`, `prose`, `heading`, `picture` or a result's
        ``_repr_html_``.
    """

    title: str
    parts: list[str] = field(default_factory=list)


def document(title: str, description: str, sections: Sequence[Section]) -> str:
    """Make the page.

    Parameters
    ----------
    title, description : str
    sections : sequence of Section

    Returns
    -------
    str
        With styles and pictures inside, readable in light and dark as the reader has set it.
    """
    marks = [f"s{k}" for k in range(1, len(sections) + 1)]
    links = " ".join(  # a line breaks at blanks only
        f'<a href="#{mark}">{escape(one.title)}</a>'
        for mark, one in zip(marks, sections, strict=True)
    )
    body = "".join(
        f'<section id="{mark}"><h2>{escape(one.title)}</h2>{"".join(one.parts)}</section>'
        for mark, one in zip(marks, sections, strict=True)
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{PAGE_STYLE}</style>"
    )
    top = f"<h1>{escape(title)}</h1>{prose(description) if description else ''}<nav>{links}</nav>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{top}{body}</body></html>\n'


def prose(text: str) -> str:
    """Make a paragraph."""
    return f"<p>{escape(text)}</p>"


def heading(text: str) -> str:
    """Make a heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def code(shown: Any) -> str:
    """Make a block of fixed-width text of what an object prints."""
    return f"<pre>{escape(str(shown))}</pre>"


def picture(figure: Figure, caption: str) -> str:
    """Put a figure into the page, and close it.

    Parameters
    ----------
    figure : Figure
    caption : str
        Below the picture, and in its place for readers who do not see it.
    """
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", dpi=REPORT.figure_dpi, bbox_inches="tight", facecolor="white"
    )
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
