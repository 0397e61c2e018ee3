"""Which entries to read side by side: a plan, from what a listing tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BATCH_ENTRIES = 32
_BATCH_BYTES = 4 << 20
"""Bytes as stored; what is read grows about tenfold when it is unpacked."""
_TORN_ZEROS = 64


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry as a listing tells it."""

    number: int
    size: int
    """Bytes of the object."""


def plan_batches(
    entries: Sequence[Listed], *, most: int = _BATCH_ENTRIES, most_bytes: int = _BATCH_BYTES
) -> Iterator[list[int]]:
    """Divide entries, in order, into batches bounded in number and bytes; each has at least one."""
    batch: list[int] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) >= most or size + entry.size > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(entry.number)
        size += entry.size
    if batch:
        yield batch


def looks_torn(data: bytes) -> bool:
    """Whether these bytes of an entry may be what a power cut left: none, or zeros at the end."""
    return not data.strip(b"\0") or data.endswith(bytes(_TORN_ZEROS))
