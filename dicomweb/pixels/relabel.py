"""What a data set has to say otherwise once its pixel data are in another transfer syntax.

    header, Conversion ─▶ relabelled ─▶ attributes that take the place of those in the header
                       ─▶ outdated   ─▶ tags that must go

A lossless conversion is the same image under the same SOP Instance UID: only the description of the pixel data
changes. One that loses something makes a derived image (PS3.3 C.7.6.1.1.5): Lossy Image Compression is 01 from
then on, ratio and method are added behind those of earlier losses, Image Type says DERIVED, the source is named,
and it has a SOP Instance UID of its own. That UID is computed from the source's version and what was asked for, so
that whoever asks for the same again gets the same instance, not another one of the same content.

Left alone on purpose: what is said of pixel values (Smallest and Largest Image Pixel Value, windows, rescale,
palette), since values keep their meaning.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dicomweb.model.instance import ImageSpec
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.quality import DEFAULT_QUALITY, Quality
from dicomweb.pixels.transcode import Conversion
from dicomweb.wire.transfer_syntaxes import transfer_syntax as named

_JPEG = "1.2.840.10008.1.2.4."
LOSSY_METHODS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((_JPEG + end for end in ("50", "51", "53", "55", "111")), "ISO_10918_1"),
        _JPEG + "81": "ISO_14495_1",
        _JPEG + "91": "ISO_15444_1",
        _JPEG + "203": "ISO_15444_15",
        _JPEG + "112": "ISO_18181_1",
    }
)
"""Defined Terms of Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1) by transfer syntax."""
_ALWAYS_LOSSY = frozenset(_JPEG + end for end in ("50", "51", "53", "55", "111"))
"""Syntaxes that cannot be had without loss: a header that does not say so forgot it."""

_IMAGE_TYPE, _SOP_CLASS, _SOP_INSTANCE = "00080008", "00080016", "00080018"
_DERIVATION, _SOURCE_IMAGES, _DERIVATION_CODE = "00082111", "00082112", "00089215"
_FUNCTIONAL_GROUPS, _FRAME_TYPE = ("52009229", "52009230"), "00089007"
"""Shared and Per-frame Functional Groups Sequence (PS3.3 C.7.6.16)."""
_LOSSY, _RATIO, _METHOD = "00282110", "00282112", "00282114"
_OFFSET_TABLES = frozenset(("7FE00001", "7FE00002", "7FE00003"))
"""Extended Offset Table, its lengths, Encapsulated Pixel Data Value Total Length."""
_SOURCE = ("121320", "Uncompressed predecessor")
_LOSSY_SOURCE = ("121322", "Source image for image processing operation")
"""Purposes of reference (PS3.16 CID 7202)."""
_LONGEST_DERIVATION = 1024
"""Characters of an ST (PS3.5 6.2)."""


def relabelled(
    header: JsonAttributes,
    conversion: Conversion,
    *,
    source_version: str = "",
    quality: Quality = DEFAULT_QUALITY,
    ratio: float | None = None,
    stored_ratio: float | None = None,
) -> JsonAttributes:
    """The attributes that change, as DICOM JSON; put over the header they describe the converted image.

    `source_version` names the stored version that is converted. `ratio` is bytes of the pixels without compression
    by bytes after the conversion, `stored_ratio` the same by the stored bytes, for a loss that the header does not
    tell; measure them on the frames, they are for the reader's information.
    """
    changes = _pixel_description(header, conversion.before, conversion.spec)
    if conversion.changes_bytes and conversion.source in _ALWAYS_LOSSY and _text(header, _LOSSY) != "01":
        told = _loss(header, LOSSY_METHODS[conversion.source], stored_ratio)
        changes |= told
        header = {**header, **told}
    if not conversion.lossless:
        changes |= _derived(header, conversion, source_version, quality)
        changes |= _loss(header, LOSSY_METHODS[conversion.target], ratio)
        changes |= _derived_frames(header)
    return changes


def outdated(header: JsonAttributes, conversion: Conversion) -> frozenset[str]:
    """Tags of the header that must not stay: offset tables of fragments that are not there any more."""
    if (
        not conversion.changes_bytes
        and named(conversion.source).encapsulated == named(conversion.target).encapsulated
    ):
        return frozenset()
    return _OFFSET_TABLES & header.keys()


def derived_uid(source_instance: str, source_version: str, target: str, quality: Quality) -> str:
    """The SOP Instance UID of what a lossy conversion makes: the same for the same source, target and quality."""
    words = "\0".join(("dicomlake derived", source_instance, source_version, target, str(quality.percent)))
    number = uuid.UUID(bytes=hashlib.sha256(words.encode()).digest()[:16], version=5).int
    return f"2.25.{number}"


def _pixel_description(header: JsonAttributes, before: ImageSpec, after: ImageSpec) -> JsonAttributes:
    """The Image Pixel attributes that differ (PS3.3 C.7.6.3)."""
    changes: JsonAttributes = {}
    if after.photometric_interpretation != before.photometric_interpretation:
        changes["00280004"] = _values("CS", after.photometric_interpretation)
    if after.samples_per_pixel > 1 and after.planar_configuration != before.planar_configuration:
        changes["00280006"] = _values("US", after.planar_configuration)
    if after.bits_allocated != before.bits_allocated:
        changes["00280100"] = _values("US", after.bits_allocated)
    if after.bits_stored != before.bits_stored:
        changes["00280101"] = _values("US", after.bits_stored)
    if after.bits_stored != before.bits_stored or after.bits_allocated < before.bits_allocated:
        changes["00280102"] = _values("US", after.bits_stored - 1)
    return changes


def _loss(header: JsonAttributes, method: str, ratio: float | None) -> JsonAttributes:
    """Lossy compression said, behind what was said of earlier steps: ratios and methods stand in pairs."""
    methods, ratios = _all(header, _METHOD), _all(header, _RATIO)
    changes: JsonAttributes = {_LOSSY: _values("CS", "01")}
    if len(methods) < len(ratios):
        # an earlier step without its method: a new one would be taken for that of the earlier ratio
        methods = [*methods, *[None] * (len(ratios) - len(methods))]
    changes[_METHOD] = _values("CS", *methods, method)
    if ratio is not None:
        ratios = [*ratios, *[None] * (len(methods) - len(ratios))]
        changes[_RATIO] = _values("DS", *ratios, round(ratio, 2))
    return changes


def _derived(header: JsonAttributes, conversion: Conversion, version: str, quality: Quality) -> JsonAttributes:
    """A derived image with a reference to its source (PS3.3 C.7.6.1.1.5, C.12.4.1.1, C.12.4.1.2)."""
    source = _text(header, _SOP_INSTANCE)
    image_type = _all(header, _IMAGE_TYPE) or ["ORIGINAL", "PRIMARY"]
    words = [_text(header, _DERIVATION), f"Lossy compression by {named(conversion.target).name}"]
    reference: JsonAttributes = {
        "00081150": _values("UI", _text(header, _SOP_CLASS)),
        "00081155": _values("UI", source),
        "0040A170": _code(*(_LOSSY_SOURCE if _text(header, _LOSSY) == "01" else _SOURCE)),
    }
    return {
        _IMAGE_TYPE: _values("CS", "DERIVED", *image_type[1:]),
        _SOP_INSTANCE: _values("UI", derived_uid(source, version, conversion.target, quality)),
        _DERIVATION: _values("ST", "; ".join(word for word in words if word)[:_LONGEST_DERIVATION]),
        _SOURCE_IMAGES: {"vr": "SQ", "Value": [*_all(header, _SOURCE_IMAGES), reference]},
        _DERIVATION_CODE: {
            "vr": "SQ",
            "Value": [*_all(header, _DERIVATION_CODE), *_code("113040", "Lossy Compression")["Value"]],
        },
    }


def _derived_frames(header: JsonAttributes) -> JsonAttributes:
    """Frame Type of the functional groups of an enhanced image, which says DERIVED as Image Type does.

    It stands in a sequence of each kind of image: MR, CT ... Frame Type Sequence (PS3.3 C.8.13.5.1 and others).
    Groups with bulk values stay as they are, since those are not at hand here.
    """
    changes: JsonAttributes = {}
    for groups in _FUNCTIONAL_GROUPS:
        items = _all(header, groups)
        derived = [_derived_group(group) for group in items]
        if derived != items and not _has_bulk(items):
            changes[groups] = _values("SQ", *derived)
    return changes


def _derived_group(group: Any) -> Any:
    """A functional group with the first value of each Frame Type in it replaced."""
    if not isinstance(group, dict):
        return group
    derived = dict(group)
    for tag, element in group.items():
        items = _all(group, tag) if element.get("vr") == "SQ" else []
        if any(isinstance(item, dict) and _FRAME_TYPE in item for item in items):
            derived[tag] = _values("SQ", *(_derived_item(item) for item in items))
    return derived


def _derived_item(item: Any) -> Any:
    if not isinstance(item, dict) or not (words := _all(item, _FRAME_TYPE)):
        return item
    return {**item, _FRAME_TYPE: _values("CS", "DERIVED", *words[1:])}


def _has_bulk(items: list[Any]) -> bool:
    return any(
        "BulkDataURI" in element or _has_bulk(_all(item, tag))
        for item in items
        if isinstance(item, dict)
        for tag, element in item.items()
    )


def _code(value: str, meaning: str) -> dict[str, Any]:
    """A sequence of one code of DCM (PS3.16 D)."""
    item = {"00080100": _values("SH", value), "00080102": _values("SH", "DCM"), "00080104": _values("LO", meaning)}
    return {"vr": "SQ", "Value": [item]}


def _values(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def _all(header: JsonAttributes, tag: str) -> list[Any]:
    values = header.get(tag, {}).get("Value")
    return list(values) if isinstance(values, list) else []


def _text(header: JsonAttributes, tag: str) -> str:
    values = _all(header, tag)
    return values[0].strip() if values and isinstance(values[0], str) else ""
