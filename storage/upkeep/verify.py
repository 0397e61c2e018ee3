"""Reading objects again, to see that they are what the log says."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from dicomweb.model.instance import Instance
from storage import layout
from storage.objects.contract import ObjectMissing, ObjectStore


@dataclass(frozen=True, slots=True)
class Verified:
    """What one object turned out to be."""

    instance: Instance
    problem: str
    """Empty if the bytes are those that were stored."""


async def verify_instance(store: ObjectStore, instance: Instance) -> Verified:
    """Read an object whole and compare its length and the digest of its data set. Raises StoreUnavailable."""
    digest = hashlib.sha256()
    position = 0
    try:
        async for chunk in store.stream(layout.object_key(instance.key, instance.version)):
            skip = max(0, instance.data_set_offset - position)
            await asyncio.to_thread(digest.update, memoryview(chunk)[skip:])
            position += len(chunk)
    except ObjectMissing:
        return Verified(instance, "the object is missing")
    if position != instance.size:
        return Verified(instance, f"the object has {position} bytes, {instance.size} were stored")
    if digest.digest() != instance.digest:
        return Verified(instance, "the digest of its data set differs")
    return Verified(instance, "")
