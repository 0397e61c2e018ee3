"""`format.json`: which archive this is, which numbering of revisions holds, and who may read and write it.

The first node that opens an empty store creates it, create-only, so that of two nodes one wins and both
go by what is stored. Within an epoch it changes by an explicit upgrade alone (`storage.upkeep.upgrade`).

    version      what may stand in the log                                            who can read it
    1            stored .. ended                                                      1
    2            upgraded: that the archive was upgraded, when and by what            1, which skips both
                 labelled, unlabelled: labels of studies, series and instances

The version of an archive is what its writers write. A program reads and writes all versions up to its own, so
that nodes of an older and of a newer release work side by side on an archive of the older version, until somebody
upgrades it when all nodes are of the newer one. From then on older nodes refuse to write: they would leave out,
from the table for instance, what they do not know. Where they can read on, they do.

To let the log tell something new: give its kind to the latest version here, if no release has that yet, or to a
new one; and ask `Journal.require` before an event of it is made. Columns need none of this (`storage.log.schema`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from storage.layout import DICOM, FORMAT, LOG
from storage.log.errors import DamagedFormat, FormatMissing, NewerVersion
from storage.log.events import Kind
from storage.objects.contract import ObjectExists, ObjectMissing, ObjectStore, StoreUnavailable

FORMAT_VERSION = 2
"""The latest version that this program reads and writes; new archives have it."""
READERS: Mapping[int, int] = {1: 1, 2: 1}
"""By version: the least that a reader must know. If that is an earlier one, what came with it can be skipped."""
_SINCE: Mapping[Kind, int] = {Kind.UPGRADED: 2, Kind.LABELLED: 2, Kind.UNLABELLED: 2}

_ATTEMPTS = 3
"""How often a create is tried whose answer was lost before the store's error goes through."""


def since(kind: Kind) -> int:
    """The version that brought a kind of event."""
    return _SINCE.get(kind, 1)


def may_be_skipped(kind: Kind) -> bool:
    """Whether a reader that does not know the kind may go on without it."""
    return READERS[since(kind)] < since(kind)


def check_kinds(kinds: Iterable[Kind], version: int) -> None:
    """See that events of these kinds may make an entry, in this order. Raises ValueError.

    Those that a reader may skip come last, so that skipping them shifts no other event's place.
    """
    skipped = False
    for kind in kinds:
        if since(kind) > version:
            raise ValueError(f"{kind!r} is no event of format {version}: ask `Journal.require` first")
        if skipped and not may_be_skipped(kind):
            raise ValueError("events that a reader may skip stand behind all others")
        skipped = may_be_skipped(kind)


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
    """Least format version that a writer must know: the version of the archive."""
    release: str = ""
    """The release of this program that gave the archive its version; empty if that is not told."""
    rebuild: str = ""
    """The epoch that a rebuild under way is going to open; nothing is written to this one meanwhile."""
    rebuilt: bool = False
    """Whether a rebuild opened the epoch, so that digests may be open."""

    def check(self, *, writing: bool) -> None:
        """See that this program can read the archive, or write it. Raises NewerVersion."""
        needed = max(self.reader, self.writer) if writing else self.reader
        if needed > FORMAT_VERSION:
            raise NewerVersion("the archive", needed, FORMAT_VERSION, self.release)


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
    return json.dumps(fresh_content() | {"epoch": str(uuid.uuid4())}, indent=1).encode()


def fresh_content() -> dict[str, Any]:
    """The members of a new archive's format, but for its epoch."""
    return {"archive": str(uuid.uuid4()), "reader": READERS[FORMAT_VERSION], "writer": FORMAT_VERSION}


def parse_format(data: bytes, *, writing: bool = True) -> ArchiveFormat:
    """The format told by `data`; members it does not know are skipped. Raises TooNew, DamagedFormat.

    `writing`: whether it is enough if this program can read the archive.
    """
    try:
        content: Any = json.loads(data)
        found = ArchiveFormat(
            archive_id=str(uuid.UUID(content["archive"])),
            epoch=str(uuid.UUID(content["epoch"])),
            reader=int(content["reader"]),
            writer=int(content["writer"]),
            release=str(content.get("release") or ""),
            rebuild=str(content.get("rebuild") or ""),
            rebuilt=bool(content.get("rebuilt")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFormat(
            f"{FORMAT} cannot be read ({type(error).__name__}): it is not what an archive begins with; "
            "put back a copy of it, or run `dicomlake rebuild`, which makes it anew from the objects"
        ) from error
    found.check(writing=writing)
    return found
