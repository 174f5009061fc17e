"""Short column names for wide tables, as R makes them.

Lower-case vowels go first, from the right, then lower-case letters, then whatever is left; the
first character of a word stays. A name that would not be unique keeps more letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

VOWELS = frozenset("aeiou")


def _begins_word(text: Sequence[str], i: int) -> bool:
    return text[i - 1].isspace()


def _ends_word(text: Sequence[str], i: int) -> bool:
    last = i + 1 == len(text) or text[i + 1].isspace()
    return last and not text[i - 1].isspace()


def _is_lower(letter: str) -> bool:
    return letter.isascii() and letter.islower()


Rule = Callable[[Sequence[str], int], bool]
RULES: tuple[Rule, ...] = (
    lambda t, i: t[i] in VOWELS and _ends_word(t, i),
    lambda t, i: t[i] in VOWELS and not _begins_word(t, i),
    lambda t, i: _is_lower(t[i]) and _ends_word(t, i),
    lambda t, i: _is_lower(t[i]) and not _begins_word(t, i),
    lambda t, i: not t[i].isspace() and not _begins_word(t, i),
)


def shorten(name: str, length: int) -> str:
    """Abbreviate one name to `length` characters; blanks, which part words, are not counted.

    Examples
    --------
    >>> shorten("SexFemale", 6), shorten("I(age - 11)", 6)
    ('SexFml', 'I(-11)')
    """
    text = list(name.strip())
    if len(text) <= length:
        return "".join(text)
    blanks = sum(c.isspace() for c in text)
    for rule in RULES:
        for i in range(len(text) - 1, 0, -1):
            if len(text) - blanks <= length:
                break
            if rule(text, i):
                del text[i]
    return "".join(c for c in text if not c.isspace())


def abbreviate(names: Sequence[str], length: int = 6) -> list[str]:
    """Abbreviate names to `length` characters or as many more as keep them apart.

    Parameters
    ----------
    names : sequence of str
    length : int

    Returns
    -------
    list of str

    Examples
    --------
    >>> abbreviate(["(Intercept)", "VarietyMarvellous", "VarietyVictory"])
    ['(Intr)', 'VrtyMr', 'VrtyVc']
    """
    result = {name: shorten(name, length) for name in names}
    longest = max(map(len, names), default=0)
    while length < longest:
        counts = Counter(result.values())
        clashing = [name for name, short in result.items() if counts[short] > 1]
        if not clashing:
            break
        length += 1
        result |= {name: shorten(name, length) for name in clashing}
    return [result[name] for name in names]
