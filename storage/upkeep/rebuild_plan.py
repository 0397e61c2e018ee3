"""What the objects of a study say happened to it, in order: a plan, from names and notes alone.

The ids of versions are ordered by time, and a note of a removal names every version that came before it. So the
order of the log comes back as far as it matters:

    versions named by the first removal, by id ─▶ that removal ─▶ those named by the second ─▶ ... ─▶ the others

Where the clocks of two nodes differed, or one upload took longer than another that began later, two versions of
an instance may have been committed in the other order: nothing in the bucket tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from dicomweb.model.keys import Scope
from storage.archive.identifiers import id_time
from storage.layout import ObjectName, parse_removed_key
from storage.objects.contract import ObjectInfo


@dataclass(frozen=True, slots=True)
class Found:
    """A DICOM object, as the listing tells it."""

    name: ObjectName
    info: ObjectInfo

    @property
    def time(self) -> datetime:
        """When it came, by the clock of the node that took it; by the store's if its name does not tell."""
        try:
            return datetime.fromtimestamp(id_time(self.name.version), UTC)
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
