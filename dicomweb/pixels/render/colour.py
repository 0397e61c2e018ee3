"""Colour samples to red, green and blue of the screen (PS3.3 C.7.6.3.1.2).

more than 8 bits a sample   scaled to 8 first, for every colour space alike
YBR_FULL, YBR_FULL_422      ITU-R BT.601, full range (JPEG's); chroma is up-sampled by the decoder
YBR_PARTIAL_420, _422       the same after luma 16 .. 235 and chroma 16 .. 240 are stretched
YBR_ICT, YBR_RCT, RGB, XYB  red, green and blue already: the codec has undone its transform
ARGB, CMYK, HSV             retired with DICOM 2001; shown as well as can be, alpha left out
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.frame import Undecodable
from dicomweb.pixels.render.samples import SampleLayout, look_up


def render_colour(array: npt.NDArray[Any], layout: SampleLayout, photometric: str) -> npt.NDArray[np.uint8]:
    """(rows, columns, 3) for samples of (rows, columns, 3 or 4). Raises Undecodable for other shapes."""
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise Undecodable(f"{array.shape[-1]} samples a pixel are no colour that DICOM knows")
    eight = to_eight_bits(array, layout)
    if eight.shape[2] == 4:
        return _four_samples(eight, photometric)
    if photometric.startswith("YBR_PARTIAL"):
        return _by_pillow(_stretched(eight), "YCbCr")
    if photometric.startswith("YBR_FULL"):
        return _by_pillow(eight, "YCbCr")
    if photometric == "HSV":
        return _by_pillow(eight, "HSV")
    return eight


def to_eight_bits(array: npt.NDArray[Any], layout: SampleLayout) -> npt.NDArray[np.uint8]:
    """Samples of any width as 0 to 255; the whole range of Bits Stored is scaled, floats from 0 to 1."""
    if layout.bits_allocated == 8 and layout.all_bits_used and not layout.signed:
        return np.ascontiguousarray(array, np.uint8)
    if layout.tabular:
        return look_up(_narrowing(layout), array)
    if layout.floating:
        parts: npt.NDArray[np.float64] = np.clip(np.nan_to_num(array.astype(np.float64)), 0.0, 1.0)
        return np.floor(parts * 255.0 + 0.5).astype(np.uint8)
    values = layout.values(array.astype(np.int64)) - layout.lowest
    return (values >> max(0, layout.bits_stored - 8)).astype(np.uint8)


@lru_cache(maxsize=8)
def _narrowing(layout: SampleLayout) -> npt.NDArray[np.uint8]:
    values = layout.patterns() - layout.lowest
    return np.floor(values * 255.0 / (layout.highest - layout.lowest) + 0.5).astype(np.uint8)


def _four_samples(array: npt.NDArray[np.uint8], photometric: str) -> npt.NDArray[np.uint8]:
    if photometric == "CMYK":
        # Pillow takes ink as 0 to 255, as DICOM did
        return _by_pillow(array, "CMYK")
    if photometric == "ARGB":
        return np.ascontiguousarray(array[:, :, 1:])
    return np.ascontiguousarray(array[:, :, :3])


def _stretched(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Samples of the partial range spread over the full one: what is 16 to 235 (240) becomes 0 to 255."""
    codes = np.arange(256, dtype=np.float64)
    luma = np.clip((codes - 16.0) * 255.0 / 219.0, 0.0, 255.0)
    chroma = np.clip((codes - 128.0) * 255.0 / 224.0 + 128.0, 0.0, 255.0)
    tables = [np.floor(table + 0.5).astype(np.uint8) for table in (luma, chroma, chroma)]
    return np.stack([table.take(array[:, :, sample]) for sample, table in enumerate(tables)], axis=2)


def _by_pillow(array: npt.NDArray[np.uint8], mode: str) -> npt.NDArray[np.uint8]:
    from PIL import Image

    rows, columns = array.shape[:2]
    image = Image.frombuffer(mode, (columns, rows), np.ascontiguousarray(array), "raw", mode, 0, 1)
    return np.asarray(image.convert("RGB"))
