"""What has been asked of the object store, and what was derived from it, as Prometheus reads it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Self

from app.telemetry import Sample
from dicomweb.model.outcome import Unconverted
from dicomweb.ports import Unavailable
from storage.archive.archive import LakeArchive
from storage.archive.conversion import ConversionCounts
from storage.catalog.usage import Usage
from storage.derived.cache import TieredCache
from storage.objects.counting import Counts
from storage.upkeep.scrub_state import ScrubState

_USAGE_SECONDS = 5.0
"""Between two times that the catalog is asked how much there is."""


class UsageSamples:
    """How much is stored, as it was at the last reading or a little before: adding up takes the catalog a moment.

    An async context manager; to be called as a source of samples.
    """

    def __init__(self, read: Callable[[], Awaitable[Usage]]) -> None:
        self._read = read
        self._known: Usage | None = None
        self._asked = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._look()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def __call__(self) -> Iterable[Sample]:
        """Objects and bytes by what became of them."""
        if time.monotonic() - self._asked > _USAGE_SECONDS:
            self._look()
        if self._known is None:
            return
        for state, stored in (("visible", self._known.visible), ("retained", self._known.retained)):
            labels = (("state", state),)
            yield Sample("stored_instances", stored.objects, "DICOM objects, by what became of them", labels)
            yield Sample("stored_bytes", stored.bytes, "Bytes of DICOM objects, by what became of them", labels)

    def _look(self) -> None:
        if self._task is None or self._task.done():
            self._asked = time.monotonic()
            self._task = asyncio.create_task(self._learn())

    async def _learn(self) -> None:
        with contextlib.suppress(Unavailable):
            self._known = await self._read()


def node_samples(archive: LakeArchive) -> Iterable[Sample]:
    """How far this node has come, and whether it can do its work."""
    yield Sample("revision", archive.revision, "Last log entry applied")
    yield Sample("ready", float(archive.health().ready), "1 if this node can do its work, else 0")


def store_samples(counts: Counts) -> Iterable[Sample]:
    """Operations by kind and first name of the key, failures by class, bytes."""
    for (kind, name), number in sorted(counts.operations.items()):
        labels = (("kind", kind), ("under", name))
        yield Sample("store_operations_total", number, "Operations on the object store", labels)
    for error, number in sorted(counts.failures.items()):
        help = "Failed operations on the object store, expected ones included"
        yield Sample("store_failures_total", number, help, (("error", error),))
    yield Sample("store_written_bytes_total", counts.bytes_written, "Bytes handed to the object store")
    yield Sample("store_read_bytes_total", counts.bytes_read, "Bytes read from the object store")


def derived_samples(cache: TieredCache) -> Iterable[Sample]:
    """How often pictures and converted frames were there, were made, or could not be; bytes held."""
    counts = cache.counts
    results = {
        "memory": counts.memory_hits,
        "disk": counts.disk_hits,
        "joined": counts.joined,
        "made": counts.made,
        "failed": counts.failed,
    }
    for result, number in results.items():
        help = "Pictures and converted frames asked for, by where they came from"
        yield Sample("derived_total", number, help, (("from", result),))
    for tier, size in (("memory", cache.memory_bytes), ("disk", cache.disk_bytes)):
        help = "Bytes of pictures and converted frames held"
        yield Sample("derived_bytes", size, help, (("tier", tier),))


def conversion_samples(counts: ConversionCounts | None) -> Iterable[Sample]:
    """What became of instances wanted in another transfer syntax: converted, or stored as they came by the reason;
    and the bytes of the converted ones."""
    if counts is None:
        return
    results = {
        "converted": counts.converted,
        **{str(reason): counts.as_they_came.get(reason, 0) for reason in Unconverted},
    }
    for result, number in results.items():
        help = "New instances wanted in another transfer syntax, by what became of them"
        yield Sample("intake_transcoding_total", number, help, (("result", result),))
    for of, size in (("original", counts.bytes_before), ("stored", counts.bytes_after)):
        help = "Bytes of converted instances as they came and as they are stored"
        yield Sample("intake_transcoding_bytes_total", size, help, (("of", of),))


def scrub_samples(state: ScrubState | None) -> Iterable[Sample]:
    """How far the scrub of the archive has come, on whichever node, and what it has found."""
    if state is None:
        return
    yield Sample("scrub_share", state.share, "Part of the archive that the scrub under way has read")
    yield Sample("scrub_objects", state.checked, "Objects that the scrub under way, or the last one, has read")
    yield Sample("scrub_bytes", state.bytes, "Bytes of those")
    yield Sample("scrub_damaged", len(state.standing), "Stored objects known not to be as they were stored")
