"""Labels put on studies, series and instances, and taken off: one row of the log each, and no object."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dicomweb.model.keys import Scope
from dicomweb.model.labels import Labelled
from dicomweb.ports import Gone, NotStored, NotUpgraded
from storage.archive.committer import Committer
from storage.archive.identifiers import fresh_id
from storage.catalog.catalog import Catalog
from storage.log.errors import NeedsUpgrade
from storage.log.events import Event, Kind
from storage.log.journal import Journal


class Labeller:
    """Changes labels.

    Whether there is anything to do is judged again by what the log says below the number it would get, like
    everything that is written: two nodes that put the same label on a study at once write it once.
    """

    def __init__(self, journal: Journal, catalog: Catalog, committer: Committer, *, node: str) -> None:
        self._journal = journal
        self._catalog = catalog
        self._committer = committer
        self._node = node

    async def add(self, scope: Scope, label: str, door: str, peer: str) -> Labelled:
        """See `Archive.add_label`."""
        return await self._change(Kind.LABELLED, scope, label, door, peer)

    async def drop(self, scope: Scope, label: str, door: str, peer: str) -> Labelled:
        """See `Archive.drop_label`."""
        return await self._change(Kind.UNLABELLED, scope, label, door, peer)

    async def _change(self, kind: Kind, scope: Scope, label: str, door: str, peer: str) -> Labelled:
        borne: set[str] = set()

        async def plan(number: int) -> Sequence[Event]:
            await self._see(scope)
            borne.clear()
            borne.update(await self._catalog.labels.of(scope))
            if (label in borne) is (kind is Kind.LABELLED):
                return []
            self._require(kind)
            return [self._event(kind, scope, label, door, peer)]

        done = await self._committer.change(plan)
        now = borne | {label} if kind is Kind.LABELLED else borne - {label}
        return Labelled(done.revision, bool(done.events), tuple(sorted(now)))

    async def _see(self, scope: Scope) -> None:
        """Raises NotStored, Gone; the committer reads the log to its tail before it believes either."""
        status = await self._catalog.status(scope)
        if status.visible:
            return
        level = scope.level.name.lower()
        raise Gone(f"the {level} was removed") if status.ever else NotStored(f"no such {level} is stored")

    def _require(self, kind: Kind) -> None:
        try:
            self._journal.require(kind)
        except NeedsUpgrade as error:
            raise NotUpgraded(
                f"labels need an archive of format {error.needed}, this one has format {error.found}: once all "
                "nodes run this version of dicomlake, run `dicomlake upgrade`"
            ) from error

    def _event(self, kind: Kind, scope: Scope, label: str, door: str, peer: str) -> Event:
        return Event(
            kind=kind,
            scope=scope,
            time=datetime.now(UTC),
            node=self._node,
            door=door,
            peer=peer,
            event_id=fresh_id(),
            label=label,
        )
