"""Digests that a rebuild left open (`storage.log.unread`): found out by reading, and told to the log.

What comes may be what is stored already. As long as the digest of that is open nobody can tell, so the stored
object is read first, where its data set is as long and in the same transfer syntax; the log is told, and the judge
finds a duplicate as ever.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from dicomweb.model.instance import Instance
from storage import layout
from storage.archive.committer import Committer
from storage.archive.identifiers import fresh_id
from storage.archive.judge import Candidate
from storage.archive.works import ChangeResult
from storage.catalog.catalog import Catalog
from storage.log.events import Event, Kind
from storage.log.unread import is_unread
from storage.objects.contract import ObjectMissing, ObjectStore

_META_BYTES = 4096
"""By how much two files of the same data set may differ in size, for what stands before it."""

Pace = Callable[[int], Awaitable[None]]
"""Told how many bytes have been read; returns when more may be."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What an object turned out to be."""

    size: int
    """Bytes of the object."""
    digest: bytes
    """SHA-256 of what lies behind the offset of the data set."""


async def read_back(store: ObjectStore, instance: Instance, pace: Pace | None = None) -> ReadBack:
    """Read an object whole, not faster than `pace` lets. Raises ObjectMissing and the store's other errors."""
    digest = hashlib.sha256()
    position = 0
    async with aclosing(store.stream(layout.object_key(instance.key, instance.version))) as chunks:
        async for chunk in chunks:
            skip = max(0, instance.data_set_offset - position)
            await asyncio.to_thread(digest.update, memoryview(chunk)[skip:])
            position += len(chunk)
            if pace is not None:
                await pace(len(chunk))
    return ReadBack(position, digest.digest())


async def tell_digests(committer: Committer, digests: Mapping[Instance, bytes], *, node: str) -> ChangeResult:
    """Commit digests that were open. Two nodes may tell the same. Raises Unavailable."""

    async def plan(number: int) -> Sequence[Event]:
        return [
            Event(
                kind=Kind.DIGESTED,
                scope=instance.key.scope,
                time=datetime.now(UTC),
                node=node,
                door="upkeep",
                peer="",
                event_id=fresh_id(),
                version=instance.version,
                detail=digest.hex(),
            )
            for instance, digest in digests.items()
        ]

    return await committer.change(plan)


class Recogniser:
    """Closes the digests that stand between what comes and what is stored."""

    def __init__(self, store: ObjectStore, catalog: Catalog, committer: Committer, *, node: str) -> None:
        self._store = store
        self._catalog = catalog
        self._committer = committer
        self._node = node

    async def prepare(self, candidates: Sequence[Candidate]) -> None:
        """Read what the candidates may repeat. Raises Unavailable and the store's errors."""
        digests: dict[Instance, bytes] = {}
        states = await self._catalog.known({candidate.stored.key for candidate in candidates})
        for candidate in candidates:
            for one in states[candidate.stored.key].visible:
                if one not in digests and _may_be(candidate, one):
                    try:
                        found = await read_back(self._store, one)
                    except ObjectMissing:
                        continue
                    if found.size == one.size:
                        digests[one] = found.digest
        if digests:
            await tell_digests(self._committer, digests, node=self._node)


def _may_be(candidate: Candidate, instance: Instance) -> bool:
    came = candidate.stored
    if not is_unread(instance.digest):
        return False
    original = came.original
    if original is not None and instance.transfer_syntax == original.transfer_syntax:
        # how long its data set was is not known: it had another header before it
        return abs(instance.size - original.size) < _META_BYTES
    return (came.size - came.data_set_offset, came.transfer_syntax) == (
        instance.size - instance.data_set_offset,
        instance.transfer_syntax,
    )
