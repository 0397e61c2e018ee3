"""Text in a picture: PIL's own font, and what to write of characters it does not have.

The font comes with PIL, so that nothing is read from the machine, and has the letters of English and little more.
Other letters are written as Latin ones where that is well known (accents dropped, Greek, Cyrillic, kana, hangul by
sound), else as `?`. Nothing here fails because of a text.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import ImageFont

LARGEST_LETTERS = 400
"""Pixels."""
MOST_LINES = 200

_SPECIAL = {
    "Æ": "AE", "æ": "ae", "Ø": "O", "ø": "o", "Œ": "OE", "œ": "oe", "ß": "ss", "ẞ": "SS", "Ð": "D", "ð": "d",
    "Þ": "Th", "þ": "th", "Đ": "D", "đ": "d", "Ł": "L", "ł": "l", "ı": "i", "Ħ": "H", "ħ": "h", "Ŋ": "N", "ŋ": "n",
    "–": "-", "—": "-", "‐": "-", "−": "-", "×": "x", "÷": ":", "≤": "<=", "≥": ">=", "≈": "~", "±": "+/-",
    "µ": "u", "μ": "m", "∅": "D", "→": "->", "←": "<-", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "‘": "'", "’": "'", "´": "'", "\u00a0": " ", "\u3000": " ", "・": " ", "ー": "-",
}  # fmt: skip
_CYRILLIC = (
    "аa бb вv гg дd еe ёe жzh зz иi йi кk лl мm нn оo пp рr сs тt уu фf хkh цts чch шsh щshch ъ ыy ь эe юiu яia "
    "іi єie їi ґg"
)
"""Letters and what they are written as: ALA-LC without its marks."""
_GREEK = "αa βv γg δd εe ζz ηi θth ιi κk λl μm νn ξx οo πp ρr σs ςs τt υy φf χch ψps ωo"
_ALPHABETS = {pair[0]: pair[1:] for pair in (_CYRILLIC + " " + _GREEK).split(" ")}
_BY_SOUND = ("HIRAGANA LETTER ", "KATAKANA LETTER ", "HANGUL SYLLABLE ")


def drawable(text: str) -> str:
    """The text in characters the font has; control characters other than line feeds are dropped."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(char if char == "\n" else _drawable_character(char) for char in composed)


@lru_cache(maxsize=4096)
def _drawable_character(char: str) -> str:
    if unicodedata.category(char) in ("Cc", "Cf"):
        return " " if char == "\t" else ""
    return char if _has_glyph(char) else "".join(part if _has_glyph(part) else "?" for part in _latin(char))


def _latin(char: str) -> str:
    """A character in Latin letters; itself if nothing is known of it, nothing for a mark on another."""
    if char in _SPECIAL:
        return _SPECIAL[char]
    plain = "".join(part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part))
    if plain.lower() in _ALPHABETS:
        letters = _ALPHABETS[plain.lower()]
        return letters if plain.islower() else letters.capitalize()
    plain = plain.replace("\u2044", "/")
    if plain.isascii():
        return plain
    name = unicodedata.name(char, "")
    for kind in _BY_SOUND:
        if name.startswith(kind):
            return name.removeprefix(kind).removeprefix("SMALL ").lower()
    return char


@lru_cache(maxsize=4096)
def _has_glyph(char: str) -> bool:
    """Whether the font draws it as itself: what it does not have looks like a character that cannot be."""
    if char == " ":
        return True
    font = _font(20)
    mask, missing = font.getmask(char), font.getmask("\uffff")
    return (mask.size, bytes(mask)) != (missing.size, bytes(missing))


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """PIL's font; without FreeType a bitmap font of one size."""
    from PIL import ImageFont

    return ImageFont.load_default(size=min(max(size, 6), LARGEST_LETTERS))


def text_size(text: str, size: float) -> tuple[float, float]:
    """Width and height in pixels of a text of some lines, written in letters of that height."""
    font, lines = _font(round(size)), _lines(text)
    return max((font.getlength(line) for line in lines), default=0.0), line_height(size) * len(lines)


def line_height(size: float) -> float:
    """Pixels from one line to the next."""
    return round(size * 1.25)


def shortened(text: str, size: float, width: float) -> str:
    """One line, cut off where it gets wider than `width` pixels."""
    font, line = _font(round(size)), drawable(text)
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + "...") > width:
        line = line[:-1]
    return line + "..." if line else ""


def _lines(text: str) -> list[str]:
    return drawable(text).split("\n")[:MOST_LINES]


def draw_text_mask(
    text: str, size: float, justification: str, stroke: int, *, left: float, top: float, rows: int, columns: int
) -> tuple[npt.NDArray[np.uint8], int, int] | None:
    """The mask of a text, `stroke` pixels bolder, as far as it lies in a picture of that size; its top and left.

    None if nothing of it is seen.
    """
    from PIL import Image, ImageDraw

    width, height = text_size(text, size)
    first_column, first_row = max(0, int(left) - stroke - 1), max(0, int(top) - stroke - 1)
    last_column = min(columns, int(left + width) + stroke + 2)
    last_row = min(rows, int(top + height) + stroke + 2)
    if first_column >= last_column or first_row >= last_row:
        return None
    image = Image.new("L", (last_column - first_column, last_row - first_row))
    draw, font = ImageDraw.Draw(image), _font(round(size))
    for number, line in enumerate(_lines(text)):
        free = width - font.getlength(line)
        shift = {"CENTER": free / 2, "RIGHT": free}.get(justification, 0.0)
        at = (left + shift - first_column, top + number * line_height(size) - first_row)
        draw.text(at, line, fill=255, font=font, stroke_width=stroke)
    return np.asarray(image), first_row, first_column
