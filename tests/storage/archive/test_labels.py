"""Labels of an archive: put on, taken off, searched, by one node and by several, as of then, through removals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from dicomweb.model.keys import Level, Scope
from dicomweb.model.labels import LabelCondition, LabelCount, LabelRule
from dicomweb.model.query import LABELS, LABELS_CREATOR, Query
from dicomweb.ports import Archive, Gone, NotStored, NotUpgraded
from storage.archive.archive import LakeArchive
from storage.archive.as_of import PastIsFixed
from storage.layout import FORMAT
from storage.log.events import Kind
from storage.objects.memory import MemoryStore
from tests.build.dicom import ct_slice, uid
from tests.build.lake import open_lake, store_files

STUDY, OTHER = Scope(uid("study a")), Scope(uid("study b"))
SERIES = Scope(STUDY.study, uid("series 1"))
INSTANCE = Scope(STUDY.study, uid("series 1"), uid("sop 1"))
FILES = (
    ct_slice(study="study a", series="series 1", instance="sop 1"),
    ct_slice(study="study a", series="series 2", instance="sop 2"),
    ct_slice(study="study b", series="series 3", instance="sop 3"),
)
UIDS = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}


async def put(archive: LakeArchive, scope: Scope, *labels: str) -> int:
    """Put labels on; the revision of the last."""
    return [(await archive.add_label(scope, one, door="test", peer="here")).revision for one in labels][-1]


async def drop(archive: LakeArchive, scope: Scope, label: str) -> int:
    return (await archive.drop_label(scope, label, door="test", peer="here")).revision


async def found(archive: Archive, level: Level, *labels: str, rule: LabelRule = LabelRule.ALL) -> set[str]:
    """UIDs of what bears labels."""
    result = await archive.search(Query(level, labels=LabelCondition(labels, rule)))
    told = {one[UIDS[level]]["Value"][0] for batch in [b async for b in result.batches] for one in batch}
    assert result.total == len(told)
    return told


async def test_a_label_is_on_what_it_was_put_on_and_on_nothing_else(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES)
        await put(archive, STUDY, "urgent", "a_B-9")
        await put(archive, SERIES, "motion")
        await put(archive, INSTANCE, "key")

        assert await archive.labels(STUDY) == ["a_B-9", "urgent"]
        assert await archive.labels(SERIES) == ["motion"]
        assert await archive.labels(INSTANCE) == ["key"]
        assert await archive.labels(OTHER) == []
        assert await archive.label_counts() == [
            LabelCount("a_B-9", 1, 0, 0),
            LabelCount("key", 0, 0, 1),
            LabelCount("motion", 0, 1, 0),
            LabelCount("urgent", 1, 0, 0),
        ]
        assert await found(archive, Level.STUDY, "urgent") == {STUDY.study}
        assert await found(archive, Level.STUDY, "motion") == set()
        assert await found(archive, Level.SERIES, "motion") == {SERIES.series}
        assert await found(archive, Level.INSTANCE, "key") == {INSTANCE.instance}


async def test_all_any_or_none_of_several_labels(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES, ct_slice(study="study c", instance="sop 4"))
        await put(archive, STUDY, "a", "b")
        await put(archive, OTHER, "b")
        both, bare = {STUDY.study, OTHER.study}, uid("study c")

        assert await found(archive, Level.STUDY, "a", "b") == {STUDY.study}
        assert await found(archive, Level.STUDY, "a", "b", rule=LabelRule.ANY) == both
        assert await found(archive, Level.STUDY, "a", rule=LabelRule.NONE) == {OTHER.study, bare}
        assert await found(archive, Level.STUDY, "a", "b", rule=LabelRule.NONE) == {bare}
        assert await found(archive, Level.STUDY, rule=LabelRule.ANY) == both
        assert await found(archive, Level.STUDY, rule=LabelRule.NONE) == {bare}
        assert await found(archive, Level.STUDY) == {*both, bare}


async def test_matches_tell_their_labels_only_if_asked(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES)
        await put(archive, STUDY, "b", "a")
        await put(archive, SERIES, "s")
        await put(archive, INSTANCE, "i")
        for level, uids, labels in (
            (Level.STUDY, STUDY.study, ["a", "b"]),
            (Level.SERIES, SERIES.series, ["s"]),
            (Level.INSTANCE, INSTANCE.instance, ["i"]),
        ):
            for everything in (False, True):
                asked = Query(level, tell_labels=True, include_all=everything)
                result = await archive.search(asked)
                told = {
                    one[UIDS[level]]["Value"][0]: one
                    for batch in [b async for b in result.batches]
                    for one in batch
                }
                assert told[uids][LABELS] == {"vr": "LO", "Value": labels}
                assert told[uids][LABELS_CREATOR] == {"vr": "LO", "Value": ["DICOMLAKE"]}
                assert not any(
                    LABELS in one or LABELS_CREATOR in one for name, one in told.items() if name != uids
                )
            result = await archive.search(Query(level, include_all=True))
            assert not any(LABELS in one for batch in [b async for b in result.batches] for one in batch)


async def test_the_same_again_writes_nothing(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES)
        first = await archive.add_label(STUDY, "x", door="test", peer="here")
        again = await archive.add_label(STUDY, "x", door="test", peer="here")
        assert (first.revision, first.changed, first.labels) == (2, True, ("x",))
        assert (again.revision, again.changed, again.labels) == (2, False, ("x",))
        other = await archive.drop_label(STUDY, "y", door="test", peer="here")
        assert (other.revision, other.changed, other.labels) == (2, False, ("x",))
        gone = await archive.drop_label(STUDY, "x", door="test", peer="here")
        assert (gone.revision, gone.changed, gone.labels) == (3, True, ())
        assert await archive.labels(STUDY) == []
        assert archive.revision == 3


async def test_a_label_goes_with_what_it_is_on_and_comes_back_with_it(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES)
        await put(archive, STUDY, "study")
        await put(archive, SERIES, "series")
        removed = await archive.remove(STUDY, door="test", peer="")
        with pytest.raises(Gone):
            await archive.labels(STUDY)
        assert await archive.label_counts() == []
        await archive.restore(removed.revision, door="test", peer="")
        assert await archive.labels(STUDY) == ["study"]
        assert await archive.labels(SERIES) == ["series"]


async def test_what_is_stored_anew_after_a_removal_comes_without_the_old_labels(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES)
        await put(archive, STUDY, "old")
        removed = await archive.remove(STUDY, door="test", peer="")
        await store_files(archive, *FILES[:1])
        assert await archive.labels(STUDY) == []
        assert await found(archive, Level.STUDY, "old") == set()
        await put(archive, STUDY, "new", "old")
        await archive.restore(removed.revision, door="test", peer="")
        assert await archive.labels(STUDY) == ["new", "old"]
        assert await archive.label_counts() == [LabelCount("new", 1, 0, 0), LabelCount("old", 1, 0, 0)]
        await drop(archive, STUDY, "old")
        assert await archive.labels(STUDY) == ["new"]


async def test_the_removal_of_a_part_leaves_the_labels_of_the_whole(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES)
        await put(archive, STUDY, "study")
        await put(archive, SERIES, "series")
        await put(archive, INSTANCE, "instance")
        await archive.remove(SERIES, door="test", peer="")
        assert await archive.labels(STUDY) == ["study"]
        assert await archive.label_counts() == [LabelCount("study", 1, 0, 0)]


async def test_labels_are_told_as_they_were(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES)  # 1
        await put(archive, STUDY, "a")  # 2
        await put(archive, STUDY, "b")  # 3
        await drop(archive, STUDY, "a")  # 4
        removed = await archive.remove(STUDY, door="test", peer="")  # 5
        await archive.restore(removed.revision, door="test", peer="")  # 6
        await put(archive, STUDY, "a")  # 7
        expected = {1: "", 2: "a", 3: "ab", 4: "b", 6: "b", 7: "ab"}
        for revision, labels in expected.items():
            past = await archive.as_of(revision)
            assert await past.labels(STUDY) == list(labels), revision
            assert await past.label_counts() == [LabelCount(one, 1, 0, 0) for one in labels]
            for one in "ab":
                assert await found(past, Level.STUDY, one) == ({STUDY.study} if one in labels else set()), revision
            result = await past.search(Query(Level.STUDY, tell_labels=True))
            told = [one for batch in [b async for b in result.batches] for one in batch]
            assert [one[LABELS]["Value"] for one in told if LABELS in one] == ([list(labels)] if labels else [])
        past = await archive.as_of(5)
        assert await past.label_counts() == []
        with pytest.raises(Gone):
            await past.labels(STUDY)
        with pytest.raises(NotStored):
            await (await archive.as_of(0)).labels(STUDY)
        with pytest.raises(PastIsFixed):
            await past.add_label(STUDY, "x", door="test", peer="")


async def test_labels_do_not_change_what_a_study_says(tmp_path: Path) -> None:
    async with open_lake(MemoryStore(), tmp_path) as archive:
        await store_files(archive, *FILES)
        await put(archive, STUDY, "a")
        assert await archive.series_revision(STUDY) == 1


async def test_what_is_not_there_is_looked_for_in_the_log_before_it_is_said_so(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as one, open_lake(store, tmp_path / "b", node="b") as other:
        await store_files(one, *FILES)
        assert await put(other, STUDY, "x") == 2
        assert await put(one, STUDY, "x") == 2
        with pytest.raises(NotStored):
            await put(one, Scope(STUDY.study, "1.2.3"), "x")
        await other.remove(STUDY, door="test", peer="")
        with pytest.raises(Gone):
            await put(one, STUDY, "y")
        with pytest.raises(Gone):
            await drop(one, STUDY, "x")


async def test_every_node_finds_by_a_label_what_any_has_labelled(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as one, open_lake(store, tmp_path / "b", node="b") as other:
        await store_files(one, *FILES)
        await put(one, STUDY, "x")
        await other.catch_up()
        assert await found(other, Level.STUDY, "x") == {STUDY.study}
    async with open_lake(store, tmp_path / "c", node="c") as third:
        assert await found(third, Level.STUDY, "x") == {STUDY.study}
        assert await third.labels(STUDY) == ["x"]


async def test_nodes_that_label_at_once_write_each_label_once(tmp_path: Path) -> None:
    store = MemoryStore()
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(open_lake(store, tmp_path / name, node=name))
            for name in ("a", "b", "c")
        ]
        await store_files(nodes[0], *FILES)
        every = [(node, f"l{number}") for number in range(4) for node in nodes]
        done = await asyncio.gather(*(node.add_label(STUDY, label, door="t", peer="") for node, label in every))
        assert sum(one.changed for one in done) == 4
        await asyncio.gather(*(node.drop_label(STUDY, "l0", door="t", peer="") for node in nodes))
        for node in nodes:
            await node.catch_up()
            assert await node.labels(STUDY) == ["l1", "l2", "l3"]
        kinds = [event.kind async for entry in nodes[0].journal.follow(0) for event in entry.events]
    assert kinds.count(Kind.LABELLED) == 4
    assert kinds.count(Kind.UNLABELLED) == 1


async def test_an_archive_of_the_first_format_says_that_it_has_to_be_upgraded(tmp_path: Path) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a"):
        pass
    content = json.loads(await store.get(FORMAT)) | {"reader": 1, "writer": 1}
    await store.put(FORMAT, [json.dumps(content).encode()])
    async with open_lake(store, tmp_path / "b") as archive:
        await store_files(archive, *FILES)
        with pytest.raises(NotUpgraded, match="dicomlake upgrade"):
            await put(archive, STUDY, "x")
        assert await archive.labels(STUDY) == []
        assert not (await archive.drop_label(STUDY, "x", door="t", peer="")).changed


@pytest.mark.parametrize("rule", LabelRule, ids=str)
@pytest.mark.parametrize("asked", ["", "a", "ab", "c"])
@pytest.mark.parametrize("borne", ["", "a", "ab"])
def test_a_condition_says_of_labels_what_searches_find(borne: Iterable[str], asked: str, rule: LabelRule) -> None:
    holds = LabelCondition(tuple(asked), rule).holds(borne)

    both = set(asked) & set(borne)
    if rule is LabelRule.ALL:
        assert holds == (both == set(asked))
    else:
        assert holds == (bool(both if asked else borne) is (rule is LabelRule.ANY))
