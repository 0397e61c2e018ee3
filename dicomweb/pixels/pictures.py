"""Pictures as files: JPEG, PNG, GIF, JPEG 2000, and moving ones as GIF or MP4.

JPEG and PNG are written by the codecs that cost least and let other threads run; a colour profile is put into
their bytes afterwards (ICC.1 annex B: segments APP2 of JPEG, chunk iCCP of PNG). GIF has no place for one
that readers know. All files are the same for the same picture, so that they can be kept and compared by digest.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.frame import Picture, TooLarge, UnsupportedSyntax

PICTURE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/jp2")
"""Media types of `write_picture`."""
ANIMATION_TYPES = ("image/gif", "video/mp4")
"""Media types of `write_animation`."""
DEFAULT_QUALITY = 90
"""1 to 100, of media types that lose something."""

_FULL_CHROMA_QUALITY = 90
"""From here on colours of JPEG are not sub-sampled: stains of microscopy and text on ultrasound smear."""
_MOST_VIDEO_SIDE, _MOST_VIDEO_PIXELS = 16_384, 139_264 * 256
"""Of H.264: what its highest level, 6.2, allows, and no encoder goes beyond (ITU-T H.264 A.3)."""
_MOST_SIDE = {"image/jpeg": 65_500, "image/gif": 65_535, "image/png": 1 << 30, "image/jp2": 1 << 30}
_ICC_SEGMENT = 65_519
"""Bytes of a profile that fit into one APP2 segment."""
_H264, _MPEG4 = "libx264", "mpeg4"
_INDEX_BYTES, _INDEX_BYTES_A_FRAME = 4096, 40
"""Of an MP4: more than enough, measured on films of 1 to 2000 frames."""


def write_picture(picture: Picture, media_type: str, *, quality: int = DEFAULT_QUALITY) -> bytes:
    """The picture as a file of one of `PICTURE_TYPES`.

    `quality` (1 to 100) is of image/jpeg, and of image/jp2 where 100 is lossless.

    Raises UnsupportedSyntax for other media types, TooLarge for sides that the format cannot say.
    """
    if media_type not in PICTURE_TYPES:
        raise UnsupportedSyntax(f"pictures are written as {', '.join(PICTURE_TYPES)}, not {media_type}")
    _check_side(picture, media_type)
    quality = min(max(int(quality), 1), 100)
    if media_type == "image/jpeg":
        return _jpeg(picture, quality)
    if media_type == "image/png":
        return _png(picture)
    if media_type == "image/jp2":
        return _jp2(picture, quality)
    return _gif([picture], frames_per_second=1.0)


def write_animation(
    pictures: Iterable[Picture], media_type: str, *, frames_per_second: float, quality: int = DEFAULT_QUALITY
) -> bytes:
    """The pictures one after the other, as a file of one of `ANIMATION_TYPES`; a GIF begins again at its end.

    All pictures have the size of the first one. `quality` is of video/mp4. GIF counts time in hundredths of a
    second, so rates are rounded there. Raises UnsupportedSyntax for other media types, pictures of several sizes,
    or none at all; TooLarge for pictures that the format cannot say.
    """
    rate = min(max(frames_per_second, 0.1), 120.0)
    if media_type == "image/gif":
        return _gif(pictures, frames_per_second=rate)
    if media_type == "video/mp4":
        return _mp4(pictures, frames_per_second=rate, quality=min(max(int(quality), 1), 100))
    raise UnsupportedSyntax(f"animations are written as {', '.join(ANIMATION_TYPES)}, not {media_type}")


def _check_side(picture: Picture, media_type: str) -> None:
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


def _gif(pictures: Iterable[Picture], *, frames_per_second: float) -> bytes:
    from PIL import Image

    def image_of(picture: Picture) -> Image.Image:
        image = Image.fromarray(np.ascontiguousarray(picture.array))
        return image if image.mode == "L" else image.quantize(256, Image.Quantize.FASTOCTREE)

    first, rest = _all_of_one_size(pictures)
    _check_side(first, "image/gif")
    written = io.BytesIO()
    hundredths = max(2, round(100 / frames_per_second))
    following = chain.from_iterable([(image_of(picture) for picture in rest)])
    image_of(first).save(
        written, "GIF", save_all=True, append_images=following, duration=10 * hundredths, loop=0, optimize=False
    )
    return written.getvalue()


def _mp4(pictures: Iterable[Picture], *, frames_per_second: float, quality: int) -> bytes:
    import av

    first, rest = _all_of_one_size(pictures)
    rows, columns = first.array.shape[:2]
    if max(rows, columns) > _MOST_VIDEO_SIDE or rows * columns > _MOST_VIDEO_PIXELS:
        raise TooLarge(
            f"a film of {columns} x {rows} pixels; video/mp4 has at most {_MOST_VIDEO_SIDE} a side "
            f"and {_MOST_VIDEO_PIXELS} in all"
        )
    written = io.BytesIO()
    with av.open(written, "w", format="mp4") as container:
        stream = _video_stream(container, frames_per_second, quality)
        stream.width, stream.height = columns + columns % 2, rows + rows % 2
        stream.pix_fmt = "yuv420p"
        packets = []
        for picture in chain([first], rest):
            frame = av.VideoFrame.from_ndarray(_even(picture.array), format=_pixel_format(picture.array))
            packets += stream.encode(frame)
        packets += stream.encode(None)
        # Room for the index before the frames, so that a browser can begin before it has everything
        container.container_options["moov_size"] = str(_INDEX_BYTES + _INDEX_BYTES_A_FRAME * len(packets))
        container.mux(packets)
    return written.getvalue()


def _video_stream(container: Any, frames_per_second: float, quality: int) -> Any:
    """A stream of H.264, or of MPEG-4 part 2 where the library has no encoder for that."""
    from fractions import Fraction

    import av

    rate = Fraction(frames_per_second).limit_denominator(1001)
    if _H264 in av.codecs_available:
        # crf: 18 is not told from the original, 40 is poor
        return container.add_stream(
            _H264, rate=rate, options={"crf": str(round(40 - 0.24 * quality)), "preset": "veryfast"}
        )
    scale = str(max(1, round(31 - 0.3 * quality)))
    return container.add_stream(_MPEG4, rate=rate, options={"qmin": scale, "qmax": scale})


def _even(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """With an even number of rows and columns, as sub-sampled colours need it: the last ones stand twice."""
    odd = [(0, side % 2) for side in array.shape[:2]]
    padding = odd + [(0, 0)] * (array.ndim - 2)
    return np.ascontiguousarray(
        np.pad(array, padding, "edge") if any(array.shape[i] % 2 for i in (0, 1)) else array
    )


def _pixel_format(array: npt.NDArray[np.uint8]) -> str:
    return "gray" if array.ndim == 2 else "rgb24"


def _all_of_one_size(pictures: Iterable[Picture]) -> tuple[Picture, Iterator[Picture]]:
    """The first picture and the others, each looked at as it comes."""
    others = iter(pictures)
    first = next(others, None)
    if first is None:
        raise UnsupportedSyntax("an animation of no pictures")
    size = first.array.shape[:2]

    def checked() -> Iterator[Picture]:
        for picture in others:
            if picture.array.shape[:2] != size:
                raise UnsupportedSyntax("the frames have several sizes, which an animation cannot show")
            yield picture

    return first, checked()
