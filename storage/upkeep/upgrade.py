"""The explicit upgrade of an archive to the format of this program.

    who is there ──▶ format.json: the new version ──▶ log: an entry that says so ──▶ all that follows is of it
         │
         └── a node that does not know the version: refused, nothing changed

From the new `format.json` on no older node starts. The entry is what running nodes go by: a writer creates an
entry only after it has applied every one below, so that an older one finds out before it could write behind it,
and a newer one writes the new format from there on. Between the two steps, or if the second never happens, running
nodes find out within seconds from `format.json` (`Journal.check_epoch`); what they write until then is of the old
format, which every node reads. So each step may be interrupted, and the whole repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from storage.archive.identifiers import fresh_id
from storage.layout import FORMAT
from storage.log.checkpoint import Checkpoint
from storage.log.errors import EpochEnded, FormatMissing, LogError
from storage.log.events import Event, Kind
from storage.log.format import FORMAT_VERSION, READERS, ArchiveFormat, parse_format
from storage.log.journal import Journal
from storage.objects.contract import ObjectMissing, ObjectStore, StoreError
from storage.upkeep.attendance import Present, present


class NodesTooOld(LogError):
    """Nodes that do not know the format are still there."""

    def __init__(self, nodes: list[Present]) -> None:
        super().__init__(f"{len(nodes)} running nodes do not know format {FORMAT_VERSION}")
        self.nodes = nodes


@dataclass(frozen=True, slots=True)
class State:
    """What an upgrade would begin with."""

    format: ArchiveFormat
    too_old: list[Present]
    """Nodes that are there and do not know the format of this program."""

    @property
    def due(self) -> bool:
        """Whether there is anything to upgrade."""
        return self.format.writer < FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What was done."""

    before: int
    """Format version."""
    now: int
    revision: int
    """Number of the log entry that says so."""


async def look(store: ObjectStore, *, node: str) -> State:
    """What there is. Raises TooNew, DamagedFormat, FormatMissing and the store's errors."""
    try:
        found = parse_format(await store.get(FORMAT))
    except ObjectMissing as error:
        raise FormatMissing(f"{FORMAT} is missing; `dicomlake rebuild` makes it anew") from error
    nodes = await present(store, node=node) if found.writer < FORMAT_VERSION else []
    return State(found, [one for one in nodes if one.format < FORMAT_VERSION])


async def upgrade(
    store: ObjectStore,
    checkpoint: Checkpoint,
    state: State,
    *,
    node: str,
    release: str,
    force: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Upgraded:
    """Give the archive the format of this program.

    `force`: even if nodes are there that do not know it. `tell` is told what is being done.
    Raises NodesTooOld, EpochEnded during a rebuild, DamagedEntry, and the store's errors. If the last entry cannot
    be written the archive is of the new format all the same.
    """
    if state.too_old and not force:
        raise NodesTooOld(state.too_old)
    if state.format.rebuild:
        raise EpochEnded
    tell("looking for the end of the log")
    journal = Journal(store, state.format, node=node, patience_seconds=10.0, listing=False)
    last = await journal.tail(await _folded(checkpoint))
    tell(f"writing {FORMAT}")
    written = await _write_format(store, release)
    tell("telling the nodes by an entry of the log")
    journal = Journal(store, written, node=node, patience_seconds=10.0, listing=False)
    revision = await _append(journal, last, release)
    return Upgraded(state.format.writer, written.writer, revision)


async def _folded(checkpoint: Checkpoint) -> int:
    """An entry that is known to be there."""
    try:
        return await checkpoint.last_folded()
    except (LogError, StoreError):
        return 0


async def _write_format(store: ObjectStore, release: str) -> ArchiveFormat:
    content: dict[str, Any] = json.loads(await store.get(FORMAT))
    content |= {"reader": READERS[FORMAT_VERSION], "writer": FORMAT_VERSION, "release": release}
    await store.put(FORMAT, [json.dumps(content, indent=1).encode()])
    await store.settle([FORMAT])
    return parse_format(await store.get(FORMAT))


async def _append(journal: Journal, last: int, release: str) -> int:
    """Write the entry behind all others; its number. Raises EpochEnded and what `Journal.append` raises."""
    commit = fresh_id()
    event = Event(
        kind=Kind.UPGRADED,
        scope=None,
        time=datetime.now(UTC),
        node=journal.node,
        door="upgrade",
        peer="",
        event_id=fresh_id(),
        target=FORMAT_VERSION,
        detail=release,
    )
    while True:
        # to the tail each time: whoever goes from number to number is behind those who write for good
        last = await journal.tail(last)
        entry = await journal.read(last) if last else None
        if entry is not None and any(one.kind is Kind.ENDED for one in entry.events):
            raise EpochEnded
        if (await journal.append(last + 1, [event], commit)).won:
            return last + 1
