"""A decoded frame and its data set to a picture: the order of all steps (PS3.4 N.2, PS3.18 8.3.5.1).

    samples ─ grey steps, palette or colour space ─▶ picture of the image
            ─ presentation state, or overlays and viewport ─▶ picture of the size asked for
            ─ annotation ─ ICC ─▶ Picture

What the image says wrongly is passed over, so that there is something to see; what the client says wrongly is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import DecodedFrame, Picture, TooLarge, Undecodable
from dicomweb.pixels.render.attributes import FRAME_TYPES, BulkValues, FrameAttributes, first_text
from dicomweb.pixels.render.colour import render_colour
from dicomweb.pixels.render.grey import GreySteps, grey_table, read_steps, render_grey, state_steps
from dicomweb.pixels.render.icc import colour_managed, image_profile, is_rgb_profile
from dicomweb.pixels.render.palette import Palette, apply_palette, palette_table, read_palette
from dicomweb.pixels.render.samples import SampleLayout, look_up, read_layout, with_sign
from dicomweb.pixels.render.settings import Region, RenderSettings, Window
from dicomweb.pixels.render.viewport import (
    Placement,
    pixel_aspect,
    place,
    plan_placement,
    resized,
    whole_pixels,
)

if TYPE_CHECKING:
    from dicomweb.pixels.presentation.model import Presentation
    from dicomweb.pixels.presentation.spatial import Placement as StatePlacement

_SOP_INSTANCE, _PIXEL_PRESENTATION = "00080018", "00089205"
_OVERLAY_ROWS = tuple(f"{group:04X}0010" for group in range(0x6000, 0x6020, 2))


def render_frame(
    frame: DecodedFrame,
    header: JsonAttributes,
    number: int,
    settings: RenderSettings,
    presentation: Presentation | None = None,
    *,
    lut_values: Mapping[str, bytes] | None = None,
) -> Picture:
    """The picture of one frame.

    `header` is the data set as DICOM JSON, `number` that of the frame (1-based). `lut_values` are its bulk values
    by BulkDataURI as it stands in the header, little endian: tables, overlays, ICC profile. What is missing is
    done without.

    Raises Undecodable if the samples and the attributes make no picture, TooLarge, BadRenderRequest, and
    BadPresentation if the presentation state is not for this frame.
    """
    values = lut_values or {}
    attributes = FrameAttributes(header, number, BulkValues(values))
    frame = with_sign(frame)
    array = frame.array[:, :, 0] if frame.array.ndim == 3 and frame.array.shape[2] == 1 else frame.array
    if array.ndim not in (2, 3) or not array.size:
        raise Undecodable(f"samples of shape {array.shape} are no image")
    rows, columns = array.shape[:2]
    if rows * columns > settings.most_pixels:
        raise TooLarge(
            f"an image of {columns} x {rows} pixels, at most {settings.most_pixels} are rendered at once"
        )
    # Planned before anything is computed: what cannot be shown is refused at once
    if presentation is None:
        placement = _placement(attributes, rows, columns, settings)
        picture = _samples_shown(frame, array, attributes, settings.window)
        picture = _with_overlays(picture, array, attributes, values) if settings.overlays else picture
        picture = place(picture, placement)
    else:
        picture = _presented(frame, array, attributes, settings, presentation, values)
    if settings.annotation:
        from dicomweb.pixels.presentation.annotation import annotate

        picture = annotate(picture, header, number, settings.annotation)
    profile = b"" if settings.icc == "no" or picture.ndim == 2 else _profile(attributes, presentation)
    return colour_managed(np.ascontiguousarray(picture), profile, settings.icc)


def picture_size(
    header: JsonAttributes,
    number: int,
    rows: int,
    columns: int,
    settings: RenderSettings,
    presentation: Presentation | None = None,
) -> tuple[int, int]:
    """Rows and columns of the picture that `render_frame` makes of a frame of `rows` x `columns` pixels.

    Raises what it raises for a picture of a size that has no meaning, or is too large.
    """
    attributes = FrameAttributes(header, number, BulkValues({}))
    if presentation is not None:
        placed = _state_placement(attributes, rows, columns, settings, presentation)
        return placed.rows, placed.columns
    placement = _placement(attributes, rows, columns, settings)
    return placement.rows, placement.columns


def _placement(attributes: FrameAttributes, rows: int, columns: int, settings: RenderSettings) -> Placement:
    return plan_placement(
        rows,
        columns,
        settings.viewport,
        aspect=pixel_aspect(attributes) if settings.viewport else 1.0,
        most_pixels=settings.most_pixels,
    )


def automatic_window(
    frame: DecodedFrame, header: JsonAttributes, number: int, *, lut_values: Mapping[str, bytes] | None = None
) -> Window | None:
    """The window that the picture of a frame is made with when nothing says one; None if something does.

    A moving picture whose frames were each windowed by themselves would flicker: take the one of a middle frame.
    Arguments are those of `render_frame`.
    """
    from dicomweb.pixels.render.voi import Extent

    frame = with_sign(frame)
    if frame.array.ndim != 2 or frame.photometric_interpretation == "PALETTE COLOR":
        return None
    attributes = FrameAttributes(header, number, BulkValues(lut_values or {}))
    layout = read_layout(frame, attributes)
    steps = read_steps(attributes, frame.array, layout, window=None, monochrome1=False)
    if not isinstance(steps.voi, Extent) or not np.isfinite([steps.voi.lowest, steps.voi.highest]).all():
        return None
    width = steps.voi.highest - steps.voi.lowest
    return Window((steps.voi.lowest + steps.voi.highest) / 2, width, "linear-exact") if width > 0 else None


def _samples_shown(
    frame: DecodedFrame, array: npt.NDArray[Any], attributes: FrameAttributes, window: Window | None
) -> npt.NDArray[np.uint8]:
    """Greys or colours of the image, in its size, as it says itself."""
    layout = read_layout(frame, attributes)
    if array.ndim == 3:
        return render_colour(array, layout, frame.photometric_interpretation)
    if frame.photometric_interpretation == "PALETTE COLOR":
        palette = read_palette(attributes.data_set, attributes.bulk, signed=layout.signed)
        if palette is not None:
            return apply_palette(array, layout, palette)
    monochrome1 = frame.photometric_interpretation == "MONOCHROME1"
    steps = read_steps(attributes, array, layout, window=window, monochrome1=monochrome1)
    supplement = _supplement(attributes, layout)
    if supplement is not None:
        return _supplemented(array, layout, steps, supplement)
    return render_grey(array, layout, steps)


def _supplement(attributes: FrameAttributes, layout: SampleLayout) -> Palette | None:
    """The palette of a grey image that has colours for high values (PS3.3 C.7.6.19, C.8.13.1.1.2)."""
    if "00281101" not in attributes.data_set or not layout.tabular:
        return None
    places = [first_text(source, _PIXEL_PRESENTATION) for source in attributes.sources(*FRAME_TYPES)]
    said = next((text.upper() for text in places if text), "")
    if said not in ("COLOR", "MIXED"):
        return None
    return read_palette(attributes.data_set, attributes.bulk, signed=layout.signed)


def _supplemented(
    array: npt.NDArray[Any], layout: SampleLayout, steps: GreySteps, palette: Palette
) -> npt.NDArray[np.uint8]:
    """Colours from the first value on that the palette has; below it greys."""
    greys = np.repeat(grey_table(layout, steps)[:, np.newaxis], 3, axis=1)
    table = np.where((layout.patterns() >= palette.first)[:, np.newaxis], palette_table(layout, palette), greys)
    return look_up(table, array)


def _with_overlays(
    picture: npt.NDArray[np.uint8],
    array: npt.NDArray[Any],
    attributes: FrameAttributes,
    values: Mapping[str, bytes],
) -> npt.NDArray[np.uint8]:
    if not any(tag in attributes.data_set for tag in _OVERLAY_ROWS):
        return picture
    from dicomweb.pixels.presentation.overlays import draw_overlays, read_overlays

    planes = read_overlays(attributes.data_set, attributes.number, samples=array, bulk=values)
    return draw_overlays(picture, planes)


def _presented(
    frame: DecodedFrame,
    array: npt.NDArray[Any],
    attributes: FrameAttributes,
    settings: RenderSettings,
    presentation: Presentation,
    values: Mapping[str, bytes],
) -> npt.NDArray[np.uint8]:
    """The frame as a presentation state wants it seen; the client's window and viewport still count."""
    from dicomweb.pixels.presentation.compose import present

    presentation = _flipped(presentation, settings)
    rows, columns = array.shape[:2]
    placement = _state_placement(attributes, rows, columns, settings, presentation)
    return present(
        _state_shown(frame, array, attributes, settings.window, presentation),
        attributes.data_set,
        attributes.number,
        presentation,
        placement,
        samples=array,
        bulk=values,
        resize=resized,
    )


def _flipped(presentation: Presentation, settings: RenderSettings) -> Presentation:
    """The state for a viewport that may flip the picture: the image is flipped, not what is written over it."""
    region = settings.viewport.region if settings.viewport is not None else Region()
    orientation = presentation.orientation.flipped(across=region.flips_across, down=region.flips_down)
    return replace(presentation, orientation=orientation)


def _state_placement(
    attributes: FrameAttributes, rows: int, columns: int, settings: RenderSettings, presentation: Presentation
) -> StatePlacement:
    from dicomweb.pixels.presentation.compose import plan_picture
    from dicomweb.pixels.presentation.spatial import Crop

    viewport = settings.viewport
    region = viewport.region if viewport is not None else Region()
    return plan_picture(
        attributes.data_set,
        attributes.number,
        rows,
        columns,
        presentation,
        width=viewport.width if viewport else None,
        height=viewport.height if viewport else None,
        enlarge=viewport.enlarge if viewport else True,
        most_pixels=settings.most_pixels,
        crop=None if region.is_whole else Crop(*whole_pixels(region, rows, columns)),
    )


def _state_shown(
    frame: DecodedFrame,
    array: npt.NDArray[Any],
    attributes: FrameAttributes,
    window: Window | None,
    presentation: Presentation,
) -> npt.NDArray[np.uint8]:
    """Greys or colours of the image, in its size, as the state says (PS3.4 N.2.1, N.2.2)."""
    if array.ndim == 3 or frame.photometric_interpretation == "PALETTE COLOR":
        return _samples_shown(frame, array, attributes, window)
    layout = read_layout(frame, attributes)
    sop_instance = first_text(attributes.data_set, _SOP_INSTANCE)
    steps = state_steps(
        attributes.in_place(presentation.grey_attributes(sop_instance, attributes.number)),
        layout,
        array,
        window=window,
    )
    greys = render_grey(array, layout, steps)
    palette = read_palette(presentation.palette, attributes.bulk, signed=False) if presentation.palette else None
    if palette is None:
        return greys
    # The VOI output is spread over all entries of the palette (PS3.4 N.2.2)
    colours = palette.colours
    index = np.floor(np.arange(256) * ((len(colours) - 1) / 255.0) + 0.5).astype(np.intp)
    return np.take(colours[index], greys, axis=0)


def _profile(attributes: FrameAttributes, presentation: Presentation | None) -> bytes:
    if presentation is not None and is_rgb_profile(presentation.icc_profile):
        return presentation.icc_profile
    return image_profile(attributes)
