"""The page of a fit, and that a browser shows it whole in light and dark."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import bayeslme
from bayeslme.errors import DataError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
# What the browser saw is left in an attribute, which --dump-dom prints.
PROBE = """<script>
window.problems = [];
addEventListener("error", e => problems.push(String(e.message || e.target.src || e)), true);
addEventListener("load", () => {
  const look = getComputedStyle(document.body);
  document.body.dataset.seen = JSON.stringify({
    problems, ink: look.color, page: look.backgroundColor,
    widths: [...document.images].map(i => i.complete ? i.naturalWidth : 0),
    wide: document.documentElement.scrollWidth > innerWidth,
    tables: document.querySelectorAll("table").length});
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = bayeslme.load_data("Oats")
    fit = bayeslme.lme("yield ~ nitro", data, {"Block": "~ nitro", "Variety": "~ 1"})
    return fit.report(tmp_path_factory.mktemp("report") / "oats.html", "Oats <split plot>", "A & B")


def test_the_page_has_every_part(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == [
        "Model",
        "Estimates",
        "Tests of terms",
        "Intervals",
        "Random effects",
        "Residuals",
    ]
    assert "<h1>Oats &lt;split plot&gt;</h1><p>A &amp; B</p>" in text
    assert "boundary-avoiding priors" in text  # the fit is singular
    assert text.count("<img") == 7
    for data in re.findall(r'src="data:image/png;base64,([^"]+)"', text):
        assert base64.b64decode(data).startswith(b"\x89PNG")


def test_the_page_needs_nothing_else(page: Path) -> None:
    text = re.sub(r"base64,[^\"]+", "", page.read_text(encoding="utf-8"))
    assert "http" not in text
    assert re.findall(r"(?:src|href)=\"(?!data:|#)", text) == []
    assert "prefers-color-scheme:dark" in text


@pytest.mark.skipif(BROWSER is None, reason=f"no browser on PATH ({', '.join(BROWSERS)})")
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_browser_shows_the_page(page: Path, tmp_path: Path, scheme: str) -> None:
    copy = tmp_path / "probed.html"
    text = page.read_text(encoding="utf-8")
    copy.write_text(text.replace("<head>", f"<head>{PROBE}", 1), encoding="utf-8")
    seen = _seen(copy, tmp_path, scheme)
    assert seen["problems"] == []
    assert len(seen["widths"]) == 7 and min(seen["widths"]) > 0
    assert seen["tables"] > 15
    assert not seen["wide"]  # no scrolling to the side
    ink, paper = (_luminance(seen[key]) for key in ("ink", "page"))
    assert (ink > paper) == (scheme == "dark")
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 10


def _seen(file: Path, profile: Path, scheme: str) -> dict[str, Any]:
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile / 'profile'}",
        f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
        "--virtual-time-budget=10000",
        "--dump-dom",
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (found,) = re.findall(r'data-seen="([^"]*)"', done.stdout)
    seen: dict[str, Any] = json.loads(found.replace("&quot;", '"'))
    return seen


def _luminance(colour: str) -> float:
    """Relative luminance of ``rgb(...)`` by the web's accessibility guidelines."""
    parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_pages_of_every_kind_of_fit(tmp_path: Path) -> None:
    data = bayeslme.load_data("Orthodont")
    data = data[data["Subject"].str.contains("0[2-5]")].reset_index(drop=True)  # fewer panels
    serial = bayeslme.gls(
        "distance ~ age",
        data,
        correlation=bayeslme.CorAR1(form="~ 1 | Subject"),
        weights=bayeslme.VarIdent(form="~ 1 | Sex"),
    )
    text = serial.report(tmp_path / "serial.html").read_text(encoding="utf-8")
    assert "Semivariogram of the residuals" in text
    assert "Autocorrelation of the normalized residuals" in text
    free = serial.update(correlation=bayeslme.CorSymm(form="~ 1 | Subject"))
    text = free.report(tmp_path / "free.html").read_text(encoding="utf-8")
    assert "it has no curve over distance" in text
    text = bayeslme.lm("distance ~ 1", data).report(tmp_path / "lm.html").read_text("utf-8")
    assert "Each after all others" not in text
    penalised = bayeslme.lme("distance ~ age", data, "~ 1 | Subject", priors="default")
    text = penalised.report(tmp_path / "map.html").read_text(encoding="utf-8")
    assert "<h2>Random effects</h2>" in text


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    fit = bayeslme.lm("distance ~ age", bayeslme.load_data("Orthodont"))
    with pytest.raises(DataError, match=r"report: .* cannot be written: No such file"):
        fit.report(tmp_path / "nowhere" / "page.html")


def test_every_result_shows_itself_in_a_notebook() -> None:
    data = bayeslme.load_data("Orthodont")
    fit = bayeslme.lme("distance ~ age * Sex", data, "~ 1 | Subject")
    fits = bayeslme.lmlist("distance ~ age | Subject", data)
    larger = fit.update(random="~ age | Subject")
    shown = [
        fit,
        fit.summary(),
        fit.anova(),
        bayeslme.anova(fit, larger),
        fit.varcorr(),
        fit.intervals(),
        fit.singular(),
        fit.bootstrap(4, seed=1),
        bayeslme.simulated_lrt(fit, larger, 4, seed=1),
        bayeslme.compare(fit, larger),
        fits,
        fits.summary(),
        fits.intervals(),
    ]
    for one in shown:
        html = one._repr_html_()
        assert "<table" in html and "</table>" in html, type(one)
        assert "background:#" not in html.replace(" ", ""), type(one)
        assert len(str(one)) > 40
