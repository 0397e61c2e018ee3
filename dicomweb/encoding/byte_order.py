"""Reading the fixed parts of data elements in either byte order (PS3.5 7.1, 7.3).

Tags are read as one 32-bit word, since that is faster than two halves, and translated by tables that fill
themselves:

    bytes             10 00 20 00      (0010,0020) in little endian
    word              0x00200010       what `<L` makes of them
    text              "00100020"       the key in DICOM JSON
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

_REMEMBERED = 20_000
"""Tags of which the text is kept: more than the dictionary has, but no file can fill the memory with them."""


def _swapped(word: int) -> int:
    return (word & 0xFFFF) << 16 | word >> 16


class TagTexts(dict[int, str]):
    """Word of a tag to its eight upper-case hexadecimal digits; for group lengths (PS3.5 7.2) the empty text,
    under which a reader finds all of them to throw away."""

    def __init__(self, *, swapped: bool) -> None:
        super().__init__()
        self._swapped = swapped

    def __missing__(self, word: int) -> str:
        tag = _swapped(word) if self._swapped else word
        text = f"{tag:08X}" if tag & 0xFFFF else ""
        if len(self) < _REMEMBERED:
            self[word] = text
        return text


@dataclass(frozen=True, slots=True)
class ByteOrder:
    """One of the two byte orders."""

    sign: str
    """As `struct` writes it."""
    big: bool
    tag_vr_length: Callable[..., tuple[Any, ...]] = field(init=False)
    """Unpacks word, VR and 16-bit length of an explicit element: `(data, at)`."""
    tag_length: Callable[..., tuple[Any, ...]] = field(init=False)
    """Unpacks word and 32-bit length of an implicit element or an item: `(data, at)`."""
    long: Callable[..., tuple[Any, ...]] = field(init=False)
    """Unpacks a 32-bit length: `(data, at)`."""
    texts: TagTexts = field(init=False)
    item: int = field(init=False)
    """Word of the tag (FFFE,E000) that begins an item."""

    def __post_init__(self) -> None:
        set_field = object.__setattr__  # the dataclass is frozen for everybody else
        set_field(self, "tag_vr_length", Struct(self.sign + "L2sH").unpack_from)
        set_field(self, "tag_length", Struct(self.sign + "LL").unpack_from)
        set_field(self, "long", Struct(self.sign + "L").unpack_from)
        set_field(self, "texts", TagTexts(swapped=not self.big))
        set_field(self, "item", self.word(0xFFFEE000))

    def word(self, tag: int) -> int:
        """The word of a tag, and the tag of a word."""
        return tag if self.big else _swapped(tag)


LITTLE = ByteOrder("<", big=False)
BIG = ByteOrder(">", big=True)
