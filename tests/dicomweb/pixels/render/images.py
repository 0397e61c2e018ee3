"""Whole files as rendering sees them: header, bulk values, decoded frames."""

from __future__ import annotations

import zlib
from pathlib import Path

from dicomweb.encoding.codestreams import OPENING, divide
from dicomweb.encoding.frame_index import frame_index
from dicomweb.encoding.head import Head
from dicomweb.encoding.image import image_spec, pixel_vr
from dicomweb.encoding.reader import read_head
from dicomweb.encoding.words import byte_swap
from dicomweb.model.frames import FrameIndex, NativeFrames
from dicomweb.model.query import JsonAttributes
from dicomweb.model.ranges import ByteRange
from dicomweb.pixels.decode import decode_frame
from dicomweb.pixels.frame import DecodedFrame, Picture
from dicomweb.pixels.presentation.model import Presentation
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import RenderSettings
from dicomweb.services.pixel_order import cut_bits

_MOST_BULK_BYTES = 1 << 20


class ImageFile:
    """A DICOM file with pixel data."""

    def __init__(self, data: bytes) -> None:
        """Raises ValueError if there are no frames in it."""
        self.head: Head = read_head(data)
        if self.head.inflated:
            start = self.head.data_set_offset
            data = data[:start] + zlib.decompress(data[start:], -15)
        self.data = data
        self.header: JsonAttributes = self.head.data_set
        self.spec = image_spec(self.header)
        index = frame_index(self.head, self.spec)
        if index is None or self.spec is None:
            raise ValueError("no pixel data")
        if index.undivided:
            fragments = index.fragments
            assert fragments is not None
            index = divide(index, [data[start : start + OPENING] for start in fragments.starts])
        self.index: FrameIndex = index
        self.bulk = {
            "/".join(value.path): self._little_endian(data[value.value.start : value.value.end], value.vr)
            for value in self.head.bulk
            if isinstance(value.value, ByteRange) and value.length < _MOST_BULK_BYTES
        }

    @classmethod
    def open(cls, path: Path) -> ImageFile:
        """The file at that path."""
        return cls(path.read_bytes())

    def frame(self, number: int = 1) -> DecodedFrame:
        """A frame (1-based), decoded."""
        assert self.spec is not None
        spans = self.index.ranges(number)
        data = b"".join(self.data[span.start : span.end] for span in spans)
        layout = self.index.layout
        if isinstance(layout, NativeFrames) and layout.bits % 8:
            data = cut_bits(data, (number - 1) * layout.bits % 8, layout.bits)
        return decode_frame(data, self.spec, self.head.transfer_syntax, pixel_vr=pixel_vr(self.header))

    def render(
        self,
        settings: RenderSettings | None = None,
        *,
        number: int = 1,
        presentation: Presentation | None = None,
    ) -> Picture:
        """The picture of a frame."""
        chosen = settings or RenderSettings()
        return render_frame(self.frame(number), self.header, number, chosen, presentation, lut_values=self.bulk)

    def _little_endian(self, data: bytes, vr: str) -> bytes:
        return byte_swap(data, 2) if self.head.big_endian and vr in ("OW", "US", "SS") else data
