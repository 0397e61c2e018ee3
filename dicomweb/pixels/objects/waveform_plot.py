"""Waveforms drawn: the sheet of `waveform_sheet` as SVG in true millimetres, or as a picture."""

from __future__ import annotations

import html

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.model.tags import uid_name
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import text
from dicomweb.pixels.objects.canvas import WHITE, Canvas, Colour, canvas_size
from dicomweb.pixels.objects.contract import Needs, Portrait, PortraitRequest, Source
from dicomweb.pixels.objects.waveform import bulk_needs_of, groups_of
from dicomweb.pixels.objects.waveform_sheet import LONG_SECONDS, Grid, Sheet, lay_out

_FINE: Colour = (254, 240, 238)
_BOLD: Colour = (246, 202, 196)
"""Pale, since half of a JPEG of a chart is its paper."""
_CURVE: Colour = (20, 24, 40)
_LETTERS: Colour = (40, 44, 60)
_QUIET: Colour = (105, 110, 125)
_SCALE = 20
"""Steps a millimetre in the paths of the SVG: whole numbers keep it small."""
_PICTURE_WIDTH = 1120
"""Pixels."""


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """The first minute of each group."""
    return Needs(tuple(bulk_needs_of(header, LONG_SECONDS)))


def portray(
    header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str
) -> Portrait | Picture:
    """All groups on one sheet. Raises ValueError if there are no samples."""
    groups = groups_of(header, source, wanted.transfer_syntax, LONG_SECONDS)
    if not groups:
        raise ValueError("no samples")
    sheet = lay_out(groups, _title(header))
    if media_type == "image/svg+xml":
        return Portrait(media_type, svg(sheet).encode())
    return draw(sheet, wanted)


def _title(header: JsonAttributes) -> str:
    name = (uid_name(text(header, "00080016")) or "Waveform").removesuffix(" Storage")
    return "   ".join(filter(None, (name, text(header, "0008103E"))))


def svg(sheet: Sheet) -> str:
    """The sheet as an SVG document of its size in millimetres."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{sheet.width:g}mm" height="{sheet.height:g}mm" '
        f'viewBox="0 0 {sheet.width:g} {sheet.height:g}" font-family="sans-serif">',
        f'<rect width="{sheet.width:g}" height="{sheet.height:g}" fill="#fff"/>',
    ]
    for grid in sheet.grids:
        for lines, colour, thick in _grid_lines(grid):
            path = "".join(f"M{x1:.5g} {y1:.5g}L{x2:.5g} {y2:.5g}" for x1, y1, x2, y2 in lines)
            parts.append(f'<path d="{path}" stroke="{_hex(colour)}" stroke-width="{thick:g}" fill="none"/>')
    parts.append(
        f'<g transform="scale({1 / _SCALE:g})" fill="none" stroke="{_hex(_CURVE)}" '
        f'stroke-width="{0.25 * _SCALE:g}" stroke-linejoin="round">'
    )
    parts.extend(f'<path d="{"".join(map(_path, trace.pieces))}"/>' for trace in sheet.traces)
    parts.append("</g>")
    for one in sheet.words:
        colour, size = (_QUIET, 3.0) if one.quiet else (_LETTERS, 3.8)
        shown = html.escape("".join(letter for letter in one.text if letter.isprintable()))
        parts.append(
            f'<text x="{one.x:g}" y="{one.y:.5g}" font-size="{size}" fill="{_hex(colour)}">{shown}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def draw(sheet: Sheet, wanted: PortraitRequest) -> Picture:
    """The sheet as a picture of the viewport's size, drawn finer and scaled down where that is small."""
    shape = (_PICTURE_WIDTH, max(1, round(_PICTURE_WIDTH * sheet.height / sheet.width)))
    width, height = canvas_size(wanted.settings, default=shape, most=3000)
    scale = width / sheet.width
    canvas = Canvas(width, max(1, height), WHITE)
    small = scale < 2.0  # lines of paper would be closer than the eye can tell
    for grid in sheet.grids:
        for lines, colour, thick in _grid_lines(grid):
            if small and thick < 0.2 and grid.fine:
                continue
            for x1, y1, x2, y2 in lines:
                ends = [(round(x1 * scale), round(y1 * scale)), (round(x2 * scale), round(y2 * scale))]
                canvas.line(ends, _FINE if small else colour)
    for trace in sheet.traces:
        for piece in trace.pieces:
            canvas.line([(x, y) for x, y in (piece * scale).tolist()], _CURVE, max(1, round(scale * 0.3)))
    for one in sheet.words:
        size = round(scale * (3.0 if one.quiet else 3.8))
        if size >= 6:
            canvas.text(
                one.x * scale, one.y * scale, one.text, size, _QUIET if one.quiet else _LETTERS, anchor="ls"
            )
    return canvas.picture()


def _grid_lines(grid: Grid) -> list[tuple[list[tuple[float, float, float, float]], Colour, float]]:
    """Fine and bold lines as x1, y1, x2, y2, with their colour and thickness, mm."""
    right, bottom = grid.left + grid.width, grid.top + grid.height
    made = []
    for across, down, colour, thick in ((grid.fine, grid.fine, _FINE, 0.1), (grid.across, grid.down, _BOLD, 0.2)):
        if across > 0 and down > 0:
            upright = [(float(x), grid.top, float(x), bottom) for x in _steps(grid.left, right, across)]
            level = [(grid.left, float(y), right, float(y)) for y in _steps(grid.top, bottom, down)]
            made.append((upright + level, colour, thick))
    return made


def _steps(start: float, end: float, step: float) -> npt.NDArray[np.float64]:
    count = min(2000, int((end - start) / step + 1e-6))
    return np.asarray(start + np.arange(count + 1) * step, np.float64)


def _path(points: npt.NDArray[np.float64]) -> str:
    """A piece of a curve as relative whole steps."""
    whole = np.rint(points * _SCALE).astype(np.int64)
    first, moves = whole[0], np.diff(whole, axis=0)
    return f"M{first[0]} {first[1]}l" + " ".join(f"{x} {y}" for x, y in moves.tolist()) if len(whole) > 1 else ""


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
