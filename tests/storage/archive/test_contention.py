"""A node that comes to the log when others have written much."""

from __future__ import annotations

from pathlib import Path

from dicomweb.model.outcome import Outcome
from storage.archive.archive import LakeArchive
from storage.layout import LOG
from storage.objects.memory import MemoryStore
from tests.build.dicom import ct_slice
from tests.build.lake import open_lake, store_files
from tests.doubles import Around, creates_in

ENTRIES = 6


class Rivalled(Around):
    """Another node writes some entries just before the first one of this node."""

    rival: LakeArchive | None = None

    async def before(self, kind: str, key: str, size: int) -> None:
        if self.rival is not None and len(self.touched) == 1:
            for number in range(ENTRIES):
                await store_files(self.rival, ct_slice(study="rival", instance=f"rival {number}"))


async def test_a_node_that_is_behind_loses_one_number_and_not_one_for_each_entry(tmp_path: Path) -> None:
    truth = MemoryStore()
    store = Rivalled(truth, when=creates_in(LOG))
    async with open_lake(truth, tmp_path / "b", node="b") as rival, open_lake(store, tmp_path / "a") as archive:
        store.rival = rival
        (receipt,) = await store_files(archive, ct_slice(instance="mine"))
        assert (receipt.outcome, receipt.revision) == (Outcome.STORED, ENTRIES + 1)
    assert len(store.touched) == 2
