"""The text of a prior, read by a grammar of three rules and never evaluated.

prior    := name "(" [ argument { "," argument } ] ")"
argument := [ name "=" ] value
value    := number | "[" number { "," number } "]"
"""

from __future__ import annotations

import math
from typing import NoReturn

from bayeslme.errors import SpecError

Value = float | tuple[float, ...]


class Reader:
    """Recursive descent over one text; every error names the text and the position."""

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        self.at = 0

    def prior(self) -> tuple[str, list[Value], dict[str, Value]]:
        """Name, arguments by position, and arguments by name."""
        name = self._name()
        positional: list[Value] = []
        named: dict[str, Value] = {}
        self._take("(")
        while not self._found(")"):
            if positional or named:
                self._take(",")
            key, value = self._argument()
            if key is None and named:
                self._fail("an argument without a name cannot follow one with a name")
            if key is None:
                positional.append(value)
            elif key in named:
                self._fail(f"'{key}' is given twice")
            else:
                named[key] = value
        self._skip()
        if self.at < len(self.text):
            self._fail("nothing may follow the closing parenthesis")
        return name, positional, named

    def _argument(self) -> tuple[str | None, Value]:
        self._skip()
        start = self.at
        if self._peek().isalpha() and not self._is_number_word():
            key = self._name()
            self._take("=")
            return key, self._value()
        self.at = start
        return None, self._value()

    def _value(self) -> Value:
        if not self._found("["):
            return self._number()
        values = [self._number()]
        while not self._found("]"):
            self._take(",")
            values.append(self._number())
        return tuple(values)

    def _number(self) -> float:
        self._skip()
        end = self.at
        while end < len(self.text) and (self.text[end].isalnum() or self._in_number(end)):
            end += 1
        word = self.text[self.at : end]
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            self._fail("a number is needed")
        self.at = end
        return number

    def _in_number(self, at: int) -> bool:
        sign_after_exponent = self.text[at] in "+-" and (at == self.at or self.text[at - 1] in "eE")
        return self.text[at] == "." or sign_after_exponent

    def _is_number_word(self) -> bool:
        return self.text[self.at :].lower().startswith("inf")

    def _name(self) -> str:
        self._skip()
        end = self.at
        while end < len(self.text) and (self.text[end].isalnum() or self.text[end] == "_"):
            end += 1
        name = self.text[self.at : end]
        if not name.isidentifier():
            self._fail("a name is needed")
        self.at = end
        return name

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else "\0"

    def _skip(self) -> None:
        while self._peek().isspace():
            self.at += 1

    def _found(self, token: str) -> bool:
        self._skip()
        if self._peek() == token:
            self.at += 1
            return True
        return False

    def _take(self, token: str) -> None:
        if not self._found(token):
            self._fail(f"'{token}' is needed")

    def _fail(self, problem: str) -> NoReturn:
        msg = f"{self.where}: cannot read the prior '{self.text}': {problem}"
        raise SpecError(msg, text=self.text, position=min(self.at, len(self.text)))
