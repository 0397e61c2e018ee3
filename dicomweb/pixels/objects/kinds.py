"""Which kind of object a data set is, which painter shows it, and in which media types.

By SOP class first; objects of unknown classes are told by what they hold (a waveform, a content tree, float
pixels), so that private and future classes are shown as what they resemble.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import cast

from dicomweb.encoding.image import image_spec
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.objects.attributes import has_value, items, text
from dicomweb.pixels.objects.contract import ANY_PICTURE, Painter
from dicomweb.wire.transfer_syntaxes import transfer_syntax as syntax_of

_STORAGE = "1.2.840.10008.5.1.4.1.1."


@dataclass(frozen=True, slots=True)
class Kind:
    """A way of being shown."""

    name: str
    """For people."""
    module: str
    """The painter, a module of this folder."""
    media: tuple[str, ...] = (ANY_PICTURE,)
    """What it can be given as, the default first (PS3.18 8.7.4)."""
    stored_media: str = ""
    """The one of `media` that is the stored value as it is."""
    special: bool = True
    """Whether the render pipeline for frames cannot show it."""

    def painter(self) -> Painter:
        """The painter's module, loaded now if it was not."""
        return cast(Painter, import_module(f"dicomweb.pixels.objects.{self.module}"))


IMAGE = Kind("image", "card", special=False)
CARD = Kind("object without a picture", "card")
SEGMENTATION = Kind("segmentation", "segmentation")
PARAMETRIC_MAP = Kind("parametric map", "parametric_map")
DOSE = Kind("dose", "dose")
CONTOURS = Kind("structure set", "contours")
WAVEFORM = Kind("waveform", "waveform_plot", ("image/svg+xml", ANY_PICTURE))
REPORT = Kind("report", "report", ("text/html", "text/plain", ANY_PICTURE))
PDF = Kind("PDF document", "document", ("application/pdf", ANY_PICTURE), "application/pdf")
CDA = Kind("CDA document", "document", ("text/html", "text/plain", "text/xml", ANY_PICTURE), "text/xml")
STL = Kind("STL mesh", "mesh", ("model/stl", ANY_PICTURE), "model/stl")
OBJ = Kind("OBJ mesh", "mesh", ("model/obj", ANY_PICTURE), "model/obj")
MTL = Kind("MTL material library", "document", ("model/mtl", ANY_PICTURE), "model/mtl")
MPEG2 = Kind("MPEG-2 video", "video", ("video/mpeg", ANY_PICTURE), "video/mpeg")
MP4 = Kind("MP4 video", "video", ("video/mp4", ANY_PICTURE), "video/mp4")
ANNOTATIONS = Kind("microscopy annotations", "annotations")
SPECTRUM = Kind("spectroscopy", "spectrum")
PALETTE = Kind("colour palette", "palette")

_BY_CLASS = {
    _STORAGE + "66.4": SEGMENTATION,
    _STORAGE + "66.7": SEGMENTATION,  # label map
    _STORAGE + "30": PARAMETRIC_MAP,
    _STORAGE + "481.2": DOSE,
    _STORAGE + "481.3": CONTOURS,
    _STORAGE + "91.1": ANNOTATIONS,
    _STORAGE + "4.2": SPECTRUM,
    "1.2.840.10008.5.1.4.39.1": PALETTE,
    _STORAGE + "104.1": PDF,
    _STORAGE + "104.2": CDA,
    _STORAGE + "104.3": STL,
    _STORAGE + "104.4": OBJ,
    _STORAGE + "104.5": MTL,
}

_NEEDS_PIXELS = frozenset((SEGMENTATION, PARAMETRIC_MAP, DOSE))

_EMPTY = {
    kind: replace(kind, media=tuple(one for one in kind.media if one != kind.stored_media), stored_media="")
    for kind in (PDF, CDA, STL, OBJ, MTL)
}
"""Documents that hold none: there is nothing that could be given as it is stored."""

_VIDEO = {"video/mpeg": MPEG2, "video/mp4": MP4}


def kind_of(header: JsonAttributes, transfer_syntax: str) -> Kind:
    """The kind of an object, by its header and the syntax its pixel data are stored in."""
    if (video := _VIDEO.get(syntax_of(transfer_syntax).media_type)) and "7FE00010" in header:
        return video
    sop_class = text(header, "00080016")
    kind = _BY_CLASS.get(sop_class) or _by_family(header, sop_class)
    if kind in _EMPTY and not has_value(header, "00420011"):
        return _EMPTY[kind]
    if kind is not None and kind not in _NEEDS_PIXELS:
        return kind
    if image_spec(header) is None:
        return CARD
    return kind or IMAGE


def _by_family(header: JsonAttributes, sop_class: str) -> Kind | None:
    """By what the object holds."""
    if "7FE00008" in header or "7FE00009" in header:
        return PARAMETRIC_MAP
    if items(header, "54000100"):  # Waveform Sequence
        return WAVEFORM
    if items(header, "0040A730") or sop_class.startswith(_STORAGE + "88."):  # Content Sequence
        return None if image_spec(header) is not None else REPORT
    if has_value(header, "56000020") and image_spec(header) is None:  # Spectroscopy Data
        return SPECTRUM
    return None
