"""One thread of the linear algebra library: the matrices here are small.

Threads of OpenBLAS or MKL wait for each other on them; on a busy machine that costs a factor of up
to 100.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def one_thread[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's linear algebra run in one thread."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller("scipy.linalg" in sys.modules).limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _controller(scipy: bool) -> ThreadpoolController:
    """The loaded libraries; SciPy brings one of its own."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
