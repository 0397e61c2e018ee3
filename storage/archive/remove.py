"""Removal and undelete: one row for a whole scope, however many instances it hides.

Each removal also leaves a small object under `removed/`, so that a rebuild from the objects alone can honour it.
It is written after the commit and before the answer, and deleted by an undelete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from dicomweb.model.keys import Scope
from dicomweb.model.outcome import Removal
from dicomweb.ports import Gone, NotStored, Unavailable
from storage import layout
from storage.archive.committer import Committer
from storage.archive.identifiers import fresh_id
from storage.archive.removal_notes import write_note
from storage.catalog.catalog import Catalog
from storage.log.events import Event, Kind
from storage.objects.contract import ObjectStore, StoreError


class Remover:
    """Hides what is stored, and brings it back."""

    def __init__(
        self, store: ObjectStore, catalog: Catalog, committer: Committer, *, node: str, epoch: str
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._committer = committer
        self._node = node
        self._epoch = epoch
        self._under_way: set[asyncio.Task[Removal]] = set()

    async def remove(self, scope: Scope, door: str, peer: str) -> Removal:
        """See `Archive.remove`."""
        hidden = 0

        async def plan(number: int) -> Sequence[Event]:
            nonlocal hidden
            status = await self._catalog.status(scope)
            hidden = status.visible
            if hidden:
                return [self._event(Kind.REMOVED, scope, door, peer)]
            level = scope.level.name.lower()
            raise (
                Gone(f"the {level} was removed before") if status.ever else NotStored(f"no such {level} is stored")
            )

        async def carry_out() -> Removal:
            done = await self._committer.change(plan)
            await self._note(scope, done.revision, done.ordinal)
            return Removal(done.revision, hidden)

        await self._committer.follower.catch_up()
        return await self._to_its_end(carry_out())

    async def restore(self, revision: int, door: str, peer: str) -> Removal:
        """See `Archive.restore`."""
        removal = None

        async def plan(number: int) -> Sequence[Event]:
            nonlocal removal
            removal = await self._catalog.removal(revision)
            if removal is None:
                raise NotStored(f"revision {revision} is no removal")
            if not removal.hidden:
                why = "was undone already" if removal.undone else "hides nothing: all was stored again, or erased"
                raise NotStored(f"the removal of revision {revision} {why}")
            return [self._event(Kind.RESTORED, removal.scope, door, peer, target=revision)]

        async def carry_out() -> Removal:
            done = await self._committer.change(plan)
            assert removal is not None
            key = layout.removed_key(removal.scope.study, self._epoch, revision, 0)
            try:
                await self._store.delete(key)
            except StoreError as error:
                raise Unavailable("it is undone, but its note for a rebuild could not be deleted") from error
            return Removal(done.revision, removal.hidden)

        await self._committer.follower.catch_up()
        return await self._to_its_end(carry_out())

    async def _to_its_end(self, work: Coroutine[Any, Any, Removal]) -> Removal:
        """The result of work that goes on when whoever asked has gone: the log and its note belong together."""
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _event(self, kind: Kind, scope: Scope, door: str, peer: str, target: int = 0) -> Event:
        return Event(
            kind=kind,
            scope=scope,
            time=datetime.now(UTC),
            node=self._node,
            door=door,
            peer=peer,
            event_id=fresh_id(),
            target=target,
        )

    async def _note(self, scope: Scope, revision: int, ordinal: int) -> None:
        now = datetime.now(UTC)
        try:
            await write_note(
                self._store, self._catalog, self._epoch, scope, revision=revision, ordinal=ordinal, time=now
            )
        except StoreError as error:
            raise Unavailable("the removal is in force, but could not be noted for a rebuild") from error
