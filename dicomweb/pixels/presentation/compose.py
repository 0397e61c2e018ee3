"""A presentation state applied to the greys or colours of a frame: what follows the grey scale (PS3.4 N.2).

    picture of the image ─ shutters ─ displayed area, turned, scaled ─ layer by layer: overlays, graphics, texts ─▶

Overlays and graphics are drawn in the finished size, so that lines are as sharp and letters as large as the
picture allows; a layer lies over all layers of lower order, whatever is in them (PS3.3 C.10.7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.presentation.drawing import (
    Canvas,
    Label,
    Stroke,
    fitting_size,
    letter_size,
    line_width,
)
from dicomweb.pixels.presentation.model import (
    WHITE,
    Annotation,
    BadPresentation,
    BitmapShutter,
    Colour,
    GraphicLayer,
    GraphicObject,
    GraphicType,
    Points,
    Presentation,
    TextObject,
    Units,
)
from dicomweb.pixels.presentation.overlays import plane_mask, read_overlays
from dicomweb.pixels.presentation.planes import OverlayPlane
from dicomweb.pixels.presentation.shapes import shape_of
from dicomweb.pixels.presentation.shutters import shut
from dicomweb.pixels.presentation.spatial import (
    Crop,
    Placement,
    Resize,
    area_aspect,
    crop_of,
    magnification_of,
    place,
    plan_placement,
)
from dicomweb.pixels.presentation.text import text_size
from dicomweb.pixels.render.attributes import FrameAttributes, first_text
from dicomweb.pixels.render.viewport import pixel_aspect

_SOP_INSTANCE = "00080018"
_MOST_DASHED = 200
"""Graphics of a layer: with more of them lines are drawn whole, since dashes take time."""


def plan_picture(
    header: JsonAttributes, number: int, rows: int, columns: int, presentation: Presentation, *,
    width: int | None, height: int | None, enlarge: bool, most_pixels: int, crop: Crop | None = None,
) -> Placement:  # fmt: skip
    """Which part of frame `number` (1-based) the state shows, which way up and how large.

    `rows` and `columns` are those of the image. In a box of `width` and `height` pixels the picture is as large as
    fits; without a box it is as large as the state says. `crop` replaces the area of the state.

    Raises BadPresentation if the state is not for that frame, TooLarge.
    """
    sop_instance = first_text(header, _SOP_INSTANCE)
    if not presentation.covers(sop_instance, number):
        raise BadPresentation("the presentation state is not for this image or frame")
    area = presentation.area(sop_instance, number)
    return plan_placement(
        crop if crop is not None else crop_of(area, rows, columns),
        presentation.orientation,
        aspect=area_aspect(area) if area is not None else _aspect(header, number),
        magnification=magnification_of(area),
        width=width,
        height=height,
        enlarge=enlarge,
        most_pixels=most_pixels,
    )


def present(
    picture: npt.NDArray[np.uint8], header: JsonAttributes, number: int, presentation: Presentation,
    placement: Placement, *, samples: npt.NDArray[Any] | None, bulk: Mapping[str, bytes], resize: Resize,
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """The picture of an image as its presentation state wants it seen.

    `picture` are the greys (rows, columns) or colours (rows, columns, 3) of frame `number` after the grey scale
    steps, in the size of the image; `placement` comes from `plan_picture`. `samples` and `bulk` are those of the
    image, for its overlays (`read_overlays`). The picture becomes RGB when a colour is drawn.

    Raises BadPresentation if a bitmap shutter names an overlay that the state does not have.
    """
    sop_instance = first_text(header, _SOP_INSTANCE)
    shown = shut(picture, presentation.shutters, presentation.planes, aspect=_aspect(header, number))
    canvas = Canvas(place(shown, placement, resize))
    planes = _active_planes(header, number, presentation, samples, bulk)
    annotations = [each for each in presentation.annotations if each.covers(sop_instance, number)]
    for layer in _all_layers(presentation, annotations):
        for plane in planes.get(layer.name, ()):
            mask = plane_mask(plane, *picture.shape[:2]).astype(np.uint8) * np.uint8(255)
            canvas.paint(place(mask, placement, resize), layer.colour or WHITE)
        own = [each for each in annotations if each.layer == layer.name]
        _draw_annotations(canvas, own, layer.colour, placement)
    return canvas.picture


def _aspect(header: JsonAttributes, number: int) -> float:
    return pixel_aspect(FrameAttributes(header, number))


def _active_planes(
    header: JsonAttributes, number: int, presentation: Presentation, samples: npt.NDArray[Any] | None,
    bulk: Mapping[str, bytes],
) -> dict[str, list[OverlayPlane]]:  # fmt: skip
    """The overlay planes to be drawn, by layer. A plane of the state hides one of the image (PS3.3 C.11.7)."""
    wanted = dict(presentation.active_overlays)
    for shape in presentation.shutters.shapes:
        if isinstance(shape, BitmapShutter):
            wanted.pop(shape.group, None)
    if not wanted:
        return {}
    found = {plane.group: plane for plane in read_overlays(header, number, samples=samples, bulk=bulk)}
    found |= {plane.group: plane for plane in presentation.planes}
    planes: dict[str, list[OverlayPlane]] = {}
    for group, layer in wanted.items():
        if group in found:
            planes.setdefault(layer, []).append(found[group])
    return planes


def _all_layers(presentation: Presentation, annotations: list[Annotation]) -> Iterator[GraphicLayer]:
    """The layers of the state, then those it uses without having said anything of them."""
    yield from presentation.layers
    known = {layer.name for layer in presentation.layers}
    used = [*presentation.active_overlays.values(), *(each.layer for each in annotations)]
    for name in dict.fromkeys(used):
        if name not in known:
            yield GraphicLayer(name)


def _draw_annotations(
    canvas: Canvas, annotations: list[Annotation], colour: Colour | None, placement: Placement
) -> None:
    """Graphics first, so that texts stay readable. What is told in pixels of a total matrix has no place here."""
    usual = line_width(canvas.rows, canvas.columns)
    strokes: list[Stroke] = []
    labels: list[Label] = []
    dashed = sum(len(each.graphics) for each in annotations) <= _MOST_DASHED
    for annotation in annotations:
        for graphic in annotation.graphics:
            if graphic.units is not Units.MATRIX:
                strokes += _strokes(graphic, colour, placement, usual, dashed=dashed)
        for text in annotation.texts:
            if Units.MATRIX not in (text.box_units, text.anchor_units):
                label, box = _label(text, colour, placement)
                labels.append(label)
                strokes += _leader(text, box, colour, placement, usual)
    canvas.draw(strokes)
    for label in labels:
        canvas.write(label)


def _strokes(
    graphic: GraphicObject, layer: Colour | None, placement: Placement, usual: float, *, dashed: bool
) -> Iterator[Stroke]:
    points = shape_of(graphic, placement)
    style = graphic.style
    colour = style.colour or layer
    if graphic.type is GraphicType.POINT:
        for point in points:
            yield Stroke(point[np.newaxis], 4 * usual * style.thickness, colour, style.opacity)
        return
    if graphic.filled:
        yield Stroke(points, usual, style.fill or colour, style.fill_opacity, filled=True)
    yield Stroke(points, usual * style.thickness, colour, style.opacity, dashed=style.dashed and dashed)


def _label(text: TextObject, layer: Colour | None, placement: Placement) -> tuple[Label, Points]:
    """The text and the box it takes up: (2, 2), top left and bottom right in the picture.

    Letters are as large as the bounding box lets them; a text without a box begins beside its anchor point.
    """
    usual = letter_size(placement.rows, placement.columns)
    colour = text.colour or layer
    if text.box is None:
        assert text.anchor is not None, "a text without a box has an anchor"
        start = placement.to_picture(text.anchor, text.anchor_units)[0] + usual / 2
        box = _kept_inside(np.array([start, start + text_size(text.text, usual)]), placement)
        return Label(text.text, float(box[0, 0]), float(box[0, 1]), usual, colour), box
    corners = placement.to_picture(text.box, text.box_units)
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = fitting_size(text.text, *(high - low), usual=usual)
    across, down = text_size(text.text, size)
    free = float(high[0] - low[0]) - across
    left = float(low[0]) + {"CENTER": free / 2, "RIGHT": free}.get(text.justification, 0.0)
    box = _kept_inside(np.array([[left, low[1]], [left + across, low[1] + down]]), placement)
    return Label(text.text, float(box[0, 0]), float(box[0, 1]), size, colour, text.justification), box


def _kept_inside(box: Points, placement: Placement) -> Points:
    """The box moved into the picture if it lies in it in part."""
    whole = np.array([placement.columns, placement.rows], np.float64)
    if (box[0] >= whole).any() or (box[1] <= 0).any():
        return box
    moved: Points = box - np.maximum(0.0, np.minimum(box[1] - whole, box[0])) - np.minimum(box[0], 0.0)
    return moved


def _leader(
    text: TextObject, box: Points, layer: Colour | None, placement: Placement, usual: float
) -> Iterator[Stroke]:
    """The line from a text to its anchor, if that is to be seen."""
    if text.anchor is not None and text.anchor_visible and text.box is not None:
        anchor = placement.to_picture(text.anchor, text.anchor_units)[0]
        nearest = np.clip(anchor, box[0], box[1])
        yield Stroke(np.stack((nearest, anchor)), usual, text.colour or layer)
        yield Stroke(anchor[np.newaxis], 3 * usual, text.colour or layer)
