"""The samples of one frame in any transfer syntax that can be written.

    DecodedFrame ─▶ what its bits need ─▶ encoder ─▶ bytes of one frame, without the padding of a fragment

Native frames are little endian (big endian for that syntax alone), colour by pixel. What an encoded frame has to
be called in the data set (YBR_RCT, YBR_FULL_422, ...) is said by `transcode.plan_conversion`, which also tells
beforehand what cannot be held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.encoders import htj2k, jpeg, jpeg_2000, jpeg_ls, jpeg_xl
from dicomweb.pixels.encoders.native import deflated, encode_native
from dicomweb.pixels.encoders.rle import encode_rle
from dicomweb.pixels.encoders.samples import Source, source_of
from dicomweb.pixels.frame import DecodedFrame, TooLarge, UnsupportedSyntax
from dicomweb.pixels.quality import DEFAULT_QUALITY, Quality
from dicomweb.wire.transfer_syntaxes import DEFLATED_LITTLE, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from dicomweb.wire.transfer_syntaxes import transfer_syntax as named

ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."

_LOSSLESS: Mapping[str, Callable[[Source], bytes]] = MappingProxyType(
    {
        _JPEG + "57": jpeg.encode_lossless,
        _JPEG + "70": jpeg.encode_lossless,
        _JPEG + "80": jpeg_ls.encode_jpeg_ls,
        _JPEG + "90": jpeg_2000.encode_jpeg_2000,
        _JPEG + "201": htj2k.encode_htj2k,
        _JPEG + "202": htj2k.encode_htj2k,
        _JPEG + "110": jpeg_xl.encode_jpeg_xl,
        RLE: lambda source: encode_rle(source.array),
    }
)
_LOSSY: Mapping[str, Callable[[Source, Quality], bytes]] = MappingProxyType(
    {
        _JPEG + "50": jpeg.encode_baseline,
        _JPEG + "51": jpeg.encode_extended,
        _JPEG + "81": jpeg_ls.encode_near_lossless,
        _JPEG + "91": jpeg_2000.encode_jpeg_2000_lossy,
        _JPEG + "203": htj2k.encode_htj2k_lossy,
        _JPEG + "112": jpeg_xl.encode_jpeg_xl_lossy,
    }
)
NATIVE = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED_LITTLE, EXPLICIT_BIG))
"""Syntaxes whose pixel data are not encapsulated."""
ENCODABLE = frozenset((*NATIVE, ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAME, *_LOSSLESS, *_LOSSY))
"""Every syntax that `encode_frame` writes. JPEG XL Recompression is had from JPEG alone: see `transcode`."""


def is_lossy_encoding(transfer_syntax: str) -> bool:
    """Whether what `encode_frame` writes in that syntax differs from the samples it was given."""
    return transfer_syntax in _LOSSY


def encode_frame(
    frame: DecodedFrame, spec: ImageSpec, transfer_syntax: str, *, quality: Quality = DEFAULT_QUALITY
) -> bytes:
    """One frame in that syntax; `spec` gives Bits Allocated and Bits Stored.

    Lossless syntaxes keep every allocated bit. Raises UnsupportedSyntax if there is no encoder, or if the syntax
    cannot hold such samples; TooLarge.
    """
    try:
        return _encoded(frame, spec, transfer_syntax, quality)
    except MemoryError as error:
        raise TooLarge(f"no memory to encode a frame of {frame.array.nbytes} bytes") from error


def _encoded(frame: DecodedFrame, spec: ImageSpec, transfer_syntax: str, quality: Quality) -> bytes:
    if transfer_syntax in NATIVE:
        big_endian = transfer_syntax == EXPLICIT_BIG
        return encode_native(frame.array, bits_allocated=spec.bits_allocated, big_endian=big_endian)
    if transfer_syntax in (ENCAPSULATED_UNCOMPRESSED, DEFLATED_FRAME):
        data = encode_native(frame.array, bits_allocated=spec.bits_allocated)
        return deflated(data) if transfer_syntax == DEFLATED_FRAME else data
    lossless, lossy = _LOSSLESS.get(transfer_syntax), _LOSSY.get(transfer_syntax)
    if lossless is not None:
        return lossless(source_of(frame, spec))
    if lossy is not None:
        return lossy(source_of(frame, spec), quality)
    raise UnsupportedSyntax(f"no encoder for {named(transfer_syntax).name}")
