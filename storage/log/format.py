"""`format.json`: which archive this is, which numbering of revisions holds, and who may read and write it.

The first node that opens an empty store creates it, create-only, so that of two nodes one wins and both
go by what is stored. It never changes within an epoch but by an explicit upgrade.
"""

from __future__ import annotations

import json
import uuid
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from storage.layout import DICOM, FORMAT, LOG
from storage.log.errors import DamagedFormat, FormatMissing, NewerVersion
from storage.objects.contract import ObjectExists, ObjectMissing, ObjectStore, StoreUnavailable

FORMAT_VERSION = 1
"""What this program reads and writes."""

_ATTEMPTS = 3
"""How often a create is tried whose answer was lost before the store's error goes through."""


@dataclass(frozen=True, slots=True)
class ArchiveFormat:
    """The content of `format.json`."""

    archive_id: str
    """UUID; names this archive among all."""
    epoch: str
    """UUID; names this numbering of revisions. A rebuild without a log opens a new one."""
    reader: int
    """Least format version that a reader must know."""
    writer: int
    """Least format version that a writer must know."""
    rebuild: str = ""
    """The epoch that a rebuild under way is going to open; nothing is written to this one meanwhile."""
    rebuilt: bool = False
    """Whether a rebuild opened the epoch, so that digests may be open."""


async def open_format(store: ObjectStore) -> ArchiveFormat:
    """Read the archive's format, or create it in an empty store. It is durable on return.

    A store that has lost its format is not begun anew: its objects would belong to nothing.
    Raises TooNew, DamagedFormat, FormatMissing and the store's errors.
    """
    for attempt in range(_ATTEMPTS):
        try:
            data = await store.get(FORMAT)
        except ObjectMissing:
            pass
        else:
            found = parse_format(data)
            # Whoever created it may have died before it was durable; entries must not outlive their epoch.
            await store.settle([FORMAT])
            return found
        if attempt == 0 and (remains := await _remains(store)):
            if await _exists(store):
                continue
            raise FormatMissing(f"{FORMAT} is missing, but there are objects of an archive, such as {remains}")
        try:
            await store.put(FORMAT, [_fresh()], create=True)
        except ObjectExists:
            continue
        except StoreUnavailable:
            if attempt == _ATTEMPTS - 1:
                raise
    data = await store.get(FORMAT)
    await store.settle([FORMAT])
    return parse_format(data)


async def _remains(store: ObjectStore) -> str:
    """The prefix below which there are objects of an archive, empty if there are none."""
    for prefix in (LOG, DICOM):
        async with aclosing(store.list(prefix)) as found:
            async for _ in found:
                return prefix
    return ""


async def _exists(store: ObjectStore) -> bool:
    """Whether another node has created the format meanwhile."""
    try:
        await store.head(FORMAT)
    except ObjectMissing:
        return False
    return True


def _fresh() -> bytes:
    content = {
        "archive": str(uuid.uuid4()),
        "epoch": str(uuid.uuid4()),
        "reader": FORMAT_VERSION,
        "writer": FORMAT_VERSION,
    }
    return json.dumps(content, indent=1).encode()


def parse_format(data: bytes) -> ArchiveFormat:
    """The format told by `data`; members it does not know are skipped. Raises TooNew, DamagedFormat."""
    try:
        content: Any = json.loads(data)
        found = ArchiveFormat(
            archive_id=str(uuid.UUID(content["archive"])),
            epoch=str(uuid.UUID(content["epoch"])),
            reader=int(content["reader"]),
            writer=int(content["writer"]),
            rebuild=str(content.get("rebuild") or ""),
            rebuilt=bool(content.get("rebuilt")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFormat(f"{FORMAT} cannot be read: {type(error).__name__}") from error
    needed = max(found.reader, found.writer)
    if needed > FORMAT_VERSION:
        raise NewerVersion("the archive", needed, FORMAT_VERSION)
    return found
