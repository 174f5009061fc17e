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


def test_posterior_is_the_table_of_the_readme() -> None:
    """Every number to a tenth of its posterior sd, since draws may differ between machines."""
    text = README.read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for body in re.findall(r"^```(?:python|py)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(body, str(README), "exec"), names)
        if "fit.sample(" in body:
            break
    (shown,) = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ours, theirs = out.getvalue().splitlines(), shown.splitlines()
    assert [line.split()[0] for line in ours] == [line.split()[0] for line in theirs]
    for one, other in zip(ours[2:], theirs[2:], strict=True):
        mine, readme = numbers(one), numbers(other)
        assert mine == pytest.approx(readme, abs=0.1 * readme[-3])  # that column is the sd


def numbers(row: str) -> list[float]:
    """The numbers at the end of a row of a table; its name may hold digits."""
    return [float(word) for word in re.search(r"(?:\s+-?[\d.]+)+$", row)[0].split()]
