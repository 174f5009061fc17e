"""How large a model matrix may be: told before the memory is asked for."""

from __future__ import annotations

from bayeslme.errors import DataError

MAX_ENTRIES = 2**28  # of one term's columns: 2 GB


def check_size(n: int, columns: int, what: str) -> None:
    """Refuse columns that no memory holds, before they are made.

    Parameters
    ----------
    n, columns : int
        Rows and columns that would be made.
    what : str
        The term, for the message.

    Raises
    ------
    DataError
    """
    if n * columns > MAX_ENTRIES:
        msg = (
            f"'{what}' would make {columns} columns of {n} rows, more than {MAX_ENTRIES} numbers; "
            "use random effects for so many"
        )
        raise DataError(msg)
