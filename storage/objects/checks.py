"""What a store must prove before an archive is trusted to it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from storage.objects.contract import ObjectExists, ObjectStore

RACERS = 8
"""Creators of one key at a time."""
ROUNDS = 3
"""Keys raced for."""
FOLDER = "checks"
"""First name of the keys that are created and deleted again."""


async def check_conditional_writes(store: ObjectStore) -> bool:
    """Whether of several creators of one key exactly one succeeds, and its bytes stay.

    Without that two nodes could both believe to have written one entry of the log. Leaves nothing behind.
    Raises StoreError if the store cannot be written to or read at all.
    """
    for _ in range(ROUNDS):
        key = f"{FOLDER}/{uuid4().hex}"
        try:
            if not await _race(store, key):
                return False
        finally:
            await store.delete(key)
    return True


async def _race(store: ObjectStore, key: str) -> bool:
    async def create(number: int) -> bytes | None:
        data = b"creator %d" % number
        try:
            await store.put(key, [data], create=True)
        except ObjectExists:
            return None
        return data

    # one after the others, too: a store that takes no notice of the condition may still be slow enough to race
    outcomes = await asyncio.gather(*map(create, range(RACERS)))
    outcomes.append(await create(RACERS))
    winners = [data for data in outcomes if data is not None]
    return len(winners) == 1 and await store.get(key) == winners[0]
