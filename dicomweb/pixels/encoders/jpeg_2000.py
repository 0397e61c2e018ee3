"""JPEG 2000 (ISO/IEC 15444-1; PS3.5 8.2.4, A.4.4): a bare codestream, one tile, without loss or to a given ratio.

RGB goes through the transform of the codec, reversible (YBR_RCT) or not (YBR_ICT); every other colour as it is.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from dicomweb.pixels.encoders.samples import Source, refuse_unclean
from dicomweb.pixels.frame import UnsupportedSyntax
from dicomweb.pixels.quality import Quality

_MOST_BITS = 24
"""Beyond that OpenJPEG loses bits."""
_TOLERANCE = 6.0
"""Decibels that the result may be worse than asked for."""


def encode_jpeg_2000(source: Source) -> bytes:
    """Without loss: reversible 5-3 wavelet, all bit planes."""
    return _encoded(source, level=0, reversible=True)


def encode_jpeg_2000_lossy(source: Source, quality: Quality) -> bytes:
    """Irreversible 9-7 wavelet, bit planes as far as the quality asks.

    OpenJPEG's way to a given ratio fails on images that are flat or nearly so: a black tile comes out grey. So the
    result is looked at, and where it is not what was asked for, all bit planes are kept: little for such an image.
    """
    refuse_unclean(source)
    # the codec measures against the range that its precision allows
    level = quality.decibels - 20 * math.log10(source.extent)
    data = _encoded(source, level=round(level), reversible=False)
    allowed = source.span * 10 ** (-(quality.decibels - _TOLERANCE) / 20)
    return data if _error(data, source) <= max(allowed, 0.5) else _encoded(source, level=0, reversible=False)


def _error(data: bytes, source: Source) -> float:
    """Root mean square of the differences."""
    import imagecodecs

    decoded = imagecodecs.jpeg2k_decode(data, numthreads=1)
    return float(np.sqrt(np.mean(np.square(decoded.astype(np.float32) - source.array.astype(np.float32)))))


def _encoded(source: Source, *, level: int, reversible: bool) -> bytes:
    import imagecodecs

    if source.bits > _MOST_BITS:
        raise UnsupportedSyntax(f"JPEG 2000 holds samples of at most {_MOST_BITS} bits here, not {source.bits}")
    source = source.narrowed()
    settings: dict[str, Any] = {"codecformat": "j2k", "bitspersample": source.bits, "mct": source.is_rgb}
    return cast(
        bytes,
        imagecodecs.jpeg2k_encode(source.array, level=level, reversible=reversible, numthreads=1, **settings),
    )
