"""Numbers and names against R's format() and abbreviate()."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bayeslme.report.numbers import abbreviate, format_numbers, format_p_values, format_zapped

R = json.loads((Path(__file__).parent / "r_formats.json").read_text())


def test_format_equals_r() -> None:
    for case in R["numbers"]:
        assert format_numbers(float(x) for x in case["x"]) == case["format"]


def test_zapsmall_equals_r() -> None:
    for case in R["numbers"]:
        assert format_zapped([float(x) for x in case["x"]]) == case["zapped"]


@pytest.mark.parametrize("case", R["names"], ids=lambda case: case["names"][0])
def test_abbreviate_equals_r(case: dict[str, list[str]]) -> None:
    assert abbreviate(case["names"]) == case["short"]


def test_missing_and_infinite_numbers() -> None:
    assert format_numbers([1.5, float("nan"), float("-inf")]) == [" 1.5", "  NA", "-Inf"]
    assert format_numbers([]) == []


def test_p_values_of_the_two_tables() -> None:
    assert format_p_values([1e-9, 0.0061, 0.5]) == ["<.0001", "0.0061", "0.5000"]
    assert format_p_values([0.0, 1e-4]) == ["<.0001", "1e-04"]
    assert format_p_values([0.0, 0.0054], smallest=False) == ["0.0000", "0.0054"]
