"""What a catalog says of an earlier revision is what it said at that revision."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from dicomweb.model.keys import Level, Scope
from dicomweb.model.query import Between, JsonAttributes, Match, NameWords, OneOf, Order, Query, Wildcard
from dicomweb.ports import TooMuchChanged
from storage.catalog.catalog import Catalog
from storage.catalog.settings import CatalogSettings
from storage.log.events import Entry, Event, Kind
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
    void,
)
from tests.storage.catalog.test_replay import SCOPES, Script, Step, steps

STUDY, SERIES, SOP = ("0020000D",), ("0020000E",), ("00080018",)
QUERIES = [
    Query(Level.STUDY),
    Query(Level.STUDY, (Match(("00100010",), "PN", Wildcard("N1*"), "x"),), include=(("00201200",), ("00201204",))),
    Query(Level.STUDY, (Match(("00080061",), "CS", OneOf(("MR",)), "x"),), include_all=True),
    Query(Level.STUDY, (Match(("00181030",), "LO", OneOf(("P1",)), "x"),)),
    Query(Level.SERIES, order=(Order(("0008103E",), descending=True),)),
    Query(Level.SERIES, (Match(STUDY, "UI", OneOf(("1.1",)), "x"),), include=(("0008103E",),)),
    Query(Level.SERIES, (Match(("0008103E",), "LO", OneOf(("D1", "D2")), "x"),), include=(("00181030",),)),
    Query(Level.INSTANCE),
    Query(Level.INSTANCE, (Match(STUDY, "UI", OneOf(("1.1",)), "x"),), include_all=True),
    Query(Level.INSTANCE, (Match(("00100010",), "PN", NameWords(("n0",)), "x"),), limit=2, offset=1),
    Query(Level.INSTANCE, (Match(("00181030",), "LO", Wildcard("P*"), "x"), Match(SOP, "UI", OneOf(("1.1.1.1",)), "x"))),
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
        version = stored(
            event.stored.key,
            event.stored.version.partition("~")[2],
            more={"00181030": element("LO", f"P{step.pick % 3}")},
            **event.stored.columns,
        )
        return replace(event, stored=version)


@asynccontextmanager
async def opened(origin: LogHeaders, **fields: Any) -> AsyncIterator[Catalog]:
    with tempfile.TemporaryDirectory() as folder:
        async with Catalog(Path(folder), epoch=EPOCH, origin=origin, settings=CatalogSettings(**fields)) as catalog:
            yield catalog


async def answer(found: Any) -> Answer:
    return found.total, [one async for batch in found.batches for one in batch]


async def said_now(catalog: Catalog) -> tuple[list[Answer], list[Any]]:
    """What the catalog answers."""
    answers = [await answer(await catalog.search(query)) for query in QUERIES]
    scopes = []
    for scope in SCOPES:
        status = await catalog.status(scope)
        scopes.append((status.revision, status.ever, await catalog.within(scope)))
    return answers, scopes


async def said_of(catalog: Catalog, revision: int) -> tuple[list[Answer], list[Any]]:
    """The same of an earlier revision."""
    answers = [await answer(await catalog.past.search(query, revision)) for query in QUERIES]
    scopes = []
    for scope in SCOPES:
        then = await catalog.past.within(scope, revision)
        scopes.append((then.revision, then.ever, list(then.instances)))
    return answers, scopes


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
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_every_revision_is_told_as_it_was(script: list[Step]) -> None:
    await play(script, Telling(ending=False))
