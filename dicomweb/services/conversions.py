"""What can be made of the pixels of an instance: which transfer syntaxes, and how.

The pixel code is loaded only here, and only when a conversion has to be thought of: a server that sends what it
holds never loads it. What can be made depends on the transfer syntax that is stored and on a few attributes, so it
is found out once for each combination of them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from dicomweb.model.instance import ImageSpec, Instance
from dicomweb.model.pixel_errors import UnsupportedSyntax
from dicomweb.wire.transfer_syntaxes import (
    DEFLATED_LITTLE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    TRANSFER_SYNTAXES,
    transfer_syntax,
)

if TYPE_CHECKING:
    from dicomweb.pixels.transcode import Conversion

_JPEG = "1.2.840.10008.1.2.4."
_RLE = "1.2.840.10008.1.2.5"
TARGETS: tuple[str, ...] = (
    EXPLICIT_LITTLE,
    *(_JPEG + end for end in ("70", "80", "90", "201", "202", "110")),
    _RLE,
    _JPEG + "57",
    *(_JPEG + end for end in ("50", "51", "81", "91", "203", "111", "112")),
    "1.2.840.10008.1.2.1.98",
    "1.2.840.10008.1.2.8.1",
    IMPLICIT_LITTLE,
    DEFLATED_LITTLE,
)
"""What is offered, the best first among equals: uncompressed, lossless by age (the older the more widely read),
lossy. Not Explicit VR Big Endian, which is retired and never sent where it is not stored (PS3.18 8.7.3)."""

Kind = tuple[str, ImageSpec | None, str]
"""Transfer syntax, image and VR of the pixel data: what decides on what can be made of an instance."""

_LONGEST_VALUE = 0xFFFFFFFE
"""Bytes of a value whose length is known (PS3.5 7.1.2)."""
_HALVED = frozenset(("YBR_FULL_422", "YBR_PARTIAL_422"))
_SIGHTED = 512
_UID = re.compile(r"[0-9.]{1,64}")


def kind_of(instance: Instance) -> Kind:
    """The kind of the instance."""
    return instance.transfer_syntax, instance.image, instance.pixel_vr


def made_of_frames(kind: Kind) -> tuple[str, ...]:
    """Transfer syntaxes that single frames of such instances can be converted to, the best first.

    Deflated is none: it is said of whole data sets.
    """
    stored, image, pixel_vr = kind
    if image is None or not pixel_vr:
        return ()
    made = _made_of(_read_as(stored), replace(image, frames=1), pixel_vr)
    return tuple(uid for uid in made if uid != DEFLATED_LITTLE)


def made_of_values(kind: Kind) -> tuple[str, ...]:
    """Those that their pixel data can be converted to: uncompressed only if their length can be written down."""
    made, image = made_of_frames(kind), kind[1]
    if image is not None and native_bytes(image) > _LONGEST_VALUE:
        return tuple(uid for uid in made if transfer_syntax(uid).encapsulated)
    return made


def made_of_instances(kind: Kind) -> tuple[str, ...]:
    """Those that whole instances can be converted to.

    An instance without pixel data can have any coding of its elements; under the label of a compressed syntax that
    is Explicit VR Little Endian (PS3.5 A.4), so that a study with reports in it can be had in JPEG 2000.
    """
    if not kind[2]:
        return TARGETS
    made = made_of_values(kind)
    return (*made, DEFLATED_LITTLE) if IMPLICIT_LITTLE in made else made


def why_not_made(kind: Kind, target: str) -> str:
    """Why frames of such instances cannot be had in a transfer syntax; empty if they can, or have no pixels."""
    stored, image, pixel_vr = kind
    if image is None or not pixel_vr:
        return ""
    if target not in TRANSFER_SYNTAXES:
        return f"{target} is no transfer syntax that is known here" if _UID.fullmatch(target) else ""
    try:
        conversion_between(_read_as(stored), replace(image, frames=1), pixel_vr, target)
    except UnsupportedSyntax as error:
        return str(error)
    return "" if target in TARGETS else f"{TRANSFER_SYNTAXES[target].name} is given only where it is stored"


@lru_cache(maxsize=_SIGHTED)
def conversion_between(source: str, image: ImageSpec, pixel_vr: str, target: str) -> Conversion:
    """How a frame is converted. Raises UnsupportedSyntax."""
    from dicomweb.pixels.transcode import plan_conversion

    return plan_conversion(image, pixel_vr, source, target)


def conversion_of(instance: Instance, target: str) -> Conversion:
    """How the frames of the instance are converted, big endian ones having been turned round.

    Raises UnsupportedSyntax.
    """
    if instance.image is None or not instance.pixel_vr:
        raise UnsupportedSyntax("the instance has no pixel data that could be converted")
    return conversion_between(_read_as(instance.transfer_syntax), instance.image, instance.pixel_vr, target)


def is_recoded(instance: Instance, target: str) -> bool:
    """Whether the pixel data of the instance have to be written anew for that transfer syntax: between native ones
    they go through with the other elements."""
    return bool(instance.pixel_vr) and (
        transfer_syntax(instance.transfer_syntax).encapsulated or transfer_syntax(target).encapsulated
    )


def native_bytes(image: ImageSpec) -> int:
    """How many bytes the pixel data have when uncompressed, by the attributes."""
    return native_frame_bits(image) * image.frames // 8


def native_frame_bits(image: ImageSpec) -> int:
    """Bits of an uncompressed frame. Of two pixels side by side, YBR_FULL_422 has one of each chrominance (PS3.3
    C.7.6.3.1.2)."""
    halved = image.photometric_interpretation in _HALVED and image.samples_per_pixel == 3
    return image.rows * image.columns * (2 if halved else image.samples_per_pixel) * image.bits_allocated


def frame_bytes(instance: Instance) -> int:
    """About how many bytes a frame has when decoded; never 0."""
    return max(1, native_frame_bits(instance.image) // 8) if instance.image is not None else 1


def work_bytes(instance: Instance) -> int:
    """About how many bytes are in memory while a frame is worked on: as it is stored, and decoded."""
    frames = instance.image.frames if instance.image is not None else 1
    return frame_bytes(instance) + instance.size // max(1, frames)


@lru_cache(maxsize=_SIGHTED)
def _made_of(source: str, image: ImageSpec, pixel_vr: str) -> tuple[str, ...]:
    return tuple(uid for uid in TARGETS if uid != source and _is_made(source, image, pixel_vr, uid))


def _is_made(source: str, image: ImageSpec, pixel_vr: str, target: str) -> bool:
    try:
        conversion_between(source, image, pixel_vr, target)
    except UnsupportedSyntax:
        return False
    return True


def _read_as(stored: str) -> str:
    """The transfer syntax of frames as they are read: native ones are little endian by then."""
    return stored if transfer_syntax(stored).encapsulated else EXPLICIT_LITTLE
