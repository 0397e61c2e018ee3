"""What each transfer syntax can hold, as a table: PS3.5 8.2.1 to 8.2.16, narrowed to what the encoders do.

    image as decoded ─▶ held_as ─▶ image as it is called once encoded, or UnsupportedSyntax and why

A rule lists the Photometric Interpretations it takes and what each becomes. Lossy ones have no PALETTE COLOR,
since a palette index that is off by one is another colour; JPEG XL has no signed samples; colour is never signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.frame import UnsupportedSyntax
from dicomweb.wire.transfer_syntaxes import transfer_syntax as named

_GREY = {"MONOCHROME1": "MONOCHROME1", "MONOCHROME2": "MONOCHROME2"}
_PALETTE = {"PALETTE COLOR": "PALETTE COLOR"}
_RGB = {"RGB": "RGB"}
_YBR = {"YBR_FULL": "YBR_FULL"}


@dataclass(frozen=True, slots=True)
class Holding:
    """What one transfer syntax takes."""

    colours: Mapping[str, str]
    """Photometric Interpretation before, and after."""
    least_bits: int
    """Of Bits Stored."""
    most_bits: int
    """Of Bits Stored."""
    most_allocated: int = 16
    """Of Bits Allocated."""
    signed: bool = True
    """Whether grey samples may be signed."""
    becomes_bits: tuple[int, int] | None = None
    """Bits Allocated and Bits Stored afterwards, where the syntax fixes them."""


_JPEG = "1.2.840.10008.1.2.4."
_LOSSLESS_JPEG = Holding(_GREY | _PALETTE | _RGB | _YBR, 2, 16)
_REVERSIBLE = _GREY | _PALETTE | _YBR | {"RGB": "YBR_RCT"}
_IRREVERSIBLE = _GREY | _YBR | {"RGB": "YBR_ICT"}
_HTJ2K = Holding(_REVERSIBLE, 1, 16, most_allocated=32)
"""The encoder can do more bits, but hardly any decoder."""

HOLDINGS: Mapping[str, Holding] = MappingProxyType(
    {
        _JPEG + "50": Holding(
            _GREY | {"RGB": "YBR_FULL_422", "YBR_FULL": "YBR_FULL_422"}, 2, 8, signed=False, becomes_bits=(8, 8)
        ),
        _JPEG + "51": Holding(_GREY, 9, 12, signed=False, becomes_bits=(16, 12)),
        _JPEG + "57": _LOSSLESS_JPEG,
        _JPEG + "70": _LOSSLESS_JPEG,
        _JPEG + "80": _LOSSLESS_JPEG,
        _JPEG + "81": Holding(_GREY | _RGB | _YBR, 2, 16),
        _JPEG + "90": Holding(_REVERSIBLE, 1, 24, most_allocated=32),
        _JPEG + "91": Holding(_IRREVERSIBLE, 2, 16),
        _JPEG + "201": _HTJ2K,
        _JPEG + "202": _HTJ2K,
        _JPEG + "203": Holding(_IRREVERSIBLE, 2, 16),
        _JPEG + "110": Holding(_GREY | _PALETTE | _RGB, 1, 16, signed=False),
        _JPEG + "112": Holding(_GREY | {"RGB": "XYB"}, 2, 16, signed=False),
    }
)
"""By UID; syntaxes that are not here take samples of every kind."""

_RLE = "1.2.840.10008.1.2.5"
_RLE_BYTES = 15
"""One segment for each byte of a pixel (PS3.5 G.1)."""


def held_as(image: ImageSpec, target: str) -> ImageSpec:
    """How an image, as it is decoded, is to be described once it is encoded. Raises UnsupportedSyntax."""
    name = named(target).name
    if image.photometric_interpretation.startswith("YBR_PARTIAL"):
        # its names say halved chroma, and there is none for it in full resolution (PS3.3 C.7.6.3.1.2)
        raise UnsupportedSyntax(f"{name} does not hold {image.photometric_interpretation} here")
    holding = HOLDINGS.get(target)
    if holding is None:
        if target == _RLE and image.samples_per_pixel * max(1, image.bits_allocated // 8) > _RLE_BYTES:
            raise UnsupportedSyntax(f"{name} holds at most {_RLE_BYTES} bytes a pixel")
        if target == _RLE and image.samples_per_pixel > 1 and image.bits_allocated == 1:
            raise UnsupportedSyntax(f"{name} does not hold colour of one bit a sample here")
        return image
    colour = holding.colours.get(image.photometric_interpretation)
    if colour is None:
        raise UnsupportedSyntax(f"{name} does not hold {image.photometric_interpretation} here")
    if image.samples_per_pixel not in (1, 3) or (image.samples_per_pixel == 3) != _has_three(colour):
        raise UnsupportedSyntax(f"{name} does not hold {image.samples_per_pixel} samples of {colour}")
    if not holding.least_bits <= image.bits_stored <= holding.most_bits:
        raise UnsupportedSyntax(
            f"{name} holds {holding.least_bits} to {holding.most_bits} bits a sample here, not {image.bits_stored}"
        )
    if image.bits_allocated > holding.most_allocated:
        raise UnsupportedSyntax(f"{name} holds samples of at most {holding.most_allocated} allocated bits here")
    if image.pixel_representation == 1 and not (holding.signed and colour in _GREY):
        raise UnsupportedSyntax(f"{name} does not hold signed samples of {colour} here")
    held = replace(image, photometric_interpretation=colour)
    if holding.becomes_bits is not None:
        allocated, stored = holding.becomes_bits
        held = replace(held, bits_allocated=allocated, bits_stored=stored)
    return held


def _has_three(colour: str) -> bool:
    return colour not in _GREY and colour not in _PALETTE
