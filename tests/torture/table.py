"""The checkpoint table, held against the log: nodes folded it side by side, and some were killed meanwhile."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from dicomweb.model.keys import InstanceKey
from storage.archive.archive import LakeArchive
from storage.archive.settings import ArchiveSettings
from storage.log.checkpoint import Checkpoint
from storage.objects.address import parse_address
from storage.objects.contract import ObjectStore
from tests.build.s3 import s3_settings
from tests.storage.archive.test_histories import Model
from tests.torture.ledger import Ledger
from tests.torture.nodes import Place

_COLUMNS = ("kind", "study", "series", "instance", "version", "digest", "since_revision", "ordinal")
_FATE = ("until_revision", "current", "state")


def checkpoint_of(place: Place, store: ObjectStore) -> Checkpoint:
    """The table of an archive."""
    way = s3_settings(place.endpoint, "any") if place.endpoint else None
    return Checkpoint(store, parse_address(place.address, s3=way))


async def check_table(checkpoint: Checkpoint, model: Model, ledger: Ledger, figures: Counter[str]) -> list[str]:
    """Fold what the nodes have left; then every row is there once, and what is current is what the log says."""
    figures["last entry folded by the nodes"] += await checkpoint.last_folded()
    await checkpoint.fold()
    snapshot = await checkpoint.snapshot(fresh=True)
    if snapshot is None:
        return ["there is no table"]
    rows: list[dict[str, Any]] = []
    async for batch in checkpoint.read_rows(snapshot, (*_COLUMNS, *_FATE)):
        rows += batch.to_pylist()
    figures["rows of the table"] += len(rows)
    times = Counter((row["since_revision"], row["ordinal"]) for row in rows)
    faults = [f"{number} rows of one event, {place}" for place, number in times.items() if number > 1]
    logged = sum(map(len, model.versions.values()))
    stored = [row for row in rows if row["kind"] == "stored"]
    if len(stored) != logged:
        faults.append(f"{len(stored)} versions, but the log has {logged}")
    current: dict[InstanceKey, list[str]] = {}
    for row in stored:
        if row["until_revision"] is None and row["current"]:
            key = InstanceKey(row["study"], row["series"], row["instance"])
            current.setdefault(key, []).append(row["version"])
    for key in ledger.sent:
        expected = model.current(key)
        if current.get(key, []) != ([expected.version] if expected else []):
            faults.append(f"{key.instance} is current as {current.get(key)}, but {expected} by the log")
    return faults


def from_table(store: ObjectStore, folder: Path, checkpoint: Checkpoint) -> LakeArchive:
    """An archive on an empty disk that begins with the table, however short the log is; to be entered."""
    settings = ArchiveSettings(poll_seconds=0, short_log=0)
    return LakeArchive(store, node="judge", node_dir=folder, settings=settings, checkpoint=checkpoint)
