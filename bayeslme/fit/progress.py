"""A progress bar for loops that take a while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def tracked[Item](items: Iterable[Item], total: int, what: str, *, show: bool) -> Iterator[Item]:
    """Go through items under a bar with counts and the time left.

    Parameters
    ----------
    items : iterable
    total : int
        Their number.
    what : str
        Before the bar.
    show : bool
        No bar either where standard error is neither a terminal nor a notebook.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    console = Console(stderr=True)
    if not (show and (console.is_terminal or console.is_jupyter)):
        yield from items  # before version 15, rich ends a bar that is not shown with a blank line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Left())
    with Progress(*columns, console=console, transient=True) as bar:
        yield from bar.track(items, total=total, description=what)
