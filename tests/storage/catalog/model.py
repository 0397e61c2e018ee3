"""What a log means, computed all at once and without thrift: the yardstick for the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.model.keys import InstanceKey, Scope
from storage.catalog.projection import Standing
from storage.log.events import Entry, Event, Kind, StoredVersion

Place = tuple[int, int]


@dataclass(frozen=True)
class Stored:
    """A version, where the log stored it and how."""

    place: Place
    stored: StoredVersion
    leading: bool


def events_of(entries: Sequence[Entry]) -> list[tuple[Place, Event]]:
    """All events with their places, in log order."""
    return [((one.number, at), event) for one in entries for at, event in enumerate(one.events)]


def standings(events: Sequence[tuple[Place, Event]]) -> dict[str, Standing]:
    """Where every version stands after these events."""
    found: dict[str, Standing] = {}
    for versions in by_key(events).values():
        alive = [one for one in versions if is_alive(one, events)]
        leading = [one for one in alive if one.leading]
        current = (leading or alive or [None])[-1]
        for one in versions:
            found[one.stored.version] = standing(one, current, one in alive, events)
    return found


def by_key(events: Sequence[tuple[Place, Event]]) -> dict[InstanceKey, list[Stored]]:
    """The versions of every key in log order."""
    found: dict[InstanceKey, list[Stored]] = {}
    for place, event in events:
        if event.stored is not None:
            found.setdefault(event.stored.key, []).append(Stored(place, event.stored, event.current))
    return found


def standing(one: Stored, current: Stored | None, alive: bool, events: Sequence[tuple[Place, Event]]) -> Standing:
    """Where one version stands."""
    if alive:
        return Standing.CURRENT if one is current else Standing.FORMER if one.leading else Standing.KEPT
    ended = next((event.kind for _, event in events if event.version == one.stored.version), None)
    if ended is Kind.VOIDED:
        return Standing.VOIDED
    return Standing.PURGED if ended is Kind.PURGED else Standing.HIDDEN


def is_alive(one: Stored, events: Sequence[tuple[Place, Event]]) -> bool:
    """Whether nothing hides or ended the version."""
    key, version = one.stored.key, one.stored.version
    if any(event.version == version for _, event in events):
        return False
    removals = [
        place
        for place, event in events
        if event.kind is Kind.REMOVED and place > one.place and event.scope and event.scope.covers(key)
    ]
    return all(_undone(place, key, events) for place in removals)


def _undone(removal: Place, key: InstanceKey | Scope, events: Sequence[tuple[Place, Event]]) -> bool:
    return any(
        event.kind is Kind.RESTORED
        and event.target == removal[0]
        and place > removal
        and (event.scope is None or event.scope.covers(key))
        for place, event in events
    )


def current(events: Sequence[tuple[Place, Event]], scope: Scope) -> list[Stored]:
    """The current versions in a scope, in log order."""
    stand = standings(events)
    found = [
        one
        for key, versions in by_key(events).items()
        if scope.covers(key)
        for one in versions
        if stand[one.stored.version] is Standing.CURRENT
    ]
    return sorted(found, key=lambda one: one.place)


def counts(events: Sequence[tuple[Place, Event]], scope: Scope) -> tuple[int, int]:
    """Instances with a current version, and instances stored once of which nothing is visible."""
    stand = standings(events)
    visible = hidden = 0
    for key, versions in by_key(events).items():
        if not scope.covers(key):
            continue
        of_key = {stand[one.stored.version] for one in versions}
        if of_key & {Standing.CURRENT, Standing.KEPT}:
            visible += 1
        elif of_key != {Standing.VOIDED}:
            hidden += 1
    return visible, hidden


def changed(events: Sequence[tuple[Place, Event]], scope: Scope) -> int:
    """The last entry that changed where any version in the scope stands."""
    last = 0
    before: dict[str, Standing] = {}
    of_version = {event.stored.version: event.stored.key for _, event in events if event.stored is not None}
    for at, (place, _) in enumerate(events):
        after = standings(events[: at + 1])
        if any(
            before.get(version) is not stand
            for version, stand in after.items()
            if scope.covers(of_version[version])
        ):
            last = place[0]
        before = after
    return last


def labels(events: Sequence[tuple[Place, Event]], scope: Scope) -> set[str]:
    """The labels in force on exactly this scope."""
    return {
        event.label
        for place, event in events
        if event.kind is Kind.LABELLED and event.scope == scope and _is_on(place, event, events)
    }


def _is_on(place: Place, label: Event, events: Sequence[tuple[Place, Event]]) -> bool:
    later = [(at, event) for at, event in events if at > place]
    scope = label.scope
    assert scope is not None
    if any(
        event.kind is Kind.UNLABELLED and (event.scope, event.label) == (scope, label.label) for _, event in later
    ):
        return False
    removals = (
        at for at, event in later if event.kind is Kind.REMOVED and event.scope and event.scope.covers(scope)
    )
    return all(_undone(at, scope, events) for at in removals)
