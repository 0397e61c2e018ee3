"""Files that declare another transfer syntax than they are written in: never a wrong label (PS3.18 8.7.3.5)."""

from __future__ import annotations

import io
from pathlib import Path

import pydicom
import pytest

from storage.archive.settings import ArchiveSettings
from storage.objects.memory import MemoryStore
from tests.build.dicom import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    RLE,
    ct_slice,
    multi_frame,
    part10,
    pixels,
    uid,
)
from tests.build.lake import open_lake, store_files
from tests.build.web import ask
from tests.conformance.test_retrieve_10_4 import handlers_on

_META_BEGIN = 132
INSTANCE = f"/studies/{uid('study')}/series/{uid('series')}/instances/{uid('instance')}"
JPEG = b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x02\x00\x02\x01\x01\x11\x00\xff\xd9\x00"


def declared_as(file: bytes, transfer_syntax: str) -> bytes:
    """The data set of the file under another declaration."""
    length = int.from_bytes(file[_META_BEGIN + 8 : _META_BEGIN + 12], "little")
    return part10(file[_META_BEGIN + 12 + length :], transfer_syntax)


@pytest.mark.parametrize("small_bytes", [8 << 20, 100], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("declared", "written"),
    [
        (EXPLICIT_LITTLE, IMPLICIT_LITTLE),
        (IMPLICIT_LITTLE, EXPLICIT_LITTLE),
        (EXPLICIT_LITTLE, EXPLICIT_BIG),
        (EXPLICIT_BIG, EXPLICIT_LITTLE),
        (EXPLICIT_BIG, IMPLICIT_LITTLE),
        (JPEG_BASELINE, EXPLICIT_LITTLE),
        (RLE, IMPLICIT_LITTLE),
    ],
)
async def test_what_goes_out_is_labelled_as_it_is_written(
    tmp_path: Path, declared: str, written: str, small_bytes: int
) -> None:
    file = declared_as(ct_slice(transfer_syntax=written), declared)
    settings = ArchiveSettings(poll_seconds=0, small_bytes=small_bytes)
    async with open_lake(MemoryStore(), tmp_path, settings=settings) as archive:
        await store_files(archive, file)
        handlers = handlers_on(archive)

        stored = await ask(handlers, INSTANCE, accept="application/dicom; transfer-syntax=*")
        plain = await ask(handlers, INSTANCE, accept="application/dicom")
        frame = await ask(handlers, INSTANCE + "/frames/1", accept="application/octet-stream")

    assert stored.body == file
    assert stored.content_type == f"application/dicom; transfer-syntax={written}"
    assert plain.content_type == f"application/dicom; transfer-syntax={EXPLICIT_LITTLE}"
    if written == EXPLICIT_LITTLE:
        assert plain.body == file
    else:
        read = pydicom.dcmread(io.BytesIO(plain.body))
        assert read.original_encoding == (False, True)
        assert read.PixelData == pixels(32)
    assert frame.body == pixels(32)
    assert frame.content_type == f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE}"


async def test_frames_that_are_jpeg_in_a_file_that_declares_a_native_syntax_are_labelled_jpeg(
    tmp_path: Path,
) -> None:
    file = declared_as(multi_frame([[JPEG]], transfer_syntax=JPEG_BASELINE), EXPLICIT_LITTLE)
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, file)

        frame = await ask(handlers_on(archive), INSTANCE + "/frames/1", accept="*/*")

    (part,) = frame.parts()
    assert part.content_type == f"image/jpeg; transfer-syntax={JPEG_BASELINE}"
    assert part.data == JPEG
