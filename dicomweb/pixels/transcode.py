"""Frames from one transfer syntax to another: first the plan, from the header alone, then frame by frame.

    plan_conversion(image, VR, source, target) ─▶ Conversion ─▶ convert_frame(bytes of a frame) ─▶ bytes

| way    | when                                                            | a frame                        |
|--------|-----------------------------------------------------------------|--------------------------------|
| SAME   | nothing to do, or what is stored is valid in the target as well | its bytes as they are          |
| PLAIN  | between uncompressed syntaxes, big endian, deflated frames      | bytes swapped, in- or deflated |
| PACK   | JPEG baseline to JPEG XL Recompression                          | the JPEG image, smaller        |
| UNPACK | and back                                                        | the very same JPEG image       |
| RECODE | all else                                                        | decoded and encoded            |

A frame goes in as the archive gives it and comes out as it goes over the wire: without the byte that pads a
fragment to even length, which is the matter of whoever writes the element (`encoding.encapsulate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.abilities import can_decode
from dicomweb.pixels.codecs.native import frame_word_bytes, inflated, little_endian
from dicomweb.pixels.encode import (
    DEFLATED_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    ENCODABLE,
    NATIVE,
    encode_frame,
    is_lossy_encoding,
)
from dicomweb.pixels.encoders.native import deflated
from dicomweb.pixels.frame import Undecodable, UnsupportedSyntax
from dicomweb.pixels.holdings import held_as
from dicomweb.pixels.limits import PixelLimits
from dicomweb.pixels.photometric import decoded_photometric
from dicomweb.pixels.quality import DEFAULT_QUALITY, Quality
from dicomweb.wire.transfer_syntaxes import EXPLICIT_BIG, IMPLICIT_LITTLE
from dicomweb.wire.transfer_syntaxes import transfer_syntax as named

_JPEG = "1.2.840.10008.1.2.4."
_BASELINE, _PACKED = _JPEG + "50", _JPEG + "111"

_PLAIN = NATIVE | {ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAME}
_ALSO_VALID_AS = {
    _JPEG + "70": frozenset((_JPEG + "57",)),
    _JPEG + "80": frozenset((_JPEG + "81",)),
    _JPEG + "90": frozenset((_JPEG + "91",)),
    _JPEG + "201": frozenset((_JPEG + "203",)),
    _JPEG + "202": frozenset((_JPEG + "201", _JPEG + "203")),
    _JPEG + "110": frozenset((_JPEG + "112",)),
}
"""A lossless codestream is one of the wider syntax too, and better than what loss would make of it."""

_JPEG_DCT = frozenset(_JPEG + end for end in ("50", "51", "53", "55", "111"))
_FLOATS = frozenset(("OF", "OD"))
_LIMITS = PixelLimits()


class Way(Enum):
    """How a frame gets from one syntax to the other."""

    SAME = auto()
    PLAIN = auto()
    PACK = auto()
    UNPACK = auto()
    RECODE = auto()


@dataclass(frozen=True, slots=True)
class Conversion:
    """From one transfer syntax to another, for all frames of one image."""

    source: str
    """Transfer Syntax UID of the frames that are given."""
    target: str
    way: Way
    before: ImageSpec
    """The image as stored."""
    spec: ImageSpec
    """The image as it is to be described afterwards."""
    vr_before: str
    pixel_vr: str
    """VR of the pixel data element afterwards."""
    lossless: bool
    """Whether the conversion adds no loss to what the source may have lost already."""

    @property
    def changes_bytes(self) -> bool:
        """Whether frames come out other than they went in."""
        return self.way is not Way.SAME


def plan_conversion(spec: ImageSpec, pixel_vr: str, source: str, target: str) -> Conversion:
    """How frames of such an image get from `source` to `target`. Computes nothing on pixels.

    Raises UnsupportedSyntax with the reason: no decoder, no encoder, or samples that the target cannot hold. A
    frame may still turn out to be beyond it (bits above Bits Stored and a lossy target).
    """
    way, after = _way(spec, pixel_vr, source, target)
    return Conversion(
        source=source,
        target=target,
        way=way,
        before=spec,
        spec=after,
        vr_before=pixel_vr,
        pixel_vr=pixel_vr if source == target else _vr_after(after, pixel_vr, target),
        lossless=way is not Way.RECODE or not is_lossy_encoding(target),
    )


def _way(spec: ImageSpec, pixel_vr: str, source: str, target: str) -> tuple[Way, ImageSpec]:
    if source == target or target in _ALSO_VALID_AS.get(source, ()):
        return Way.SAME, spec
    if pixel_vr in _FLOATS and not (source in NATIVE and target in NATIVE):
        raise UnsupportedSyntax(f"{named(target).name} does not hold floating point samples (PS3.5 A.4)")
    if source in _PLAIN and target in _PLAIN:
        return _same_or_plain(spec, pixel_vr, source, target), spec
    if (source, target) == (_BASELINE, _PACKED):
        return Way.PACK, spec
    if (source, target) == (_PACKED, _BASELINE):
        return Way.UNPACK, spec
    if not can_decode(source):
        raise UnsupportedSyntax(f"no decoder for {named(source).name}")
    if target == _PACKED:
        raise UnsupportedSyntax(f"{named(target).name} is made of {named(_BASELINE).name} alone")
    if target not in ENCODABLE:
        raise UnsupportedSyntax(f"no encoder for {named(target).name}")
    return Way.RECODE, held_as(_decoded(spec, source), target)


def _same_or_plain(spec: ImageSpec, pixel_vr: str, source: str, target: str) -> Way:
    if DEFLATED_FRAME in (source, target):
        return Way.PLAIN
    if EXPLICIT_BIG not in (source, target):
        return Way.SAME
    before, after = _word(spec, pixel_vr, source), _word(spec, _vr_after(spec, pixel_vr, target), target)
    return Way.SAME if before == after == 1 else Way.PLAIN


def _word(spec: ImageSpec, pixel_vr: str, syntax: str) -> int:
    """Bytes of a native frame of that syntax that lie turned round together."""
    return frame_word_bytes(pixel_vr, spec.bits_allocated) if syntax == EXPLICIT_BIG else 1


def _decoded(spec: ImageSpec, source: str) -> ImageSpec:
    """The image as `decode_frame` gives it: colour by pixel, full resolution, transforms of codecs undone, and
    samples that were packed, 12 bits to a sample say, in whole bytes."""
    allocated = spec.bits_allocated if spec.bits_allocated == 1 else -(-spec.bits_allocated // 8) * 8
    colour = _decoded_colour(spec, source)
    return replace(spec, photometric_interpretation=colour, planar_configuration=0, bits_allocated=allocated)


def _decoded_colour(spec: ImageSpec, source: str) -> str:
    return decoded_photometric(spec, rgb=source in _JPEG_DCT)


def _vr_after(spec: ImageSpec, pixel_vr: str, target: str) -> str:
    """PS3.5 A.1, A.2, A.4: OB for fragments, OW for words and wherever VRs are implicit."""
    if named(target).encapsulated:
        return "OB"
    if pixel_vr in _FLOATS:
        return pixel_vr
    if target == IMPLICIT_LITTLE or spec.bits_allocated > 8:
        return "OW"
    return "OW" if pixel_vr == "OW" and target != EXPLICIT_BIG else "OB"


def convert_frame(
    data: bytes,
    conversion: Conversion,
    *,
    limits: PixelLimits = _LIMITS,
    quality: Quality = DEFAULT_QUALITY,
) -> bytes:
    """One frame in the target syntax. `quality` says what lossy encoders may lose.

    Raises Undecodable, UnsupportedSyntax, TooLarge.
    """
    if conversion.way is Way.SAME:
        return data
    if conversion.way is Way.PLAIN:
        return _from_plain(_to_plain(data, conversion, limits), conversion)
    if conversion.way is Way.RECODE:
        return _recoded(data, conversion, limits, quality)
    from dicomweb.pixels.encoders.jpeg_xl import pack_jpeg, unpack_jpeg

    _check_codestream(data, conversion, limits)
    return pack_jpeg(data) if conversion.way is Way.PACK else unpack_jpeg(data)


def _check_codestream(data: bytes, conversion: Conversion, limits: PixelLimits) -> None:
    """Refuse a codestream that is not what the attributes say: it takes as much memory as it says itself."""
    from dicomweb.pixels.codecs.jpeg import is_jpeg, read_jpeg
    from dicomweb.pixels.codecs.jpeg_xl import is_jpeg_xl, read_jpeg_xl

    before = conversion.before
    limits.check(_native_bytes(before), len(data))
    recognises, read = (is_jpeg, read_jpeg) if conversion.way is Way.PACK else (is_jpeg_xl, read_jpeg_xl)
    if not recognises(data):
        raise Undecodable(f"no {named(conversion.source).name} begins with {data[:4].hex() or 'nothing'}")
    read(data, before.photometric_interpretation).check(before)


def _to_plain(data: bytes, conversion: Conversion, limits: PixelLimits) -> bytes:
    """The frame as little endian bytes."""
    if conversion.source == DEFLATED_FRAME:
        expected = _native_bytes(conversion.before)
        limits.check(expected, len(data))
        return inflated(data, expected)
    return little_endian(data, _word(conversion.before, conversion.vr_before, conversion.source))


def _from_plain(data: bytes, conversion: Conversion) -> bytes:
    if conversion.target == DEFLATED_FRAME:
        return deflated(data)
    return little_endian(data, _word(conversion.spec, conversion.pixel_vr, conversion.target))


def _native_bytes(spec: ImageSpec) -> int:
    """Bytes of a frame without compression, at most: sub-sampled colour has fewer."""
    return -(-spec.rows * spec.columns * spec.samples_per_pixel * spec.bits_allocated // 8)


def _recoded(data: bytes, conversion: Conversion, limits: PixelLimits, quality: Quality) -> bytes:
    from dicomweb.pixels.decode import decode_frame

    before = conversion.before
    frame = decode_frame(data, before, conversion.source, pixel_vr=conversion.vr_before, limits=limits)
    expected = _decoded_colour(before, conversion.source)
    if frame.photometric_interpretation != expected:
        # the header of the whole instance promises one colour for all its frames
        raise Undecodable(f"a frame of {frame.photometric_interpretation}, {expected} expected")
    spec = replace(before, bits_stored=min(before.bits_stored, conversion.spec.bits_stored))
    return encode_frame(frame, spec, conversion.target, quality=quality)
