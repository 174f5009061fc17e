"""Posteriors on disk: every kind of column comes back, and what fails or is damaged says so."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import uuid
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayeslme
from bayeslme.bayes.checks.predictive_checks import replicates
from bayeslme.bayes.posterior.posterior import Posterior
from bayeslme.bayes.posterior.storage import stored_files
from bayeslme.bayes.posterior.storage.storage import frame_of, frame_record
from bayeslme.bayes.posterior.tree import replicated_draws
from bayeslme.errors import BayesLMEError, DataError, SpecError

pytestmark = pytest.mark.pymc
N = 30
SLOW = pytest.mark.slow
BOTH = pytest.mark.parametrize("ending", ["nc", "zarr"])


def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    group = np.repeat(range(6), 5)
    x = rng.normal(size=N)
    y = x + rng.normal(size=6)[group] + rng.normal(size=N)
    return pd.DataFrame({"g": [f"s{k}" for k in group], "x": x, "y": y})


def sampled(frame: pd.DataFrame, fixed: str = "y ~ x", random: str = "~ 1 | g") -> Any:
    return bayeslme.lme(fixed, frame, random).sample(draws=50, chains=2, seed=1)


@pytest.fixture(scope="module")
def posterior() -> Any:
    return sampled(data())


days = pd.date_range("2020-01-31", periods=N)
COLUMNS: dict[str, Any] = {
    "cut": pd.cut(data()["x"], 3),
    "cut of dates": pd.Series(pd.cut(days, 3)),
    "dates": pd.Categorical(np.tile(days[:2], 15)),
    "zoned": pd.Categorical(np.tile(days[:2].tz_localize("Europe/Paris"), 15)),
    "periods": pd.Categorical(np.tile(days[:2].to_period("D"), 15)),
    "spans": pd.Categorical(np.tile(days[:3] - days[0], 10)),
    "floats": pd.Categorical(np.tile([0.1, 1 / 3], 15)),
    "flags": pd.Categorical(np.tile([True, False], 15)),
    "ordered": pd.Categorical(np.tile(["b", "a", "c"], 10), ["c", "a", "b"], ordered=True),
    "unused": pd.Categorical(np.tile(["a", "b"], 15), ["z", "b", "a"]),
    "Decimal": [Decimal(str(v)) for v in data()["x"]],
    "nullable": pd.array(range(N), "Int64"),
    "nullable flags": pd.array(np.tile([True, False], 15), "boolean"),
    "bool": np.tile([True, False], 15),
    "arrow": pd.array(range(N), "double[pyarrow]"),
    "sparse": pd.arrays.SparseArray(np.tile([0.0, 1.0, 3.0], 10)),
}


FEW = ("cut", "dates", "Decimal")


@pytest.mark.parametrize("kind", [k if k in FEW else pytest.param(k, marks=SLOW) for k in COLUMNS])
def test_a_posterior_of_any_kind_of_column_comes_back(kind: str, tmp_path: Path) -> None:
    frame = data().assign(index=COLUMNS[kind])
    _comes_back(sampled(frame, "y ~ index"), frame, tmp_path / "draws.nc")


def test_intervals_may_be_groups_and_decimals_the_response(tmp_path: Path) -> None:
    frame = data().rename(columns={"y": "index"})
    frame["index"] = [Decimal(str(v)) for v in frame["index"]]
    frame["name"] = pd.Categorical(list(pd.Series(pd.cut(range(6), 6)).repeat(5)))
    drawn = sampled(frame, "index ~ x", "~ 1 | name")
    _comes_back(drawn, frame, tmp_path / "draws.zarr")


GROUPS: dict[str, Any] = {
    "unsigned hashes": np.array([2**64 - 1 - k for k in range(6)], dtype=np.uint64),
    "beyond int64": [2**70 + k for k in range(6)],
    "dates": [date(2020, 1, 1 + k) for k in range(6)],
    "instants": pd.to_datetime(10**18 + np.arange(6)),
    "zoned": pd.date_range("2020-01-01", periods=6, tz="Europe/Paris"),
    "bytes": [b"g%d" % k for k in range(6)],
    "floats that print alike": 0.5 + np.arange(6) * 2.0**-52,
    "values that print alike": [1, "1", b"1", True, "TRUE", Decimal("2.5")],
    "uuid": [uuid.UUID(int=k) for k in range(6)],
}


@pytest.mark.parametrize(
    "kind",
    [
        k if k in ("floats that print alike", "uuid") else pytest.param(k, marks=SLOW)
        for k in GROUPS
    ],
)
@BOTH
def test_labels_of_groups_of_any_kind_come_back(kind: str, ending: str, tmp_path: Path) -> None:
    values = pd.Series(list(GROUPS[kind]), dtype=getattr(GROUPS[kind], "dtype", object))
    frame = data().assign(g=values.take(np.repeat(range(6), 5)).reset_index(drop=True))
    before = sampled(frame)
    before.save(tmp_path / f"draws.{ending}")
    after = bayeslme.load_posterior(tmp_path / f"draws.{ending}")
    labels = before.fit.design.levels[0].labels
    assert len(set(labels)) == 6
    assert after.fit.design.levels[0].labels == labels
    assert tuple(after.data["posterior"]["g"].to_numpy().tolist()) == labels
    assert after.ranef().index.equals(before.ranef().index)
    rows = frame.iloc[::7]  # found by their values
    pd.testing.assert_series_equal(after.predict(rows), before.predict(rows))


INDEXES = {
    "dates": days,
    "periods": days.to_period("D"),
    "two levels": pd.MultiIndex.from_product([range(6), list("abcde")]),
    "mixed": pd.Index(["a", *range(N - 1)]),
    "intervals": pd.interval_range(0, N),
    "days": pd.Index([date(2020, 1, k + 1) for k in range(N)]),
    "repeated": pd.Index([0] * N),
    "print alike": pd.Index(["1", 1, *range(2, N)]),
}


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("mixed", "nc"), ("days", "zarr")]
    + [pytest.param(k, e, marks=SLOW) for k in INDEXES for e in ("nc", "zarr")],
)
def test_any_index_comes_back(kind: str, ending: str, tmp_path: Path) -> None:
    frame = data().set_index(INDEXES[kind])
    frame.attrs["labels"] = {"y": "Why"}
    again = _comes_back(sampled(frame), frame, tmp_path / f"draws.{ending}")
    assert list(again.fit.data.index) == list(frame.index)
    assert again.fit.data.attrs == frame.attrs


@pytest.mark.parametrize(
    "name", ["chain", pytest.param("row", marks=SLOW), pytest.param("g_effect", marks=SLOW)]
)
def test_columns_may_have_the_names_of_the_trees_own_parts(name: str, tmp_path: Path) -> None:
    frame = data().rename(columns={"x": name})
    _comes_back(sampled(frame, f"y ~ {name}"), frame, tmp_path / "draws.nc")


@pytest.mark.parametrize(("outer", "inner"), [("a", "a_effect"), ("a_b", "a/b"), ("s", "sd_s")])
def test_groups_whose_parts_have_the_same_name_are_refused(outer: str, inner: str) -> None:
    frame = data().rename(columns={"g": outer}).assign(**{inner: np.tile(list("uuvvw"), 6)})
    fit = bayeslme.lme("y ~ x", frame, f"~ 1 | {outer}/`{inner}`")
    with pytest.raises(SpecError, match=f"'{outer}' and '{inner}' would both be"):
        fit.sample(draws=50, seed=1)


def _comes_back(before: Any, frame: pd.DataFrame, path: Path) -> Any:
    before.save(path)
    after = bayeslme.load_posterior(path)
    assert str(after.summary()) == str(before.summary())
    assert after.fit.loglik == before.fit.loglik
    assert after.fit.spec == replace(before.fit.spec, subset=None, na_action="fail")
    np.testing.assert_array_equal(after.predict(frame.head(3)), before.predict(frame.head(3)))
    assert after.data.identical(bayeslme.load_posterior(path).data)
    return after


def test_a_frame_comes_back_with_every_digit_and_type() -> None:
    frame = pd.DataFrame(
        {
            "long": pd.array([2**60 + 1, None, 3], "Int64"),
            "float": [0.1, np.nan, np.inf],
            "single": np.array([0.1, 2, 3], "f4"),
            "unsigned": np.array([2**64 - 1, 0, 1], "u8"),
            "text": pd.array(["a", None, "é/`"], "string"),
            "objects": pd.Series(["a", 1, None], dtype=object),
            "seconds": days[:3].as_unit("s"),
            "zoned": days[:3].tz_localize("Asia/Tokyo"),
            "quarters": days[:3].to_period("Q-DEC"),
            "Decimal": [Decimal("0.10"), Decimal("1"), None],
        }
    )
    again = frame_of(json.loads(json.dumps(frame_record(frame))))
    pd.testing.assert_frame_equal(again, frame, check_exact=True, check_freq=False)
    with pytest.raises(DataError, match="column 'x' cannot be stored: values of type object"):
        frame_record(pd.DataFrame({"x": [object()]}))


@BOTH
def test_a_failed_save_leaves_the_old_one_whole(
    ending: str, posterior: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"draws.{ending}"
    posterior.save(path)
    before = _content(path)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for target, name in ((stored_files.os, "replace"), (stored_files, "_write_file")):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, full)
            if ending == "nc" or name == "replace":
                with pytest.raises(DataError, match=r"cannot be written .*No space left"):
                    posterior.save(path)
        assert _content(path) == before
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
    bayeslme.load_posterior(path)


LIMITED = """
import resource, sys, bayeslme
path = sys.argv[1]
posterior = bayeslme.load_posterior(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    posterior.save(path)
except bayeslme.errors.DataError as error:
    print(error)
"""


@BOTH
def test_a_disk_without_room_leaves_the_old_one_whole(
    ending: str, posterior: Any, tmp_path: Path
) -> None:
    limits = pytest.importorskip("resource")
    path = tmp_path / f"draws.{ending}"
    posterior.save(path)
    before, old = _content(path), limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (4_000, old[1]))
    try:
        with pytest.raises(DataError, match=f"{ending}: cannot be written"):
            posterior.save(path)
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, old)
    assert _content(path) == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@SLOW
@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_a_disk_that_fills_up_is_said_and_python_ends_well(
    ending: str, posterior: Any, tmp_path: Path
) -> None:
    pytest.importorskip("resource")
    path = tmp_path / f"draws.{ending}"
    posterior.save(path)
    before = _content(path)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIMITED, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "cannot be written" in run.stdout
    assert _content(path) == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_is_no_store_of_this_package_is_never_deleted(
    posterior: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "x.zarr"
    folder.mkdir()
    posterior.save(folder)  # nothing is lost with an empty one
    posterior.save(folder)
    shutil.rmtree(folder)
    posterior.data.to_zarr(folder, consolidated=False)  # somebody's own arrays
    (tmp_path / "thesis.zarr").mkdir()
    (tmp_path / "thesis.zarr" / "chapter.txt").write_text("1")
    (tmp_path / "file.zarr").write_text("1")
    (tmp_path / "y.nc").mkdir()
    before = _content(tmp_path)
    for name in ("x.zarr", "thesis.zarr", "file.zarr", "y.nc"):
        with pytest.raises(DataError, match=f"{name}: cannot be written"):
            posterior.save(tmp_path / name)
    assert _content(tmp_path) == before
    assert (tmp_path / "y.nc").is_dir()


def test_a_link_goes_on_pointing_to_the_file(posterior: Any, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    link = tmp_path / "link.nc"
    link.symlink_to(tmp_path / "own" / "draws.nc")
    posterior.save(link)
    posterior.save(link)
    assert link.is_symlink()
    assert (tmp_path / "own" / "draws.nc").is_file()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.99999])
def test_a_truncated_file_is_said(share: float, posterior: Any, tmp_path: Path) -> None:
    path = tmp_path / "draws.nc"
    posterior.save(path)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(DataError, match="cannot be read as a netCDF file"):
        bayeslme.load_posterior(path)


def test_a_changed_byte_is_never_a_changed_number(posterior: Any, tmp_path: Path) -> None:
    path = tmp_path / "draws.nc"
    posterior.save(path)
    content = bytearray(path.read_bytes())
    summary = str(posterior.summary())
    rng = np.random.default_rng(3)
    refused = 0
    for at in rng.integers(0, len(content), 12):
        content[at] ^= 0x55
        path.write_bytes(content)
        content[at] ^= 0x55
        try:
            assert str(bayeslme.load_posterior(path).summary()) == summary
        except BayesLMEError:
            refused += 1
    assert refused > 3  # the rest hit room that no value fills


def test_every_lost_part_of_a_store_is_said(posterior: Any, tmp_path: Path) -> None:
    path = tmp_path / "draws.zarr"
    posterior.save(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    assert len(files) > 20
    for file in files[:: len(files) // 10]:
        content = file.read_bytes()
        for damage in (file.unlink, lambda f=file, c=content: f.write_bytes(c[: len(c) // 2])):
            damage()
            with pytest.raises(DataError, match=r"draws\.zarr"):
                bayeslme.load_posterior(path)
            file.write_bytes(content)
    bayeslme.load_posterior(path)


def _head(key: str, value: Any) -> Callable[[h5py.File], None]:
    def changed(file: h5py.File) -> None:
        file.attrs["bayeslme"] = json.dumps({**json.loads(file.attrs["bayeslme"]), key: value})

    return changed


def _record(
    change: Callable[[dict[str, Any]], Any], *, told: bool = False
) -> Callable[[h5py.File], None]:
    def changed(file: h5py.File) -> None:
        head = json.loads(file.attrs["bayeslme"])
        record = json.loads(head["model"])
        change(record)
        head["model"] = json.dumps(record)
        if not told:
            head["checksum"] = zlib.crc32(head["model"].encode())
        file.attrs["bayeslme"] = json.dumps(head)

    return changed


TAMPERED: dict[str, Callable[[h5py.File], Any]] = {
    "format 3": _head("format", 3),
    "format x": _head("format", "x"),
    "no model": lambda file: file.attrs.__delitem__("bayeslme"),
    "no text": _head("model", None),
    "no JSON": lambda file: file.attrs.__setitem__("bayeslme", "{"),
    "a list": lambda file: file.attrs.__setitem__("bayeslme", "[]"),
    "a number": lambda file: file.attrs.__setitem__("bayeslme", 3),
    "no call": _record(lambda record: record.pop("call")),
    "no priors": _record(lambda record: record.pop("priors")),
    "no checksums": _record(lambda record: record.pop("checksums")),
    "fewer checksums": _record(lambda record: record.update(checksums={}), told=True),
    "call of another": _record(lambda record: record.update(call="lm(y ~ 1)"), told=True),
    "code as call": _record(lambda record: record.update(call="__import__('os')")),
    "no frame": _record(lambda record: record.update(frame=None)),
    "fewer rows": _record(lambda record: record["frame"]["columns"][0]["values"].pop()),
    "another kind": _record(
        lambda record: record["frame"]["columns"][0].update(values=[{"os.system": 1}] * N)
    ),
    "no group": lambda file: file.__delitem__("sample_stats"),
    "no variable": lambda file: file["posterior"].__delitem__("fixef"),
    "no attribute": lambda file: file["sample_stats"].attrs.__delitem__("route"),
    "another value": lambda file: file["posterior/sigma"].__setitem__((0, 0), np.nan),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_file_is_said(what: str, posterior: Any, tmp_path: Path) -> None:
    path = tmp_path / "draws.nc"
    posterior.save(path)
    with h5py.File(path, "r+") as file:
        TAMPERED[what](file)
    with pytest.raises(BayesLMEError) as found:
        bayeslme.load_posterior(path)
    assert len(str(found.value)) < 300


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    (tmp_path / "folder.nc").mkdir()
    (tmp_path / "empty.nc").write_bytes(b"")
    for name in ("none.nc", "none.zarr", "table.csv", "folder.nc", "empty.nc", "nul\0.nc"):
        with pytest.raises(DataError, match=r"cannot be read|character NUL"):
            bayeslme.load_posterior(tmp_path / name)
    with pytest.raises(DataError, match="not a regular file"):
        bayeslme.load_posterior("/dev/null")


def _content(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return {str(p): p.read_bytes() for p in files}


def test_a_file_of_an_earlier_version_has_its_replicates(tmp_path: Path) -> None:
    """One of every draw, all in double precision, without a word on which draws they belong to."""
    made = sampled(data())
    tree = made.data.copy()
    count = tree["posterior"].sizes["draw"]
    full = np.arange(2 * count * N, dtype=float).reshape(2, count, N)
    old = xr.Dataset({"y": (("chain", "draw", "row"), full)})
    tree["posterior_predictive"] = xr.DataTree(old)
    double = made.data["posterior"].to_dataset().astype(float)
    tree["posterior"] = xr.DataTree(double)
    earlier = Posterior(tree, made.fit, made.parameters, made.priors)
    earlier.save(tmp_path / "earlier.nc")
    again = bayeslme.load_posterior(tmp_path / "earlier.nc")
    assert replicated_draws(again).ravel().tolist() == list(range(2 * count))
    chosen, y = replicates(again, 100)
    assert np.array_equal(y[:, 0], chosen * float(N))
    assert again.effects["g"].dtype == float
    assert again.ppc()["posterior_predictive"]["y"].sizes["draw"] == count
