"""What a power cut leaves of the last entry does not keep an archive from being written."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dicomweb.model.keys import Scope
from dicomweb.model.outcome import Outcome
from dicomweb.ports import Unavailable
from storage import layout
from storage.log.journal import Journal
from storage.objects.local import LocalStore
from tests.build.dicom import ct_slice, uid
from tests.build.lake import open_lake, store_files


def slice_of(number: int) -> bytes:
    return ct_slice(seed=number, instance=f"sop {number}", InstanceNumber=number)


async def tear(root: Path, number: int, left: bytes) -> None:
    """Leave of an entry what a disk would after the power went."""
    (entry,) = (root / "log").glob(f"*/{number:020d}.arrow")
    entry.write_bytes(left)


@pytest.mark.parametrize("left", [b"", bytes(4096), b"\x28\xb5\x2f\xfd half of it" + bytes(2048)])
async def test_a_torn_last_entry_counts_as_empty_and_the_archive_goes_on(
    tmp_path: Path, left: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "store"
    async with LocalStore(root) as store, open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
        await store_files(archive, slice_of(2))
    await tear(root, 2, left)
    with caplog.at_level(logging.WARNING):
        async with LocalStore(root) as store, open_lake(store, tmp_path / "b", node="b") as archive:
            assert archive.health().ready
            assert len(await archive.find_instances(Scope(uid("study")))) == 1
            (receipt,) = await store_files(archive, slice_of(3))
            assert receipt.outcome is Outcome.STORED
            assert receipt.revision == 3
    assert any("torn" in record.message for record in caplog.records)
    async with LocalStore(root) as store, open_lake(store, tmp_path / "c", node="c") as archive:
        assert archive.revision == 3
        assert len(await archive.find_instances(Scope(uid("study")))) == 2
        rows = await archive.journal.read_rows(0, until=None, most_bytes=1 << 30)
        assert [(number, batch.num_rows) for number, batch in rows] == [(1, 1), (2, 0), (3, 1)]


async def test_two_nodes_that_find_it_agree(tmp_path: Path) -> None:
    root = tmp_path / "store"
    async with LocalStore(root) as store, open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
    await tear(root, 1, b"")
    async with (
        LocalStore(root) as store,
        open_lake(store, tmp_path / "b", node="b") as one,
        open_lake(store, tmp_path / "c", node="c") as two,
    ):
        await store_files(one, slice_of(2))
        await store_files(two, slice_of(3))
        await one.catch_up()
        assert one.revision == two.revision == 3


async def test_a_last_entry_with_other_damage_is_not_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "store"
    async with LocalStore(root) as store, open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
    (entry,) = (root / "log").glob("*/*.arrow")
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 0xFF
    entry.write_bytes(data)
    async with LocalStore(root) as store, open_lake(store, tmp_path / "b", node="b") as archive:
        assert not archive.health().ready
        with pytest.raises(Unavailable):
            await store_files(archive, slice_of(2))


async def test_a_torn_entry_that_is_not_the_last_is_not_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "store"
    async with LocalStore(root) as store, open_lake(store, tmp_path / "a") as archive:
        await store_files(archive, slice_of(1))
        await store_files(archive, slice_of(2))
    await tear(root, 1, b"")
    async with LocalStore(root) as store, open_lake(store, tmp_path / "b", node="b") as archive:
        assert archive.revision == 0
        assert not archive.health().ready
        journal = await Journal.open(store, node="c")
        assert await store.get(layout.entry_key(journal.epoch, 1)) == b""
