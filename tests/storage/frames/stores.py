"""A memory store that notes the spans it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dicomweb.model.ranges import ByteRange
from storage.objects.memory import MemoryStore


class NotingStore(MemoryStore):
    """Everything a MemoryStore does, with the reads in `reads`."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[ByteRange | None] = []

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """Note the read and do it."""
        self.reads.append(span)
        return await super().get(key, span)

    async def stream(self, key: str, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        """Give the object in chunks of 1000 bytes, so that chunk borders fall anywhere."""
        self.reads.append(span)
        data = await super().get(key, span)
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]
