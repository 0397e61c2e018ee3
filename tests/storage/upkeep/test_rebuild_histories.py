"""Random histories, and the archive that a rebuild makes of what they left in the store.

What must hold: the same instances are visible, with the same bytes, whatever the clocks of nodes say; but where
nothing in the store can tell which of several versions is current: where one was kept beside another and removals
between them were undone.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dicomweb.model.keys import InstanceKey
from dicomweb.ports import ArchiveError
from storage import layout
from storage.archive import intake
from storage.archive.archive import LakeArchive
from storage.archive.identifiers import fresh_id
from storage.archive.settings import ArchiveSettings, Duplicates
from storage.log.checkpoint import Checkpoint
from storage.objects.address import Memory
from storage.objects.memory import MemoryStore
from storage.upkeep.notes import mend_notes
from storage.upkeep.rebuild import RebuildSettings
from storage.upkeep.rebuild_epoch import look
from storage.upkeep.rebuild_run import rebuild
from tests.build.lake import open_lake, read_whole, store_files
from tests.storage.archive.test_histories import FILES, KEYS, SCOPES, History

STEPS = 40


async def content(archive: LakeArchive, key: InstanceKey) -> tuple[str, bytes] | None:
    await archive.catch_up()
    found = await archive.catalog.find(key)
    return (found.version, await read_whole(archive, found)) if found is not None else None


async def lost_and_rebuilt(store: MemoryStore, policy: Duplicates) -> None:
    for info in [info async for info in store.list(layout.LOG)]:
        await store.delete(info.key)
    findings = await rebuild(
        store,
        Checkpoint(store, Memory()),
        await look(store, node="rebuild"),
        RebuildSettings(ArchiveSettings(duplicates=policy)),
        node="rebuild",
        wait_seconds=0,
        tell=lambda found, share: None,
    )
    assert not findings.lost
    assert not findings.strange


@pytest.mark.parametrize("seed", range(6))
async def test_an_orderly_history_comes_back_as_it_was_and_goes_on(seed: int, tmp_path: Path) -> None:
    """One node, one thing after the other, nothing fails: nothing is excused."""
    chance, store = random.Random(seed), MemoryStore()
    settings = ArchiveSettings(poll_seconds=0)
    for part in range(2):
        async with open_lake(store, tmp_path / f"{part}", settings=settings) as archive:
            for _ in range(STEPS):
                await step(archive, chance)
            before = {key: await content(archive, key) for key in KEYS}
            undone = {one.scope: one.hidden for one in await archive.catalog.removals()}
        await lost_and_rebuilt(store, Duplicates.REPLACE)
        async with open_lake(store, tmp_path / f"rebuilt {part}", settings=settings) as archive:
            assert {key: await content(archive, key) for key in KEYS} == before
            assert {one.scope: one.hidden for one in await archive.catalog.removals()} == undone


async def step(archive: LakeArchive, chance: random.Random) -> None:
    try:
        match chance.choice(["store", "store", "store", "remove", "restore"]):
            case "store":
                await store_files(archive, *chance.sample(list(FILES.values()), chance.choice((1, 1, 3))))
            case "remove":
                await archive.remove(chance.choice(SCOPES), door="", peer="")
            case "restore":
                if removals := await archive.catalog.removals():
                    await archive.restore(chance.choice(removals).revision, door="", peer="")
    except ArchiveError:
        # there was nothing to remove, or nothing to bring back
        pass


@pytest.mark.parametrize("seed", range(100, 103))
async def test_a_stormy_history_of_several_nodes_whose_clocks_are_wrong_comes_back(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocks = random.Random(seed)

    def wrong_id() -> str:
        """By one of three clocks that are an hour apart."""
        made = fresh_id()
        return f"{int(made[:12], 16) + clocks.choice((-3_600_000, 0, 3_600_000)):012x}{made[12:]}"

    monkeypatch.setattr(intake, "fresh_id", wrong_id)
    history = History(seed, tmp_path)
    try:
        await history.run()
        await history.open(0, empty=True)
        await mend_notes(history.nodes[0])
        assert await mend_notes(history.nodes[0]) == 0
        model = await history.played()
    finally:
        for stack in history.stacks:
            await stack.aclose()
    # what no entry names was never acknowledged, and would come back too
    named = set(model.named())
    for info in [info async for info in history.truth.list(layout.DICOM)]:
        if info.key not in named:
            await history.truth.delete(info.key)
    await lost_and_rebuilt(history.truth, history.policy)
    async with open_lake(history.truth, tmp_path / "rebuilt") as archive:
        for key in KEYS:
            expected, found = model.current(key), await archive.catalog.find(key)
            assert (expected is None) == (found is None)
            if expected is None or found is None:
                continue
            assert await read_whole(archive, found) in FILES.values()
            ids = [one.version for one in model.versions[key]]
            assert ids == sorted(ids)
            # with `keep`, which of several was current may hang on an undelete that left no trace
            if history.policy is Duplicates.REPLACE:
                assert found.version == expected.version
