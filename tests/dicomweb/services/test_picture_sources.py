"""What pictures are made of, fetched within bounds."""

from __future__ import annotations

import pytest

from dicomweb.services.picture_sources import beginning_of
from tests.build.dicom import ct_slice, pixels
from tests.build.memory_archive import MemoryArchive

PIXELS = "7FE00010"


@pytest.mark.parametrize(
    ("most", "read"), [(None, 32), (10, 10), (32, 32), (1 << 40, 32)], ids=["all", "some", "exactly", "more"]
)
async def test_the_beginning_of_a_value_is_as_much_as_is_wanted(most: int | None, read: int) -> None:
    archive = MemoryArchive()
    instance = archive.put(ct_slice())
    assert await beginning_of(archive, instance, PIXELS, most) == pixels(32)[:read]


async def test_however_much_is_wanted_what_is_read_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a painter wants it computes from attributes, which may say anything."""
    monkeypatch.setattr("dicomweb.services.picture_sources.LARGEST_VALUE", 20)
    archive = MemoryArchive()
    instance = archive.put(ct_slice())
    assert await beginning_of(archive, instance, PIXELS, 1 << 40) == pixels(32)[:20]
    assert await beginning_of(archive, instance, PIXELS, None) is None


async def test_a_value_that_is_not_there_is_none() -> None:
    archive = MemoryArchive()
    instance = archive.put(ct_slice())
    assert await beginning_of(archive, instance, "00420011", 10) is None
