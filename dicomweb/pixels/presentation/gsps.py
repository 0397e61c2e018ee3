"""Softcopy presentation states from DICOM JSON, and which of them belong to an image (PS3.3 A.33, C.11; PS3.4 N).

What services need:

    is_presentation_state(sop_class)      whether `read_presentation` can make anything of it
    referenced_images(header)             what `/rendered` of a presentation state shows (PS3.18 10.4.1.1.3)
    which_apply(headers, key, frame)      which of several states may be applied to a frame, newest first
    bulk_paths(header)                    the bulk values to fetch before
    read_presentation(header, bulk)       the state, checked

Read are Grayscale, Color, Pseudo-Color and XA/XRF Grayscale Softcopy Presentation States. Blending and volumetric
states, which combine several images in one picture, raise UnsupportedPresentation. So do variable modality LUT
states, and all states with mask subtraction, which needs other frames.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dicomweb.model.keys import InstanceKey
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.presentation.graphics import read_annotations
from dicomweb.pixels.presentation.layers import read_layers
from dicomweb.pixels.presentation.model import (
    BadPresentation,
    DisplayedArea,
    ImageReference,
    Orientation,
    Presentation,
    SizeMode,
    StateKind,
    UnsupportedPresentation,
    VoiChoice,
)
from dicomweb.pixels.presentation.overlays import GROUPS, overlay_paths, read_overlays
from dicomweb.pixels.presentation.references import read_references, read_state_references
from dicomweb.pixels.presentation.shutters import read_shutters
from dicomweb.pixels.render.attributes import BulkValues, first_number, first_text, numbers_of, values_of

_ROOT = "1.2.840.10008.5.1.4.1.1.11."
SOP_CLASSES = {
    _ROOT + "1": StateKind.GREY,
    _ROOT + "2": StateKind.COLOUR,
    _ROOT + "3": StateKind.PSEUDO_COLOUR,
    _ROOT + "5": StateKind.GREY,
}
"""Grayscale, Color, Pseudo-Color and XA/XRF Grayscale Softcopy Presentation State Storage (PS3.4 B.5)."""
UNSUPPORTED = {
    _ROOT + "4": "Blending",
    _ROOT + "6": "Grayscale Planar MPR Volumetric",
    _ROOT + "7": "Compositing Planar MPR Volumetric",
    _ROOT + "8": "Advanced Blending",
    _ROOT + "9": "Volume Rendering Volumetric",
    _ROOT + "10": "Segmented Volume Rendering Volumetric",
    _ROOT + "11": "Multiple Volume Rendering Volumetric",
    _ROOT + "12": "Variable Modality LUT",
}

_MODALITY = ("00281052", "00281053", "00281054", "00283000")
_VOI = ("00281050", "00281051", "00281056", "00283010")
_PRESENTATION_LUT = ("20500010", "20500020")
_PALETTE = tuple(
    f"0028{element}" for element in ("1101", "1102", "1103", "1201", "1202", "1203", "1221", "1222", "1223")
)
_ICC_PROFILE, _SOFTCOPY_VOI = "00282000", "00283110"
_SOP_CLASS, _LABEL, _CREATED_DATE, _CREATED_TIME = "00080016", "00700080", "00700082", "00700083"
_ROTATION, _FLIP = "00700042", "00700041"
_AREAS, _TOP_LEFT, _BOTTOM_RIGHT, _SIZE_MODE = "0070005A", "00700052", "00700053", "00700100"
_SPACING, _ASPECT, _MAGNIFICATION, _ORIGIN = "00700101", "00700102", "00700103", "00480301"
_FARTHEST = 1e9
_MASKS, _MASK_OPERATION = "00286100", "00286101"


def is_presentation_state(sop_class: str) -> bool:
    """Whether the SOP class is a presentation state of any kind, read here or not."""
    return sop_class in SOP_CLASSES or sop_class in UNSUPPORTED


def referenced_images(header: JsonAttributes) -> tuple[ImageReference, ...]:
    """The images, with their series and study, a state is for, in its order; empty if it names none."""
    return read_state_references(header)


def which_apply(states: Sequence[JsonAttributes], key: InstanceKey, frame: int) -> list[JsonAttributes]:
    """Those of the states that are for that frame (1-based) of the instance, the last created first."""
    fitting = [
        header
        for header in states
        if any(
            reference.covers(key.instance, frame) and reference.series in ("", key.series)
            for reference in read_state_references(header)
        )
    ]
    return sorted(fitting, key=lambda each: (first_text(each, _CREATED_DATE), first_text(each, _CREATED_TIME)))[
        ::-1
    ]


def bulk_paths(header: JsonAttributes) -> list[str]:
    """BulkDataURIs of the values `read_presentation` needs: lookup tables, overlays, an ICC profile."""
    tags = (*_MODALITY, *_PRESENTATION_LUT, *_PALETTE, _ICC_PROFILE, _SOFTCOPY_VOI)
    return [uri for tag in tags for uri in _uris(header.get(tag, {}))] + overlay_paths(header)


def read_presentation(header: JsonAttributes, bulk: Mapping[str, bytes]) -> Presentation:
    """The presentation state of a data set; `bulk` holds what `bulk_paths` names, by BulkDataURI, little endian.

    Raises BadPresentation, UnsupportedPresentation, TooLarge.
    """
    kind = _kind(header)
    _refuse_masks(header)
    references = read_state_references(header)
    if not references:
        raise BadPresentation("a presentation state names the images it is for (0008,1115), this one none")
    return Presentation(
        kind=kind,
        label=first_text(header, _LABEL),
        references=references,
        modality=_chosen(header, _MODALITY, bulk),
        voi=tuple(_voi(header, bulk)),
        presentation_lut=_chosen(header, _PRESENTATION_LUT, bulk),
        palette=_chosen(header, _PALETTE, bulk) if kind is StateKind.PSEUDO_COLOUR else {},
        icc_profile=BulkValues(bulk).read(header.get(_ICC_PROFILE, {})),
        orientation=_orientation(header),
        areas=tuple(_areas(header)),
        shutters=read_shutters(header),
        layers=read_layers(header),
        annotations=read_annotations(header),
        active_overlays=_active_overlays(header),
        planes=read_overlays(header, 1, samples=None, bulk=bulk),
    )


def _kind(header: JsonAttributes) -> StateKind:
    sop_class = first_text(header, _SOP_CLASS)
    if sop_class in UNSUPPORTED:
        raise UnsupportedPresentation(f"{UNSUPPORTED[sop_class]} presentation states cannot be rendered")
    if sop_class not in SOP_CLASSES:
        raise BadPresentation("this is not a Softcopy Presentation State: its SOP Class (0008,0016) is another")
    return SOP_CLASSES[sop_class]


def _refuse_masks(header: JsonAttributes) -> None:
    operations = [
        first_text(each, _MASK_OPERATION) for each in values_of(header, _MASKS) if isinstance(each, dict)
    ]
    if any(operation not in ("", "NONE") for operation in operations):
        raise UnsupportedPresentation("presentation states with mask subtraction (0028,6100) cannot be rendered")


def _voi(header: JsonAttributes, bulk: Mapping[str, bytes]) -> Iterator[VoiChoice]:
    for item in values_of(header, _SOFTCOPY_VOI):
        if isinstance(item, dict):
            yield VoiChoice(read_references(item), _chosen(item, _VOI, bulk))


def _orientation(header: JsonAttributes) -> Orientation:
    rotation = int(first_number(header, _ROTATION) or 0)
    if rotation % 90:
        raise BadPresentation(f"Image Rotation (0070,0042) is 0, 90, 180 or 270 degrees, not {rotation}")
    return Orientation(rotation % 360, first_text(header, _FLIP).upper() == "Y")


def _areas(header: JsonAttributes) -> Iterator[DisplayedArea]:
    """Displayed areas. Those told in pixels of a total matrix (0048,0301) say nothing of a frame."""
    for item in values_of(header, _AREAS):
        if isinstance(item, dict) and first_text(item, _ORIGIN) != "VOLUME":
            yield _area(item)


def _area(item: JsonAttributes) -> DisplayedArea:
    first, second = numbers_of(item, _TOP_LEFT), numbers_of(item, _BOTTOM_RIGHT)
    if len(first) < 2 or len(second) < 2:
        raise BadPresentation("a displayed area has two corners, column and row (0070,0052), (0070,0053)")
    try:
        mode = SizeMode(first_text(item, _SIZE_MODE).upper() or SizeMode.SCALE_TO_FIT.value)
    except ValueError:
        raise BadPresentation("Presentation Size Mode (0070,0100) is SCALE TO FIT, TRUE SIZE or MAGNIFY") from None
    # corners are those of the turned picture, told in pixels before it is turned: either may be the larger
    (left, right), (top, bottom) = (sorted((int(a), int(b))) for a, b in zip(first, second, strict=False))
    spacing, ratio = numbers_of(item, _SPACING), numbers_of(item, _ASPECT)
    magnification = first_number(item, _MAGNIFICATION) or 1.0
    if min([*spacing[:2], *ratio[:2], magnification]) <= 0:
        raise BadPresentation("spacing, aspect ratio and magnification of a displayed area are more than 0")
    if max(map(abs, (*first, *second, magnification))) > _FARTHEST:
        raise BadPresentation(
            f"corners and magnification of a displayed area (0070,005A) are at most {_FARTHEST:g}"
        )
    return DisplayedArea(
        read_references(item),
        left,
        top,
        right,
        bottom,
        mode,
        (spacing[0], spacing[1]) if len(spacing) >= 2 else None,
        ratio[0] / ratio[1] if len(ratio) >= 2 else 1.0,
        magnification,
    )


def _active_overlays(header: JsonAttributes) -> dict[int, str]:
    """Overlay Activation Layer (60xx,1001): without a value the overlay is not shown (PS3.3 C.11.7)."""
    layers = {group: first_text(header, f"{group:04X}1001") for group in GROUPS}
    return {group: layer for group, layer in layers.items() if layer}


def _chosen(header: JsonAttributes, tags: Sequence[str], bulk: Mapping[str, bytes]) -> JsonAttributes:
    """Those attributes that the data set has, bulk values in them made inline."""
    return {tag: _inlined(header[tag], bulk) for tag in tags if tag in header}


def _inlined(element: Mapping[str, Any], bulk: Mapping[str, bytes]) -> dict[str, Any]:
    uri = element.get("BulkDataURI")
    if isinstance(uri, str):
        if uri not in bulk:
            raise BadPresentation("a lookup table of the presentation state cannot be read")
        return {"vr": element.get("vr", "OW"), "InlineBinary": base64.b64encode(bulk[uri]).decode("ascii")}
    if element.get("vr") != "SQ":
        return dict(element)
    items = element.get("Value") or []
    inlined = [
        {tag: _inlined(each, bulk) for tag, each in item.items()} for item in items if isinstance(item, dict)
    ]
    return {**element, "Value": inlined}


def _uris(element: Mapping[str, Any]) -> Iterator[str]:
    uri = element.get("BulkDataURI")
    if isinstance(uri, str):
        yield uri
    if element.get("vr") == "SQ":
        for item in element.get("Value") or []:
            if isinstance(item, dict):
                for each in item.values():
                    yield from _uris(each)
