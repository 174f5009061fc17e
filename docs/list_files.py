"""Write the last section of architecture.md: every file of the package under its own first line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
HEADING = "## Every file in one line\n"
INTRODUCTION = "Written from the first lines of the files by `python docs/list_files.py`.\n"
FLOORS = ("", "structures", "spec", "data", "engine", "report", "fit", "bayes")  # from the ground


def first_line(path: Path) -> str:
    """First line of a file's docstring, without its stop, as a cell of a table."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".").replace("|", "\\|")


def files() -> Iterator[tuple[str, str]]:
    """Path within the package and first line of every file, floor by floor."""
    package = ROOT / "bayeslme"
    paths = [path.relative_to(package) for path in package.rglob("*.py")]
    for path in sorted(paths, key=lambda p: (FLOORS.index(_floor(p)), p.parent, p.name)):
        yield path.as_posix(), first_line(package / path)


def _floor(path: Path) -> str:
    floor = path.parts[0] if len(path.parts) > 1 else ""
    if floor not in FLOORS:
        raise ValueError(f"{floor} is no floor; add it to FLOORS")
    return floor


def section() -> str:
    """The section, a table for each folder."""
    parts = [HEADING, INTRODUCTION]
    for folder, members in groupby(files(), lambda one: one[0].rpartition("/")[0]):
        rows = [f"| `{path.rpartition('/')[2]}` | {line} |" for path, line in members]
        parts.append("\n".join([f"| `{folder or 'bayeslme'}/` | |", "|---|---|", *rows, ""]))
    return "\n".join(parts)


def page() -> str:
    """The page with its section made anew."""
    return PAGE.read_text(encoding="utf-8").partition(HEADING)[0].rstrip() + "\n\n" + section()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
