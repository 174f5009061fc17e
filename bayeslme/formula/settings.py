"""Limits of expressions and formulas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FormulaSettings:
    """Limits that keep a long text from exhausting memory or stack.

    Attributes
    ----------
    max_vector_length : int
        Numbers of a constant vector; longer ones are data.
    max_terms : int
        Terms for which a formula may stand, so that a high power does not fill the memory.
    max_characters : int
        Characters of an expression.
    max_depth : int
        Brackets and operators within one another: the reader calls itself for each.
    """

    max_vector_length: int = 10_000
    max_terms: int = 5000
    max_characters: int = 40_000
    max_depth: int = 100


FORMULA = FormulaSettings()
