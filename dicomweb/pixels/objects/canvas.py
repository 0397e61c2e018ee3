"""A surface to draw on: lines, areas and lettering for cards, plots and legends, over Pillow.

The lettering is the one face that Pillow carries with it, so that pictures are the same on every machine. It has
the letters of ASCII and little more: `drawable` writes what it can of other text without accents, and leaves out
what it cannot.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from dicomweb.pixels.frame import Picture
from dicomweb.pixels.render.settings import RenderSettings

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255 (sRGB)."""

BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
INK: Colour = (226, 232, 240)
"""Lettering on dark ground."""
QUIET: Colour = (148, 163, 184)
"""Lettering of less weight."""
GROUND: Colour = (17, 24, 39)
"""Dark ground of cards and plots."""

_LIKE = str.maketrans({"µ": "u", "μ": "u", "ß": "ss", "Ø": "O", "ø": "o", "Æ": "AE", "æ": "ae", "ł": "l", "Ł": "L",
                       "²": "2", "³": "3", "–": "-", "—": "-", "−": "-", "×": "x", "\u00a0": " "})  # fmt: skip
"""Letters that have no other form than themselves, by those that stand in for them."""


_MOST_LETTERS = 2000
"""Of a text: more are never seen, and measuring them takes long."""


def drawable(text: str) -> str:
    """The text in letters that can be drawn: accents are dropped, what has no Latin form becomes nothing."""
    apart = unicodedata.normalize("NFKD", text[:_MOST_LETTERS].translate(_LIKE))
    return " ".join(
        "".join(one if one != "\n" else " " for one in apart if " " <= one <= "~" or one == "\n").split()
    )


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The face at that height in pixels."""
    return ImageFont.load_default(size)


def canvas_size(settings: RenderSettings, *, default: tuple[int, int], most: int = 2048) -> tuple[int, int]:
    """Width and height for something drawn: what the viewport asks for, within 96 and `most` pixels."""
    viewport = settings.viewport
    if viewport is None:
        return default
    width, height = default
    factor = min(
        (viewport.width or 1 << 16) / width,
        (viewport.height or 1 << 16) / height,
    )
    factor = min(max(factor, 96 / min(width, height)), most / max(width, height))
    return round(width * factor), round(height * factor)


class Canvas:
    """A picture in the making."""

    def __init__(self, width: int, height: int, ground: Colour = GROUND) -> None:
        self.image = Image.new("RGB", (width, height), ground)
        self._draw = ImageDraw.Draw(self.image)

    @classmethod
    def over(cls, array: npt.NDArray[np.uint8]) -> Canvas:
        """A canvas that begins as this picture, (rows, columns) or (rows, columns, 3)."""
        canvas = cls(1, 1)
        canvas.image = Image.fromarray(np.ascontiguousarray(array)).convert("RGB")
        canvas._draw = ImageDraw.Draw(canvas.image)
        return canvas

    @property
    def width(self) -> int:
        """Pixels."""
        return self.image.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.image.height

    def picture(self) -> Picture:
        """What has been drawn."""
        return Picture(np.array(self.image, dtype=np.uint8))

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: int = 1) -> None:
        """A run of straight lines through points (x, y)."""
        if len(points) > 1:
            self._draw.line(list(points), fill=colour, width=width, joint="curve" if width > 2 else None)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour, width: int = 1) -> None:
        """A closed outline."""
        if points:
            self.line([*points, points[0]], colour, width)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle."""
        if right >= left and bottom >= top:
            self._draw.rectangle((left, top, right, bottom), fill=colour)

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled disc."""
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def text(self, x: float, y: float, text: str, size: int, colour: Colour = INK, *, anchor: str = "la") -> float:
        """Lettering with its top left corner (or the `anchor` of Pillow's names) at a point; its width."""
        shown = drawable(text)
        face = font(size)
        self._draw.text((x, y), shown, fill=colour, font=face, anchor=anchor)
        return float(face.getlength(shown))


def text_width(text: str, size: int) -> float:
    """Pixels that lettering of this height takes."""
    return float(font(size).getlength(drawable(text)))


def shortened(text: str, size: int, width: float) -> str:
    """The text, cut to fit and ended by dots where it is too long."""
    shown = drawable(text)
    if text_width(shown, size) <= width:
        return shown
    low, high = 0, len(shown)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(shown[:middle] + "...", size) <= width else (low, middle - 1)
    return shown[:low].rstrip() + "..." if low else ""


def wrapped(text: str, size: int, width: float, lines: int) -> list[str]:
    """The text in at most so many lines, broken between words; the last is cut if it is too long."""
    words = drawable(text).split()
    made: list[str] = []
    current = ""
    for place, word in enumerate(words):
        trial = f"{current} {word}".strip()
        if current and text_width(trial, size) > width:
            if len(made) == lines - 1:
                return [*made, shortened(" ".join([current, *words[place:]]), size, width)]
            made.append(current)
            current = word
        else:
            current = trial
    return [*made, shortened(current, size, width)] if current else made


def corner_text(canvas: Canvas, lines: Sequence[str], *, size: int = 12, colour: Colour = INK) -> None:
    """Small lines on a dark ground in the lower left corner, as many as have room."""
    room = max(0, (canvas.height - 6) // (size + 4))
    shown = [one for one in (shortened(line, size, canvas.width - 12) for line in lines) if one][:room]
    if not shown:
        return
    top = canvas.height - len(shown) * (size + 4) - 4
    canvas.box(0, top, max(text_width(one, size) for one in shown) + 12, canvas.height, BLACK)
    for place, line in enumerate(shown):
        canvas.text(6, top + 2 + place * (size + 4), line, size, colour)
