"""Tables wrapped at eighty columns."""

from __future__ import annotations

import pandas as pd
import pytest

from bayeslme.report.grid import grid, named, number_grid
from bayeslme.report.tables import table_text


def test_wide_tables_continue_below() -> None:
    columns = [f"column_{k:02d}" for k in range(12)]
    text = grid(["a", "b"], columns, [["1", "2"]] * 12)
    lines = text.splitlines()
    assert max(map(len, lines)) < 80
    assert len(lines) == 6
    assert lines[0].split() == columns[:7]
    assert lines[3].split() == columns[7:]


@pytest.mark.parametrize(("label", "columns"), [("x" * 9, 7), ("x" * 10, 6)])
def test_a_line_of_eighty_is_too_long(label: str, columns: int) -> None:
    """R: print(matrix("1", 1, 7, dimnames = list(label, rep("abcdefghi", 7))), quote = FALSE)."""
    assert grid([label], ["abcdefghi"] * 7, [["1"]] * 7).splitlines()[0].count("a") == columns


def test_one_column_wider_than_the_page_still_prints() -> None:
    assert "x" * 90 in grid(["a"], ["x" * 90], [["1"]])


def test_left_alignment_pads_the_right() -> None:
    text = grid(["r"], ["StdDev", "Corr"], [["1.5"], [""]], left=True)
    assert text == "  StdDev Corr\nr 1.5        "


def test_named_vectors_fill_lines() -> None:
    lines = named(pd.Series({f"name{k:02d}{'x' * 20}": float(k) for k in range(4)})).splitlines()
    assert len(lines) == 4
    assert lines[0].split() == [f"name{k:02d}{'x' * 20}" for k in range(2)]


def test_columns_have_their_own_decimals() -> None:
    frame = pd.DataFrame({"lower": [0.5, 100.25], "upper": [1.0, 2.0]}, index=["a", "b"])
    assert number_grid(frame) == "   lower upper\na   0.50     1\nb 100.25     2"


def test_missing_cells_are_blank() -> None:
    table = pd.DataFrame({"L.Ratio": [float("nan"), 18.53677], "p-value": [float("nan"), 1e-9]})
    assert table_text(table).splitlines()[1].strip() == "0"
    assert table_text(table, "heading").splitlines()[0] == "heading"


def test_the_page_is_as_wide_as_pandas_page() -> None:
    columns = [f"column_{k:02d}" for k in range(12)]
    cells = [["1", "2"]] * 12
    named_values = pd.Series(range(12), index=columns)
    for width in (60, 80, 120):
        with pd.option_context("display.width", width):
            lines = grid(["a", "b"], columns, cells).splitlines()
            assert width - 12 < max(map(len, lines)) < width
            assert max(map(len, named(named_values).splitlines())) <= width
    with pd.option_context("display.width", None):
        assert max(map(len, grid(["a", "b"], columns, cells).splitlines())) < 80
