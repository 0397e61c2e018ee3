"""What a catalog says of an earlier revision is what it said at that revision."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from dicomweb.model.keys import Level, Scope
from dicomweb.model.labels import LabelCondition, LabelRule
from dicomweb.model.query import JsonAttributes, Match, NameWords, OneOf, Order, Query, Wildcard
from dicomweb.ports import TooMuchChanged
from storage.catalog.catalog import Catalog
from storage.catalog.settings import CatalogSettings
from storage.log.events import Entry, Event, Kind
from tests.storage.catalog import model
from tests.storage.catalog.making import (
    EPOCH,
    LogHeaders,
    element,
    entry,
    key,
    purge,
    remove,
    restore,
    store,
    stored,
)
from tests.storage.catalog.test_replay import SCOPES, Script, Step, steps

STUDY, SOP, NAME, PROTOCOL = ("0020000D",), ("00080018",), ("00100010",), ("00181030",)
QUERIES = [
    Query(Level.STUDY),
    Query(Level.STUDY, (Match(NAME, "PN", Wildcard("N1*"), "x"),), include=(("00201200",), ("00201204",))),
    Query(Level.STUDY, (Match(("00080061",), "CS", OneOf(("MR",)), "x"),), include_all=True),
    Query(Level.STUDY, (Match(PROTOCOL, "LO", OneOf(("P1",)), "x"),)),
    Query(Level.SERIES, order=(Order(("0008103E",), descending=True),)),
    Query(Level.SERIES, (Match(STUDY, "UI", OneOf(("1.1",)), "x"),), include=(("0008103E",),)),
    Query(Level.SERIES, (Match(("0008103E",), "LO", OneOf(("D1", "D2")), "x"),), include=(PROTOCOL,)),
    Query(Level.INSTANCE),
    Query(Level.INSTANCE, (Match(STUDY, "UI", OneOf(("1.1",)), "x"),), include_all=True),
    Query(Level.INSTANCE, (Match(NAME, "PN", NameWords(("n0",)), "x"),), limit=2, offset=1),
    Query(Level.INSTANCE, (Match(SOP, "UI", OneOf(("1.1.1.1",)), ""), Match(PROTOCOL, "LO", Wildcard("P*"), "x"))),
    Query(Level.STUDY, tell_labels=True, labels=LabelCondition(("a", "b"), LabelRule.ANY)),
    Query(Level.SERIES, tell_labels=True, labels=LabelCondition(("a",), LabelRule.NONE)),
    Query(Level.INSTANCE, tell_labels=True, include_all=True),
]  # fmt: skip
"""By column, by header, of one study, sorted, in pages, told in part and whole."""

Answer = tuple[int, list[JsonAttributes]]


class Telling(Script):
    """A script whose headers say something that no column has, and that voids and purges only if it is told to."""

    def __init__(self, *, ending: bool) -> None:
        super().__init__()
        self._ending = ending

    def _event(self, step: Step) -> Event | None:
        if step.kind in ("void", "purge") and not self._ending:
            return None
        event = super()._event(step)
        if event is None or event.stored is None:
            return event
        columns: dict[str, Any] = dict(event.stored.columns)
        version = stored(
            event.stored.key,
            event.stored.version.partition("~")[2],
            more={"00181030": element("LO", f"P{step.pick % 3}")},
            **columns,
        )
        return replace(event, stored=version)


@asynccontextmanager
async def opened(origin: LogHeaders, **fields: Any) -> AsyncIterator[Catalog]:
    with tempfile.TemporaryDirectory() as folder:
        async with Catalog(
            Path(folder), epoch=EPOCH, origin=origin, settings=CatalogSettings(**fields)
        ) as catalog:
            yield catalog


async def answer(found: Any) -> Answer:
    return found.total, [one async for batch in found.batches for one in batch]


async def said_now(catalog: Catalog) -> tuple[list[Answer], list[Any]]:
    """What the catalog answers."""
    answers = [await answer(await catalog.search(query)) for query in QUERIES]
    scopes = []
    for scope in SCOPES:
        status = await catalog.status(scope)
        labels = await catalog.labels.of(scope)
        scopes.append((status.revision, status.ever, await catalog.within(scope), labels))
    return answers, [*scopes, await catalog.labels.counts()]


async def said_of(catalog: Catalog, revision: int) -> tuple[list[Answer], list[Any]]:
    """The same of an earlier revision."""
    answers = [await answer(await catalog.past.search(query, revision)) for query in QUERIES]
    scopes = []
    for scope in SCOPES:
        then = await catalog.past.within(scope, revision)
        labels = await catalog.labels.of_past(scope, revision)
        scopes.append((then.revision, then.ever, list(then.instances), labels))
    return answers, [*scopes, await catalog.labels.counts_past(revision)]


async def play(script: Sequence[Step], made: Telling) -> None:
    origin = LogHeaders()
    async with opened(origin) as catalog:
        said = [await said_now(catalog)]
        for step in script:
            done = made.take(step)
            if done is not None:
                origin.learn(done)
                catalog.apply(done)
                said.append(await said_now(catalog))
        for revision, then in enumerate(said):
            assert await said_of(catalog, revision) == then, revision
        for scope in SCOPES:
            if scope.instance is not None:
                await same_of_an_instance(catalog, scope, len(said))


async def same_of_an_instance(catalog: Catalog, scope: Scope, revisions: int) -> None:
    one = next(each for each in (key("1", "1", "1"), key("1", "1", "2"), key("1", "2", "1"), key("2", "1", "1"))
               if each.scope == scope)  # fmt: skip
    for revision in range(revisions):
        assert await catalog.past.find(one, revision) == await catalog.past.within(scope, revision)


@given(steps)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_every_revision_is_told_as_it_was(script: list[Step]) -> None:
    await play(script, Telling(ending=False))


@given(steps)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_what_was_voided_never_was_and_what_was_purged_is_known_as_such(script: list[Step]) -> None:
    origin, made = LogHeaders(), Telling(ending=True)
    async with opened(origin) as catalog:
        for step in script:
            if (done := made.take(step)) is not None:
                origin.learn(done)
                catalog.apply(done)
        whole = _without_voided(made.entries)
        purged = {event.version for one in whole for event in one.events if event.kind is Kind.PURGED}
        for revision in range(len(whole) + 1):
            events = model.events_of(whole[:revision])
            current = model.current(events, Scope("1.1"))
            then = await catalog.past.within(Scope("1.1"), revision)
            assert {one.version for one in then.instances} == {one.stored.version for one in current}
            ended = {event.version for _, event in events}
            assert bool(then.purged) is any(one.stored.version in purged - ended for one in current)
            found = await catalog.past.search(QUERIES[5], revision)
            assert found.total == len({one.stored.key.series for one in current})


def _without_voided(entries: Sequence[Entry]) -> list[Entry]:
    """The same history in which what was voided was never stored."""
    voided = {event.version for one in entries for event in one.events if event.kind is Kind.VOIDED}

    def stays(event: Event) -> bool:
        return event.kind is not Kind.VOIDED and (event.stored is None or event.stored.version not in voided)

    return [replace(one, events=tuple(filter(stays, one.events))) for one in entries]


async def test_what_was_purged_counts_but_says_nothing_not_even_from_the_log() -> None:
    origin = LogHeaders()
    old = stored(key("1", "1", "1"), "v0", more={"00181030": element("LO", "SECRET")}, patient_name="SECRET^X")
    kept = stored(key("1", "1", "2"), "v1", more={"00181030": element("LO", "OPEN")}, patient_name="OPEN^X")
    entries = [entry(1, store(kept)), entry(2, store(old)), entry(3, purge(old))]
    origin.learn(*entries)
    async with opened(origin) as catalog:
        for one in entries:
            catalog.apply(one)
        for query in QUERIES:
            total, told = await answer(await catalog.past.search(query, 2))
            assert "SECRET" not in str(told)
            assert total == len(told) or query.limit == 2
        total, told = await answer(await catalog.past.search(Query(Level.STUDY, include_all=True), 2))
        assert told[0]["00201208"]["Value"] == [2]
        assert told[0]["00100010"]["Value"] == [{"Alphabetic": "OPEN^X"}]
        total, _ = await answer(
            await catalog.past.search(Query(Level.INSTANCE, (Match(PROTOCOL, "LO", OneOf(("SECRET",)), "x"),)), 2)
        )
        assert total == 0
        assert not origin.fetched, "the header of a purged version was asked of the log"


async def test_a_search_is_refused_when_too_much_changed_and_not_when_it_is_narrow() -> None:
    origin = LogHeaders()
    async with opened(origin, past_rows=3) as catalog:
        for number, study in enumerate("1234", start=1):
            catalog.apply(entry(number, store(stored(key(study)))))
        for number, study in enumerate("1234", start=5):
            catalog.apply(entry(number, remove(Scope(key(study).study))))
        assert (await catalog.past.search(Query(Level.STUDY), 5)).total == 3
        with pytest.raises(TooMuchChanged, match="StudyInstanceUID"):
            await catalog.past.search(Query(Level.STUDY), 4)
        narrow = Query(Level.STUDY, (Match(STUDY, "UI", OneOf(("1.1", "1.2")), "x"),))
        assert (await catalog.past.search(narrow, 4)).total == 2


async def test_ordinary_searches_see_nothing_of_the_tables_of_the_past() -> None:
    origin = LogHeaders()
    async with opened(origin) as catalog:
        catalog.apply(entry(1, store(stored(key("1")))))
        catalog.apply(entry(2, remove(Scope("1.1"))))
        assert (await catalog.past.search(Query(Level.STUDY), 1)).total == 1
        assert (await catalog.search(Query(Level.STUDY))).total == 0
        assert await catalog._database.slow(lambda cursor: cursor.execute("FROM studies").fetchall()) != []
        assert await catalog._database.slow(lambda c: c.execute("FROM studies WHERE visible > 0").fetchall()) == []


async def test_the_chronicle_tells_what_storing_came_to_and_how_many_a_removal_hid() -> None:
    origin = LogHeaders()
    a, b, again, beside = (
        stored(key("1", "1", "1"), "v0"),
        stored(key("1", "2", "2"), "v1"),
        stored(key("1", "1", "1"), "v2"),
        stored(key("1", "1", "1"), "v3"),
    )
    entries = [
        entry(1, store(a), store(b)),
        entry(2, store(again)),
        entry(3, store(beside, current=False)),
        entry(4, remove(Scope("1.1", "1.1.1"))),
        entry(5, remove(Scope("1.1"))),
        entry(6, restore(4, Scope("1.1", "1.1.1"))),
        entry(7, store(stored(key("1", "1", "1"), "v4"))),
        entry(8, restore(5, Scope("1.1"))),
        entry(9, store(stored(key("2")))),
    ]
    async with opened(origin) as catalog:
        for one in entries:
            catalog.apply(one)
        found = await catalog.past.chronicle(Scope("1.1"), before=None, limit=50)
        assert found.revisions == (8, 7, 6, 5, 4, 3, 2, 1)
        assert not found.more
        deeds = {version.partition("~")[2]: str(deed) for version, deed in found.deeds.items()}
        assert deeds == {"v0": "stored", "v1": "stored", "v2": "replaced", "v3": "kept", "v4": "stored"}
        turned = {number: sorted(one.instance for one in keys) for number, keys in found.turned.items()}
        assert turned == {4: ["1.1.1.1"], 5: ["1.1.2.2"], 6: [], 8: ["1.1.2.2"]}
        assert found.undoable == frozenset()
        page = await catalog.past.chronicle(Scope("1.1", "1.1.2"), before=6, limit=1)
        assert (page.revisions, page.more) == ((5,), True)
        assert page.undoable == frozenset()
