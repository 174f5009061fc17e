from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bayeslme
from bayeslme.cli import read_data
from bayeslme.errors import BayesLMEError, as_path
from bayeslme.fit.output.report import write

NO_PATHS = ["a\0b", Path("a\0b.csv"), "x" * 5000, "x" * 300, 5, None, b"a"]


@pytest.mark.parametrize("path", NO_PATHS, ids=lambda path: repr(path)[:12])
@pytest.mark.parametrize(
    "read", [as_path, bayeslme.load_posterior, bayeslme.load_model, lambda path: write("", path)]
)
def test_what_is_no_path_is_refused_by_name(read: Callable[[Any], Any], path: Any) -> None:
    with pytest.raises(BayesLMEError, match="path: "):
        read(path)


def test_a_model_file_names_a_path_with_nul(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text('title = "t"\ncall = "lm(y ~ x)"\ndata = "a\\u0000b.csv"\n', encoding="utf-8")
    with pytest.raises(BayesLMEError, match="NUL"):
        bayeslme.load_model(file)
    file.write_text('title = "t"\ncall = "lm(y ~ x)"\ndata = "orthodont"\n', encoding="utf-8")
    with pytest.raises(BayesLMEError, match="NUL"):
        read_data(bayeslme.load_model(file), Path("a\0b.csv"))
