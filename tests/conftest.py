"""What every test shares."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import pytest

mpl.use("Agg")
os.environ.setdefault("COLUMNS", "100")  # rich and typer fold their text at the terminal's width

HERE = Path(__file__).parent
# Numerically sensitive: whole folders, and of tests/fit the files that compare many digits.
FOLDERS = {"engine", "reference", "structures"}
FILES = {
    "test_degrees.py",
    "test_every_fit.py",
    "test_intervals.py",
    "test_invariance.py",
    "test_means.py",
    "test_printed.py",
    "test_profile_intervals.py",
    "test_recovery.py",
    "test_rounding.py",
    "test_several_levels.py",
    "test_singular.py",
}
SHARED = {"collapsed", "posterior"}  # draws that many files of tests/bayes use


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is sensitive to rounding, and keep on one worker what shares draws or fits."""
    workers = config.pluginmanager.hasplugin("xdist")
    for item in items:
        inside = item.path.is_relative_to(HERE)
        folder = item.path.relative_to(HERE).parts[0] if inside else ""
        sensitive = folder in FOLDERS or (folder == "fit" and item.path.name in FILES)
        if sensitive and "pytensor" not in item.name:  # which compile, for NumPy's own numbers
            item.add_marker("kernels")
        if workers:
            shared = SHARED & set(getattr(item, "fixturenames", ()))
            group = "draws" if shared else str(item.path)
            item.add_marker(pytest.mark.xdist_group(group))
