"""The tree of errors, one branch for each stage; every error a user can cause is one of these.

Words of error messages, and the check of a path that all who read or write share.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

MAX_MESSAGE_LENGTH = 300
_MAX_PATH_LENGTH = 120  # characters of a path that is too long
_EXCERPT_LENGTH = 60


class BayesLMEError(Exception):
    """Root of all errors of this package; the message is cut at 300 characters.

    Parameters
    ----------
    message : str
        What is wrong, where (argument, term, column or group) and what to do.
    """

    def __init__(self, message: str) -> None:
        super().__init__(
            message
            if len(message) <= MAX_MESSAGE_LENGTH
            else message[: MAX_MESSAGE_LENGTH - 4] + " ..."
        )


class SpecError(BayesLMEError):
    """The specification cannot be read: formula, R call, argument, structure or model file.

    Parameters
    ----------
    message : str
        What is wrong and what is allowed.
    text : str, optional
        The source that was being read.
    position : int, optional
        Offset of the culprit in `text`; with both given, the message ends in the source line and
        a caret below it.

    Attributes
    ----------
    text : str or None
    position : int or None

    Examples
    --------
    >>> print(SpecError("unknown function 'lmer'", text="lmer(y ~ x)", position=0))
    unknown function 'lmer' (position 1)
        lmer(y ~ x)
        ^
    """

    def __init__(
        self, message: str, *, text: str | None = None, position: int | None = None
    ) -> None:
        self.text = text
        self.position = position
        if text is None or position is None:
            super().__init__(message)
            return
        excerpt = _caret(text, position)
        room = MAX_MESSAGE_LENGTH - len(excerpt) - 20
        short = message if len(message) <= room else message[: room - 4] + " ..."
        super().__init__(f"{short} (position {position + 1})\n{excerpt}")


class DataError(BayesLMEError):
    """The data do not fit the specification: column, level, missing values, rank or grouping."""


class FitError(BayesLMEError):
    """A model that can be set up cannot be estimated, sampled or asked this question."""


class IdentificationWarning(UserWarning):
    """The data cannot tell two variances apart; the model is fitted all the same, as in nlme."""


def _caret(text: str, position: int) -> str:
    """The source around `position` on one line, and a caret under it."""
    start = max(0, min(position - _EXCERPT_LENGTH // 2, len(text) - _EXCERPT_LENGTH))
    line = "".join(" " if c.isspace() else c for c in text[start : start + _EXCERPT_LENGTH])
    return f"    {line.rstrip()}\n    {' ' * (position - start)}^"


def listed(names: Sequence[object], limit: int = 8, quote: str = "") -> str:
    """Names joined by commas, cut after `limit` of them.

    Examples
    --------
    >>> listed(["a", "b", "c"], limit=2, quote="'")
    "'a', 'b', ..."
    """
    shown = [f"{quote}{name}{quote}" for name in names[:limit]]
    return ", ".join([*shown, "..."] if len(names) > limit else shown)


def known_names(names: Iterable[object], words: str = "these are") -> str:
    """What may be named, or that there is nothing.

    Examples
    --------
    >>> known_names(["age", "Sex"]), known_names([])
    ('these are age, Sex', 'there are none')
    """
    shown = [str(name) for name in names]
    return f"{words} {', '.join(shown)}" if shown else "there are none"


def rows_of(count: int) -> str:
    """``"1 row"`` or ``"3 rows"``."""
    return "1 row" if count == 1 else f"{count} rows"


def shown(path: object) -> str:
    """A path as a message shows it: a long one without its middle, so that the reason is read.

    Examples
    --------
    >>> len(shown("folder/" * 100))
    120
    """
    text = str(path)
    half = _MAX_PATH_LENGTH // 2
    return text if len(text) <= _MAX_PATH_LENGTH else f"{text[: half - 3]}...{text[-half:]}"


def as_path(path: object, error: type[BayesLMEError] = DataError) -> Path:
    r"""Path that a file system can hold, whether there is something or not.

    Raises
    ------
    BayesLMEError
        For what is not a path, a path with the character NUL, or one that is too long.

    Examples
    --------
    >>> as_path("growth\0.nc")
    Traceback (most recent call last):
    bayeslme.errors.DataError: path: 'growth\x00.nc' has the character NUL in it
    """
    if not isinstance(path, str | Path):
        raise error(f"path: text or a pathlib.Path is needed, not {type(path).__name__}")
    name = repr(shown(path))
    try:
        os.stat(path)
    except ValueError as found:
        reason = "has the character NUL in it" if "\0" in str(path) else f"is no path ({found})"
        raise error(f"path: {name} {reason}") from found
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as found:
        raise error(f"path: {name} cannot be used: {found.strerror}") from found
    return Path(path)
