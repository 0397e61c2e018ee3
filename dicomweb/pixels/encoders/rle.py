"""RLE Lossless (PS3.5 G): the bytes of each sample apart, most significant first, each row packed by runs.

    64 bytes: number of segments, 15 offsets | segment of R's high bytes | of R's low bytes | of G's ...

Samples of 1 bit are padded to bytes first (the Padded Composite Pixel Code of G.2). PackBits is the codec's, which
lets other threads run meanwhile; the encoder of pylibjpeg-rle does not, and takes four times as long.
"""

from __future__ import annotations

import struct

import numpy as np

from dicomweb.pixels.encoders.samples import Samples
from dicomweb.pixels.frame import UnsupportedSyntax

_HEADER = struct.Struct("<16L")
_SEGMENTS = 15


def encode_rle(array: Samples) -> bytes:
    """The frame as segments of even length (G.5). Raises UnsupportedSyntax if it would need more than 15."""
    import imagecodecs

    samples = array.shape[2] if array.ndim == 3 else 1
    size = array.dtype.itemsize
    if samples * size > _SEGMENTS:
        raise UnsupportedSyntax(f"RLE has at most {_SEGMENTS} segments, {samples * size} would be needed")
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    octets = little.view(np.uint8).reshape(*array.shape[:2], samples, size)
    planes = np.empty((samples * size, *array.shape[:2]), np.uint8)
    planes.reshape(samples, size, *array.shape[:2])[...] = octets[..., ::-1].transpose(2, 3, 0, 1)
    # a run must not go on in the next row (G.3.1): the codec packs along the last axis
    packed = [imagecodecs.packbits_encode(plane, axis=1) for plane in planes]
    segments = [segment + b"\0" if len(segment) % 2 else segment for segment in packed]
    offsets = [_HEADER.size]
    for segment in segments[:-1]:
        offsets.append(offsets[-1] + len(segment))
    offsets += [0] * (_SEGMENTS - len(offsets))
    return b"".join([_HEADER.pack(len(segments), *offsets), *segments])
