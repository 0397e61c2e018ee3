"""HTJ2K (ISO/IEC 15444-15; PS3.5 8.2.14, 10.18, A.4.12), without loss or with.

Every codestream has the options of the RPCL transfer syntax, since they cost nothing: progression by resolution,
so many decompositions that the smallest image has at most 64 rows and columns, a tile-part for each resolution,
and their lengths in TLM. A client that reads the first n tile-parts has the image n times less halved.

    SOC | SIZ | CAP | COD: RPCL | QCD | TLM: lengths | SOT, smallest image | SOT, next resolution | ... | EOC

The codec takes the precision from the type of the samples in memory, 8 or 16 bits. The SIZ segment, which tells
decoders the precision, is set to the real one afterwards. For that the samples are brought to where they would be:

    reversible    unsigned samples are level-shifted here, by half of their real range, and encoded as signed
    irreversible  the values are fractions of the full range, so they are moved to the top of the type

The real precision saves viewers from mistaking 12 bits for 16, and is what PS3.5 8.2.4 calls consistent.
"""

from __future__ import annotations

import struct
from typing import cast

from dicomweb.pixels.encoders.samples import Samples, Source, refuse_unclean
from dicomweb.pixels.frame import UnsupportedSyntax
from dicomweb.pixels.quality import Quality

_THUMBNAIL = 64
"""Most rows and columns of the smallest image (PS3.5 10.18)."""
_DECOMPOSITIONS = 5
"""As many at least where the image is large enough: fewer compress worse."""
_MOST_DECOMPOSITIONS = 32
_BITS_OF_STEP = 9.0
"""Decibels: a quantisation step of s of the full range gives a ratio of about 9 - 20 log10(s)."""

_SIZ_COMPONENTS = 40
"""Offset of Csiz in a codestream that begins with SOC and SIZ (ISO/IEC 15444-1 A.5.1)."""


def encode_htj2k(source: Source) -> bytes:
    """Without loss: reversible 5-3 wavelet."""
    source = _narrowed(source)
    samples = source.array
    if not source.signed and source.bits < source.width:
        samples = _level_shifted(source)
    return _with_precision(_encoded(samples, source, step=None), source)


def encode_htj2k_lossy(source: Source, quality: Quality) -> bytes:
    """Irreversible 9-7 wavelet, quantised as the quality asks."""
    refuse_unclean(source)
    source = _narrowed(source)
    step = 10 ** ((_BITS_OF_STEP - quality.decibels) / 20) * source.extent
    samples = source.array << (source.width - source.bits)
    return _with_precision(_encoded(samples, source, step=min(step, 0.5)), source)


def _encoded(samples: Samples, source: Source, *, step: float | None) -> bytes:
    import imagecodecs

    rows, columns = samples.shape[:2]
    return cast(
        bytes,
        imagecodecs.htj2k_encode(
            samples,
            step,
            reversible=step is None,
            rgb=source.is_rgb,
            planar=False,
            resolutions=decompositions(rows, columns),
            tlm=True,
            tilepart=imagecodecs.HTJ2K.TILEPART.RESOLUTIONS,
        ),
    )


def _narrowed(source: Source) -> Source:
    """Samples of 16 bits at most: more the encoder could do, but few decoders. Raises UnsupportedSyntax."""
    if source.bits > 16:
        raise UnsupportedSyntax(f"HTJ2K holds samples of at most 16 bits here, not {source.bits}")
    return source.narrowed()


def decompositions(rows: int, columns: int) -> int:
    """How many times the image is halved."""
    enough = (max(rows, columns) - 1) // _THUMBNAIL
    return min(_MOST_DECOMPOSITIONS, max(_DECOMPOSITIONS, enough.bit_length()))


def _level_shifted(source: Source) -> Samples:
    """Unsigned samples as signed ones around zero, as the decoder's own shift expects them (15444-1 G.1)."""
    middle = source.array.dtype.type(1 << (source.bits - 1))
    shifted: Samples = (source.array - middle).view(f"i{source.array.dtype.itemsize}")
    return shifted


def _with_precision(codestream: bytes, source: Source) -> bytes:
    """The codestream with Ssiz of every component as it is meant: sign, and bits less one."""
    if source.bits == source.width:
        return codestream
    head = bytearray(codestream)
    (count,) = struct.unpack_from(">H", head, _SIZ_COMPONENTS)
    first = _SIZ_COMPONENTS + 2
    head[first : first + 3 * count : 3] = bytes([(source.bits - 1) | (0x80 if source.signed else 0)]) * count
    return bytes(head)
