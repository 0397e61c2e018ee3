"""Put a damaged log entry back together from the checkpoint table.

The table has every version, removal, undelete and label of the entries folded into it, and which entries voided or
purged a version or took a label off. What it does not have is lost: condemned keys, which a sweep finds again, and
the commit id. The bytes that were damaged stay beside the entry; the new entry says in its events that it was
repaired.

An entry that was never folded cannot be repaired from here: the objects it named are still there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dicomweb.model.instance import ImageSpec, Original
from dicomweb.model.keys import InstanceKey, Scope
from storage.layout import entry_key
from storage.log.checkpoint import Checkpoint
from storage.log.codec import encode_entry
from storage.log.columns import COLUMNS
from storage.log.errors import DamagedEntry, LogError
from storage.log.events import LABELLING, Entry, Event, Kind, StoredVersion
from storage.log.journal import Journal
from storage.log.rows import SCHEMA
from storage.log.standing import State

_NOTE = "repaired from the checkpoint table"
_IMAGE = tuple(field.name for field in fields(ImageSpec))


class NotRepairable(LogError):
    """The table does not have what the entry held."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did."""

    number: int
    events: int
    """Events of the entry as it is now."""
    was_damaged: bool
    """False if the entry can be read, so that nothing was done."""


async def repair_entry(journal: Journal, checkpoint: Checkpoint, number: int) -> Repaired:
    """Replace entry `number` if it is damaged or missing; it is durable on return.

    Raises NotRepairable, DamagedTable, TooNew and the store's errors.
    """
    try:
        entry = await journal.read(number)
    except DamagedEntry:
        entry = None
    if entry is not None:
        return Repaired(number, len(entry.events), False)
    events = await _events_from_table(checkpoint, number)
    now = datetime.now(UTC)
    commit = f"repair-{uuid.uuid4()}"
    entry = Entry(number, journal.epoch, commit, journal.node, now, tuple(events), journal.format)
    key = entry_key(journal.epoch, number)
    damaged = await journal.fetch_bytes(number)
    if damaged is not None:
        await journal.store.put(f"{key}.damaged", [damaged])
    await journal.store.put(key, [encode_entry(entry)])
    await journal.store.settle([key])
    return Repaired(number, len(events), True)


async def _events_from_table(checkpoint: Checkpoint, number: int) -> list[Event]:
    snapshot = await checkpoint.snapshot(fresh=True)
    if snapshot is None or snapshot.last < number:
        folded = snapshot.last if snapshot else 0
        raise NotRepairable(f"entry {number} is not in the checkpoint table, which ends at {folded}")
    rows: list[dict[str, Any]] = []
    async for batch in checkpoint.read_rows(snapshot, SCHEMA.names):
        named = (
            pc.equal(batch[name], number) for name in ("since_revision", "voided_revision", "purged_revision")
        )
        since, voided, purged = (pc.fill_null(mask, False) for mask in named)
        off = pc.and_(pc.equal(batch["state"], str(State.UNLABELLED)), pc.equal(batch["changed_revision"], number))
        mine = pc.or_(pc.or_(since, off), pc.or_(voided, purged))
        rows.extend(pa.table(batch.filter(mine)).to_pylist())
    events = [*_own(rows, number), *_ends(rows, number), *_taken_off(rows, number)]
    # what a reader may skip stands behind all others
    events.sort(key=lambda event: event.kind in LABELLING)
    if not events:
        raise NotRepairable(f"the checkpoint table has no row of entry {number}")
    return events


def _own(rows: Iterable[dict[str, Any]], number: int) -> Iterator[Event]:
    """The events that have a row of their own, in their order."""
    for row in sorted((row for row in rows if row["since_revision"] == number), key=lambda row: row["ordinal"]):
        kind = Kind(row["kind"])
        yield Event(
            kind=kind,
            scope=Scope(row["study"], row["series"], row["instance"]),
            time=row["time"],
            node=row["node"],
            door=row["door"],
            peer=row["peer"] or "",
            event_id=row["event_id"],
            stored=stored_version(row) if kind is Kind.STORED else None,
            current=row["leading"] if kind is Kind.STORED else True,
            target=row["target"] or 0,
            detail=_NOTE,
            label=row["label"] or "",
        )


def _ends(rows: Iterable[dict[str, Any]], number: int) -> Iterator[Event]:
    """The events that ended a version; when and by whom is not known any more."""
    for row in rows:
        for kind, ended in ((Kind.VOIDED, row["voided_revision"]), (Kind.PURGED, row["purged_revision"])):
            if ended == number:
                yield Event(
                    kind=kind,
                    scope=Scope(row["study"], row["series"], row["instance"]),
                    time=row["until_time"] or row["time"],
                    node=row["node"],
                    door="repair",
                    peer="",
                    event_id=f"repair-{uuid.uuid4()}",
                    version=row["version"],
                    detail=_NOTE,
                )


def _taken_off(rows: Iterable[dict[str, Any]], number: int) -> Iterator[Event]:
    """The events that took a label off, each once; when and by whom is not known any more."""
    labels = {
        (row["study"], row["series"], row["instance"], row["label"]): row
        for row in rows
        if row["state"] == State.UNLABELLED and row["changed_revision"] == number
    }
    for (*scope, label), row in labels.items():
        yield Event(
            kind=Kind.UNLABELLED,
            scope=Scope(*scope),
            time=row["until_time"] or row["time"],
            node=row["node"],
            door="repair",
            peer="",
            event_id=f"repair-{uuid.uuid4()}",
            detail=_NOTE,
            label=label,
        )


def stored_version(row: dict[str, Any]) -> StoredVersion:
    """The version that a row of the table, with all its columns, is about; blank where it was purged."""
    image = {name: row[f"image_{name}"] for name in _IMAGE}
    return StoredVersion(
        key=InstanceKey(row["study"], row["series"], row["instance"]),
        version=row["version"],
        size=row["size"],
        data_set_offset=row["data_set_offset"],
        sop_class=row["sop_class"],
        transfer_syntax=row["transfer_syntax"],
        meta_digest=bytes.fromhex(row["meta_digest"]),
        digest=bytes.fromhex(row["digest"]),
        header=(row["header"] or "").encode(),
        header_size=row["header_size"],
        file_meta=(row["file_meta"] or "").encode(),
        frames=row["frames"] or b"",
        bulk=row["bulk"] or b"",
        image=None if image["rows"] is None else ImageSpec(**image),
        pixel_vr=row["pixel_vr"],
        columns={c.name: row[c.name] for c in COLUMNS if row[c.name] is not None},
        original=_original(row),
    )


def _original(row: dict[str, Any]) -> Original | None:
    digest = row["original_digest"]
    if digest is None:
        return None
    return Original(bytes.fromhex(digest), row["original_size"], row["original_transfer_syntax"])
