"""Archives for tests: on any store, opened and fed in few words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dicomweb.model.instance import Instance
from dicomweb.model.keys import Scope
from dicomweb.model.outcome import Receipt
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import IntakeTranscoder
from storage.archive.archive import LakeArchive
from storage.archive.settings import ArchiveSettings
from storage.objects.contract import ObjectStore


@asynccontextmanager
async def open_lake(
    store: ObjectStore,
    node_dir: Path,
    *,
    node: str = "a",
    settings: ArchiveSettings | None = None,
    transcoder: IntakeTranscoder | None = None,
) -> AsyncIterator[LakeArchive]:
    """An archive that follows other nodes only when asked to, so that tests say when."""
    chosen = settings or ArchiveSettings(poll_seconds=0)
    archive = LakeArchive(store, node=node, node_dir=node_dir, settings=chosen, transcoder=transcoder)
    async with archive:
        yield archive


async def chunks(data: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    """Bytes as a request's body gives them."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def store_files(archive: LakeArchive, *files: bytes, expect: Scope | None = None) -> Sequence[Receipt]:
    """Hand files in together."""
    async with archive.submit(door="stow", peer="127.0.0.1", expect=expect) as submission:
        for data in files:
            await submission.add(chunks(data))
        return await submission.finish()


async def read_whole(archive: LakeArchive, instance: Instance, span: ByteRange | None = None) -> bytes:
    """The stored object, or a span of it."""
    return b"".join([chunk async for chunk in archive.read(instance, span)])


async def read_frames(archive: LakeArchive, instance: Instance, *numbers: int) -> list[bytes]:
    """Frames by number."""
    return [frame async for frame in archive.frames(instance, numbers)]
