"""JPEG (ISO/IEC 10918-1; PS3.5 8.2.1, A.4.1): baseline, extended with 12 bits, lossless.

    .50 baseline            8 bits           lossy; RGB becomes Y, Cb, Cr, halved across (4:2:2)
    .51 extended, process 4 12 bits          lossy; grey only
    .70 lossless, process 14, predictor 1    2 to 16 bits; colour as it is, without a transform

JPEG knows no signs: signed samples go as two's complement of all their allocated bits, which every decoder brings
back without having to know Bits Stored.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from dicomweb.pixels.encoders.samples import Source, refuse_unclean
from dicomweb.pixels.frame import UnsupportedSyntax
from dicomweb.pixels.quality import Quality

_LONGEST_SIDE = 65500
"""Of libjpeg; the syntax would allow 65535."""
_FIRST_PREDICTOR = 1


def encode_baseline(source: Source, quality: Quality) -> bytes:
    """Process 1: 8 bits a sample. Colour given as RGB is transformed, as YBR_FULL it is taken as it is."""
    import imagecodecs

    _check_size(source)
    refuse_unclean(source)
    if source.signed or source.bits > 8:
        raise UnsupportedSyntax("JPEG baseline holds unsigned samples of 8 bits")
    array = source.array.astype(np.uint8, copy=False)
    if array.ndim == 2:
        return cast(bytes, imagecodecs.jpeg8_encode(array, level=quality.jpeg))
    given = "RGB" if source.colour == "RGB" else "YCBCR"
    return cast(
        bytes,
        imagecodecs.jpeg8_encode(
            array, level=quality.jpeg, colorspace=given, outcolorspace="YCBCR", subsampling="422"
        ),
    )


def encode_extended(source: Source, quality: Quality) -> bytes:
    """Process 4: grey samples of 12 bits."""
    import imagecodecs

    _check_size(source)
    refuse_unclean(source)
    if source.signed or source.bits > 12 or source.array.ndim != 2:
        raise UnsupportedSyntax("JPEG Extended holds unsigned grey samples of 12 bits")
    array = source.array.astype(np.uint16, copy=False)
    return cast(bytes, imagecodecs.jpeg8_encode(array, level=quality.jpeg, bitspersample=12))


def encode_lossless(source: Source) -> bytes:
    """Process 14 with selection value 1."""
    import imagecodecs

    _check_size(source)
    if source.width > 16:
        raise UnsupportedSyntax("JPEG Lossless holds samples of at most 16 bits")
    source = source if source.signed else source.narrowed()
    bits = source.width if source.signed else max(2, source.bits)
    # said to be YCbCr, Cb and Cr would get a Huffman table of their own, which libjpeg-turbo 3.1 makes a broken
    # scan of; components without a meaning share one, and the meaning is said by the data set anyway
    colour = None if source.array.ndim == 2 else "RGB" if source.colour == "RGB" else "UNKNOWN"
    return cast(
        bytes,
        imagecodecs.jpeg8_encode(
            source.pattern(),
            lossless=True,
            predictor=_FIRST_PREDICTOR,
            bitspersample=bits,
            colorspace=colour,
            outcolorspace=colour,
        ),
    )


def _check_size(source: Source) -> None:
    rows, columns = source.array.shape[:2]
    if max(rows, columns) > _LONGEST_SIDE:
        raise UnsupportedSyntax(f"JPEG holds at most {_LONGEST_SIDE} rows and columns")
