"""Help on a method tells the arguments, not only where they are told."""

from __future__ import annotations

import inspect
import pydoc
import re
from importlib import import_module

import pytest

from bayeslme.bayes.posterior.posterior import Posterior
from bayeslme.docstrings import Pointer
from bayeslme.fit.lmlist import LmList
from bayeslme.fit.result import Fit, LmeFit
from bayeslme.spec.model import LmeSpec

DELEGATING = [
    (cls, name)
    for cls in (Fit, LmeFit, LmList, LmeSpec, Posterior)
    for name, value in vars(cls).items()
    if isinstance(value.__doc__, Pointer)
]


def test_there_are_many() -> None:
    assert len(DELEGATING) > 40
    assert {(Fit, "predict"), (LmeFit, "ranef"), (Posterior, "loo")} <= set(DELEGATING)


@pytest.mark.parametrize(("cls", "name"), DELEGATING, ids=lambda x: getattr(x, "__name__", x))
def test_every_pointer_leads_somewhere(cls: type, name: str) -> None:
    method = getattr(cls, name)
    shown = inspect.getdoc(method)
    module, target = re.findall(r"see\s+`([\w.]+)\.(\w+)`", method.__doc__)[0]
    behind = getattr(import_module(module), target)
    text = inspect.cleandoc(behind.__doc__).partition("\n\nExamples\n")[0]
    assert shown.startswith(str.splitlines(method.__doc__)[0])
    last = text.rsplit("\n\n", 1)[-1]
    if inspect.isfunction(behind) and "Parameters" not in last:
        assert last in shown or last == text
    assert not shown.endswith("---")
    assert not re.search(r"^(fit|posterior|spec) : ", shown, re.MULTILINE)


def test_help_has_the_parameters() -> None:
    shown = pydoc.render_doc(LmeFit.predict, renderer=pydoc.plaintext)
    assert "newdata : DataFrame" in shown
    assert "Returns" in shown
    assert str(LmeFit.predict.__doc__).count("\n") < 8, "doctests are run where they are written"
