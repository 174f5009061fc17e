"""The examples of the README give what it shows."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def words(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


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
            assert words(printed) == words(body)
            printed, compared = "", compared + 1
    assert compared >= 2
