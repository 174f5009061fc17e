"""The page on the architecture knows every file, under the words the file has for itself."""

from __future__ import annotations

from docs import list_files


def test_every_file_is_listed() -> None:
    found = list_files.PAGE.read_text(encoding="utf-8")
    assert found == list_files.page(), "python docs/list_files.py writes the list of files anew"


def test_every_file_says_what_it_is() -> None:
    for path, line in list_files.files():
        assert line, f"{path} has no docstring"
