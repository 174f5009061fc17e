"""nlme in a process of its own that times one stored call after the other, beside ours."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from benchmarks.process import HERE, PeerFailed


def export(frame: pd.DataFrame, name: str, folder: Path) -> None:
    """Write a frame as CSV, and the levels of its factors beside it."""
    frame.to_csv(folder / f"{name}.csv", index=False, na_rep="NA")
    factors = [
        "\t".join([str(column), str(values.cat.ordered), *map(str, values.cat.categories)])
        for column, values in frame.items()
        if values.dtype == "category"
    ]
    (folder / f"{name}.factors").write_text("".join(f"{line}\n" for line in factors))


class Nlme:
    """A running R that answers with the seconds of a call.

    Parameters
    ----------
    folder : Path
        Of the exported data.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: set[str] = set()

    def __enter__(self) -> Nlme:
        """Start R."""
        self._process = subprocess.Popen(
            ["Rscript", str(HERE / "time_nlme.R"), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """End R: it stops at the end of its input."""
        self._process.communicate()

    def seconds(self, case: dict[str, Any], frame: pd.DataFrame) -> float:
        """Median seconds of a stored call.

        Raises
        ------
        PeerFailed
            With R's message.
        """
        name = case["data"]
        if name not in self._known:
            export(frame, name, self.folder)
            self._known.add(name)
        call = " ".join(case["call"].split())
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(name, *case["contrasts"], call, sep="\t", file=self._process.stdin, flush=True)
        first, _, rest = self._process.stdout.readline().strip().partition(" ")
        if first in ("NA", ""):
            raise PeerFailed(f"{case['id']}: {call} failed in R: {rest}")
        return float(first)
