"""A module imports only from the floors below it; heavy packages are named by bayes alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bayeslme"

# From the ground up; a floor may import from itself and from any floor before it.
FLOORS = (
    "errors",
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

# The functions that may import from a floor above their own, in their body. Types may point upwards
# anywhere: an import under `if TYPE_CHECKING` is not looked at.
UPWARD = {
    "spec/model.py": {
        "LmeSpec.fit": "fit",
        "LmeSpec.to_pymc": "bayes",
        "LmeSpec.pymc_data": "bayes",
        "LmeSpec.prior_predictive": "bayes",
        "LmeSpec.to_bambi": "bayes",
    },
    "fit/api.py": {"estimate_design": "bayes"},  # priors given to a fit
    "fit/result.py": {"Fit.sample": "bayes"},
}

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


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _walk(node: ast.AST, function: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Nodes with the name of the function they are in, those for type checkers left out."""
    for child in ast.iter_child_nodes(node):
        if _is_for_types(child):
            continue
        inner = function
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            inner = f"{function}.{child.name}".lstrip(".")
        yield inner, child
        yield from _walk(child, inner)


def imported(path: Path, module: str) -> set[tuple[str, str]]:
    """Dotted names that a file imports, relative ones resolved, each with the function it is in."""
    package = ["bayeslme", *module.split("/")[:-1]]
    names: set[tuple[str, str]] = set()
    for function, node in _walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update((function, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            root = ".".join([*base, *([node.module] if node.module else [])])
            names.update((function, f"{root}.{alias.name}") for alias in node.names)
    return names


def floors_used(module: str) -> set[tuple[str, str]]:
    """Floors of the package that a module imports from, with the functions that do."""
    return {
        (function, name.split(".")[1])
        for function, name in imported(PACKAGE / module, module)
        if name.startswith("bayeslme.")
    }


def test_every_module_is_on_a_floor() -> None:
    assert {floor_of(module) for module in MODULES} <= {*FLOORS, "__init__", "__main__", "py"}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downwards(module: str) -> None:
    here = floor_of(module)
    if here not in FLOORS:
        return
    above = set(FLOORS[FLOORS.index(here) + 1 :])
    allowed = {*UPWARD.get(module, {}).items()}
    upward = {use for use in floors_used(module) - allowed if use[1] in above}
    assert not upward, f"{module} ({here}) imports from above: {sorted(upward)}"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_stay_on_their_floor(module: str) -> None:
    if module == PYTENSOR_BRIDGE:
        return
    here = floor_of(module)
    packages = {name.split(".")[0] for _, name in imported(PACKAGE / module, module)}
    strangers = {
        name
        for name in packages & HEAVY.keys()
        if here in FLOORS and FLOORS.index(here) < FLOORS.index(HEAVY[name])
    }
    assert not strangers, f"{module} imports {sorted(strangers)}"


def test_the_exceptions_are_still_needed() -> None:
    for module, functions in UPWARD.items():
        assert {*functions.items()} <= floors_used(module), f"{module}: take it out of UPWARD"
