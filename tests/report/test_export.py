"""Tables in LaTeX, Markdown and great_tables."""

from __future__ import annotations

import pytest

import bayeslme
from bayeslme.fit.result import Fit


@pytest.fixture(scope="module")
def fit() -> Fit:
    data = bayeslme.load_data("orthodont").rename(columns={"age": "age_in_years"})
    return bayeslme.lme(
        "distance ~ age_in_years * Sex",
        data,
        "~ 1 | Subject",
        weights=bayeslme.VarIdent(form="~ 1 | Sex"),
    )


def test_latex_escapes_and_has_every_number(fit: Fit) -> None:
    text = fit.to_latex()
    assert r"age\_in\_years" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3
    assert "0.7844" in text or "0.784375" in text


def test_markdown_has_a_row_for_each_coefficient(fit: Fit) -> None:
    lines = fit.to_markdown().splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert sum("age_in_years" in line for line in rows) == 2
    widths = {len(line) for line in rows[:5]}
    assert len(widths) == 1


def test_a_bar_in_a_name_does_not_end_a_cell() -> None:
    data = bayeslme.load_data("orthodont").assign(
        Sex=lambda d: d["Sex"].map({"Male": "m|m", "Female": "f"})
    )
    text = bayeslme.lme("distance ~ Sex", data, "~ 1 | Subject").to_markdown()
    row = next(line for line in text.splitlines() if "Sex" in line)
    assert row.replace("\\|", "").count("|") == 7


@pytest.mark.parametrize(
    "make",
    [
        lambda fit: fit.summary(),
        lambda fit: fit.anova(),
        lambda fit: fit.intervals(),
        lambda fit: fit.varcorr(),
        lambda fit: fit.means("Sex"),
        lambda fit: fit.means("Sex").contrasts(),
        bayeslme.table,
        lambda fit: bayeslme.anova(
            fit.update(method="ML"), fit.update(method="ML", fixed=". ~ . - age_in_years:Sex")
        ),
        lambda fit: bayeslme.compare(fit, fit),
    ],
)
def test_every_table_can_be_written(fit: Fit, make: object) -> None:
    table = make(fit)  # type: ignore[operator]
    assert r"\toprule" in table.to_latex()
    assert "|:--" in table.to_markdown()


def test_great_tables(fit: Fit) -> None:
    pytest.importorskip("great_tables")
    html = fit.intervals().to_great_tables().as_raw_html()
    assert "age_in_years" in html
    assert "corstruct" not in html
