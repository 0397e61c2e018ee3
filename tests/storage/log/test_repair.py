"""A damaged entry put back together from the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dicomweb.model.instance import Original
from dicomweb.model.keys import Scope
from storage.layout import entry_key
from storage.log.checkpoint import Checkpoint
from storage.log.events import Event, Kind
from storage.log.journal import Journal
from storage.log.repair import NotRepairable, repair_entry
from tests.storage.log.conftest import Place
from tests.storage.log.make import event, key, labelled, removed, restored, stored, unlabelled, version

CONVERTED = stored(key(instance=4), "v4")
EVENTS = [
    stored(key(), "v1", number=4),
    stored(key(instance=2), "v2", current=False),
    removed(Scope("1.2.1", "1.2.1.1")),
    restored(Scope("1.2.1", "1.2.1.1"), 2),
    stored(key(instance=3), "v3"),
    replace(CONVERTED, stored=replace(version(key(instance=4), "v4"), original=Original(b"d" * 32, 5, "1.2.3"))),
]


async def written(folder: Place, *log: Sequence[Event]) -> tuple[Journal, Checkpoint]:
    journal = await Journal.open(folder.store, node="writer")
    for number, events in enumerate(log, 1):
        await journal.append(number, events, f"c{number}")
    return journal, Checkpoint(folder.store, folder.address)


async def damage(journal: Journal, number: int) -> bytes:
    name = entry_key(journal.epoch, number)
    data = (await journal.store.get(name))[:-5]
    await journal.store.put(name, [data])
    return data


def plain(events: Sequence[Event]) -> list[Event]:
    return [replace(one, detail="") for one in events]


async def test_labels_put_on_and_taken_off_come_back(folder: Place) -> None:
    study, other = Scope("1.2.1"), Scope("1.2.1", "1.2.1.1")
    first = [stored(key(), "v1"), labelled(study, "a"), labelled(other, "a"), labelled(study, "b")]
    second = [labelled(study, "a"), unlabelled(study, "a"), unlabelled(other, "a")]
    journal, checkpoint = await written(folder, first, second, [removed(study)])
    await checkpoint.fold()
    for number in (1, 2):
        await damage(journal, number)
        await repair_entry(journal, checkpoint, number)

    again, ends = await journal.read(1), await journal.read(2)
    assert again is not None
    assert plain(again.events) == first
    assert ends is not None
    assert {(one.kind, one.scope, one.label) for one in ends.events} == {
        (one.kind, one.scope, one.label) for one in second
    }


async def test_a_folded_entry_is_put_back(folder: Place) -> None:
    journal, checkpoint = await written(folder, [stored(key(study=9))], EVENTS, [stored(key(study=8))])
    await checkpoint.fold()
    harmed = await damage(journal, 2)

    repaired = await repair_entry(journal, checkpoint, 2)

    entry = await journal.read(2)
    assert entry is not None
    assert (repaired.events, repaired.was_damaged) == (6, True)
    assert plain(entry.events) == plain(EVENTS)
    assert all(one.detail for one in entry.events)
    assert await folder.store.get(f"{entry_key(journal.epoch, 2)}.damaged") == harmed
    assert [one.number async for one in journal.follow(0)] == [1, 2, 3]


async def test_a_missing_entry_is_put_back(folder: Place) -> None:
    journal, checkpoint = await written(folder, EVENTS, [stored(key(study=8))])
    await checkpoint.fold()
    await folder.store.delete(entry_key(journal.epoch, 1))

    await repair_entry(journal, checkpoint, 1)

    assert [one.number async for one in journal.follow(0)] == [1, 2]


async def test_what_voided_or_purged_a_version_is_put_back(folder: Place) -> None:
    end = [
        event(Kind.VOIDED, key().scope, version="v1"),
        event(Kind.PURGED, key(instance=2).scope, version="v2"),
    ]
    journal, checkpoint = await written(folder, [stored(key(), "v1"), stored(key(instance=2), "v2")], end)
    await checkpoint.fold()
    await damage(journal, 2)

    await repair_entry(journal, checkpoint, 2)

    entry = await journal.read(2)
    assert entry is not None
    assert {(one.kind, one.scope, one.version) for one in entry.events} == {
        (one.kind, one.scope, one.version) for one in end
    }


async def test_an_entry_that_can_be_read_is_left_alone(folder: Place) -> None:
    journal, checkpoint = await written(folder, EVENTS)
    before = await folder.store.get(entry_key(journal.epoch, 1))

    repaired = await repair_entry(journal, checkpoint, 1)

    assert not repaired.was_damaged
    assert await folder.store.get(entry_key(journal.epoch, 1)) == before


async def test_an_entry_that_was_never_folded_cannot_be_put_back(folder: Place) -> None:
    journal, checkpoint = await written(folder, EVENTS, [stored(key(study=8))])
    await checkpoint.fold(until=1)
    await damage(journal, 2)

    with pytest.raises(NotRepairable):
        await repair_entry(journal, checkpoint, 2)
