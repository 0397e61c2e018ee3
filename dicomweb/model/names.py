"""Person names and words as a search compares them: without case, without accents.

A search that says `muller` finds `Müller^Änne`; one that says `MULLER*` does too. Both sides go through
`fold_text`, so that the rule stands in one place: the query parser folds what a client typed, the catalog folds
what it stores.

A folded name is its component groups (PS3.5 6.2.1), each between equals signs: `=muller^anne=` for one group,
`=yamada^taro=山田^太郎=` for two, several values joined by a backslash. A group is then found by plain text
search.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_STROKES = str.maketrans(
    {
        "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ŧ": "t", "ŋ": "n",
        "æ": "ae", "œ": "oe", "þ": "th", "ĳ": "ij", "ĸ": "k",
    }
)  # fmt: skip
"""Letters that Unicode does not take apart into a base letter and an accent."""

_ACCENTS = (
    (0x0300, 0x036F),  # combining diacritical marks
    (0x0591, 0x05C7),  # Hebrew points
    (0x0610, 0x061A),  # Arabic signs
    (0x064B, 0x065F),  # Arabic vowels
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
)
"""Marks that may be left out in writing. Voice marks of kana and vowel signs of Indic scripts are not among
them: there they make another letter."""

_WORD = re.compile(r"[^\W_]+")
_PATTERN_WORD = re.compile(r"(?:[^\W_]|[*?])+")


@lru_cache(maxsize=8192)
def fold_text(text: str) -> str:
    """The text without case and accents, in composed form; `*` and `?` stay."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in apart if not _is_accent(ord(letter)))
    return unicodedata.normalize("NFC", bare.translate(_STROKES)).casefold()


def _is_accent(point: int) -> bool:
    return point >= 0x0300 and any(low <= point <= high for low, high in _ACCENTS)


def fold_name(text: str) -> str:
    """A person name, several joined by a backslash, as searches compare it.

    Trailing delimiters of a group say nothing (PS3.5 6.2.1.1), so they and blanks around components go.
    """
    return "\\".join(f"={'='.join(_fold_groups(value))}=" for value in text.split("\\"))


def _fold_groups(value: str) -> list[str]:
    groups = ["^".join(part.strip() for part in group.split("^")).rstrip("^") for group in value.split("=")]
    return [fold_text(group) for group in groups]


def name_words(text: str) -> tuple[str, ...]:
    """The folded words of every component of every group, each once, in their order."""
    return tuple(dict.fromkeys(_WORD.findall(fold_text(text))))


def pattern_words(text: str) -> tuple[str, ...]:
    """The folded words of what a client typed for a fuzzy match; `*` and `?` belong to the words."""
    return tuple(dict.fromkeys(_PATTERN_WORD.findall(fold_text(text))))


def joined_words(words: Iterable[str]) -> str:
    """Words as one text in which each stands between blanks, so that ` wor` finds the beginning of one."""
    return f" {' '.join(words)} "
