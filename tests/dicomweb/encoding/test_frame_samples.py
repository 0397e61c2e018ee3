"""The frames of real files, against pydicom."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.encaps import generate_frames

from dicomweb.encoding.bulk_index import BulkIndex, bulk_index
from dicomweb.encoding.codestreams import OPENING, divide
from dicomweb.encoding.frame_index import frame_index
from dicomweb.encoding.head import Head
from dicomweb.encoding.image import image_spec
from dicomweb.encoding.reader import read_head
from dicomweb.model.frames import FrameIndex
from tests.build.dicom import multi_frame, pixels, slide_level
from tests.build.samples import SAMPLES, manifest

COMPRESSED = [
    row["path"]
    for row in manifest()
    if row["transfer_syntax"]
    and "Endian" not in row["transfer_syntax"]
    and not row["path"].startswith("malformed")
]
NATIVE = [
    row["path"]
    for row in manifest()
    if row["transfer_syntax"] == "Explicit VR Little Endian" and not row["path"].startswith("malformed")
]


def index_of(head: Head, data: bytes) -> FrameIndex | None:
    index = frame_index(head, image_spec(head.data_set))
    if index is None or not index.undivided:
        return index
    fragments = index.fragments
    assert fragments is not None
    return divide(index, [data[start : start + OPENING] for start in fragments.starts])


def frames(index: FrameIndex, data: bytes) -> list[bytes]:
    return [
        b"".join(data[span.start : span.end] for span in index.ranges(number))
        for number in range(1, index.count + 1)
    ]


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_frames_are_those_of_pydicom(name: str) -> None:
    assert SAMPLES is not None
    data = Path(SAMPLES / name).read_bytes()
    head = read_head(data)
    file = pydicom.dcmread(BytesIO(data), force=True)
    if "PixelData" not in file:
        assert head.pixel is None
        return
    index = index_of(head, data)
    assert index is not None
    count = int(file.get("NumberOfFrames") or 1)
    extended = (
        (file.ExtendedOffsetTable, file.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in file else None
    )
    found = [part.rstrip(b"\0") for part in frames(index, data)]
    # with an Extended Offset Table pydicom leaves the padding of frames out, so compare without it
    expected = generate_frames(file.PixelData, number_of_frames=count, extended_offsets=extended)
    assert found == [part.rstrip(b"\0") for part in expected]
    assert FrameIndex.from_bytes(index.to_bytes()) == index


@pytest.mark.parametrize("name", NATIVE)
def test_native_frames_make_up_the_value(name: str) -> None:
    assert SAMPLES is not None
    data = Path(SAMPLES / name).read_bytes()
    head = read_head(data)
    index = index_of(head, data)
    if head.pixel is None or index is None or index.fragments is not None:
        return
    assert index.count == index.declared
    found = BulkIndex.from_bytes(bulk_index(head).to_bytes()).find(head.pixel.path)
    assert found is not None
    assert found.value == head.pixel.value
    if index.frame_bits(1) % 8 == 0:
        value = pydicom.dcmread(BytesIO(data), force=True)[head.pixel.path[0]].value
        joined = b"".join(frames(index, data))
        assert value[: len(joined)] == joined
        # what is left of the value is padding: the byte that makes its length even, or more in one sample
        assert len(value) - len(joined) < index.frame_length(1)


@pytest.mark.parametrize("offsets", ["basic", "extended", "none"])
def test_frames_of_a_slide_are_found_whatever_the_table(offsets: str) -> None:
    data = slide_level(64, tile=8, offsets=offsets)
    index = index_of(read_head(data), data)
    assert index is not None
    assert [frame.rstrip(b"\0") for frame in frames(index, data)] == [
        pixels(20 + number % 7, seed=number).rstrip(b"\0") for number in range(64)
    ]


def test_fragmented_frames_without_a_table_are_told_apart_by_how_they_begin() -> None:
    mark = b"\xff\xd8\xff\xe0"
    made = [[mark + pixels(20), pixels(8)], [mark + pixels(4)], [mark, pixels(10), pixels(12)]]
    data = multi_frame(made, offsets="none")
    head = read_head(data)
    index = frame_index(head, image_spec(head.data_set))
    assert index is not None
    assert index.undivided
    divided = index_of(head, data)
    assert divided is not None
    assert frames(divided, data) == [b"".join(frame) for frame in made]
