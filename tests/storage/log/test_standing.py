"""The rules of versions, and that they agree with the catalog's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from dicomweb.model.keys import InstanceKey
from storage.catalog import projection
from storage.catalog.hot import change_of, version_of
from storage.log.events import Event, Kind
from storage.log.standing import Moment, Removals, Removed, Restored, State, Versions
from tests.storage.log.make import NOON, key
from tests.storage.log.stories import Row, play, random_log


class Story:
    """Events of one instance, one an entry."""

    def __init__(self) -> None:
        self.versions = Versions(key())
        self.removals = Removals()
        self.number = 0

    def _next(self) -> Moment:
        self.number += 1
        return Moment(self.number, NOON + timedelta(seconds=self.number))

    def store(self, version: str, *, leading: bool = True) -> Story:
        at = self._next()
        self.versions.store(version, (at.revision, 0), at.time, leading=leading)
        return self

    def remove(self) -> Story:
        at = self._next()
        self.removals.removed.append(Removed((at.revision, 0), key().scope, at.time))
        self.versions.remove(at)
        return self

    def restore(self, target: int) -> Story:
        at = self._next()
        self.removals.restored.append(Restored((at.revision, 0), key().scope, target))
        self.versions.restore(self.removals, at)
        return self

    def void(self, version: str) -> Story:
        self.versions.void(version, self._next())
        return self

    def purge(self, version: str) -> Story:
        self.versions.purge(version, self._next())
        return self

    @property
    def states(self) -> dict[str, str]:
        return {one.version: str(one.fate.state) for one in self.versions.stored}

    @property
    def until(self) -> dict[str, int | None]:
        return {one.version: one.fate.until and one.fate.until.revision for one in self.versions.stored}


CASES = {
    "stored": (Story().store("a"), {"a": "current"}, {"a": None}),
    "replaced": (Story().store("a").store("b"), {"a": "former", "b": "current"}, {"a": 2, "b": None}),
    "kept": (
        Story().store("a").store("b", leading=False),
        {"a": "current", "b": "kept"},
        {"a": None, "b": None},
    ),
    "removed": (Story().store("a").remove(), {"a": "removed"}, {"a": 2}),
    "restored": (Story().store("a").remove().restore(2), {"a": "current"}, {"a": None}),
    "stored again after a removal": (
        Story().store("a").remove().store("b"),
        {"a": "removed", "b": "current"},
        {"a": 2, "b": None},
    ),
    "restored beside what was stored since": (
        Story().store("a").remove().store("b").restore(2),
        {"a": "former", "b": "current"},
        {"a": 2, "b": None},
    ),
    "hidden by two removals, one ended": (
        Story().store("a").remove().remove().restore(2),
        {"a": "removed"},
        {"a": 2},
    ),
    "voided: what it replaced is back": (
        Story().store("a").store("b").void("b"),
        {"a": "current", "b": "voided"},
        {"a": None, "b": 3},
    ),
    "purged after a removal": (Story().store("a").remove().purge("a"), {"a": "purged"}, {"a": 2}),
    "removed and restored, then replaced": (
        Story().store("a").remove().restore(2).store("b"),
        {"a": "former", "b": "current"},
        {"a": 4, "b": None},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_versions_stand_where_the_events_put_them(name: str) -> None:
    story, states, until = CASES[name]

    assert story.states == states
    assert story.until == until


def test_a_purged_version_does_not_come_back() -> None:
    assert Story().store("a").remove().purge("a").restore(2).states == {"a": str(State.PURGED)}


def test_a_version_tells_the_entry_that_changed_it_last() -> None:
    story = Story().store("a").remove().restore(2)

    assert [one.fate.changed for one in story.versions.stored] == [3]


@pytest.mark.parametrize("seed", range(40))
def test_the_table_and_the_catalog_go_by_the_same_rules(seed: int) -> None:
    log = random_log(seed, entries=60)

    assert play(log) == _by_the_catalog(log)


def _by_the_catalog(log: Sequence[Sequence[Event]]) -> dict[str, Row]:
    instances: dict[InstanceKey, projection.Versions] = {}
    histories: dict[str, projection.History] = {}
    for number, events in enumerate(log, 1):
        for ordinal, event in enumerate(events):
            if event.scope is None:
                continue
            at, position = projection.Moment(number, event.time), projection.Position(number, ordinal)
            history = histories.get(event.scope.study, projection.History())
            if event.stored is not None:
                new = version_of(event.stored, event, number, ordinal, row=0)
                instances[event.stored.key] = projection.store(instances.get(event.stored.key, ()), new)
                continue
            if event.kind is Kind.REMOVED:
                removal = projection.Removed(position, event.scope, event.time)
                history = projection.History((*history.removed, removal), history.restored)
            elif event.kind is Kind.RESTORED:
                undo = projection.Restored(position, event.target, event.scope)
                history = projection.History(history.removed, (*history.restored, undo))
            histories[event.scope.study] = history
            for covered in [one for one in instances if event.scope.covers(one)]:
                if event.kind is Kind.RESTORED:
                    instances[covered] = projection.restore(instances[covered], history, at)
                elif change := change_of(event, at):
                    instances[covered] = change(instances[covered])
    return {
        one.instance.version: Row(
            {"HIDDEN": "removed"}.get(one.standing.name, one.standing.name.lower()),
            one.until and one.until.revision,
            one.hidden and one.hidden.revision,
            one.purged or None,
            one.voided or None,
            one.changed,
        )
        for versions in instances.values()
        for one in versions
    }
