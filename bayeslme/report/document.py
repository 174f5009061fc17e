"""A page of HTML that needs nothing else: sections, tables and pictures in one file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
# Pictures are drawn for paper; in the dark their lightness is turned round, their hues are not.
STYLE = """
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
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
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
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"
