"""The sum of a formula's offset() terms."""

from __future__ import annotations

from collections.abc import Sequence

from bayeslme.data.coordinates import check_finite
from bayeslme.data.evaluation.evaluate import evaluate_number
from bayeslme.data.types import FloatArray
from bayeslme.data.variables.columns import Columns
from bayeslme.formula.expressions import Expr


def offset_values(
    offsets: Sequence[Expr], columns: Columns, *, finite: bool = False
) -> FloatArray | float:
    """Sum of offsets at the rows of some columns, (n,); 0 without any.

    Parameters
    ----------
    offsets : sequence of Expr
    columns : Columns
    finite : bool
        Refuse what is not finite, as in the data of a fit.

    Raises
    ------
    DataError
        For a factor, for text, and for values that are not finite.
    """
    if not offsets:
        return 0.0
    total: FloatArray | float = 0.0
    for one in offsets:
        values = evaluate_number(one, columns)
        if finite:
            check_finite(values, one, "offset")
        total = total + values
    return total
