"""Palettes (PS3.3 C.7.9): their tables as colours, and a Color Palette object drawn as the band it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.attributes import bulk_needs, bulk_path, bulk_value, text
from dicomweb.pixels.objects.canvas import Canvas, canvas_size, corner_text
from dicomweb.pixels.objects.contract import BulkNeed, Needs, PortraitRequest, Source
from dicomweb.pixels.render.attributes import BulkValues
from dicomweb.pixels.render.palette import read_palette

_TABLES = ("00281201", "00281202", "00281203", "00281221", "00281222", "00281223")
"""Red, Green, Blue Palette Color Lookup Table Data, and the segmented ones."""
_SIDE = 384


def palette_needs(header: JsonAttributes) -> tuple[BulkNeed, ...]:
    """The tables that are bulk values."""
    return tuple(bulk_needs(*((header, tag) for tag in _TABLES)))


def palette_of(header: JsonAttributes, source: Source, transfer_syntax: str) -> tuple[int, npt.NDArray[np.uint8]]:
    """First pixel value mapped, and the colours from there on, (entries, 3); none if there is no palette."""
    stored = [tag for tag in _TABLES if bulk_path(header, tag)]
    values = {bulk_path(header, tag): bulk_value(header, tag, source, transfer_syntax) for tag in stored}
    palette = read_palette(header, BulkValues(values), signed=False)
    return (palette.first, palette.colours) if palette else (0, np.empty((0, 3), np.uint8))


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """The tables."""
    return Needs(palette_needs(header))


def portray(header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str) -> Picture:
    """The colours from left to right. Raises ValueError if there is no table."""
    colours = palette_of(header, source, wanted.transfer_syntax)[1]
    if not len(colours):
        raise ValueError("a palette without colours")
    width, height = canvas_size(wanted.settings, default=(_SIDE, _SIDE // 2))
    across = np.arange(width) * len(colours) // width
    canvas = Canvas.over(np.broadcast_to(colours[across], (height, width, 3)))
    if width >= 192:
        corner_text(canvas, [text(header, "00700080"), f"{len(colours)} colours"])
    return canvas.picture()
