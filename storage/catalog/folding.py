"""The part of a batch of events that concerns one series whose instances did not only arrive.

Versions that DuckDB has and events that came since go through the rules of `projection`, in log order; what
comes out says which rows are new, which have changed, and what the series adds up to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dicomweb.model.keys import Scope
from storage.catalog import projection
from storage.catalog.hot import change_of, version_of
from storage.catalog.pending import PendingEvent, overlaps
from storage.catalog.projection import History, Moment, Position, Removed, Restored, Version, Versions
from storage.log.events import Event, Kind


def removed_of(item: PendingEvent) -> Removed | None:
    """The removal that the event is, if it is one."""
    event = item.event
    if event.kind is not Kind.REMOVED or event.scope is None:
        return None
    return Removed(Position(item.revision, item.ordinal), event.scope, event.time)


def restored_of(item: PendingEvent) -> Restored | None:
    """The undelete that the event is, if it is one."""
    if item.event.kind is not Kind.RESTORED:
        return None
    return Restored(Position(item.revision, item.ordinal), item.event.target, item.event.scope)


def extended(history: History, items: Iterable[PendingEvent]) -> History:
    """The history with the removals and undeletes among the events added."""
    items = list(items)
    removals = [removal for item in items if (removal := removed_of(item))]
    undone = [undo for item in items if (undo := restored_of(item))]
    return History((*history.removed, *removals), (*history.restored, *undone))


@dataclass(slots=True)
class SeriesFold:
    """The versions of a series while events take effect."""

    scope: Scope
    """The series."""
    history: History
    """The removals of its study as DuckDB has them; those of the batch are added as they come."""
    keys: dict[str, Versions] = field(default_factory=dict)
    """By SOP Instance UID, as DuckDB has them."""

    def run(self, items: Sequence[PendingEvent], rows: Mapping[str, int]) -> None:
        """Let the events take effect; `rows` numbers the rows of new versions by version."""
        for item in items:
            event, at = item.event, Moment(item.revision, item.event.time)
            self.history = extended(self.history, [item])
            if event.scope is not None and not overlaps(event.scope, self.scope):
                continue
            if event.kind is Kind.STORED:
                self._store(item, rows)
            elif event.kind is Kind.RESTORED:
                self._all(event, lambda versions, at=at: projection.restore(versions, self.history, at))  # type: ignore[misc]  # a default only binds the loop's value
            elif change := change_of(event, at):
                self._all(event, change)

    def _store(self, item: PendingEvent, rows: Mapping[str, int]) -> None:
        stored = item.event.stored
        assert stored is not None
        new = version_of(stored, item.event, item.revision, item.ordinal, row=rows[stored.version])
        sop = stored.key.instance
        self.keys[sop] = projection.store(self.keys.get(sop, ()), new)

    def _all(self, event: Event, change: projection.Change) -> None:
        only = event.scope.instance if event.scope else None
        for sop in [only] if only is not None else list(self.keys):
            if sop in self.keys:
                self.keys[sop] = change(self.keys[sop])

    def versions(self) -> dict[int, Version]:
        """All versions by row."""
        return {one.row: one for versions in self.keys.values() for one in versions}

    @property
    def hidden(self) -> int:
        """Instances that were stored once and have no visible version."""
        return sum(projection.was_removed(versions) for versions in self.keys.values())

    @property
    def changed(self) -> int:
        """The last entry that changed anything."""
        return max((one.changed for versions in self.keys.values() for one in versions), default=0)

    def current(self) -> list[Version]:
        """The current versions in log order."""
        found = [one for versions in self.keys.values() if (one := projection.current_of(versions))]
        return sorted(found, key=lambda one: one.position)
