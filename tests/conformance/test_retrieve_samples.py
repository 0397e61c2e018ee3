"""Every real file, stored in an archive and retrieved by every resource: against the file and against pydicom."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames

from dicomweb.model.outcome import Outcome, Receipt
from dicomweb.services.handler import Handler
from dicomweb.wire.paths import scope_path
from dicomweb.wire.transfer_syntaxes import EXPLICIT_LITTLE, transfer_syntax
from storage.archive.archive import LakeArchive
from storage.objects.memory import MemoryStore
from tests.build.asking import ROOT
from tests.build.lake import open_lake, store_files
from tests.build.samples import SAMPLES, sample_files
from tests.build.web import ask
from tests.conformance.test_retrieve_10_4 import handlers_on

pytestmark = pytest.mark.skipif(SAMPLES is None, reason="needs the sample data beside the checkout")

FRAMES = "multipart/related; type=application/octet-stream"
STORED = f"{FRAMES}; transfer-syntax=*"
WITHOUT_FRAMES = frozenset(
    (
        "orthanc--2026-05-26-oob-monochrome-46341.dcm",
        "orthanc--2026-05-26-oob-monochrome-65535.dcm",
        "pyorthanc--RTSTRUCT.dcm",
    )
)
"""Files whose pixel data are shorter than one frame, or that have no rows."""
UNDECODABLE = frozenset(("ruby-dicom--invalid_compression.dcm",))
"""Files whose pixel data are said to be compressed and are not: nothing but what is stored can be had."""


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(MemoryStore(), tmp_path) as lake:
        yield lake


async def stored_samples(archive: LakeArchive) -> AsyncIterator[tuple[Path, bytes, Receipt, str]]:
    """Each sample that can be identified, just stored; the resource of its instance."""
    for file in sample_files():
        data = file.read_bytes()
        (receipt,) = await store_files(archive, data)
        if receipt.key is not None and receipt.outcome in (Outcome.STORED, Outcome.REPLACED):
            yield file, data, receipt, scope_path(receipt.key.scope)


def read(data: bytes) -> FileDataset:
    """What pydicom reads, whatever it thinks of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(data), force=True)


def bulk_uris(data_set: Mapping[str, Any]) -> Iterator[str]:
    for entry in data_set.values():
        if "BulkDataURI" in entry:
            yield entry["BulkDataURI"]
        if entry.get("vr") == "SQ":
            for item in entry.get("Value", []):
                yield from bulk_uris(item or {})


def expected_frames(data_set: FileDataset, syntax: str) -> list[bytes] | None:
    """The frames as pydicom divides them, None where it cannot tell."""
    if "PixelData" not in data_set:
        return None
    try:
        count = int(data_set.get("NumberOfFrames", 1) or 1)
        if transfer_syntax(syntax).encapsulated:
            return list(generate_frames(data_set.PixelData, number_of_frames=count))
    except (ValueError, TypeError, EOFError):
        return None
    bits = count * data_set.Rows * data_set.Columns * data_set.get("SamplesPerPixel", 1) * data_set.BitsAllocated
    length = bits // 8 // count
    if bits % (8 * count) or "422" in data_set.get("PhotometricInterpretation", ""):
        return None
    return [data_set.PixelData[n * length : (n + 1) * length] for n in range(count)]


async def test_what_is_stored_comes_back_bit_for_bit(archive: LakeArchive) -> None:
    handlers = handlers_on(archive)
    seen, different = 0, []
    async for file, data, _, path in stored_samples(archive):
        told = await ask(handlers, path, accept="application/dicom; transfer-syntax=*")
        seen += 1
        if told.body != data:
            different.append(file.name)
    assert seen > 300
    assert different == []


async def test_every_resource_of_every_sample_answers(archive: LakeArchive) -> None:
    handlers = handlers_on(archive)
    problems: list[str] = []
    async for file, _, _, path in stored_samples(archive):
        metadata = await ask(handlers, path + "/metadata")
        (data_set,) = json.loads(metadata.body)
        for uri in bulk_uris(data_set):
            told = await ask(handlers, uri.removeprefix(ROOT))
            if told.status != (406 if file.name in UNDECODABLE else 200):
                problems.append(f"{file.name}: {uri[-30:]} {told.status}")
        xml = await ask(handlers, path + "/metadata", accept='multipart/related; type="application/dicom+xml"')
        values = [await ask(handlers, path + resource) for resource in ("/bulkdata", "/pixeldata")]
        expected = (406,) if file.name in UNDECODABLE else (200, 404)
        if xml.status != 200 or any(value.status not in expected for value in values):
            problems.append(f"{file.name}: {xml.status} {[value.status for value in values]}")
        for answer in (xml, *(value for value in values if value.status == 200)):
            answer.parts()
    assert problems == []


async def test_frames_are_those_pydicom_finds(archive: LakeArchive) -> None:
    handlers = handlers_on(archive)
    compared, problems = 0, []
    async for file, data, receipt, path in stored_samples(archive):
        if "7FE00010" not in json.loads((await ask(handlers, path + "/metadata")).body)[0]:
            continue
        turned = transfer_syntax(receipt.transfer_syntax).big_endian
        told = await ask(handlers, path + "/frames", accept=FRAMES if turned else STORED)
        if told.status != 200:
            if file.name not in WITHOUT_FRAMES:
                problems.append(f"{file.name}: {told.status}")
            continue
        expected = await frames_by_pydicom(handlers, path, data, receipt.transfer_syntax)
        if expected is not None:
            compared += 1
            # trailing zero bytes are padding of a fragment
            if [part.data.rstrip(b"\0") for part in told.parts()] != [frame.rstrip(b"\0") for frame in expected]:
                problems.append(f"{file.name}: frames differ")
    assert compared > 200
    assert problems == []


async def frames_by_pydicom(
    handlers: Mapping[str, Handler], path: str, data: bytes, syntax: str
) -> list[bytes] | None:
    """From the stored file; of a big endian one from the re-encoded file, which has little endian pixel data."""
    if transfer_syntax(syntax).big_endian:
        data = (await ask(handlers, path, accept="application/dicom")).body
    return expected_frames(read(data), syntax)


async def test_native_files_come_as_explicit_little_endian_with_the_same_pixels(archive: LakeArchive) -> None:
    handlers = handlers_on(archive)
    compared, problems = 0, []
    async for file, data, receipt, path in stored_samples(archive):
        if transfer_syntax(receipt.transfer_syntax).encapsulated or receipt.transfer_syntax == EXPLICIT_LITTLE:
            continue
        told = await ask(handlers, path, accept="application/dicom")
        if told.status != 200:
            problems.append(f"{file.name}: {told.status}")
            continue
        ours, theirs = read(told.body), read(data)
        if ours.file_meta.TransferSyntaxUID != EXPLICIT_LITTLE:
            problems.append(f"{file.name}: label")
        try:
            pixels = theirs.pixel_array
        except (AttributeError, ValueError):
            continue
        compared += 1
        if (ours.pixel_array != pixels).any():
            problems.append(f"{file.name}: pixels differ")
    assert compared > 30
    assert problems == []
