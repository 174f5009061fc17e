"""A module imports only from the floors below it; heavy packages are named by bayes alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bayeslme"

# From the ground up; a floor may import from itself and from any floor before it.
FLOORS = (
    "errors",
    "docstrings",
    "triangular",
    "arrays",
    "formula",
    "structures",
    "spec",
    "data",
    "engine",
    "report",
    "fit",
    "bayes",
    "cli",
)

# spec.fit and spec.to_pymc are verbs of the specification that need higher floors: bound lazily.
UPWARD = {"spec/bind.py"}

# The floor that names these; below it nobody does, and above it only bayes and cli may.
HEAVY = {
    "pymc": "bayes",
    "pytensor": "bayes",
    "bambi": "bayes",
    "arviz": "bayes",
    "nutpie": "bayes",
}
PYTENSOR_BRIDGE = "arrays.py"  # the one file that knows both array libraries

MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def floor_of(module: str) -> str:
    """Name of the floor of a path inside the package."""
    return module.split("/", 1)[0].removesuffix(".py")


def imported(path: Path, module: str) -> set[str]:
    """Dotted names that a file imports, relative imports resolved, `if TYPE_CHECKING` included."""
    package = ["bayeslme", *module.split("/")[:-1]]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            root = ".".join([*base, *([node.module] if node.module else [])])
            names.update(f"{root}.{alias.name}" for alias in node.names)
    return names


def test_every_module_is_on_a_floor() -> None:
    assert {floor_of(module) for module in MODULES} <= {*FLOORS, "__init__", "__main__", "py"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    here = floor_of(module)
    if here not in FLOORS or module in UPWARD:
        return
    above = set(FLOORS[FLOORS.index(here) + 1 :])
    used = {
        name.split(".")[1]
        for name in imported(PACKAGE / module, module)
        if name.startswith("bayeslme.")
    }
    assert not used & above, f"{module} ({here}) imports from {sorted(used & above)}"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_stay_on_their_floor(module: str) -> None:
    if module == PYTENSOR_BRIDGE:
        return
    here = floor_of(module)
    packages = {name.split(".")[0] for name in imported(PACKAGE / module, module)}
    strangers = {
        name
        for name in packages & HEAVY.keys()
        if here in FLOORS and FLOORS.index(here) < FLOORS.index(HEAVY[name])
    }
    assert not strangers, f"{module} imports {sorted(strangers)}"


def test_the_exception_is_still_needed() -> None:
    for module in UPWARD:
        assert (PACKAGE / module).exists(), f"{module} is gone: take it out of UPWARD"
