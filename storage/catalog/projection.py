"""What the events of the log make of an instance: the rules, as functions from values to values.

Per key, versions stand in log order; a position is (entry number, place in the entry).

    stored     a version is there. The current version is the last visible one stored as current; if there is none,
               the last visible one of those kept beside. Former ones are replaced, kept ones stay visible
    removed    versions in the scope at an earlier position are hidden while the removal is in force
    restored   the removals of an entry are no longer in force (within the scope of the event, if it names one)
    voided     the version counts as never stored: what it had replaced is current again
    purged     the version is not visible any more and its header is blank; who it was stays
    digested   the digest of the version is known now; nothing else changes

A version may be hidden by more than one removal, a series removed and then its study: it is visible again when
none of them is in force. Everything here can be computed from any prefix of the log; the catalog does so event
by event, and the tests hold it against computing all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey, Scope
from storage.log.unread import is_unread


class Standing(IntEnum):
    """Where a version stands among those of its key; visible from KEPT on."""

    VOIDED = 0
    PURGED = 1
    HIDDEN = 2
    FORMER = 3
    KEPT = 4
    CURRENT = 5


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the log."""

    revision: int
    """Number of the entry."""
    ordinal: int
    """Place of the event in the entry, from 0."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened."""

    revision: int
    """Number of the entry."""
    time: datetime
    """What the event's writer took for the time, UTC."""


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version and what became of it."""

    instance: Instance
    ordinal: int
    """Place of its event in the entry `instance.revision`."""
    time: datetime
    """When it was stored."""
    leading: bool
    """Stored as current, not kept beside."""
    number: int | None = None
    """Instance Number, for the order of a series."""
    standing: Standing = Standing.CURRENT
    """As stored, before its key is settled, current."""
    hidden: Moment | None = None
    """The first removal in force that hides it."""
    purged: int = 0
    """Number of the entry that purged it, 0 if none did."""
    voided: int = 0
    """Number of the entry that voided it, 0 if none did."""
    until: Moment | None = None
    """When it ceased to be visible; None while it is."""
    changed: int = 0
    """Number of the last entry that changed where it stands."""
    row: int = 0
    """Number of its row in the catalog, 0 while it has none."""

    @property
    def position(self) -> Position:
        """Where the log stored it."""
        return Position(self.instance.revision, self.ordinal)

    @property
    def visible(self) -> bool:
        """Whether a reader may see it."""
        return self.standing >= Standing.KEPT


Versions = tuple[Version, ...]
"""All versions of one key in log order."""

Change = Callable[[Versions], Versions]
"""What an event does to the versions of a key in its scope."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A removal."""

    position: Position
    scope: Scope
    time: datetime


@dataclass(frozen=True, slots=True)
class Restored:
    """An undelete."""

    position: Position
    target: int
    """Number of the entry whose removals it undoes."""
    scope: Scope | None
    """Only what lies within it, None for all."""


@dataclass(frozen=True, slots=True)
class History:
    """The removals of a study in log order, and what undid them."""

    removed: tuple[Removed, ...] = ()
    restored: tuple[Restored, ...] = ()

    def hider(self, key: InstanceKey | Scope, position: Position) -> Moment | None:
        """The first removal in force that hides what was stored there, or the label that was put on there."""
        for removal in self.removed:
            if removal.position > position and removal.scope.covers(key) and not self._undone(removal, key):
                return Moment(removal.position.revision, removal.time)
        return None

    def _undone(self, removal: Removed, key: InstanceKey | Scope) -> bool:
        return any(
            undo.target == removal.position.revision
            and undo.position > removal.position
            and (undo.scope is None or undo.scope.covers(key))
            for undo in self.restored
        )


def store(versions: Versions, new: Version) -> Versions:
    """A version, current and changed just now, is stored after all others of its key."""
    return settle((*versions, new), Moment(new.instance.revision, new.time)) if versions else (new,)


def remove(versions: Versions, at: Moment) -> Versions:
    """A removal whose scope holds the key comes after all these versions."""
    return settle([replace(one, hidden=at) if one.standing > Standing.HIDDEN else one for one in versions], at)


def restore(versions: Versions, history: History, at: Moment) -> Versions:
    """An undelete, which is part of `history`, may have ended removals that hid these versions."""
    return settle([_with_hider(one, history) if one.standing is Standing.HIDDEN else one for one in versions], at)


def _with_hider(one: Version, history: History) -> Version:
    return replace(one, hidden=history.hider(one.instance.key, one.position))


def void(versions: Versions, version: str, at: Moment) -> Versions:
    """The named version never became whole."""
    return settle([replace(one, voided=at.revision) if _is(one, version) else one for one in versions], at)


def purge(versions: Versions, version: str, at: Moment) -> Versions:
    """The bytes of the named version are gone."""
    return settle([replace(one, purged=at.revision) if _is(one, version) else one for one in versions], at)


def digest(versions: Versions, version: str, value: bytes) -> Versions:
    """The digest of the named version, which was open, is known."""
    return tuple(
        replace(one, instance=replace(one.instance, digest=value))
        if one.instance.version == version and is_unread(one.instance.digest)
        else one
        for one in versions
    )


def _is(one: Version, version: str) -> bool:
    return one.instance.version == version and not one.voided and not one.purged


def settle(versions: Sequence[Version], at: Moment) -> Versions:
    """Say anew which version is current, after something of them changed at that moment."""
    standings = _standings(versions)
    return tuple(_settled(one, new, at) for one, new in zip(versions, standings, strict=True))


def _settled(one: Version, standing: Standing, at: Moment) -> Version:
    visible = standing >= Standing.KEPT
    until = None if visible else at if one.visible else one.until or at
    if standing is one.standing:
        return one
    return replace(one, standing=standing, until=until, changed=at.revision)


def _standings(versions: Sequence[Version]) -> list[Standing]:
    alive = [not (one.hidden or one.purged or one.voided) for one in versions]
    leading = [at for at, one in enumerate(versions) if alive[at] and one.leading]
    kept = [at for at, one in enumerate(versions) if alive[at] and not one.leading]
    current = leading[-1] if leading else kept[-1] if kept else -1
    return [_standing(one, alive[at], at == current) for at, one in enumerate(versions)]


def _standing(one: Version, alive: bool, current: bool) -> Standing:
    if alive:
        return Standing.CURRENT if current else Standing.FORMER if one.leading else Standing.KEPT
    if one.voided:
        return Standing.VOIDED
    return Standing.PURGED if one.purged else Standing.HIDDEN


def current_of(versions: Iterable[Version]) -> Version | None:
    """The version a reader is given."""
    return next((one for one in versions if one.standing is Standing.CURRENT), None)


def was_removed(versions: Iterable[Version]) -> bool:
    """Whether the key was stored once and nothing of it is visible."""
    found = False
    for one in versions:
        if one.visible:
            return False
        found = found or one.standing is not Standing.VOIDED
    return found
