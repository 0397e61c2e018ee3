"""Lines, areas and text on a picture, with soft edges.

Shapes are drawn by PIL as a mask several times as large as the picture, where that is not too large, and blended
with the picture through it. What has no colour of its own is white with a dark rim, and seen on any background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.frame import TooLarge
from dicomweb.pixels.presentation.model import BLACK, WHITE, Colour, Points
from dicomweb.pixels.presentation.polygons import clip_lines, clip_polygon, dashes
from dicomweb.pixels.presentation.text import draw_text_mask, text_size

Mask = npt.NDArray[np.uint8]
"""(rows, columns): 0 not covered, 255 covered."""

_MOST_MASK_PIXELS = 32_000_000
_MOST_DRAWN_PIXELS = 2_000_000_000
"""Of all masks of one picture; like the next two some seconds of drawing."""
_MOST_CORNERS = 150_000
"""Of all lines and areas of one picture."""
_MOST_LENGTH = 3_000_000
"""Of all lines and edges of one picture, in pixels."""
_FINEST = 4
_MARGIN = 4.0
RIM_OPACITY = 0.7


@dataclass(frozen=True, slots=True)
class Stroke:
    """One line or area in the picture."""

    points: Points
    """(n, 2) columns and rows; 0, 0 is the top left corner of the top left pixel."""
    width: float
    """Pixels."""
    colour: Colour | None
    """None: white with a dark rim."""
    opacity: float = 1.0
    filled: bool = False
    """The area inside instead of the line."""
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A text in the picture, of one or more lines."""

    text: str
    left: float
    top: float
    size: float
    """Height of the letters in pixels."""
    colour: Colour | None = None
    """None: white. Every text has a rim of the opposite brightness."""
    justification: str = "LEFT"


class Canvas:
    """A picture that is drawn on. It becomes a colour picture with the first colour."""

    def __init__(self, picture: npt.NDArray[np.uint8]) -> None:
        """`picture` is copied: (rows, columns) or (rows, columns, 3)."""
        self.picture: npt.NDArray[np.uint8] = np.array(picture, np.uint8, order="C")
        self._drawn = 0
        self._corners = 0
        self._length = 0.0

    @property
    def rows(self) -> int:
        """Of the picture."""
        return int(self.picture.shape[0])

    @property
    def columns(self) -> int:
        """Of the picture."""
        return int(self.picture.shape[1])

    def paint(self, mask: Mask, colour: Colour, *, top: int = 0, left: int = 0, opacity: float = 1.0) -> None:
        """Blend a colour in where the mask covers; the mask lies inside of the picture."""
        if self.picture.ndim == 2 and not colour.is_grey:
            self.picture = np.repeat(self.picture[:, :, np.newaxis], 3, axis=2)
        place = self.picture[top : top + mask.shape[0], left : left + mask.shape[1]]
        touched = mask > 0
        cover = np.rint(mask[touched] * min(opacity, 1.0)).astype(np.uint32)
        paint = np.array([colour.red, colour.green, colour.blue][: 1 if place.ndim == 2 else 3], np.uint32)
        if place.ndim == 3:
            cover = cover[:, np.newaxis]
        place[touched] = (place[touched] * (255 - cover) + paint * cover + 127) // 255

    def draw(self, strokes: Sequence[Stroke]) -> None:
        """Draw lines and areas one over the other; neighbours that look alike are drawn at once.

        Raises TooLarge if that would take very long.
        """
        self._count(strokes)
        run: list[Stroke] = []
        for stroke in strokes:
            if run and (stroke.colour, stroke.opacity) != (run[-1].colour, run[-1].opacity):
                self._draw_alike(run)
                run = []
            run.append(stroke)
        if run:
            self._draw_alike(run)

    def _count(self, strokes: Sequence[Stroke]) -> None:
        """Refuse what is too much before it is begun."""
        frame = np.array([self.columns, self.rows], np.float64)
        for stroke in strokes:
            self._corners += len(stroke.points)
            inside = np.clip(stroke.points, 0.0, frame)
            self._length += float(np.abs(np.diff(inside, axis=0)).sum())
            if self._corners > _MOST_CORNERS or self._length > _MOST_LENGTH:
                raise TooLarge("the graphics of the presentation state take too long to draw")

    def _draw_alike(self, strokes: Sequence[Stroke]) -> None:
        colour, opacity = strokes[0].colour, strokes[0].opacity
        if colour is None:
            rim = max(1.0, min(stroke.width for stroke in strokes) * 0.6)
            self._draw_mask(strokes, BLACK, opacity * RIM_OPACITY, rim)
        self._draw_mask(strokes, colour or WHITE, opacity, 0.0)

    def _draw_mask(self, strokes: Sequence[Stroke], colour: Colour, opacity: float, rim: float) -> None:
        finest = _FINEST if self._drawn < _MOST_DRAWN_PIXELS / 2 else 1
        drawn = _stroke_mask(strokes, rim, self.rows, self.columns, finest)
        if drawn is not None:
            mask, top, left, fine = drawn
            self._drawn += mask.size * fine**2
            if self._drawn > _MOST_DRAWN_PIXELS:
                raise TooLarge("the graphics of the presentation state take too long to draw")
            self.paint(mask, colour, top=top, left=left, opacity=opacity)

    def write(self, label: Label) -> None:
        """Write a text, readable on any background."""
        colour = label.colour or WHITE
        rim = WHITE if 2 * colour.red + 5 * colour.green + colour.blue < 1000 else BLACK
        thickness = max(1, round(label.size / 10))
        for stroke, paint in ((thickness, rim), (0, colour)):
            drawn = draw_text_mask(
                label.text, label.size, label.justification, stroke,
                left=label.left, top=label.top, rows=self.rows, columns=self.columns,
            )  # fmt: skip
            if drawn is not None:
                mask, top, left = drawn
                self.paint(mask, paint, top=top, left=left)


def line_width(rows: int, columns: int) -> float:
    """The usual thickness of a line in a picture of that size, in pixels."""
    return max(1.2, min(rows, columns) / 400)


def letter_size(rows: int, columns: int) -> float:
    """The usual height of letters in a picture of that size, in pixels."""
    return min(max(min(rows, columns) / 36, 10.0), 96.0)


def fitting_size(text: str, width: float, height: float, *, usual: float) -> float:
    """The height of letters at which a text fits a box, at most twice the usual one.

    Rather than become unreadable the text leaves the box (PS3.3 C.10.5.1.1).
    """
    if width < 2 or height < 2:
        return usual
    across, down = text_size(text, usual)
    fits = usual * min(width / max(across, 1.0), height / max(down, 1.0))
    return min(max(fits, 0.8 * usual), 2 * usual)


def _stroke_mask(
    strokes: Sequence[Stroke], rim: float, rows: int, columns: int, finest: int
) -> tuple[Mask, int, int, int] | None:
    """The mask of strokes, each `rim` pixels wider on all sides, and the row and column of its first pixel.

    Last comes how many times as large it was drawn, at most `finest`.
    """
    reach = max(stroke.width for stroke in strokes) / 2 + rim + _MARGIN
    lows = np.array([stroke.points.min(axis=0) for stroke in strokes]).min(axis=0) - reach
    highs = np.array([stroke.points.max(axis=0) for stroke in strokes]).max(axis=0) + reach
    left, top = (int(np.floor(max(low, 0.0))) for low in lows)
    right, bottom = int(np.ceil(min(highs[0], columns))), int(np.ceil(min(highs[1], rows)))
    if left >= right or top >= bottom:
        return None
    from PIL import Image, ImageDraw

    pixels = (right - left) * (bottom - top)
    fine = next((n for n in range(finest, 1, -1) if pixels * n * n <= _MOST_MASK_PIXELS), 1)
    image = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        _draw_stroke(
            draw, stroke, rim, fine, (left - reach, top - reach, right + reach, bottom + reach), (left, top)
        )
    if fine > 1:
        image = image.reduce(fine)
    return np.asarray(image), top, left, fine


def _draw_stroke(
    draw: object, stroke: Stroke, rim: float, fine: int, bounds: tuple[float, float, float, float],
    origin: tuple[int, int],
) -> None:  # fmt: skip
    from PIL import ImageDraw

    assert isinstance(draw, ImageDraw.ImageDraw)
    width = max(1, round((stroke.width + 2 * rim) * fine))

    def pixels(points: Points) -> list[tuple[float, float]]:
        # PIL counts from the centre of the first pixel, DICOM from its corner
        return [(x, y) for x, y in ((points - origin) * fine - 0.5).tolist()]

    if stroke.filled:
        area = clip_polygon(stroke.points, *bounds)
        if len(area) >= 3:
            draw.polygon(pixels(area), fill=255)
        return
    if len(stroke.points) == 1:
        x, y = pixels(np.clip(stroke.points, bounds[:2], bounds[2:]))[0]
        half = width / 2
        draw.ellipse((x - half, y - half, x + half, y + half), fill=255)
        return
    for line in clip_lines(stroke.points, *bounds):
        pieces = dashes(line, 6 * stroke.width, 4 * stroke.width) if stroke.dashed else [line]
        for piece in pieces:
            corners = pixels(piece)
            if len(corners) > 2 and corners[0] == corners[-1]:
                corners.append(corners[1])
            draw.line(corners, fill=255, width=width, joint="curve" if len(corners) < 5_000 else None)
