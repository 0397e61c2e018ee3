"""Overlay planes of an image or a presentation state (PS3.3 C.9.2, C.9.3; PS3.5 8.1.2, 8.2).

Where the bits of a plane lie:

    Overlay Data (60xx,3000)   one bit a pixel, from the lowest bit of the first byte on; frames follow one another
                               without padding, counted from Image Frame Origin
    Pixel Data                 where there is no Overlay Data: the bit of every sample that Overlay Bit Position
                               (60xx,0102) names and Bits Stored leaves unused (retired, PS3.3-2004 C.9.2)

A plane that cannot be read is left out: it must not keep anybody from seeing the image. How planes look without a
presentation state is undefined (PS3.3 C.9.2). Here graphics are white, and of a region of interest it is only the
outline, since filling it hides what it points out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.presentation.planes import OverlayPlane
from dicomweb.pixels.render.attributes import BulkValues, first_number, first_text, numbers_of

GROUPS = range(0x6000, 0x6020, 2)
"""Sixteen overlay planes (PS3.5 7.6)."""
MOST_PIXELS = 100_000_000
"""Of one plane: more is not unpacked."""

_ROWS, _COLUMNS, _FRAMES, _TYPE, _ORIGIN = "0010", "0011", "0015", "0040", "0050"
_FRAME_ORIGIN, _BITS_ALLOCATED, _BIT_POSITION, _DATA = "0051", "0100", "0102", "3000"


def overlay_groups(header: JsonAttributes) -> list[int]:
    """Groups of which the data set has an overlay plane."""
    return [group for group in GROUPS if f"{group:04X}{_ROWS}" in header]


def overlay_paths(header: JsonAttributes) -> list[str]:
    """BulkDataURIs of the Overlay Data that `read_overlays` needs."""
    elements = (header.get(f"{group:04X}{_DATA}", {}) for group in overlay_groups(header))
    return [uri for element in elements if isinstance(uri := element.get("BulkDataURI"), str)]


def read_overlays(
    header: JsonAttributes,
    number: int,
    *,
    samples: npt.NDArray[Any] | None,
    bulk: Mapping[str, bytes],
) -> tuple[OverlayPlane, ...]:
    """The overlay planes that lie over frame `number` (1-based), in the order of their groups.

    `samples` are those of that frame as decoded, unused high bits included; None for a data set without pixels.
    `bulk` holds Overlay Data by BulkDataURI, little endian.
    """
    values = BulkValues(bulk)
    planes = (_read_plane(header, group, number, samples, values) for group in overlay_groups(header))
    return tuple(plane for plane in planes if plane is not None)


def _read_plane(
    header: JsonAttributes, group: int, number: int, samples: npt.NDArray[Any] | None, bulk: BulkValues
) -> OverlayPlane | None:
    name = f"{group:04X}"
    rows, columns = (int(first_number(header, name + tag) or 0) for tag in (_ROWS, _COLUMNS))
    element = header.get(name + _DATA, {})
    if "Value" in element or "InlineBinary" in element or "BulkDataURI" in element:
        bits = _frame_of(header, name, number, (rows, columns), bulk.read(element))
    else:
        bits = _embedded(header, name, samples)
    if bits is None:
        return None
    origin = numbers_of(header, name + _ORIGIN)
    top, left = (int(value) - 1 for value in origin[:2]) if len(origin) >= 2 else (0, 0)
    return OverlayPlane(group, bits, top, left, first_text(header, name + _TYPE).upper().startswith("R"))


def _frame_of(
    header: JsonAttributes, name: str, number: int, size: tuple[int, int], data: bytes
) -> npt.NDArray[np.bool_] | None:
    """The bits of one frame of Overlay Data (PS3.3 C.9.3.1); None if there are none for that frame.

    A plane that says nothing of frames lies over every frame of the image.
    """
    rows, columns = size
    pixels = rows * columns
    if rows < 1 or columns < 1 or pixels > MOST_PIXELS:
        return None
    index = 0
    frames = first_number(header, name + _FRAMES)
    first = first_number(header, name + _FRAME_ORIGIN)
    if frames is not None or first is not None:
        index = number - int(first or 1)
        if not 0 <= index < int(frames or 1):
            return None
    start, end = index * pixels, (index + 1) * pixels
    if end > 8 * len(data):
        return None
    packed = np.frombuffer(data, np.uint8)[start // 8 : -(-end // 8)]
    bits = np.unpackbits(packed, bitorder="little")[start % 8 : start % 8 + pixels]
    return bits.reshape(rows, columns).view(np.bool_)


def _embedded(header: JsonAttributes, name: str, samples: npt.NDArray[Any] | None) -> npt.NDArray[np.bool_] | None:
    """The bit of every sample that Overlay Bit Position names, if samples can have something in it."""
    position = first_number(header, name + _BIT_POSITION)
    allocated = first_number(header, "00280100")
    if samples is None or samples.ndim != 2 or samples.dtype.kind not in "ui" or position is None or not allocated:
        return None
    stored = int(first_number(header, "00280101") or allocated)
    high = int(first_number(header, "00280102") or stored - 1)
    if not 0 <= position < min(int(allocated), 8 * samples.itemsize) or high - stored < position <= high:
        return None
    words: npt.NDArray[Any] = samples.view(f"u{samples.itemsize}")
    bits: npt.NDArray[Any] = (words >> words.dtype.type(position)) & words.dtype.type(1)
    # a decoder that extends the sign has filled these bits: what looks like a plane is where values are negative
    if samples.dtype.kind == "i" and np.array_equal(bits, (samples < 0).astype(bits.dtype)):
        return None
    plane: npt.NDArray[np.bool_] = bits != 0
    return plane


def draw_overlays(
    picture: npt.NDArray[np.uint8], planes: tuple[OverlayPlane, ...], *, grey: int = 255
) -> npt.NDArray[np.uint8]:
    """The picture with the planes burned in; itself, unchanged, when there is nothing to draw.

    `picture` has the size of the image: (rows, columns) or (rows, columns, 3).
    """
    drawn = picture
    for window, bits in _cut_planes(planes, picture.shape[0], picture.shape[1]):
        if drawn is picture:
            drawn = picture.copy()
        drawn[window][bits] = grey
    return drawn


def plane_mask(plane: OverlayPlane, rows: int, columns: int) -> npt.NDArray[np.bool_]:
    """What the plane covers of an image of that size; of a region of interest the outline: (rows, columns)."""
    mask = np.zeros((rows, columns), np.bool_)
    for window, bits in _cut_planes((plane,), rows, columns):
        mask[window] = bits
    return mask


def outline(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pixels of an area that touch its outside with a side; the border of the array is outside."""
    padded = np.pad(bits, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return bits & ~inner


def _cut_planes(
    planes: tuple[OverlayPlane, ...], rows: int, columns: int
) -> Iterator[tuple[tuple[slice, slice], npt.NDArray[np.bool_]]]:
    """Each plane that reaches into an image of that size: the part of the image, and the bits for it."""
    for plane in planes:
        bits = outline(plane.bits) if plane.region_of_interest else plane.bits
        top, left = max(plane.top, 0), max(plane.left, 0)
        bottom, right = min(plane.top + bits.shape[0], rows), min(plane.left + bits.shape[1], columns)
        if top < bottom and left < right:
            cut = bits[top - plane.top : bottom - plane.top, left - plane.left : right - plane.left]
            yield (slice(top, bottom), slice(left, right)), cut
