"""What the events of the log make of the versions of one instance: the rules the checkpoint table is folded by.

Versions stand in log order; a place is (entry number, place of the event in the entry).

    stored     the current version is the last visible one stored as current; if there is none, the last visible
               one that was kept beside. Others stored as current are former versions, kept ones stay visible
    removed    hides the versions within its scope that stand before it, for as long as it is in force
    restored   ends the removals of entry `target`, within its own scope
    voided     the version counts as never stored: what it had replaced is current again
    purged     the version is never visible again and its header is blank
    digested   where a version stands stays as it is

A version may be hidden by two removals, of its series and then of its study: it comes back when neither is in
force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from dicomweb.model.keys import InstanceKey, Scope

Place = tuple[int, int]
"""Number of an entry, and place of an event in it from 0."""


class State(StrEnum):
    """What a row of the table stands for."""

    CURRENT = "current"
    KEPT = "kept"
    FORMER = "former"
    REMOVED = "removed"
    PURGED = "purged"
    VOIDED = "voided"
    EVENT = "event"
    """No version: a removal or an undelete."""
    LABEL = "label"
    """No version: a label, in force."""
    UNLABELLED = "unlabelled"
    """No version: a label that was taken off."""

    @property
    def visible(self) -> bool:
        """Whether a reader may see the version."""
        return self in (State.CURRENT, State.KEPT)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened."""

    revision: int
    """Number of the entry."""
    time: datetime
    """As its writer took it, UTC."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What has become of a version."""

    state: State = State.CURRENT
    until: Moment | None = None
    """When it ceased to be visible; None while it is."""
    hidden: Moment | None = None
    """The first removal in force that hides it."""
    purged: int = 0
    """Number of the entry that purged it, 0 if none did."""
    voided: int = 0
    """Number of the entry that voided it, 0 if none did."""
    changed: int = 0
    """Number of the last entry that changed where it stands."""


@dataclass(slots=True)
class StoredAt:
    """A version, where the log stored it, and its fate so far."""

    version: str
    place: Place
    leading: bool
    """Stored as current, not kept beside."""
    fate: Fate


@dataclass(frozen=True, slots=True)
class Removed:
    """A removal."""

    place: Place
    scope: Scope
    time: datetime


@dataclass(frozen=True, slots=True)
class Restored:
    """An undelete."""

    place: Place
    scope: Scope
    """Only what lies within it comes back."""
    target: int


@dataclass(slots=True)
class Removals:
    """The removals of a study and what ended them, in log order."""

    removed: list[Removed] = field(default_factory=list)
    restored: list[Restored] = field(default_factory=list)

    def hider(self, key: InstanceKey | Scope, place: Place) -> Moment | None:
        """The first removal in force that hides what was stored there, or the label that was put on there."""
        for removal in self.removed:
            if removal.place > place and removal.scope.covers(key) and not self._ended(removal, key):
                return Moment(removal.place[0], removal.time)
        return None

    def _ended(self, removal: Removed, key: InstanceKey | Scope) -> bool:
        return any(
            undo.target == removal.place[0] and undo.place > removal.place and undo.scope.covers(key)
            for undo in self.restored
        )


@dataclass(slots=True)
class Versions:
    """All versions of one instance in log order; each method is an event that comes after everything before."""

    key: InstanceKey
    stored: list[StoredAt] = field(default_factory=list)

    def store(self, version: str, place: Place, time: datetime, *, leading: bool) -> None:
        """A version was stored."""
        self.stored.append(StoredAt(version, place, leading, Fate(changed=place[0])))
        self._settle(Moment(place[0], time))

    def remove(self, at: Moment) -> None:
        """A removal covers the instance."""
        for one in self.stored:
            if one.fate.state not in (State.REMOVED, State.PURGED, State.VOIDED):
                one.fate = replace(one.fate, hidden=at)
        self._settle(at)

    def restore(self, removals: Removals, at: Moment) -> None:
        """An undelete, the last of `removals`, covers the instance."""
        for one in self.stored:
            if one.fate.state is State.REMOVED:
                one.fate = replace(one.fate, hidden=removals.hider(self.key, one.place))
        self._settle(at)

    def void(self, version: str, at: Moment) -> None:
        """The version never became whole."""
        for one in self.stored:
            if one.version == version and not (one.fate.voided or one.fate.purged):
                one.fate = replace(one.fate, voided=at.revision)
        self._settle(at)

    def purge(self, version: str, at: Moment) -> None:
        """The bytes of the version are gone."""
        for one in self.stored:
            if one.version == version and not (one.fate.voided or one.fate.purged):
                one.fate = replace(one.fate, purged=at.revision)
        self._settle(at)

    def _settle(self, at: Moment) -> None:
        """Say anew where each version stands."""
        for one, state in zip(self.stored, _states(self.stored), strict=True):
            fate = one.fate
            until = None if state.visible else at if fate.state.visible else fate.until or at
            if state is not fate.state or until != fate.until:
                one.fate = replace(fate, state=state, until=until, changed=at.revision)


def _states(stored: Sequence[StoredAt]) -> list[State]:
    alive = [one for one in stored if not (one.fate.hidden or one.fate.purged or one.fate.voided)]
    leading = [one for one in alive if one.leading]
    current = leading[-1] if leading else alive[-1] if alive else None
    return [_state(one, one is current) for one in stored]


def _state(one: StoredAt, current: bool) -> State:
    fate = one.fate
    if fate.voided:
        return State.VOIDED
    if fate.purged:
        return State.PURGED
    if fate.hidden:
        return State.REMOVED
    return State.CURRENT if current else State.FORMER if one.leading else State.KEPT
