"""JPEG-LS (ISO/IEC 14495-1; PS3.5 8.2.3, A.4.3), lossless and near-lossless, colour interleaved by sample.

The precision in the codestream is that of a sample in memory, 8 or 16 bits, which keeps all its bits. JPEG-LS
knows no signs: signed samples go as two's complement. Near-lossless this works as long as no sample is so close to
either end of the signed range that an error could carry it over to the other.
"""

from __future__ import annotations

from typing import cast

from dicomweb.pixels.encoders.samples import Source, refuse_unclean
from dicomweb.pixels.frame import UnsupportedSyntax
from dicomweb.pixels.quality import Quality

_ROOM = 4096
"""Bytes for the markers; the samples themselves may grow by half where they are noise."""


def encode_jpeg_ls(source: Source) -> bytes:
    """Without loss."""
    return _encoded(source, near=0)


def encode_near_lossless(source: Source, quality: Quality) -> bytes:
    """No sample differs by more than `quality.near`, nor by more than a sixteenth of the range of values."""
    refuse_unclean(source)
    near = min(quality.near, source.span // 16)
    if source.signed:
        limit = 1 << (source.width - 1)
        if int(source.array.min()) + limit < near or limit - 1 - int(source.array.max()) < near:
            raise UnsupportedSyntax("signed samples at the end of their range cannot be encoded near-lossless")
    return _encoded(source, near=near)


def _encoded(source: Source, *, near: int) -> bytes:
    import imagecodecs

    if source.width > 16:
        raise UnsupportedSyntax("JPEG-LS holds samples of at most 16 bits")
    samples = source.pattern()
    # the codec's own guess at the size is too small for noise
    room = samples.nbytes + samples.nbytes // 2 + _ROOM
    return cast(bytes, imagecodecs.jpegls_encode(samples, level=near, out=room))
