"""However a log is applied (event by event, in batches, across restarts), the catalog says what the log means."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.labels import LabelCondition, LabelRule
from dicomweb.model.query import LABELS, JsonAttributes, Match, OneOf, Query
from storage.catalog.catalog import Catalog
from storage.log.events import Entry, Event, StoredVersion
from tests.storage.catalog import model
from tests.storage.catalog.making import (
    EPOCH,
    LogHeaders,
    entry,
    key,
    label,
    purge,
    remove,
    restore,
    store,
    stored,
    unlabel,
    void,
)

KEYS = [key("1", "1", "1"), key("1", "1", "2"), key("1", "2", "1"), key("2", "1", "1")]
SCOPES = sorted(
    {scope for one in KEYS for scope in (Scope(one.study), Scope(one.study, one.series), one.scope)},
    key=lambda scope: (scope.study, scope.series or "", scope.instance or ""),
)


CONDITIONS = [LabelCondition(tuple(labels), rule) for rule in LabelRule for labels in ("", "a", "ab")]


@dataclass(frozen=True)
class Step:
    """What happens next; numbers choose among what there is at that time."""

    kind: str
    pick: int
    flag: bool
    ends: bool
    """Whether the entry ends here."""
    then: str
    """What the node does at the end of the entry."""


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            ["store"] * 5 + ["remove"] * 3 + ["restore"] * 2 + ["void", "purge"] + ["label"] * 3 + ["unlabel"]
        ),
        st.integers(0, 1000),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["", "", "", "flush", "forget", "restart", "look"]),
    ),
    min_size=1,
    max_size=30,
)


class Script:
    """Makes entries out of steps."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._events: list[Event] = []
        self._versions: list[StoredVersion] = []
        self._removals: list[tuple[int, Scope]] = []

    def take(self, step: Step) -> Entry | None:
        """The entry that the step ends, if it ends one."""
        event = self._event(step)
        if event is not None:
            self._events.append(event)
        if not step.ends or not self._events:
            return None
        self.entries.append(entry(len(self.entries) + 1, *self._events))
        self._events = []
        return self.entries[-1]

    def _event(self, step: Step) -> Event | None:
        minute = len(self.entries)
        if step.kind == "store":
            return self._store(step, minute)
        if step.kind == "remove":
            scope = SCOPES[step.pick % len(SCOPES)]
            self._removals.append((len(self.entries) + 1, scope))
            return remove(scope, minute=minute)
        if step.kind == "restore" and self._removals:
            revision, scope = self._removals[step.pick % len(self._removals)]
            return restore(revision, scope if step.flag else None, minute=minute)
        if step.kind in ("label", "unlabel"):
            put = label if step.kind == "label" else unlabel
            return put(SCOPES[step.pick % len(SCOPES)], "ab"[step.flag], minute=minute)
        ended = {event.version for one in self.entries for event in one.events} | {e.version for e in self._events}
        open_ = [one for one in self._versions if one.version not in ended]
        if step.kind in ("void", "purge") and open_:
            version = open_[step.pick % len(open_)]
            return void(version) if step.kind == "void" else purge(version)
        return None

    def _store(self, step: Step, minute: int) -> Event:
        one = KEYS[step.pick % len(KEYS)]
        version = stored(
            one,
            f"v{len(self._versions)}",
            patient_name=f"N{step.pick % 3}^X",
            patient_id="P",
            modality=["CT", "MR"][step.pick % 2],
            series_description=f"D{step.pick % 5}",
            instance_number=step.pick % 4,
        )
        self._versions.append(version)
        return store(version, current=not step.flag, minute=minute)


@given(steps)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_the_catalog_says_what_the_log_means(script: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await replay(Path(folder), script)


async def replay(folder: Path, script: list[Step]) -> None:
    made = Script()
    origin = LogHeaders()
    catalog = await Catalog(folder, epoch=EPOCH, origin=origin).__aenter__()
    try:
        for step in script:
            done = made.take(step)
            if done is None:
                continue
            origin.learn(done)
            catalog.apply(done)
            if step.then == "flush":
                await catalog.flush()
            elif step.then == "forget":
                catalog._memory.hot.clear()
            elif step.then == "look":
                await catalog.known(KEYS)
            elif step.then == "restart":
                await catalog.__aexit__(None, None, None)
                catalog = await Catalog(folder, epoch=EPOCH, origin=origin).__aenter__()
        await agree(catalog, made.entries)
        await catalog.flush()
        catalog._memory.hot.clear()
        await agree(catalog, made.entries)
    finally:
        await catalog.__aexit__(None, None, None)


async def agree(catalog: Catalog, entries: Sequence[Entry]) -> None:
    """Hold everything the catalog says against the model."""
    events = model.events_of(entries)
    for scope in SCOPES:
        status = await catalog.status(scope)
        assert (status.visible, status.hidden) == model.counts(events, scope), scope
        assert status.revision == model.changed(events, scope), scope
        within = await catalog.within(scope)
        expected = model.current(events, scope)
        assert {one.version for one in within} == {one.stored.version for one in expected}
        assert within == sorted(within, key=lambda one: _place(one.key, expected))
    await agree_on_keys(catalog, events)
    await agree_on_versions(catalog, events)
    await agree_on_studies(catalog, events)
    await agree_on_series(catalog, events)
    await agree_on_labels(catalog, events)


def _place(one: InstanceKey, expected: list[model.Stored]) -> tuple[Any, ...]:
    columns = next(each.stored.columns for each in expected if each.stored.key == one)
    return (one.series, columns["instance_number"], one.instance)


async def agree_on_keys(catalog: Catalog, events: Sequence[tuple[model.Place, Event]]) -> None:
    stand = model.standings(events)
    known = await catalog.known(KEYS)
    for one in KEYS:
        versions = model.by_key(events).get(one, [])
        visible = [each.stored.version for each in versions if stand[each.stored.version] >= 4]
        assert sorted(each.version for each in known[one].visible) == sorted(visible)
        current = known[one].current
        assert ([current.version] if current else []) == [v for v in visible if stand[v] == 5]
        assert current == await catalog.find(one)
        assert not known[one].elsewhere


async def agree_on_versions(catalog: Catalog, events: Sequence[tuple[model.Place, Event]]) -> None:
    stand = model.standings(events)
    for study in {one.study for one in KEYS}:
        for row in await catalog.versions(Scope(study)):
            assert row.standing is stand.pop(row.instance.version)
            assert (row.until is None) == (row.standing >= 4)
    assert not stand


async def agree_on_studies(catalog: Catalog, events: Sequence[tuple[model.Place, Event]]) -> None:
    told = {_value(one, "0020000D"): one for one in await rows(catalog, Query(Level.STUDY))}
    for study in {one.study for one in KEYS}:
        current = model.current(events, Scope(study))
        if not current:
            assert study not in told
            continue
        row = told.pop(study)
        series = {one.stored.key.series for one in current}
        assert _value(row, "00201206") == len(series)
        assert _value(row, "00201208") == len(current)
        assert _value(row, "00100010") == {"Alphabetic": current[-1].stored.columns["patient_name"]}
        lasts = [model.current(events, Scope(study, one))[-1] for one in series]
        assert row["00080061"]["Value"] == sorted({one.stored.columns["modality"] for one in lasts})
    assert not told


async def agree_on_series(catalog: Catalog, events: Sequence[tuple[model.Place, Event]]) -> None:
    for study in {one.study for one in KEYS}:
        query = Query(Level.SERIES, (Match(("0020000D",), "UI", OneOf((study,)), "x"),), (("0008103E",),))
        told = {_value(one, "0020000E"): one for one in await rows(catalog, query)}
        for series in {one.series for one in KEYS if one.study == study}:
            current = model.current(events, Scope(study, series))
            row = told.pop(series, None)
            assert (row is None) == (not current)
            if row is not None:
                assert _value(row, "00201209") == len(current)
                assert _value(row, "0008103E") == current[-1].stored.columns["series_description"]
        assert not told


async def agree_on_labels(catalog: Catalog, events: Sequence[tuple[model.Place, Event]]) -> None:
    shown: dict[Level, dict[Scope, set[str]]] = {level: {} for level in Level}
    for scope in SCOPES:
        borne = model.labels(events, scope)
        assert await catalog.labels.of(scope) == sorted(borne), scope
        if model.current(events, scope):
            shown[scope.level][scope] = borne
    counted = {one.label: (one.studies, one.series, one.instances) for one in await catalog.labels.counts()}
    assert counted == {
        one: tuple(sum(one in borne for borne in shown[level].values()) for level in Level)
        for one in "ab"
        if any(one in borne for scopes in shown.values() for borne in scopes.values())
    }
    for level in Level:
        told = {_scope(one, level): one for one in await rows(catalog, Query(level, tell_labels=True))}
        assert {scope: set(one.get(LABELS, {}).get("Value", ())) for scope, one in told.items()} == shown[level]
        for condition in CONDITIONS:
            found = await rows(catalog, Query(level, labels=condition))
            expected = {scope for scope, borne in shown[level].items() if condition.holds(borne)}
            assert {_scope(one, level) for one in found} == expected, condition


def _scope(row: JsonAttributes, level: Level) -> Scope:
    return Scope(*(_value(row, tag) for tag in ("0020000D", "0020000E", "00080018")[:level]))


async def rows(catalog: Catalog, query: Query) -> list[JsonAttributes]:
    found = await catalog.search(query)
    told = [one async for batch in found.batches for one in batch]
    assert found.total == len(told)
    return told


def _value(row: JsonAttributes, tag: str) -> Any:
    return row[tag]["Value"][0]
