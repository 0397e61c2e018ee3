"""JPEG XL (ISO/IEC 18181; PS3.5 8.2.15): without loss, with loss, and as the packing of a JPEG image.

Lossless and lossy images are bare codestreams of unsigned samples, since JPEG XL has no signed ones. A packed JPEG
image is in a container, because it needs a box that tells how the very bytes of the JPEG are had again.
"""

from __future__ import annotations

from typing import cast

from dicomweb.pixels.encoders.samples import Samples, Source, refuse_unclean
from dicomweb.pixels.frame import Undecodable, UnsupportedSyntax
from dicomweb.pixels.quality import Quality

_FAST = 1
"""Effort of the lossless encoder: 0.8 ms for a CT frame; effort 3 takes 14 ms for a tenth less."""
_LOSSY_EFFORT = 4
_LEAST_DISTANCE = 0.01


def encode_jpeg_xl(source: Source) -> bytes:
    """Without loss, in modular mode."""
    import imagecodecs

    samples = _samples(source)
    return cast(
        bytes,
        imagecodecs.jpegxl_encode(
            samples, lossless=True, effort=_FAST, bitspersample=source.bits, usecontainer=False, numthreads=1
        ),
    )


def encode_jpeg_xl_lossy(source: Source, quality: Quality) -> bytes:
    """With loss; colour goes through the XYB transform of the codec."""
    import imagecodecs

    refuse_unclean(source)
    samples = _samples(source)
    # the codec takes the whole range of its precision for black to white
    distance = max(_LEAST_DISTANCE, quality.distance * source.extent)
    return cast(
        bytes,
        imagecodecs.jpegxl_encode(
            samples,
            lossless=False,
            distance=distance,
            effort=_LOSSY_EFFORT,
            bitspersample=source.bits,
            usecontainer=False,
            numthreads=1,
        ),
    )


def pack_jpeg(data: bytes) -> bytes:
    """A baseline JPEG image as JPEG XL, a fifth smaller; `unpack_jpeg` gives the same bytes again."""
    import imagecodecs

    try:
        return cast(bytes, imagecodecs.jpegxl_encode_jpeg(data, usecontainer=True, numthreads=1))
    except (imagecodecs.JpegxlError, ValueError) as error:
        raise Undecodable(f"JPEG XL cannot pack this JPEG image: {error}") from error


def unpack_jpeg(data: bytes) -> bytes:
    """The JPEG image that `pack_jpeg`, or another encoder, has packed. Raises Undecodable if it is none."""
    import imagecodecs

    try:
        # the declaration of the codec wants a number of threads, the codec does not take one
        return cast(bytes, imagecodecs.jpegxl_decode_jpeg(data))  # type: ignore[call-arg]
    except (imagecodecs.JpegxlError, ValueError, RuntimeError) as error:
        raise Undecodable(f"no JPEG image is packed in this JPEG XL image: {error}") from error


def _samples(source: Source) -> Samples:
    if source.signed:
        raise UnsupportedSyntax("JPEG XL has no signed samples")
    if source.width > 16:
        raise UnsupportedSyntax("JPEG XL holds samples of at most 16 bits here")
    return source.narrowed().array
