"""The benchmarks run at tiny sizes, without R and in processes of their own; no time is judged."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import bayeslme

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def without_r(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The suite can be imported, and finds no R."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import process

    monkeypatch.setattr(process.shutil, "which", lambda name: None)
    for cached in (process.r_has, process.timed):
        cached.cache_clear()
    yield
    for cached in (process.r_has, process.timed):
        cached.cache_clear()


def test_every_frame_suits_its_models() -> None:
    from benchmarks.frames import FRAMES
    from benchmarks.models import MODELS

    for model in MODELS.values():
        fit = bayeslme.translate(model.nlme).fit(FRAMES[model.frame](2000))
        assert fit.nobs == 2000 and fit.converged, model.title


def test_a_fresh_process_reports_time_memory_and_fit() -> None:
    from benchmarks.frames import slopes
    from benchmarks.process import timed

    found = timed("bayeslme", "slopes", 3000)
    assert found["seconds"] > 0 and found["frame"] > 3000 * 4 * 8
    assert found["growth"] is None or found["growth"] >= 0
    own = bayeslme.lme("y ~ x1 + x2", slopes(3000), "~ x1 | g")
    assert found["loglik"] == pytest.approx(own.loglik, rel=1e-12)


def test_peers_that_are_missing_are_lines() -> None:
    from benchmarks.large import _beside
    from benchmarks.process import NotInstalled, timed

    with pytest.raises(NotInstalled, match="nlme"):
        timed("nlme", "slopes", 1000)
    (line,) = _beside("lme4", "slopes", 1000, 6, 1)
    assert line.value is None and line.met is None and "lme4::lmer is not installed" in line.note


def test_small_models_tables_and_plot(tmp_path: Path) -> None:
    from benchmarks import lines, scaling, small
    from benchmarks.figure import draw

    timings = small.measure(every=60)
    assert len(timings) >= 6
    shown = lines.show("small", small.lines(timings), Console(quiet=True))
    assert "recorded" in shown[0].note
    curve = scaling.Curve("bayeslme", (100, 1000, 10000), (0.1, 1.0, 10.0))
    growing = [*scaling.lines([curve], [lines.missing("nlme", "no")])]
    assert growing[0].value == pytest.approx(1.0) and growing[0].met and growing[1].value is None
    lines.write(tmp_path / "speed.csv", {"small": shown, "scaling": growing})
    with (tmp_path / "speed.csv").open() as file:
        assert len([*csv.DictReader(file)]) == len(shown) + 2
    draw(tmp_path / "speed.svg", [curve], timings)
    assert "slope 1.00" in (tmp_path / "speed.svg").read_text()
