"""The examples of the README give what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def same(printed: str, shown: str) -> bool:
    """Word for word; numbers to four digits, as the last ones depend on the machine."""
    ours, theirs = printed.split(), shown.split()
    return len(ours) == len(theirs) and all(map(same_word, ours, theirs))


def same_word(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return float(one) == pytest.approx(float(other), rel=1e-4, abs=1e-6)
    except ValueError:
        return False


def test_examples_print_what_the_readme_shows() -> None:
    names: dict[str, object] = {}
    printed, compared = "", 0
    for kind, body in BLOCK.findall(README.read_text(encoding="utf-8")):
        if kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(body, str(README), "exec"), names)
            printed = out.getvalue()
        elif printed:
            assert same(printed, body), printed
            printed, compared = "", compared + 1
    assert compared >= 2
