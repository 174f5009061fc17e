from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayeslme
from bayeslme.cli import app
from bayeslme.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
MODEL = str(ROOT / "models" / "orthodont.toml")
run = CliRunner().invoke


def test_fit_prints_the_summary() -> None:
    result = run(app, ["fit", MODEL, "--no-sample"])
    assert result.exit_code == 0, result.output
    assert "Linear mixed-effects model fit by REML" in result.stdout
    assert "429.2205 447.7312 -207.6102" in result.stdout
    assert "posterior" not in result.stdout


def test_list_names_every_model_file() -> None:
    result = run(app, ["list", str(ROOT / "models")])
    assert result.exit_code == 0
    for path in (ROOT / "models").glob("*.toml"):
        line = next(line for line in result.stdout.splitlines() if f" {path} " in line)
        assert bayeslme.load_model(path).title in line


def test_list_keeps_names_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    shown = re.sub(r"\x1b\[\d*m", "", run(app, ["list", str(ROOT / "models")]).stdout)
    assert max(map(len, shown.splitlines())) <= 60
    assert "\u2026" not in shown


def test_other_data_are_read_from_a_csv_file(tmp_path: Path) -> None:
    frame = bayeslme.load_data("orthodont")
    path = tmp_path / "doubled.csv"
    frame.assign(distance=2 * frame["distance"]).to_csv(path, index=False)
    result = run(app, ["fit", MODEL, "--no-sample", "--data", str(path)])
    assert result.exit_code == 0, result.output
    assert "108" in result.stdout
    assert "3.695" in result.stdout  # twice 1.8476, the random intercept's standard deviation


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere.toml"], "nowhere.toml"),
        ([MODEL, "--data", "nowhere.csv"], "nowhere.csv cannot be read"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(arguments: list[str], complaint: str) -> None:
    result = run(app, ["fit", *arguments, "--no-sample"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert complaint in result.stderr
    assert "Traceback" not in result.output


def test_version_and_help() -> None:
    assert run(app, ["--version"]).stdout == f"bayeslme {bayeslme.__version__}\n"
    assert "Fit a model file" in run(app, ["-h"]).stdout


@pytest.mark.parametrize("option", ["--draws", "--seed"])
def test_options_of_draws_need_draws(option: str) -> None:
    result = run(app, ["fit", MODEL, "--no-sample", option, "7"])
    assert result.exit_code == 2
    assert "nothing is drawn" in result.stderr
    assert option in result.stderr


def test_separate_fits_by_group_are_printed_and_not_sampled(tmp_path: Path) -> None:
    file = tmp_path / "list.toml"
    call = "lmList(distance ~ age | Subject, data = Orthodont)"
    file.write_text(f'title = "[bold] growth"\ndata = "orthodont"\ncall = "{call}"\n')
    result = run(app, ["fit", str(file), "--no-sample"])
    assert result.exit_code == 0, result.output
    assert "Residual standard error: 1.31004" in result.stdout
    for more in ([], ["--no-sample", "--out", str(tmp_path / "out")]):
        refused = run(app, ["fit", str(file), *more])
        assert refused.exit_code == 1
        assert "say --no-sample" in refused.stderr
    assert "[bold] growth" in run(app, ["list", str(tmp_path)]).stdout


def test_a_folder_that_cannot_be_made_stops_before_the_fit(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(app, ["fit", MODEL, "--no-sample", "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 1
    assert "cannot be made" in result.stderr
    assert result.stdout == ""


def test_a_folder_without_models_is_an_error(tmp_path: Path) -> None:
    result = run(app, ["list", str(tmp_path)])
    assert result.exit_code == 1
    assert "no model files" in result.stderr


def test_report_without_sampling(tmp_path: Path) -> None:
    result = run(app, ["fit", MODEL, "--no-sample", "--out", str(tmp_path / "new" / "folder")])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "new" / "folder" / "report.html").read_text(encoding="utf-8")
    assert "Linear mixed-effects model fit by REML" in page
    assert page.count("data:image/png;base64,") == 5
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.pymc
def test_fit_samples_compares_and_writes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["fit", MODEL, "--draws", "200", "--seed", "3", "--out", str(out)]
    result = run(app, arguments)
    assert result.exit_code == 0, result.output
    head = result.stdout.index("REML and posterior")
    assert "varfunc Female" in result.stdout[head:]
    assert "effective number at least" in result.stdout
    assert "Priors (default)" in result.stdout
    loaded = bayeslme.load_posterior(out / "posterior.nc")
    assert dict(loaded.data["posterior"].sizes)["draw"] == 200
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 8


@pytest.mark.pymc
def test_draws_are_kept_whatever_happens_to_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column of any name is reported, a report that fails leaves the draws, files are named."""
    table = pd.DataFrame({"age (years)": np.tile(np.arange(4.0), 6), "g": np.repeat(range(6), 4)})
    table["y"] = np.random.default_rng(1).normal(size=24)
    table.to_csv(tmp_path / "data.csv", index=False)
    (tmp_path / "model.toml").write_text(
        f'title = "T"\ndata = "{tmp_path / "data.csv"}"\n'
        'call = "lme(y ~ `age (years)`, random = ~ 1 | g)"\n',
        encoding="utf-8",
    )
    arguments = ["fit", str(tmp_path / "model.toml"), "--draws", "50", "--out", str(tmp_path)]

    def broken(*_: object) -> None:
        raise DataError("report: no room")

    with monkeypatch.context() as patch:
        patch.setattr("bayeslme.bayes.report.write_report", broken)
        assert run(app, arguments).exit_code == 1
    bayeslme.load_posterior(tmp_path / "posterior.nc")
    result = run(app, arguments)
    assert result.exit_code == 0, result.output
    written = " ".join(result.stdout[result.stdout.index("Written:") :].split())
    assert "posterior.nc (replaced)" in written
    assert "report.html" in written
    assert "report.html (replaced)" not in written


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full is needed")
@pytest.mark.parametrize("arguments", [["--help"], ["list", str(ROOT / "models")]])
def test_output_that_cannot_be_written_ends_with_a_message(arguments: list[str]) -> None:
    command = [sys.executable, "-c", "from bayeslme.cli import app; app()", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        silent = subprocess.run(command, stdout=full, stderr=full, check=False)
    assert done.stderr == "error: the output cannot be written: No space left on device\n"
    assert done.returncode == silent.returncode == 1
