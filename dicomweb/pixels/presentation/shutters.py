"""Display shutters: what of an image is to be hidden (PS3.3 C.7.6.11, C.7.6.15, C.11.12)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.presentation.layers import colour_of_cielab, colour_of_p_value
from dicomweb.pixels.presentation.model import (
    BLACK,
    BadPresentation,
    BitmapShutter,
    CircularShutter,
    Colour,
    PolygonalShutter,
    RectangularShutter,
    Shutter,
    Shutters,
)
from dicomweb.pixels.presentation.overlays import plane_mask
from dicomweb.pixels.presentation.planes import OverlayPlane
from dicomweb.pixels.presentation.polygons import clip_polygon
from dicomweb.pixels.render.attributes import first_number, numbers_of, values_of

MOST_VERTICES = 100_000
_FARTHEST = 1e9

_SHAPE, _VALUE, _GROUP, _COLOUR = "00181600", "00181622", "00181623", "00181624"
_LEFT, _RIGHT, _UPPER, _LOWER = "00181602", "00181604", "00181606", "00181608"
_CENTER, _RADIUS, _VERTICES = "00181610", "00181612", "00181620"


def read_shutters(header: JsonAttributes) -> Shutters:
    """The shutters of a data set. Raises BadPresentation if one lacks what its shape needs."""
    names = [value.strip().upper() for value in values_of(header, _SHAPE) if isinstance(value, str)]
    shapes = tuple(_READERS[name](header) for name in dict.fromkeys(names) if name in _READERS)
    colour = colour_of_cielab(numbers_of(header, _COLOUR))
    if colour is None:
        grey = first_number(header, _VALUE)
        colour = BLACK if grey is None else colour_of_p_value(grey)
    return Shutters(shapes, colour)


def _rectangle(header: JsonAttributes) -> Shutter:
    left, right, top, bottom = (_whole(header, tag) for tag in (_LEFT, _RIGHT, _UPPER, _LOWER))
    return RectangularShutter(min(left, right), max(left, right), min(top, bottom), max(top, bottom))


def _circle(header: JsonAttributes) -> Shutter:
    center = numbers_of(header, _CENTER)
    radius = first_number(header, _RADIUS)
    if len(center) < 2 or radius is None or radius < 0:
        raise BadPresentation("a circular shutter needs its center (0018,1610) and radius (0018,1612)")
    return CircularShutter(_bounded(center[0]), _bounded(center[1]), min(radius, _FARTHEST))


def _polygon(header: JsonAttributes) -> Shutter:
    numbers = numbers_of(header, _VERTICES)
    if len(numbers) < 6 or len(numbers) % 2:
        raise BadPresentation("a polygonal shutter needs at least three vertices, row and column (0018,1620)")
    if len(numbers) > 2 * MOST_VERTICES:
        raise BadPresentation(f"a polygonal shutter of more than {MOST_VERTICES} vertices (0018,1620)")
    vertices = np.clip(np.array(numbers, np.float64), -_FARTHEST, _FARTHEST)
    return PolygonalShutter(vertices.reshape(-1, 2)[:, ::-1].copy())


def _bitmap(header: JsonAttributes) -> Shutter:
    return BitmapShutter(_whole(header, _GROUP))


_READERS = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon, "BITMAP": _bitmap}


def _whole(header: JsonAttributes, tag: str) -> int:
    number = first_number(header, tag)
    if number is None:
        raise BadPresentation(f"a display shutter lacks a number in ({tag[:4]},{tag[4:]})")
    return _bounded(number)


def _bounded(number: float) -> int:
    return int(min(max(number, -_FARTHEST), _FARTHEST))


def shut(
    picture: npt.NDArray[np.uint8], shutters: Shutters, planes: tuple[OverlayPlane, ...], *, aspect: float = 1.0
) -> npt.NDArray[np.uint8]:
    """The picture with everything hidden that one of the shutters hides; itself without shutters.

    `picture` has the size of the image, (rows, columns) or (rows, columns, 3); a colour makes a grey one RGB.
    `planes` are those a bitmap shutter may name. `aspect`: height of a pixel by its width.
    """
    if not shutters.shapes:
        return picture
    rows, columns = picture.shape[:2]
    hidden = np.zeros((rows, columns), np.bool_)
    for shape in shutters.shapes:
        hidden |= _hidden(shape, rows, columns, planes, aspect)
    shown = coloured(picture, shutters.colour)
    shown = shown.copy() if shown is picture else shown
    shown[hidden] = _sample(shown, shutters.colour)
    return shown


def coloured(picture: npt.NDArray[np.uint8], colour: Colour) -> npt.NDArray[np.uint8]:
    """The picture as one that can hold the colour: a grey one becomes (rows, columns, 3) for a colour."""
    if picture.ndim == 3 or colour.is_grey:
        return picture
    return np.repeat(picture[:, :, np.newaxis], 3, axis=2)


def _sample(picture: npt.NDArray[np.uint8], colour: Colour) -> tuple[int, int, int] | int:
    return colour.red if picture.ndim == 2 else (colour.red, colour.green, colour.blue)


def _hidden(
    shape: Shutter, rows: int, columns: int, planes: tuple[OverlayPlane, ...], aspect: float
) -> npt.NDArray[np.bool_]:
    """What one shutter hides: (rows, columns)."""
    match shape:
        case RectangularShutter():
            hidden = np.ones((rows, columns), np.bool_)
            hidden[max(shape.top - 1, 0) : max(shape.bottom, 0), max(shape.left - 1, 0) : max(shape.right, 0)] = (
                False
            )
            return hidden
        case CircularShutter():
            # the radius counts pixels along a row (0018,1612): a circle on the screen
            down = (np.arange(1, rows + 1, dtype=np.float64) - shape.row) * aspect
            across = np.arange(1, columns + 1, dtype=np.float64) - shape.column
            return down[:, np.newaxis] ** 2 + across[np.newaxis, :] ** 2 > shape.radius**2
        case PolygonalShutter():
            return ~_inside(shape, rows, columns)
        case BitmapShutter():
            plane = next((plane for plane in planes if plane.group == shape.group), None)
            if plane is None:
                raise BadPresentation(
                    f"a bitmap shutter names overlay group {shape.group:04X}, which is not there"
                )
            return plane_mask(plane, rows, columns)


def _inside(shape: PolygonalShutter, rows: int, columns: int) -> npt.NDArray[np.bool_]:
    from PIL import Image, ImageDraw

    image = Image.new("1", (columns, rows))
    vertices = clip_polygon(shape.vertices - 1, -1, -1, columns + 1, rows + 1)
    if len(vertices) >= 3:
        ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in vertices], fill=1, outline=1)
    return np.array(image, np.bool_)
