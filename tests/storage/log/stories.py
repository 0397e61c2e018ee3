"""Logs with everything in them: drawn at random, and what they amount to when played through at once."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from dicomweb.model.keys import InstanceKey, Scope
from storage.log.events import LABELLING, Event, Kind
from storage.log.standing import Fate, Moment, Place, Removals, Removed, Restored, State, Versions
from tests.storage.log.make import NOON, event, key, labelled, removed, restored, stored, unlabelled

_WHAT = ("store", "store", "store", "keep", "remove", "restore", "void", "purge", "label", "label", "unlabel")


@dataclass(frozen=True, slots=True)
class Row:
    """What a row of the table says of a version's fate."""

    state: str
    until: int | None
    hidden: int | None
    purged: int | None
    voided: int | None
    changed: int

    @classmethod
    def of(cls, fate: Fate) -> Row:
        until, hidden = fate.until and fate.until.revision, fate.hidden and fate.hidden.revision
        return cls(str(fate.state), until, hidden, fate.purged or None, fate.voided or None, fate.changed)

    @classmethod
    def read(cls, row: dict[str, Any]) -> Row:
        fates = ("until_revision", "hidden_revision", "purged_revision", "voided_revision", "changed_revision")
        until, hidden, purged, voided, changed = (row[name] for name in fates)
        assert row["current"] == (row["state"] == State.CURRENT)
        return cls(row["state"], until, hidden, purged, voided, changed)


def random_log(seed: int, entries: int = 30) -> list[list[Event]]:
    """Entries of one to four events on a handful of instances."""
    chance = random.Random(seed)
    versions: list[tuple[InstanceKey, str]] = []
    removals: list[tuple[int, Scope]] = []
    log = []
    for number in range(1, entries + 1):
        events = []
        for _ in range(chance.choice([1, 1, 2, 4])):
            one = key(chance.randint(1, 2), chance.randint(1, 3), study=chance.randint(1, 2))
            scope = chance.choice([one.scope, Scope(one.study, one.series), Scope(one.study)])
            match chance.choice(_WHAT):
                case "store" | "keep" as how:
                    name = f"v{seed}-{len(versions)}"
                    versions.append((one, name))
                    events.append(stored(one, name, current=how == "store", number=len(versions)))
                case "remove":
                    removals.append((number, scope))
                    events.append(removed(scope))
                case "label":
                    events.append(labelled(scope, chance.choice("ab")))
                case "unlabel":
                    events.append(unlabelled(scope, chance.choice("ab")))
                case "restore" if removals:
                    target, of = chance.choice(removals)
                    events.append(restored(chance.choice([of, scope]), target))
                case "void" | "purge" as how if versions:
                    of_key, name = chance.choice(versions)
                    kind = Kind.VOIDED if how == "void" else Kind.PURGED
                    events.append(event(kind, of_key.scope, version=name))
                case _:
                    events.append(event(Kind.CONDEMNED, None, object_key=f"dicom/aa/{number}.dcm"))
        # what a reader may skip stands behind all others
        events.sort(key=lambda one: one.kind in LABELLING)
        log.append([_at(one, number) for one in events])
    return log


def _at(one: Event, number: int) -> Event:
    return replace(one, time=NOON + timedelta(minutes=number))


def play(log: Sequence[Sequence[Event]]) -> dict[str, Row]:
    """Every version's fate, by the rules applied to all instances one event after the other."""
    instances: dict[InstanceKey, Versions] = {}
    removals: defaultdict[str, Removals] = defaultdict(Removals)
    for number, events in enumerate(log, 1):
        for ordinal, one in enumerate(events):
            if one.scope is None:
                continue
            at, place = Moment(number, one.time), (number, ordinal)
            study = removals[one.scope.study]
            if one.stored is not None:
                versions = instances.setdefault(one.stored.key, Versions(one.stored.key))
                versions.store(one.stored.version, place, one.time, leading=one.current)
            elif one.kind is Kind.REMOVED:
                study.removed.append(Removed(place, one.scope, one.time))
            elif one.kind is Kind.RESTORED:
                study.restored.append(Restored(place, one.scope, one.target))
            for covered in (
                [] if one.stored else [of for at_key, of in instances.items() if one.scope.covers(at_key)]
            ):
                match one.kind:
                    case Kind.REMOVED:
                        covered.remove(at)
                    case Kind.RESTORED:
                        covered.restore(study, at)
                    case Kind.VOIDED:
                        covered.void(one.version, at)
                    case Kind.PURGED:
                        covered.purge(one.version, at)
    return {one.version: Row.of(one.fate) for of in instances.values() for one in of.stored}


def play_labels(log: Sequence[Sequence[Event]]) -> dict[str, Row]:
    """Every label's fate by the id of its event: where each stands is looked up anew after every event."""
    events = [((number, at), one) for number, some in enumerate(log, 1) for at, one in enumerate(some)]
    fates: dict[str, Row] = {}
    for end in range(1, len(events) + 1):
        (number, _), before = events[end - 1][0], events[:end]
        for place, one in before:
            if one.kind is Kind.LABELLED:
                fates[one.event_id] = _label_row(fates.get(one.event_id), place, one, before, number)
    return fates


def _label_row(was: Row | None, place: Place, one: Event, before: Sequence[tuple[Place, Event]], now: int) -> Row:
    later = [(at, other) for at, other in before if at > place]
    taken_off = any(
        other.kind is Kind.UNLABELLED and (other.scope, other.label) == (one.scope, one.label)
        for _, other in later
    )
    hidden = min(
        (at[0] for at, other in later if other.kind is Kind.REMOVED and _in_force(at, other, one, before)),
        default=None,
    )
    state = State.UNLABELLED if taken_off else State.REMOVED if hidden else State.LABEL
    until = None if state is State.LABEL else (was and was.until) or now
    changed = was.changed if was is not None and was.state == state else now
    return Row(str(state), until, hidden, None, None, changed)


def _in_force(place: Place, removal: Event, label: Event, before: Sequence[tuple[Place, Event]]) -> bool:
    assert removal.scope is not None
    assert label.scope is not None
    return removal.scope.covers(label.scope) and not any(
        undo.kind is Kind.RESTORED
        and undo.target == place[0]
        and at > place
        and undo.scope is not None
        and undo.scope.covers(label.scope)
        for at, undo in before
    )
