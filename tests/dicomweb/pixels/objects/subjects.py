"""Objects to be portrayed: files read as the archive reads them, and what a painter asks for fetched from them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomweb.encoding.image import image_spec, pixel_vr
from dicomweb.encoding.reader import read_head
from dicomweb.model.query import JsonAttributes
from dicomweb.model.ranges import ByteRange
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.frame import DecodedFrame, Picture, PixelError
from dicomweb.pixels.objects.portrait import Fetched, Portrait, PortraitRequest, needs, portray
from dicomweb.pixels.render.settings import RenderSettings
from tests.build.dicom import EXPLICIT_BIG, EXPLICIT_LITTLE, make_data_set, to_file

STORAGE = "1.2.840.10008.5.1.4.1.1."


@dataclass(frozen=True, slots=True)
class Subject:
    """An object as it is stored."""

    header: JsonAttributes
    transfer_syntax: str
    values: dict[str, bytes]
    """Bulk values by BulkDataURI, in stored order of bytes."""
    frames: dict[int, bytes]
    """Stored frames; all of them together where frames do not begin at bytes."""
    asked: list[str]
    """Paths and frames that were fetched for the last portrait."""

    def show(
        self, media_type: str = "image/png", *, frame: int | None = None, root: str = "",
        settings: RenderSettings | None = None,
    ) -> Portrait | Picture:  # fmt: skip
        """The portrait, made of exactly what the painter says it needs."""
        wanted = PortraitRequest(self.transfer_syntax, media_type, frame, settings or RenderSettings(), root)
        needed = needs(self.header, wanted)
        self.asked[:] = [need.path for need in needed.bulk] + [str(number) for number in needed.frames]
        values = {need.path: self.values[need.path][: need.length] for need in needed.bulk}
        decoded = {number: found for number in needed.frames if (found := self.decoded(number)) is not None}
        return portray(self.header, Fetched(decoded, values), wanted)

    def picture(
        self, *, frame: int | None = None, settings: RenderSettings | None = None
    ) -> npt.NDArray[np.uint8]:
        """The portrait as an array, (rows, columns) or (rows, columns, 3)."""
        made = self.show(frame=frame, settings=settings)
        assert isinstance(made, Picture)
        assert made.array.dtype == np.uint8
        return made.array

    def text(self, media_type: str, *, root: str = "") -> str:
        """The portrait as text."""
        made = self.show(media_type, root=root)
        assert isinstance(made, Portrait)
        assert made.media_type.partition(";")[0] == media_type
        return made.data.decode()

    def decoded(self, number: int) -> DecodedFrame | None:
        """A frame, None if it cannot be decoded."""
        spec = image_spec(self.header)
        if spec is None or number not in self.frames:
            return None
        try:
            return decode_frame(self.frames[number], spec, self.transfer_syntax, pixel_vr=pixel_vr(self.header))
        except PixelError:
            return None


def subject(data: bytes) -> Subject:
    """The object of a file with native pixel data, or with one fragment a frame."""
    head = read_head(data)
    if head.inflated:
        offset = head.data_set_offset
        data = data[:offset] + zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[offset:])
    values, frames = {}, {}
    for one in head.bulk:
        spans = (
            [(one.value.start, one.value.length)]
            if isinstance(one.value, ByteRange)
            else [*zip(one.value.starts, one.value.lengths, strict=True)]
        )
        pieces = [data[start : start + length] for start, length in spans]
        values["/".join(one.path)] = b"".join(pieces)
        if one is head.pixel:
            native = isinstance(one.value, ByteRange)
            frames = _divided(head.data_set, pieces[0]) if native else dict(enumerate(pieces, 1))
    return Subject(head.data_set, head.transfer_syntax, values, frames, [])


def _divided(header: JsonAttributes, data: bytes) -> dict[int, bytes]:
    """Native pixel data frame by frame; frames of 1 bit a sample are made to begin at bytes."""
    spec = image_spec(header)
    if spec is None:
        return {}
    samples = spec.rows * spec.columns * spec.samples_per_pixel
    if spec.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        parts = (bits[number * samples :][:samples] for number in range(spec.frames))
        return {number: np.packbits(part, bitorder="little").tobytes() for number, part in enumerate(parts, 1)}
    size = samples * spec.bits_allocated // 8
    return {number + 1: data[number * size : (number + 1) * size] for number in range(spec.frames)}


def built(*, big_endian: bool = False, **attributes: object) -> Subject:
    """The object with those attributes, by keyword."""
    return subject(to_file(make_data_set(**attributes), EXPLICIT_BIG if big_endian else EXPLICIT_LITTLE))


def item(**attributes: object) -> Dataset:
    """An item of a sequence."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    """A code."""
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)
