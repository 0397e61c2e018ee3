"""Video (PS3.5 A.4.5 to A.4.10): the stream is passed on as it is stored; its poster is its first picture.

Only the beginning of the stream is read for the poster. A file whose table of contents stands at its end (MP4
without "fast start") cannot be read that way when it is long, and gets a card.
"""

from __future__ import annotations

import io

import numpy as np

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture, TooLarge
from dicomweb.pixels.objects.attributes import bulk_path
from dicomweb.pixels.objects.contract import ANY_PICTURE, BulkNeed, Needs, Portrait, PortraitRequest, Source

_PIXEL_DATA = "7FE00010"
_BEGINNING = 32 << 20
"""Bytes read for a poster."""
_MOST_PIXELS = 40_000_000
_PACKETS = 400
"""Looked at until a picture comes."""


def needs(header: JsonAttributes, wanted: PortraitRequest, media_type: str) -> Needs:
    """The beginning of the stream, or all of it where the video itself is wanted."""
    path = bulk_path(header, _PIXEL_DATA)
    length = _BEGINNING if media_type == ANY_PICTURE else None
    return Needs((BulkNeed(path, length),)) if path else Needs()


def portray(
    header: JsonAttributes, source: Source, wanted: PortraitRequest, media_type: str
) -> Portrait | Picture:
    """The stored stream, or the poster. Raises ValueError if no picture can be read."""
    data = source.bulk(bulk_path(header, _PIXEL_DATA))
    return Portrait(media_type, data) if media_type != ANY_PICTURE else poster(data)


def poster(data: bytes) -> Picture:
    """The first picture of a video, passing over black ones at its beginning."""
    import av

    first: Picture | None = None
    with av.open(io.BytesIO(data), mode="r", format=_container(data)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        if stream.codec_context.width * stream.codec_context.height > _MOST_PIXELS:
            raise TooLarge("a video of more pixels than are let into memory")
        for count, packet in enumerate(container.demux(stream)):
            for frame in packet.decode():
                if frame.width * frame.height > _MOST_PIXELS:
                    raise TooLarge("a picture of more pixels than are let into memory")
                shown = Picture(np.ascontiguousarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8))
                first = first or shown
                if shown.array.max() > 40:
                    return shown
            if count > _PACKETS:
                break
    if first is None:
        raise ValueError("a video without pictures")
    return first


def _container(data: bytes) -> str:
    """How the stream is packed, by its first bytes. Left to itself the library would also try play lists, which
    make it open what they name."""
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
        return "mov"
    if data[:1] == b"G":
        return "mpegts"
    starts = {b"\0\0\1\xba": "mpeg", b"\0\0\1\xb3": "mpegvideo"}
    if data[:4] in starts:
        return starts[data[:4]]
    if data[:3] == b"\0\0\1" or data[:4] == b"\0\0\0\1":
        code = data[data.index(b"\1") + 1]
        return "hevc" if code >> 1 & 63 in (32, 33, 34, 35) else "h264"
    raise ValueError("a stream in no known container")
