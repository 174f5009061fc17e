from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

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


def test_a_long_path_keeps_the_reason_in_view(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 200] * 3)
    deep.mkdir(parents=True)
    (deep / "x.nc").write_text("no netCDF", encoding="utf-8")
    for path, reason in ((deep / "x.nc", "cannot be read"), (deep / "y.nc", "no such file")):
        with pytest.raises(BayesLMEError, match=reason):
            bayeslme.load_posterior(path)
    with pytest.raises(BayesLMEError, match="too long"):
        as_path(tmp_path / ("n" * 300))


def test_a_failed_save_names_no_file_of_ours(tmp_path: Path) -> None:
    from bayeslme.bayes.posterior.storage.stored_files import write_tree

    for name in ("nowhere/x.nc", "nowhere/x.zarr"):
        with pytest.raises(BayesLMEError, match="No such file") as caught:
            write_tree(xr.DataTree(), tmp_path / name)
        assert ".bayeslme-" not in str(caught.value)
