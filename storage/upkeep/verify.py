"""Reading objects again, to see that they are what the log says."""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.model.instance import Instance
from storage.archive.digesting import Pace, read_back
from storage.log.unread import is_unread
from storage.objects.contract import ObjectMissing, ObjectStore


@dataclass(frozen=True, slots=True)
class Verified:
    """What one object turned out to be."""

    instance: Instance
    problem: str
    """Empty if the bytes are those that were stored."""
    digest: bytes = b""
    """The digest, where it was open."""


async def verify_instance(store: ObjectStore, instance: Instance, pace: Pace | None = None) -> Verified:
    """Read an object whole and compare its length and the digest of its data set. Raises StoreUnavailable.

    Where a rebuild left the digest open there is only the length to compare; the digest found is told.
    """
    try:
        found = await read_back(store, instance, pace)
    except ObjectMissing:
        return Verified(instance, "the object is missing")
    if found.size != instance.size:
        return Verified(instance, f"the object has {found.size} bytes, {instance.size} were stored")
    if is_unread(instance.digest):
        return Verified(instance, "", found.digest)
    if found.digest != instance.digest:
        return Verified(instance, "the digest of its data set differs")
    return Verified(instance, "")
