"""Limits and tolerances of data: sizes, ranks, and the printing of numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataSettings:
    """Limits and tolerances of the folder.

    Attributes
    ----------
    alias_tolerance : float
        Part of a column's length outside the columns before it below which it is aliased; as R's
        ``qr``.
    independent_pivot : float
        Squared pivot of the Gram matrix above which the columns are independent without a further
        look: rounding there is near 1e-16.
    max_polynomial_levels : int
        Levels of ``contr.poly`` at most. With more the powers of the scores are numerically
        dependent; R refuses too.
    max_spline_degree : int
        Degree of B-splines at most: the recursion costs its square at every row.
    max_round_digits : int
        Digits of ``round`` at most: doubles have no more on either side of the point.
    table_entries_per_row : int
        Entries of a table of integers, per row, up to which it is cheaper than hashing or sorting.
    max_unused_bytes : int
        Bytes of columns that the model does not use and that are copied all the same: 64 MB.
    max_term_numbers : int
        Numbers in the columns of one term at most: 2 GB.
    exponent_from : float
        Number from which on R may print whole numbers with an exponent.
    label_exponent_from : float
        Number from which on a value is shown with an exponent in a label.
    """

    alias_tolerance: float = 1e-7
    independent_pivot: float = 1e-8
    max_polynomial_levels: int = 95
    max_spline_degree: int = 100
    max_round_digits: int = 300
    table_entries_per_row: int = 8
    max_unused_bytes: int = 2**26
    max_term_numbers: int = 2**28
    exponent_from: float = 1e5
    label_exponent_from: float = 1e15


DATA = DataSettings()
