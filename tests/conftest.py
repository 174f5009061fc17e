"""What every test shares."""

from __future__ import annotations

import os

import matplotlib as mpl

mpl.use("Agg")
os.environ.setdefault("COLUMNS", "100")  # rich and typer fold their text at the terminal's width
