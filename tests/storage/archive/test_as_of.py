"""The past of an archive of several nodes, and what happened in it, when things go wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dicomweb.model.history import Deed, Happening
from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.query import Query
from dicomweb.ports import Archive, Gone, NoSuchRevision, NotStored
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.as_of import PastIsFixed
from storage.objects.memory import MemoryStore
from storage.upkeep.retention import expire
from tests.build.dicom import ct_slice, uid
from tests.build.lake import open_lake, store_files

KEY = InstanceKey(uid("study"), uid("series"), uid("a"))


def slice_of(content: int) -> bytes:
    return ct_slice(instance="a", seed=content, InstanceNumber=content)


async def test_a_revision_of_another_node_is_known_as_soon_as_it_is_asked_for(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as one, open_lake(store, tmp_path / "b", node="b") as other:
        await store_files(one, slice_of(1))
        await store_files(one, slice_of(2))
        then = await other.as_of(1)
        assert await read_of(then, await then.find_instance(KEY)) == slice_of(1)
        with pytest.raises(NoSuchRevision, match="is at revision 2"):
            await other.as_of(3)


async def read_of(archive: Archive, instance: Instance) -> bytes:
    return b"".join([chunk async for chunk in archive.read(instance)])


async def test_what_retention_takes_while_it_is_read_is_gone_and_not_damaged(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as one, open_lake(store, tmp_path / "b", node="b") as other:
        await store_files(one, slice_of(1))
        await store_files(one, slice_of(2))
        then = await other.as_of(1)
        old = await then.find_instance(KEY)
        assert await expire(one, timedelta(0)) == 1
        with pytest.raises(Gone, match="retention"):
            await read_of(then, old)
        with pytest.raises(Gone, match="revision 3"):
            await then.find_instances(Scope(KEY.study))
        assert (await then.search(Query(Level.STUDY))).total == 1


async def test_the_past_cannot_be_changed(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, slice_of(1))
        then = await archive.as_of(1)
        with pytest.raises(PastIsFixed):
            await then.remove(KEY.scope, door="", peer="")
        with pytest.raises(PastIsFixed):
            await then.restore(1, door="", peer="")
        with pytest.raises(PastIsFixed):
            then.submit(door="", peer="", expect=None)


async def test_a_history_goes_on_where_an_entry_of_the_log_is_damaged(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path) as archive:
        for content in range(3):
            await store_files(archive, slice_of(content))
        await store.delete(layout.entry_key(archive.epoch, 2))
        await store.put(layout.entry_key(archive.epoch, 2), [b"torn"])
        page = await archive.history(KEY.scope, before=None, limit=10)

        assert [(one.revision, one.deed) for one in page.happenings] == [
            (3, Deed.REPLACED),
            (2, Deed.UNREADABLE),
            (1, Deed.STORED),
        ]


async def test_a_history_tells_of_retention_and_that_a_deletion_cannot_be_undone_any_more(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, slice_of(1))
        await archive.remove(KEY.scope, door="dimse", peer="AET")
        assert (await newest(archive)).undoable
        await expire(archive, timedelta(0))
        erased, deleted, _ = (await archive.history(KEY.scope, before=None, limit=10)).happenings
        assert (erased.deed, erased.detail, erased.instances) == (Deed.ERASED, "retention", 1)
        assert (deleted.deed, deleted.door, deleted.peer, deleted.undoable) == (
            Deed.DELETED,
            "dimse",
            "AET",
            False,
        )
        with pytest.raises(NotStored):
            await archive.history(Scope("1.2.3"), before=None, limit=10)


async def newest(archive: LakeArchive) -> Happening:
    return (await archive.history(KEY.scope, before=None, limit=1)).happenings[0]
