"""One thread of the linear algebra library: the matrices here are small.

Threads of OpenBLAS or MKL wait for each other on them; on a busy machine that costs a factor of up
to 100.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def one_thread[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's linear algebra run in one thread.

    Underflow is an ordinary zero in all of it (a correlation of rows far apart), also where the
    caller has asked NumPy to raise.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        limit = _controller("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas")
        with limit, np.errstate(under="ignore"):
            return function(*args, **kwargs)

    return limited


@cache
def _controller(scipy: bool) -> ThreadpoolController:
    """The loaded libraries; SciPy brings one of its own."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
