"""A sweep while others write without a pause."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from dicomweb.model.keys import InstanceKey, Scope
from storage import layout
from storage.archive.identifiers import fresh_id
from storage.catalog.history import VersionRow
from storage.objects.memory import MemoryStore
from storage.upkeep.sweep import sweep
from tests.build.dicom import ct_slice, uid
from tests.build.lake import open_lake, store_files

STUDIES = 12
RIVALS = 5


async def test_a_number_lost_to_a_writer_costs_a_sweep_a_look_at_the_orphans_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be slower than the writers, and lose every number to them."""
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as archive, open_lake(store, tmp_path / "b", node="b") as rival:
        for number in range(STUDIES):
            await store_files(archive, ct_slice(study=f"study {number}", instance=f"{number}"))
        orphan = layout.object_key(InstanceKey(uid("study 0"), uid("series"), uid("orphan")), fresh_id())
        await store.put(orphan, [b"half"])
        looked: list[Scope] = []
        looking = archive.catalog.versions

        async def look(scope: Scope) -> Sequence[VersionRow]:
            looked.append(scope)
            if STUDIES < len(looked) <= STUDIES + RIVALS:
                await store_files(rival, ct_slice(study="rival", instance=f"{len(looked)}"))
            return await looking(scope)

        monkeypatch.setattr(archive.catalog, "versions", look)
        assert (await sweep(archive, age_seconds=-60, grace_seconds=0)).deleted == 1
    # all once, the orphan's study at every number that was tried, and once before it is deleted
    assert len(looked) == STUDIES + (RIVALS + 1) + 1
