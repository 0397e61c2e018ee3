"""One frame in any transfer syntax to its samples.

    bytes of a frame ─▶ what is declared, against the limits ─▶ codec ─▶ type, sign, colour ─▶ DecodedFrame

What the bytes begin with decides on the codec among the JPEG families, not the transfer syntax: devices that say
JPEG Lossless and send baseline exist, and both are told by the first marker. Everything declared, in the data set
and in the codestream, is checked before a codec takes memory; whatever a codec says against data is Undecodable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.abilities import can_decode
from dicomweb.pixels.codecs.codestream import Codestream, EncodedFrame, Samples, sample_type, with_sign
from dicomweb.pixels.codecs.jpeg import is_jpeg, read_jpeg
from dicomweb.pixels.codecs.jpeg2000 import is_jpeg2000, read_jpeg2000
from dicomweb.pixels.codecs.jpeg_xl import is_jpeg_xl, read_jpeg_xl
from dicomweb.pixels.codecs.native import decode_deflated, decode_native
from dicomweb.pixels.codecs.rle import decode_rle
from dicomweb.pixels.frame import DecodedFrame, PixelError, TooLarge, Undecodable, UnsupportedSyntax
from dicomweb.pixels.limits import PixelLimits
from dicomweb.pixels.photometric import decoded_photometric
from dicomweb.wire.transfer_syntaxes import EXPLICIT_BIG
from dicomweb.wire.transfer_syntaxes import transfer_syntax as named

_DIRECT: Mapping[str, Callable[[EncodedFrame], Samples]] = MappingProxyType(
    {
        "1.2.840.10008.1.2": decode_native,
        "1.2.840.10008.1.2.1": decode_native,
        "1.2.840.10008.1.2.1.98": decode_native,
        "1.2.840.10008.1.2.1.99": decode_native,
        "1.2.840.10008.1.2.2": decode_native,
        "1.2.840.10008.1.2.5": decode_rle,
        "1.2.840.10008.1.2.8.1": decode_deflated,
    }
)
"""Syntaxes whose frames say nothing of themselves; those of all others are codestreams with a header."""

_FAMILIES: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, str], Codestream]], ...] = (
    (is_jpeg, read_jpeg),
    (is_jpeg2000, read_jpeg2000),
    (is_jpeg_xl, read_jpeg_xl),
)

_DEFAULT_LIMITS = PixelLimits()


def decode_frame(
    data: bytes,
    spec: ImageSpec,
    transfer_syntax: str,
    *,
    pixel_vr: str = "",
    limits: PixelLimits = _DEFAULT_LIMITS,
) -> DecodedFrame:
    """The samples of one frame.

    `data` is the frame as stored: a native one in the byte order of its transfer syntax, one of 1-bit samples from
    bit 0 on. `pixel_vr` is the VR of the pixel data element: OF and OD mean float samples, and big endian OW of 8
    bits or 1 has its bytes turned round in pairs. Where such a frame ends inside a word, its last byte lies with
    the next frame: `services.frame_reading` cuts them out of whole words, and they are little endian then.

    The array of a native frame may be a view of `data` and not to be written to.

    Raises Undecodable, UnsupportedSyntax, TooLarge.
    """
    if not can_decode(transfer_syntax):
        raise UnsupportedSyntax(f"no decoder for {named(transfer_syntax).name}")
    if min(spec.rows, spec.columns, spec.samples_per_pixel) < 1:
        raise Undecodable("an image without rows, columns or samples")
    frame = EncodedFrame(
        data, spec, sample_type(spec, pixel_vr), big_endian=transfer_syntax == EXPLICIT_BIG, pixel_vr=pixel_vr
    )
    limits.check(frame.decoded_bytes, len(data))
    try:
        direct = _DIRECT.get(transfer_syntax)
        if direct is not None:
            return DecodedFrame(direct(frame), decoded_photometric(spec, rgb=False))
        return _decode_codestream(frame)
    except PixelError:
        raise
    except MemoryError as error:
        raise TooLarge(f"no memory for a frame of {frame.decoded_bytes} bytes") from error


def _decode_codestream(frame: EncodedFrame) -> DecodedFrame:
    stream = _read_header(frame)
    stream.check(frame.spec)
    array = with_sign(_decoded(stream), stream, frame.sample_type)
    if frame.spec.bits_allocated == 1 and array.max() > 1:
        raise Undecodable("a codestream of more than 0 and 1, 1 bit a sample is allocated")
    return DecodedFrame(
        np.ascontiguousarray(array),
        decoded_photometric(frame.spec, rgb=stream.becomes == "RGB"),
        signed=stream.signed and frame.sample_type.kind == "u",
    )


def _read_header(frame: EncodedFrame) -> Codestream:
    for recognises, read in _FAMILIES:
        if recognises(frame.data):
            return read(frame.data, frame.spec.photometric_interpretation)
    raise Undecodable(f"no compressed image begins with {frame.data[:4].hex() or 'nothing'}")


def _decoded(stream: Codestream) -> Samples:
    """What the decoder gives. Raises Undecodable, MemoryError.

    There is one decoder for each kind: a second one would not do better with what the first refuses, only be less
    strict about it, and give a wrong picture.
    """
    shape: tuple[int, ...] = (stream.rows, stream.columns)
    if stream.samples_per_pixel > 1:
        shape = (*shape, stream.samples_per_pixel)
    try:
        array = stream.decode()
    except (MemoryError, PixelError):
        raise
    except Exception as error:  # each codec has error classes of its own, and all of them mean bad data
        raise Undecodable(f"a codestream is damaged: {error}") from error
    if array.shape != shape or array.dtype.kind not in "iu":
        raise Undecodable(f"{array.shape} samples of {array.dtype} came out, {shape} were declared")
    return array
