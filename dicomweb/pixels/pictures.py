"""Pictures as files: JPEG, PNG, GIF, JPEG 2000 (moving ones: `animations`).

JPEG and PNG are written by the codecs that cost least and let other threads run; a colour profile is put into
their bytes afterwards (ICC.1 annex B: segments APP2 of JPEG, chunk iCCP of PNG). GIF has no place for one
that readers know. All files are the same for the same picture, so that they can be kept and compared by digest.
"""

from __future__ import annotations

import io
import zlib

import numpy as np

from dicomweb.pixels.frame import Picture, TooLarge, UnsupportedSyntax

PICTURE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/jp2")
"""Media types of `write_picture`."""
DEFAULT_QUALITY = 90
"""1 to 100, of media types that lose something."""

_FULL_CHROMA_QUALITY = 90
"""From here on colours of JPEG are not sub-sampled: stains of microscopy and text on ultrasound smear."""
_MOST_SIDE = {"image/jpeg": 65_500, "image/gif": 65_535, "image/png": 1 << 30, "image/jp2": 1 << 30}
_ICC_SEGMENT = 65_519
"""Bytes of a profile that fit into one APP2 segment."""


def write_picture(picture: Picture, media_type: str, *, quality: int = DEFAULT_QUALITY) -> bytes:
    """The picture as a file of one of `PICTURE_TYPES`.

    `quality` (1 to 100) is of image/jpeg, and of image/jp2 where 100 is lossless.

    Raises UnsupportedSyntax for other media types, TooLarge for sides that the format cannot say.
    """
    if media_type not in PICTURE_TYPES:
        raise UnsupportedSyntax(f"pictures are written as {', '.join(PICTURE_TYPES)}, not {media_type}")
    check_side(picture, media_type)
    quality = min(max(int(quality), 1), 100)
    if media_type == "image/jpeg":
        return _jpeg(picture, quality)
    if media_type == "image/png":
        return _png(picture)
    if media_type == "image/jp2":
        return _jp2(picture, quality)
    return gif_bytes(picture)


def check_side(picture: Picture, media_type: str) -> None:
    """Raises TooLarge for sides that the format cannot say."""
    rows, columns = picture.array.shape[:2]
    most = _MOST_SIDE[media_type]
    if max(rows, columns) > most:
        raise TooLarge(f"a picture of {columns} x {rows} pixels; {media_type} has at most {most} a side")


def _jpeg(picture: Picture, quality: int) -> bytes:
    import imagecodecs

    subsampling = "444" if quality >= _FULL_CHROMA_QUALITY else "420"
    array = np.ascontiguousarray(picture.array)
    data = bytes(
        imagecodecs.jpeg8_encode(array, level=quality, subsampling=subsampling)
        if array.ndim == 3
        else imagecodecs.jpeg8_encode(array, level=quality)
    )
    return _jpeg_with_profile(data, picture.icc_profile) if picture.icc_profile else data


def _jpeg_with_profile(data: bytes, profile: bytes) -> bytes:
    """The profile in numbered segments behind the first one, which is JFIF's (ICC.1 B.4)."""
    parts = [profile[start : start + _ICC_SEGMENT] for start in range(0, len(profile), _ICC_SEGMENT)]
    if len(parts) > 255:
        return data
    segments = bytearray()
    for number, part in enumerate(parts, 1):
        body = b"ICC_PROFILE\0" + bytes((number, len(parts))) + part
        segments += b"\xff\xe2" + (len(body) + 2).to_bytes(2, "big") + body
    jfif = 4 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 2
    return data[:jfif] + bytes(segments) + data[jfif:]


def _png(picture: Picture) -> bytes:
    import imagecodecs

    data = bytes(imagecodecs.png_encode(np.ascontiguousarray(picture.array), level=3))
    if not picture.icc_profile:
        return data
    body = b"iCCP" + b"ICC profile\0\0" + zlib.compress(picture.icc_profile)
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    header_end = 8 + 4 + 4 + 13 + 4
    return data[:header_end] + chunk + data[header_end:]


def _jp2(picture: Picture, quality: int) -> bytes:
    import imagecodecs

    # Levels of this codec are PSNR in dB: 30 is plainly lossy, 60 is not to be seen; 0 is reversible
    level = 0 if quality == 100 else 30 + 30 * quality // 100
    array = np.ascontiguousarray(picture.array)
    return bytes(
        imagecodecs.jpeg2k_encode(array, level=level, codecformat="jp2", reversible=level == 0, numthreads=1)
    )


def gif_bytes(picture: Picture) -> bytes:
    """The picture as a GIF of one image, in at most 256 colours chosen for it."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture.array))
    written = io.BytesIO()
    image = image if image.mode == "L" else image.quantize(256, Image.Quantize.FASTOCTREE)
    image.save(written, "GIF", optimize=False, interlace=0)
    return written.getvalue()
