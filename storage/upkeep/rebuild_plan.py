"""What the objects of a study say happened to it, in order: a plan, from names and notes alone.

The ids of versions are ordered by time, and a note of a removal names every version that came before it. So the
order of the log comes back as far as it matters:

    versions named by the first removal, by id ─▶ that removal ─▶ those named by the second ─▶ ... ─▶ the others

A writer gives a version an id that comes after those of all versions the log had before (`judge`), whatever its
clock says. What was never committed, and what writers of earlier releases named, may have an id that is ahead all
the same: where the store's own times say that another version was written later, the order is told as doubtful.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from dicomweb.model.keys import InstanceKey, Scope
from storage.archive.identifiers import id_time
from storage.layout import ObjectName, parse_removed_key
from storage.objects.contract import ObjectInfo

_WRITTEN_TOGETHER = timedelta(seconds=1)
"""Between the times of two objects that say nothing of their order: stores tell whole seconds."""


@dataclass(frozen=True, slots=True)
class Found:
    """A DICOM object, as the listing tells it."""

    name: ObjectName
    info: ObjectInfo

    @property
    def time(self) -> datetime:
        """When it came, by the clock of the node that took it; by the store's if its name does not tell, or is
        ahead of that."""
        try:
            return min(datetime.fromtimestamp(id_time(self.name.version), UTC), self.info.modified)
        except (ValueError, OverflowError, OSError):
            return self.info.modified


@dataclass(frozen=True, slots=True)
class Note:
    """That a removal happened."""

    key: str
    scope: Scope
    time: datetime
    versions: frozenset[str]
    """Versions that came before it."""
    order: tuple[str, int]
    """Its place among others: epoch and revision."""

    @property
    def event_id(self) -> str:
        """An id for the event made from it, the same at every attempt."""
        milliseconds = max(0, int(self.time.timestamp() * 1000))
        return f"{milliseconds:012x}{hashlib.sha256(self.key.encode()).hexdigest()[:16]}"


class DamagedNote(Exception):
    """A note that cannot be read: what it removed may come back."""


Step = Found | Note
"""A version to be stored, or a removal."""


def parse_note(key: str, data: bytes) -> Note:
    """The note of that key. Raises DamagedNote."""
    try:
        place = parse_removed_key(key)
        if place is None:
            raise ValueError(key)
        content: Any = orjson.loads(data)
        time = datetime.fromisoformat(content["time"])
        scope = Scope(str(content["study"]), content["series"], content["instance"])
        versions = frozenset(map(str, content["versions"]))
        return Note(key, scope, time.astimezone(UTC), versions, place)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedNote(f"{type(error).__name__}, {len(data)} bytes") from error


def doubtful(objects: Iterable[Found], notes: Sequence[Note], *, first: bool) -> Iterator[Found]:
    """The versions that become current by their ids, where the store says that they are not the last.

    `first`: the first version of an instance is current, not the last. Those that a removal came after are hidden,
    whatever their order.
    """
    hidden = frozenset().union(*(note.versions for note in notes))
    versions = defaultdict[InstanceKey, list[Found]](list)
    for one in sorted(objects, key=lambda one: one.name.version):
        if one.name.version not in hidden:
            versions[one.name.key].append(one)
    for several in versions.values():
        chosen = several[0 if first else -1]
        ahead = [chosen.info.modified - one.info.modified for one in several]
        if max(ahead) > _WRITTEN_TOGETHER if first else min(ahead) < -_WRITTEN_TOGETHER:
            yield chosen


def plan_study(objects: Iterable[Found], notes: Sequence[Note]) -> Iterator[Step]:
    """The steps of a study in their order. A removal of which nothing is left is none."""
    left = {one.name.version: one for one in sorted(objects, key=lambda one: one.name.version)}
    given: set[str] = set()
    for note in sorted(notes, key=lambda note: note.order):
        before = [version for version in left if version in note.versions]
        yield from (left.pop(version) for version in before)
        given.update(before)
        if not given.isdisjoint(note.versions):
            yield note
    yield from left.values()
