"""The methods of the results say what they take, what they return and what they raise."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from bayeslme.bayes.posterior.posterior import Posterior
from bayeslme.fit.lmlist import LmList
from bayeslme.fit.result import Fit, GlsFit, LmeFit, LmFit
from bayeslme.spec.model import LmeSpec

CLASSES = (Fit, LmeFit, GlsFit, LmFit, LmList, LmeSpec, Posterior)


def methods() -> Iterator[tuple[type, str]]:
    """The public methods of the classes, each under the class that a user has in hand."""
    for cls in CLASSES:
        for name, value in inspect.getmembers(cls, inspect.isfunction):
            inherited = name in vars(Fit) if cls is not Fit and issubclass(cls, Fit) else False
            own = name in vars(cls) or cls in (Fit, Posterior)
            if not name.startswith("_") and own and value and not (inherited and name != "coef"):
                yield cls, name


METHODS = list(methods())
WITHOUT_RESULT = {(Posterior, "save")}


def section(text: str, name: str) -> str:
    """The body of one section of a numpydoc docstring; empty where there is none."""
    found = re.search(rf"^{name}\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def documented(text: str) -> list[str]:
    """The names of the parameters in a docstring, in order."""
    heads = re.findall(r"^(\*{0,2}\w+(?:, \w+)*)(?: : .+)?$", section(text, "Parameters"), re.M)
    return [name.strip("* ") for head in heads for name in head.split(",")]


def test_the_methods_are_found() -> None:
    assert {(Fit, "predict"), (Fit, "sample"), (LmeFit, "ranef"), (Posterior, "loo")} <= {*METHODS}


@pytest.mark.parametrize(("cls", "name"), METHODS, ids=lambda x: getattr(x, "__name__", x))
def test_a_docstring_has_the_parameters_of_the_signature(cls: type, name: str) -> None:
    method = getattr(cls, name)
    text = inspect.getdoc(method) or ""
    assert documented(text) == list(inspect.signature(method).parameters)[1:]
    assert section(text, "Returns") or (cls, name) in WITHOUT_RESULT
    assert "see `bayeslme." not in text.split("\n\n")[0], "the words belong here"


@pytest.mark.parametrize(("cls", "name"), METHODS, ids=lambda x: getattr(x, "__name__", x))
def test_a_method_has_a_real_return_type(cls: type, name: str) -> None:
    returned = getattr(cls, name).__annotations__["return"]
    assert "Any" not in re.findall(r"\w+", returned)


def test_the_translations_name_the_models_of_the_other_packages() -> None:
    # PyMC and bambi have no types that mypy could reveal here, so the annotations are read.
    assert LmeSpec.to_pymc.__annotations__["return"] == "pm.Model"
    assert LmeSpec.to_bambi.__annotations__["return"] == "bambi.Model"
    assert LmeSpec.prior_predictive.__annotations__["return"] == "xr.DataTree"
