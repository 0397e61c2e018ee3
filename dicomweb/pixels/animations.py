"""Moving pictures as GIF or MP4, written picture by picture.

    add ─▶ encoded at once, the picture is let go ─▶ add ─▶ ... ─▶ finish: the file

A cine of a thousand frames so takes the memory of its file and of one picture, and whoever makes it can stop
between any two. Files are the same for the same pictures.

A GIF is put together here from what Pillow writes of single pictures (GIF89a, by its sections): Pillow itself
wants all of an animation in one call, and holds it. Of each picture only the rectangle that has changed is kept.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dicomweb.pixels.frame import Picture, TooLarge, UnsupportedSyntax
from dicomweb.pixels.pictures import DEFAULT_QUALITY, check_side, gif_bytes

ANIMATION_TYPES = ("image/gif", "video/mp4")
"""Media types of animations."""

_MOST_VIDEO_SIDE, _MOST_VIDEO_PIXELS = 16_384, 139_264 * 256
"""Of H.264: what its highest level, 6.2, allows, and no encoder goes beyond (ITU-T H.264 A.3)."""
_H264, _MPEG4 = "libx264", "mpeg4"
_INDEX_BYTES, _INDEX_BYTES_A_FRAME = 4096, 40
"""Of an MP4: more than enough, measured on films of 1 to 2000 frames."""
_SCREEN_BYTES = 13
"""Header and Logical Screen Descriptor of a GIF (17, 18)."""
_FOR_EVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
"""The application extension that lets a GIF begin again at its end."""
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, b"\x3b"
_TABLE_FLAG, _TABLE_SIZE = 0x80, 0x07
_LEAVE_IN_PLACE = 0x04
"""Disposal method 1, as the packed byte of a Graphic Control Extension has it (23)."""


class Animation(Protocol):
    """A file in the making."""

    def add(self, picture: Picture) -> None:
        """Take the next picture. Raises UnsupportedSyntax if it is not of the size of the first one, TooLarge for
        sides that the format cannot say."""

    def finish(self) -> bytes:
        """The file. Raises UnsupportedSyntax without any picture."""


def begin_animation(media_type: str, *, frames_per_second: float, quality: int = DEFAULT_QUALITY) -> Animation:
    """An animation of one of `ANIMATION_TYPES`; a GIF begins again at its end.

    `quality` (1 to 100) is of video/mp4. GIF counts time in hundredths of a second, so rates are rounded there.
    Raises UnsupportedSyntax for other media types.
    """
    rate = min(max(frames_per_second, 0.1), 120.0)
    if media_type == "image/gif":
        return _Gif(rate)
    if media_type == "video/mp4":
        return _Mp4(rate, min(max(int(quality), 1), 100))
    raise UnsupportedSyntax(f"animations are written as {', '.join(ANIMATION_TYPES)}, not {media_type}")


def write_animation(
    pictures: Iterable[Picture], media_type: str, *, frames_per_second: float, quality: int = DEFAULT_QUALITY
) -> bytes:
    """The pictures one after the other as a file; see `begin_animation` and what an Animation raises."""
    animation = begin_animation(media_type, frames_per_second=frames_per_second, quality=quality)
    for picture in pictures:
        animation.add(picture)
    return animation.finish()


class _Gif:
    """Sections of a GIF: the screen, and an image for each picture."""

    def __init__(self, frames_per_second: float) -> None:
        self._hundredths = max(2, round(100 / frames_per_second))
        self._palette = b""
        """The Global Color Table: that of the first picture."""
        self._last: npt.NDArray[np.uint8] | None = None
        self._sections: list[bytes] = []

    def add(self, picture: Picture) -> None:
        """See Animation."""
        left, top, changed = 0, 0, picture.array
        if self._last is None:
            check_side(picture, "image/gif")
        else:
            _check_size(picture, self._last.shape)
            left, top, changed = _changed(self._last, picture.array)
        palette, data = _image_of(gif_bytes(Picture(changed)))
        if self._last is None:
            self._palette = palette
            self._sections.append(_screen(picture.array.shape, palette))
        self._last = picture.array
        own = b"" if palette == self._palette else palette
        rows, columns = changed.shape[:2]
        place = b"".join(number.to_bytes(2, "little") for number in (left, top, columns, rows))
        control = bytes((_EXTENSION, 0xF9, 4, _LEAVE_IN_PLACE)) + self._hundredths.to_bytes(2, "little") + b"\0\0"
        self._sections += (control, bytes((_IMAGE,)) + place + bytes((_table_flags(own),)), own, data)

    def finish(self) -> bytes:
        """See Animation."""
        if self._last is None:
            raise UnsupportedSyntax("an animation of no pictures")
        return b"".join((*self._sections, _TRAILER))


def _screen(shape: tuple[int, ...], palette: bytes) -> bytes:
    """Header, Logical Screen Descriptor, Global Color Table (GIF89a 17 to 19)."""
    size = shape[1].to_bytes(2, "little") + shape[0].to_bytes(2, "little")
    return b"GIF89a" + size + bytes((_table_flags(palette) | 0x70, 0, 0)) + palette + _FOR_EVER


def _table_flags(palette: bytes) -> int:
    """Whether a color table follows, and its size: 2 to the power of the number and one, three bytes a colour."""
    return _TABLE_FLAG | ((len(palette) // 3).bit_length() - 2) if palette else 0


def _image_of(gif: bytes) -> tuple[bytes, bytes]:
    """Color table and data (LZW code size and sub-blocks) of the only image of a GIF."""
    palette, at = _table(gif, gif[10], _SCREEN_BYTES)
    while gif[at] == _EXTENSION:
        at += 2
        while gif[at]:
            at += 1 + gif[at]
        at += 1
    local, at = _table(gif, gif[at + 9], at + 10)
    return local or palette, gif[at : -len(_TRAILER)]


def _table(gif: bytes, flags: int, at: int) -> tuple[bytes, int]:
    """The color table that the flags tell of, and where it ends."""
    end = at + (3 << (flags & _TABLE_SIZE) + 1 if flags & _TABLE_FLAG else 0)
    return gif[at:end], end


def _changed(
    before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]
) -> tuple[int, int, npt.NDArray[np.uint8]]:
    """Left, top and pixels of the rectangle in which two pictures of one size differ; a pixel if they do not."""
    if before.ndim != after.ndim:
        return 0, 0, after
    differs = before != after
    if differs.ndim == 3:
        differs = differs.any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not rows.size:
        return 0, 0, after[:1, :1]
    top, left = int(rows[0]), int(columns[0])
    return left, top, after[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]


class _Mp4:
    """A video whose packets are put into their container when all are there, behind the index of them."""

    def __init__(self, frames_per_second: float, quality: int) -> None:
        self._rate, self._quality = frames_per_second, quality
        self._written = io.BytesIO()
        self._container: Any = None
        self._stream: Any = None
        self._packets: list[Any] = []
        self._shape: tuple[int, ...] = ()

    def add(self, picture: Picture) -> None:
        """See Animation."""
        import av

        if self._container is None:
            self._open(picture.array.shape)
        _check_size(picture, self._shape)
        frame = av.VideoFrame.from_ndarray(_even(picture.array), format=_pixel_format(picture.array))
        self._packets += self._stream.encode(frame)

    def _open(self, shape: tuple[int, ...]) -> None:
        import av

        rows, columns = shape[:2]
        if max(rows, columns) > _MOST_VIDEO_SIDE or rows * columns > _MOST_VIDEO_PIXELS:
            raise TooLarge(
                f"a film of {columns} x {rows} pixels; video/mp4 has at most {_MOST_VIDEO_SIDE} a side "
                f"and {_MOST_VIDEO_PIXELS} in all"
            )
        self._container = av.open(self._written, "w", format="mp4")
        self._stream = _video_stream(self._container, self._rate, self._quality)
        self._stream.width, self._stream.height = columns + columns % 2, rows + rows % 2
        self._stream.pix_fmt = "yuv420p"
        self._shape = shape

    def finish(self) -> bytes:
        """See Animation."""
        if self._container is None:
            raise UnsupportedSyntax("an animation of no pictures")
        with self._container:
            packets = [*self._packets, *self._stream.encode(None)]
            # Room for the index before the frames, so that a browser can begin before it has everything
            room = _INDEX_BYTES + _INDEX_BYTES_A_FRAME * len(packets)
            self._container.container_options["moov_size"] = str(room)
            self._container.mux(packets)
        return self._written.getvalue()


def _check_size(picture: Picture, shape: tuple[int, ...]) -> None:
    if picture.array.shape[:2] != shape[:2]:
        raise UnsupportedSyntax("the frames have several sizes, which an animation cannot show")


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
