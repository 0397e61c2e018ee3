"""Events that were applied and are not in DuckDB yet.

They are kept in log order, and by study, so that a series looked up in DuckDB can be brought up to date; stored
versions also by their version, so that their blobs and headers are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dicomweb.model.keys import Scope
from storage.log.events import Entry, Event, Kind, StoredVersion


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event with its place in the log."""

    revision: int
    """Number of its entry."""
    ordinal: int
    """Place in the entry."""
    event: Event
    fresh: bool = False
    """For STORED: known to be the first version of its key."""


class Pending:
    """The events between what DuckDB holds and what was applied."""

    def __init__(self) -> None:
        self._items: list[PendingEvent] = []
        self._by_study: dict[str, list[PendingEvent]] = {}
        self._stored: dict[str, StoredVersion] = {}
        self._everywhere = 0
        self.header_bytes = 0
        """Bytes of the headers that wait."""
        self.last = 0
        """Number of the last entry that added something."""

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: PendingEvent) -> None:
        """An event was applied."""
        self.last = item.revision
        self._items.append(item)
        event = item.event
        if event.scope is None:
            self._everywhere += 1
        else:
            self._by_study.setdefault(event.scope.study, []).append(item)
        if event.stored is not None:
            self._stored[event.stored.version] = event.stored
            self.header_bytes += len(event.stored.header)

    def up_to_now(self) -> Sequence[PendingEvent]:
        """Everything that waits, in log order."""
        return list(self._items)

    def done(self, revision: int) -> None:
        """Everything up to that entry is in DuckDB."""
        kept = [item for item in self._items if item.revision > revision]
        self._items, self._by_study, self._stored = [], {}, {}
        self.header_bytes = self._everywhere = 0
        for item in kept:
            self.add(item)

    def of_study(self, study: str) -> Sequence[PendingEvent]:
        """What waits of a study."""
        return self._by_study.get(study, ())

    def touching(self, scope: Scope) -> Iterator[PendingEvent]:
        """What waits and concerns something in the scope."""
        for item in self.of_study(scope.study):
            if item.event.scope is not None and overlaps(item.event.scope, scope):
                yield item

    def wide(self, study: str) -> bool:
        """Whether something waits whose effect on a series of the study is DuckDB's to work out."""
        return self._everywhere > 0 or any(is_wide(item.event) for item in self.of_study(study))

    def stored(self, version: str) -> StoredVersion | None:
        """The stored version of that name, if it waits."""
        return self._stored.get(version)


def is_wide(event: Event) -> bool:
    """Whether the event may change many instances at once."""
    if event.kind is Kind.RESTORED:
        return True
    return event.kind is Kind.REMOVED and event.scope is not None and event.scope.instance is None


def overlaps(one: Scope, other: Scope) -> bool:
    """Whether some instance may lie in both scopes."""
    return (
        one.study == other.study
        and (one.series is None or other.series is None or one.series == other.series)
        and (one.instance is None or other.instance is None or one.instance == other.instance)
    )


def relevant(entry: Entry) -> Iterator[tuple[int, Event]]:
    """The events of an entry that change what can be found, with their places."""
    for ordinal, event in enumerate(entry.events):
        if event.kind is not Kind.CONDEMNED and (event.scope is not None or event.kind is Kind.RESTORED):
            yield ordinal, event
