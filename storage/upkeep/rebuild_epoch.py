"""From the old epoch of the log to the new one.

    look ──▶ claim: format.json names the epoch to come ──▶ end the old log ──▶ ... the new log is written ...
                                                                                       │
         nodes begin on the new log  ◀── format.json goes by the new epoch  ◀──────────┘

The claim is what a rebuild that was interrupted is taken up from. The old log is ended by an entry that every
writer has to apply before it can create a later one. Where entries of the old log are lost, a node may stand
behind the gap and never meet that entry; such a node looks at format.json now and then, and answers for nothing
without having looked (`Journal.check_epoch`): so the rebuild waits for longer than that before it lists objects.
"""

from __future__ import annotations

import json
import uuid
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from storage import layout
from storage.archive.identifiers import fresh_id
from storage.log.codec import decode_entry, encode_entry
from storage.log.errors import DamagedEntry, DamagedFormat, LogError
from storage.log.events import Entry, Event, Kind
from storage.log.format import ArchiveFormat, fresh_content, parse_format
from storage.log.journal import EPOCH_SECONDS, Journal
from storage.log.torn import set_aside_torn_tail
from storage.objects.contract import ObjectExists, ObjectMissing, ObjectStore

WAIT_SECONDS = 2.5 * EPOCH_SECONDS
"""After which no node writes to a log that was lost under it."""


class RebuildTaken(LogError):
    """Another rebuild is at work on the same archive."""

    def __init__(self) -> None:
        super().__init__(
            "another rebuild is at work on this archive, or was while this one was: begin this one again"
        )


@dataclass(frozen=True, slots=True)
class LogState:
    """What is left of an archive's log."""

    format: ArchiveFormat | None
    """None if `format.json` is missing or damaged."""
    entries: int
    """Entries that can be read, from the first on."""
    problem: str
    """Why the log does not tell what is in the archive; empty if it does."""

    @property
    def under_way(self) -> bool:
        """Whether a rebuild was begun and did not come to its end."""
        return self.format is not None and bool(self.format.rebuild)


@dataclass(frozen=True, slots=True)
class Claim:
    """The epochs of a rebuild."""

    archive_id: str
    old: str
    """Empty if it is not known any more."""
    new: str
    reader: int
    """Least format version of readers; the new log has the format of the old one."""
    writer: int
    """The same of writers."""


async def look(store: ObjectStore, *, node: str) -> LogState:
    """Read the whole log. Raises TooNew and the store's errors."""
    try:
        found = parse_format(await store.get(layout.FORMAT))
    except ObjectMissing:
        return LogState(None, 0, f"{layout.FORMAT} is missing")
    except DamagedFormat as error:
        return LogState(None, 0, str(error))
    journal = Journal(store, found, node=node, patience_seconds=10.0, listing=False)
    if not found.rebuild:
        await set_aside_torn_tail(journal, 0)
    entries = 0
    try:
        async for entry in journal.follow(0):
            entries = entry.number
    except DamagedEntry as error:
        return LogState(found, entries, str(error))
    if not entries and await _any(store, layout.DICOM):
        return LogState(found, 0, "the log is empty, but there are objects")
    return LogState(found, entries, "")


async def claim(store: ObjectStore, state: LogState) -> Claim:
    """Say in `format.json` that a rebuild is under way, or take up the one that is. Raises the store's errors."""
    found = state.format
    if found is not None and found.rebuild:
        return Claim(found.archive_id, await _epoch_before(store), found.rebuild, found.reader, found.writer)
    old = found.epoch if found else ""
    content = fresh_content() if found is None else await _content(store)
    # without a format there is no epoch to go by: nodes that open the archive meanwhile find an empty log
    content |= {"epoch": old or str(uuid.uuid4()), "rebuild": str(uuid.uuid4()), "rebuild_of": old}
    await _put(store, content)
    new = (await _content(store))["rebuild"]
    return Claim(content["archive"], old, new, content["reader"], content["writer"])


async def end_log(store: ObjectStore, epoch: str, *, node: str) -> None:
    """Let nothing more be written behind the last entry of an epoch. Raises the store's errors."""
    last = 0
    async with aclosing(store.list(f"{layout.LOG}{epoch}/")) as listed:
        async for info in listed:
            place = layout.parse_entry_key(info.key)
            last = max(last, place[1] if place else 0)
    while last and not await _is_end(store, epoch, last):
        if await _place_end(store, epoch, last + 1, node):
            return
        last += 1
    if not last:
        await _place_end(store, epoch, 1, node)


async def switch(store: ObjectStore, claimed: Claim) -> None:
    """Let the archive go by the new epoch; durable on return. Raises RebuildTaken and the store's errors."""
    content = await _content(store)
    if content.get("rebuild") != claimed.new:
        raise RebuildTaken
    del content["rebuild"], content["rebuild_of"]
    content |= {"epoch": claimed.new, "rebuilt": datetime.now(UTC).isoformat(timespec="seconds")}
    await _put(store, content)


async def _place_end(store: ObjectStore, epoch: str, number: int, node: str) -> bool:
    """Whether the entry is ours."""
    now = datetime.now(UTC)
    event = Event(
        kind=Kind.ENDED, scope=None, time=now, node=node, door="rebuild", peer="", event_id=fresh_id()
    )  # fmt: skip
    key = layout.entry_key(epoch, number)
    try:
        await store.put(key, [encode_entry(Entry(number, epoch, fresh_id(), node, now, (event,)))], create=True)
    except ObjectExists:
        return False
    await store.settle([key])
    return True


async def _is_end(store: ObjectStore, epoch: str, number: int) -> bool:
    try:
        entry = decode_entry(await store.get(layout.entry_key(epoch, number)), number=number, epoch=epoch)
    except (DamagedEntry, ObjectMissing):
        return False
    return any(event.kind is Kind.ENDED for event in entry.events)


async def _content(store: ObjectStore) -> dict[str, Any]:
    """All members of `format.json`, also those that only other versions of this program know."""
    content: dict[str, Any] = json.loads(await store.get(layout.FORMAT))
    return content


async def _epoch_before(store: ObjectStore) -> str:
    return str((await _content(store)).get("rebuild_of") or "")


async def _put(store: ObjectStore, content: dict[str, Any]) -> None:
    await store.put(layout.FORMAT, [json.dumps(content, indent=1).encode()])
    await store.settle([layout.FORMAT])


async def _any(store: ObjectStore, prefix: str) -> bool:
    async with aclosing(store.list(prefix)) as found:
        async for _ in found:
            return True
    return False
