"""Control of the estimation: ``lmeControl(...)``, ``glsControl(...)``, or a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from bayeslme.errors import SpecError

OPTIONS = (
    "sigma", "max_iter", "maxIter", "msMaxIter", "tolerance", "niterEM", "msMaxEval", "msTol",
    "msVerbose", "returnObject", "gradHess", "apVar", ".relStep", "minAbsParApVar", "opt",
    "optimMethod", "natural", "singular.ok", "allow.n.lt.q", "nlmStepMax", "step.min", "step.max",
)  # fmt: skip
_ITERATIONS = ("max_iter", "msMaxIter", "maxIter")
_OBEYED = OPTIONS[:4]


@dataclass(frozen=True, slots=True)
class Control:
    """What the user asked of the optimiser.

    Attributes
    ----------
    sigma : float or None
        Residual standard deviation held at this value; None where it is estimated.
    max_iter : int or None
        Limit of iterations; None for the engine's own.
    options : tuple of (str, value)
        All options under R's names; those that steer only R's optimisers, its tolerances among
        them, are kept so that the call can be written back, and have no effect here.
    """

    sigma: float | None = None
    max_iter: int | None = None
    options: tuple[tuple[str, Any], ...] = ()


def make_control(options: Mapping[str, Any] | Control | None) -> Control:
    """Check control options.

    Parameters
    ----------
    options : mapping, Control or None
        R's names, or ``max_iter``.

    Returns
    -------
    Control

    Raises
    ------
    SpecError
        For unknown options and values out of range.

    Examples
    --------
    >>> make_control({"sigma": 1.4, "msMaxIter": 200}).max_iter
    200
    """
    if options is None:
        return Control()
    if isinstance(options, Control):
        return options
    if not isinstance(options, Mapping):
        raise SpecError(
            f"control is a mapping such as {{'sigma': 1.4}}, not {type(options).__name__}"
        )
    for name in options:
        check_option(name)
    limit = next((options[n] for n in _ITERATIONS if options.get(n) is not None), None)
    sigma = _positive(options.get("sigma") or None, "sigma")  # R: sigma = 0 means estimate it
    count = _positive(limit, "the limit of iterations")
    if count is not None and count % 1:
        raise SpecError(f"control: the limit of iterations is a whole number, not {limit!r}")
    kept = tuple(
        ("msMaxIter" if k == "max_iter" else str(k), _plain(v))
        for k, v in options.items()
        if v is not None
    )
    return Control(sigma, None if count is None else int(count), kept)


def check_option(name: Any) -> None:
    """Raise a SpecError for an option that neither nlme nor this package knows."""
    if name not in OPTIONS:
        near = get_close_matches(str(name), OPTIONS, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        allowed = ", ".join(_OBEYED)
        raise SpecError(
            f"unknown control option '{name}'{hint}; {allowed} and R's lmeControl are known"
        )


def _positive(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < float("inf")
    ):
        raise SpecError(f"control: {what} is a positive number, not {value!r}")
    return float(value)


def _plain(value: Any) -> Any:
    """Numbers as floats, so that options read from R and from Python compare equal."""
    return value if isinstance(value, bool | str) or not isinstance(value, int) else float(value)
