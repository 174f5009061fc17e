"""Tables for papers and pages: LaTeX, Markdown, and great_tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayeslme.errors import FitError
from bayeslme.report.html import components_frame
from bayeslme.report.numbers import column_texts
from bayeslme.report.records import Page, RandomPart

if TYPE_CHECKING:
    from great_tables import GT


class Exported:
    """A result that has tables: written for LaTeX and Markdown, or handed to great_tables."""

    __slots__ = ()

    def exported(self) -> Mapping[str, pd.DataFrame]:
        """The tables, by caption; an empty caption is left out."""
        raise NotImplementedError

    def to_markdown(self) -> str:
        """Write the tables in Markdown, each below its caption.

        Returns
        -------
        str

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> print(fit.varcorr().to_markdown())
        **Subject**
        <BLANKLINE>
        |             |   Variance |   StdDev |
        |:------------|-----------:|---------:|
        | (Intercept) |   4.472056 | 2.114724 |
        | Residual    |   2.049456 | 1.431592 |
        """
        pieces = []
        for caption, table in self.exported().items():
            head = f"**{caption}**\n\n" if caption else ""
            pieces.append(head + _tabulated(table, "pipe"))
        return "\n\n".join(pieces)

    def to_latex(self) -> str:
        r"""Write the tables in LaTeX with the rules of the booktabs package.

        Returns
        -------
        str
            A ``tabular`` for each table, special characters escaped; a caption becomes a comment.

        Examples
        --------
        >>> import bayeslme
        >>> fit = bayeslme.lme("distance ~ age", bayeslme.load_data("orthodont"), "~ 1 | Subject")
        >>> print(fit.varcorr().to_latex().splitlines()[1])
        \begin{tabular}{lrr}
        """
        pieces = []
        for caption, table in self.exported().items():
            head = f"% {caption}\n" if caption else ""
            pieces.append(head + _tabulated(table, "latex_booktabs"))
        return "\n\n".join(pieces)

    def to_great_tables(self) -> GT:
        """Hand the tables to the package great_tables, one below the other, for further styling.

        Returns
        -------
        great_tables.GT

        Raises
        ------
        FitError
            If great_tables is not installed.
        """
        try:
            from great_tables import GT
        except ImportError as error:
            raise FitError(
                "to_great_tables needs the package great_tables, which is not installed"
            ) from error
        tables = self.exported()
        rows = [
            _texts(table).rename_axis("").reset_index().assign(**{_GROUP: caption})
            for caption, table in tables.items()
        ]
        frame = pd.concat(rows, ignore_index=True).fillna("")
        if len(tables) == 1:
            return GT(frame.drop(columns=_GROUP), rowname_col="")
        return GT(frame, rowname_col="", groupname_col=_GROUP)


def components(parts: Sequence[RandomPart], sigma: float) -> dict[str, pd.DataFrame]:
    """Variances and standard deviations by group, the residual below the last."""
    if not parts:
        return {"": pd.DataFrame({"Variance": sigma**2, "StdDev": sigma}, ["Residual"])}
    last = len(parts) - 1
    return {
        part.group: components_frame(part, sigma if k == last else None)
        for k, part in enumerate(parts)
    }


def page_tables(page: Page) -> dict[str, pd.DataFrame]:
    """Tables of a summary: coefficients, variance components, parameters of the structures."""
    tables = {"Fixed effects" if page.kind == "lme" else "Coefficients": page.fixed}
    tables |= components(page.random, page.sigma)
    if page.correlation is not None:
        tables[f"{page.correlation.label}, {page.correlation.formula}"] = (
            page.correlation.coef.to_frame("estimate")
        )
    for part in page.variance:
        tables[f"{part.label}, {part.formula}"] = part.coef.to_frame("estimate")
    return tables


_GROUP = "table"


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    """Cells as the printed tables show them."""
    columns: dict[Any, list[str]] = {
        name: [text.strip() for text in column_texts(table.iloc[:, j])]
        for j, name in enumerate(_names(table.columns))
    }
    return pd.DataFrame(columns, index=pd.Index(_names(table.index)))


def _names(labels: pd.Index) -> list[str]:
    return [
        ", ".join(str(part) for part in label) if isinstance(label, tuple) else str(label)
        for label in labels
    ]


def _tabulated(table: pd.DataFrame, form: str) -> str:
    from tabulate import tabulate

    texts = _texts(table)
    if form == "pipe":
        texts = texts.map(_escaped_pipe)
    return tabulate(
        texts.to_numpy().tolist(),
        headers=["", *map(_escaped_pipe if form == "pipe" else str, texts.columns)],
        showindex=[_escaped_pipe(name) if form == "pipe" else name for name in texts.index],
        tablefmt=form,
        disable_numparse=True,
        colalign=("left", *["right"] * texts.shape[1]),
    )


def _escaped_pipe(text: str) -> str:
    """A vertical bar ends a cell in Markdown."""
    return text.replace("|", "\\|")
