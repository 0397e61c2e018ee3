"""The rules of versions, and that they agree with the catalog's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from storage.log.standing import Moment, Removals, Removed, Restored, State, Versions
from tests.storage.log.make import NOON, key


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
