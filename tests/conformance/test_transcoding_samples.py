"""Real compressed files as whole instances in other transfer syntaxes: nothing lost but what is to be replaced."""

from __future__ import annotations

import io
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from dicomweb.wire.paths import scope_path
from dicomweb.wire.transfer_syntaxes import EXPLICIT_LITTLE, transfer_syntax
from storage.archive.archive import LakeArchive
from storage.objects.memory import MemoryStore
from tests.build.lake import open_lake, store_files
from tests.build.samples import SAMPLES, manifest
from tests.build.web import ask
from tests.conformance.test_transcoding_8_7 import handlers_on

pytestmark = pytest.mark.skipif(SAMPLES is None, reason="needs the sample data beside the checkout")

HTJ2K, RLE = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.5"
FOLDERS = ("transfer-syntaxes/", "multiframe/", "objects/seg/")
LARGEST = 200_000
UNDECODABLE = {"pydicom--JPEG2000-embedded-sequence-delimiter.dcm"}
"""A frame that is no image, made to test how fragments are found."""
ROUNDING = 12
"""Grey levels by which decoders of lossy JPEG differ: in rounding, and in how they bring colour to full size."""


def compressed_samples() -> list[Path]:
    assert SAMPLES is not None
    names = [row["path"] for row in manifest() if row["path"].startswith(FOLDERS)]
    return [SAMPLES / name for name in names if (SAMPLES / name).stat().st_size < LARGEST]


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(MemoryStore(), tmp_path) as lake:
        yield lake


def read(data: bytes) -> FileDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(data), force=True)


def pixels_of(data_set: FileDataset) -> np.ndarray | None:
    """As pydicom decodes them, None where it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return data_set.pixel_array
        except (AttributeError, ValueError, RuntimeError, NotImplementedError, KeyError):
            return None


def lost(before: FileDataset, after: FileDataset) -> list[str]:
    """Elements that were there and are not, but for pixel data, their tables and group lengths."""
    return [str(tag) for tag in before.keys() - after.keys() if tag.group != 0x7FE0 and tag.element]


@pytest.mark.parametrize("target", [EXPLICIT_LITTLE, HTJ2K, RLE])
async def test_real_compressed_files_are_converted_whole(archive: LakeArchive, target: str) -> None:
    handlers = handlers_on(archive)
    compared, problems = 0, []
    for file in compressed_samples():
        data = file.read_bytes()
        (receipt,) = await store_files(archive, data)
        if receipt.key is None or not transfer_syntax(receipt.transfer_syntax).encapsulated:
            continue
        path = scope_path(receipt.key.scope)
        told = await ask(handlers, path, accept=f"application/dicom; transfer-syntax={target}")
        if told.status != 200:
            if file.name not in UNDECODABLE and target == EXPLICIT_LITTLE:
                problems.append(f"{file.name}: {told.status} {told.body[:80]!r}")
            continue
        before, after = read(data), read(told.body)
        if after.file_meta.TransferSyntaxUID != target or lost(before, after):
            problems.append(f"{file.name}: {after.file_meta.TransferSyntaxUID}, lost {lost(before, after)}")
        expected, found = pixels_of(before), pixels_of(after)
        if expected is None or found is None:
            continue
        compared += 1
        allowed = ROUNDING if transfer_syntax(receipt.transfer_syntax).lossy else 0
        if expected.shape != found.shape or np.abs(expected.astype(int) - found.astype(int)).max() > allowed:
            problems.append(f"{file.name}: pixels differ")
    assert compared > 40
    assert problems == []
