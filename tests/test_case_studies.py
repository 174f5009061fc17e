"""The notebooks run from top to bottom, and are written as the house has it."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "case_studies"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
IMPORTS = {"bayeslme", "arviz", "matplotlib"}
LONGEST_CELL = 15
QUICK = "piglets"  # the others are run where time does not count


def named(path: Path) -> str:
    return path.stem


def code_cells(path: Path) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_case_studies() -> None:
    assert {"piglets", "beech", "orthodont", "fev_trial", "slate_hall_field"} <= {
        path.stem for path in NOTEBOOKS
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_cells_are_short_and_define_nothing(path: Path) -> None:
    for source in code_cells(path):
        assert len(source.splitlines()) <= LONGEST_CELL, source
        for node in ast.walk(ast.parse(source)):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef), source
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= IMPORTS, source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_stored_without_output(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.pymc
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem == QUICK else [pytest.mark.slow], id=path.stem)
        for path in NOTEBOOKS
    ],
)
def test_runs_from_top_to_bottom(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "MPLBACKEND", "Agg")
    monkeypatch.setitem(os.environ, "PYTHONPATH", str(FOLDER.parent))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(FOLDER)}})
    client.execute()
    assert sum("assert" in source for source in code_cells(path)) >= 3
