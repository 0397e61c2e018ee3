"""A whole instance in memory to another transfer syntax, proved to hold the same pixels.

    data ─▶ read ─▶ frames ─▶ each converted, decoded again, compared ─▶ Pixel Data ─┐
              └──▶ everything around the pixel data, as it came ─────────────────────┴▶ the new file

What is stored afterwards is all that is left, so whatever could not be had again is not converted: frames that
decode to other samples than before, values that are longer or shorter than their frames, colour with halved
resolution, samples packed by 12 bits, floats, what is signed. Where nothing but the pixel data changes, the bytes
around them are copied, and uncompressing gives the data set that came, byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dicomweb.encoding.changes import encoded_changes
from dicomweb.encoding.charset import character_set
from dicomweb.encoding.encapsulate import TooLong, encapsulated_value, native_value
from dicomweb.encoding.frame_index import frame_index
from dicomweb.encoding.head import Fragments, Head, HeadLimits, Unreadable
from dicomweb.encoding.image import PIXEL_DATA as PIXEL_KEY
from dicomweb.encoding.image import image_spec
from dicomweb.encoding.inflate import Inflater
from dicomweb.encoding.json_values import BadValue
from dicomweb.encoding.reader import read_head
from dicomweb.encoding.rewrite import Rewriter
from dicomweb.encoding.writer import element_header, file_prefix, relabelled_prefix
from dicomweb.encoding.written_syntax import first_fragment, written_syntax
from dicomweb.model.frames import FrameIndex, NativeFrames
from dicomweb.model.instance import ImageSpec
from dicomweb.model.pixel_errors import PixelError
from dicomweb.model.query import JsonAttributes
from dicomweb.model.ranges import ByteRange
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.relabel import relabelled
from dicomweb.pixels.transcode import Conversion, convert_frame, plan_conversion
from dicomweb.services.conversions import native_frame_bits
from dicomweb.wire.transfer_syntaxes import transfer_syntax as named

_SIGNATURES = "FFFAFFFA"
"""Digital Signatures Sequence (PS3.3 C.12.1.1.3.1.2): one made over the pixel data would not hold any more."""
_HALVED = frozenset(("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420"))
_PIXEL_HEADER = 12
"""Bytes of the element header of pixel data in Explicit VR (PS3.5 7.1.2)."""
_PIXEL_GROUP_LENGTH = b"\xe0\x7f\0\0"
_TABLES = frozenset(("7FE00001", "7FE00002", "7FE00003"))


class NotConvertible(Exception):
    """The instance cannot be had in that transfer syntax without loss; the text says why, without patient data."""

    def __init__(self, why: str, *, too_large: bool = False) -> None:
        super().__init__(why)
        self.too_large = too_large


def converted_whole(data: bytes, target: str, limits: HeadLimits, *, most_bytes: int) -> bytes:
    """The file in the transfer syntax `target`; uncompressed its pixel data may have `most_bytes`.

    Raises NotConvertible.
    """
    try:
        return _converted_whole(data, target, read_head(data, limits), most_bytes)
    except (Unreadable, PixelError, TooLong, BadValue) as error:
        raise NotConvertible(str(error)) from error


def _converted_whole(data: bytes, target: str, head: Head, most_bytes: int) -> bytes:
    source = written_syntax(head, first_fragment(head, data))
    image = image_spec(head.data_set)
    if image is None or head.pixel is None or head.pixel.path != (PIXEL_KEY,):
        raise NotConvertible("no integer pixel data")
    if _SIGNATURES in head.data_set:
        raise NotConvertible("the data set is signed")
    if (image.bits_allocated % 8 and image.bits_allocated != 1) or image.photometric_interpretation in _HALVED:
        raise NotConvertible("packed samples of several bits, or colour of halved resolution")
    samples = image.rows * image.columns * image.samples_per_pixel * image.frames
    if samples * image.bits_allocated // 8 > most_bytes:
        raise NotConvertible("uncompressed it is too large", too_large=True)
    conversion = plan_conversion(image, head.pixel.vr, source, target)
    if not conversion.lossless:
        raise NotConvertible("the transfer syntax loses something")
    whole = _inflated(data, head) if head.inflated else data
    frames = [_converted(frame, conversion) for frame in _frames(whole, head, image)]
    ratio = samples * image.bits_allocated / 8 / len(data)
    changes = relabelled(head.data_set, conversion, stored_ratio=ratio)
    return _file(data, head, source, conversion, changes, _pixel_data(frames, conversion))


def _inflated(data: bytes, head: Head) -> bytes:
    """The file with its data set inflated, in which the positions of the head count."""
    inflater = Inflater()
    pieces = [data[: head.data_set_offset], *inflater.feed(data[head.data_set_offset :]), *inflater.finish()]
    return b"".join(pieces)


def _frames(data: bytes, head: Head, image: ImageSpec) -> Iterator[bytes]:
    """Every frame as stored. Raises NotConvertible if they are not all there is."""
    index = frame_index(head, image)
    assert head.pixel is not None
    if index is None or not index.count or index.count != index.declared:
        raise NotConvertible("the pixel data do not have as many frames as the attributes say")
    if isinstance(index.layout, NativeFrames) and not _fills(index, head.pixel.length):
        raise NotConvertible("the pixel data are longer than their frames")
    for number in range(1, index.count + 1):
        frame = b"".join(data[span.start : span.end] for span in index.ranges(number))
        yield _from_first_bit(frame, index.bit_offset(number), index.frame_bits(number))


def _from_first_bit(frame: bytes, offset: int, bits: int) -> bytes:
    """A frame that may begin and end inside a byte (PS3.5 8.1.1) as bytes of its own; bits of others are zero."""
    if not offset and bits == 8 * len(frame):
        return frame
    return (int.from_bytes(frame, "little") >> offset & ((1 << bits) - 1)).to_bytes(-(-bits // 8), "little")


def _fills(index: FrameIndex, length: int) -> bool:
    """Whether native frames are the whole value, but for the byte that makes its length even (PS3.5 8.1.1)."""
    octets = -(-index.count * index.frame_bits(1) // 8)
    return length in (octets, octets + octets % 2)


def _converted(frame: bytes, conversion: Conversion) -> bytes:
    """A frame in the target syntax. Raises NotConvertible if it decodes to anything but what it was."""
    encoded = convert_frame(frame, conversion)
    before = decode_frame(frame, conversion.before, conversion.source, pixel_vr=conversion.vr_before)
    after = decode_frame(encoded, conversion.spec, conversion.target, pixel_vr=conversion.pixel_vr)
    if (
        before.photometric_interpretation != after.photometric_interpretation
        or before.array.dtype != after.array.dtype
        or not np.array_equal(before.array, after.array)
    ):
        raise NotConvertible("a frame decodes to other samples than it had")
    return encoded


def _pixel_data(frames: list[bytes], conversion: Conversion) -> bytes:
    """The pixel data element, tables before it included. Raises TooLong."""
    if named(conversion.target).encapsulated:
        return encapsulated_value(frames)
    return native_value(frames, bits_per_frame=native_frame_bits(conversion.spec), vr=conversion.pixel_vr)


def _file(
    data: bytes, head: Head, source: str, conversion: Conversion, changes: JsonAttributes, pixels: bytes
) -> bytes:
    """The new file. Raises BadValue."""
    if not changes and (span := _verbatim(data, head)):
        prefix = relabelled_prefix(data[: head.data_set_offset], conversion.target) or file_prefix(
            _uid(head, "00080016"), _uid(head, "00080018"), conversion.target
        )
        return b"".join((prefix, data[head.data_set_offset : span.start], pixels, data[span.end :]))
    declared = tuple(str(term or "") for term in head.data_set.get("00080005", {}).get("Value") or ())
    rewriter = Rewriter(
        head.data_set,
        source=source,
        target=conversion.target,
        data_set_offset=head.data_set_offset,
        changes=encoded_changes(changes, element_header, character_set(declared)[0]),
        without_pixels=True,
    )
    pieces = [*rewriter.feed(data), *rewriter.finish()]
    return b"".join(pixels if piece is None else piece for piece in pieces)


def _verbatim(data: bytes, head: Head) -> ByteRange | None:
    """The pixel data element, if everything around it can stay as it is: it is in Explicit VR Little Endian, and
    nothing in it tells of the length or the places of what changes."""
    if head.implicit or head.big_endian or head.inflated or head.pixel is None or _TABLES & head.data_set.keys():
        return None
    value = head.pixel.value
    span = value.span if isinstance(value, Fragments) else value
    start = span.start - _PIXEL_HEADER
    if data[start : start + 4] != b"\xe0\x7f\x10\0" or data[start - 12 : start - 8] == _PIXEL_GROUP_LENGTH:
        return None
    return ByteRange(start, span.end)


def _uid(head: Head, tag: str) -> str:
    values = head.data_set.get(tag, {}).get("Value") or [""]
    return str(values[0])
