"""Checks of arguments that many verbs have; errors name the argument and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayeslme.errors import FitError


def check_probability(value: Any, name: str = "level") -> None:
    """Refuse what is no number between 0 and 1, the ends left out.

    Raises
    ------
    FitError
    """
    if not (isinstance(value, float | np.floating) and 0 < value < 1):
        raise FitError(f"{name}: a number between 0 and 1 is needed, not {value!r:.60}")


def check_choice(value: Any, allowed: Sequence[str], name: str) -> None:
    """Refuse what is none of some words.

    Raises
    ------
    FitError
    """
    if not (isinstance(value, str) and value in allowed):
        raise FitError(f"{name}: {value!r:.60} is none of {', '.join(map(repr, allowed))}")


def check_count(value: Any, name: str) -> None:
    """Refuse what is no whole number from 1 on.

    Raises
    ------
    FitError
    """
    if not (_is_whole(value) and value >= 1):
        raise FitError(f"{name}: a whole number, at least 1, is needed, not {value!r:.60}")


def check_lag(value: Any, name: str) -> None:
    """Refuse what is no whole number of lags, 0 included.

    Raises
    ------
    FitError
    """
    if not (_is_whole(value) and value >= 0):
        raise FitError(f"{name}: a whole number of lags, 0 or more, is needed, not {value!r:.60}")


def check_seed(value: Any) -> None:
    """Refuse what is no seed: None or a whole number from 0 on.

    Raises
    ------
    FitError
    """
    if value is not None and not (_is_whole(value) and value >= 0):
        raise FitError(f"seed: None or a whole number from 0 on is needed, not {value!r:.60}")


def check_generator(value: Any) -> None:
    """Refuse what is neither a seed nor a NumPy generator.

    Raises
    ------
    FitError
    """
    if not isinstance(value, np.random.Generator):
        check_seed(value)


def check_number(value: Any, name: str) -> None:
    """Refuse what is no finite number.

    Raises
    ------
    FitError
    """
    known = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not (known and np.isfinite(value)):
        raise FitError(f"{name}: a number is needed, not {value!r:.60}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def names_of_fits(count: int, names: Sequence[str] | None, *taken: str) -> list[str]:
    """Labels of several fits: those given, or ``fit1``, ``fit2``, ...; none of them `taken`.

    Raises
    ------
    FitError
        For a wrong number of names, and where two are equal.
    """
    if names is None:
        return [f"fit{k}" for k in range(1, count + 1)]
    called = list(names)
    different = len({*called, *taken}) == count + len(taken)
    if isinstance(names, str) or len(called) != count or not different:
        but = f", none of them {' or '.join(map(repr, taken))}" if taken else ""
        raise FitError(f"names: {count} different names are needed{but}")
    return called
