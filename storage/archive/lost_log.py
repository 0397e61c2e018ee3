"""Whether the log is there: a store that has lost it would look like an archive in which nothing was ever stored.

What the log has told lasts elsewhere too: a node's catalog knows how far it had come, the table holds what was
folded, and the DICOM objects lie where they were. Whoever began a new log over them would hide that.
"""

from __future__ import annotations

from contextlib import aclosing

from storage.layout import DICOM
from storage.log.checkpoint import Checkpoint
from storage.log.errors import LogError, LogLost
from storage.log.reader import LogReader
from storage.objects.contract import ObjectStore

DOUBT = (
    "the log is empty, but there are DICOM objects: if they had been stored, `dicomlake rebuild` brings them "
    "back, as long as nothing new is stored"
)


async def check_log(store: ObjectStore, log: LogReader, applied: int, checkpoint: Checkpoint | None) -> str:
    """See that the log goes as far as is known: a catalog that knows `applied` entries, or the table.

    Returns what is to be told of an empty log beside objects, such as an upload leaves that was broken off; empty
    as a rule. Costs a read of one entry; of an empty log a look at the table, and one listing. Raises LogLost and
    the store's errors.
    """
    try:
        there = await log.read(max(applied, 1)) is not None
    except LogError:
        return ""  # it is there, and whoever follows the log tells what is wrong with it
    if there:
        return ""
    if applied:
        raise LogLost(f"entry {applied} is missing, which this node has read before")
    if last := await _folded(log.epoch, checkpoint):
        raise LogLost(f"it has no entries, but the table has them up to {last}")
    return DOUBT if await _holds(store, DICOM) else ""


async def _folded(epoch: str, checkpoint: Checkpoint | None) -> int:
    """The last entry of this epoch in the table; a rebuild leaves the table of the epoch before for a while."""
    try:
        snapshot = await checkpoint.snapshot(fresh=True) if checkpoint else None
    except LogError:
        return 0  # whoever folds, and `doctor`, tell of a damaged table
    return snapshot.last if snapshot and snapshot.epoch == epoch else 0


async def _holds(store: ObjectStore, prefix: str) -> bool:
    async with aclosing(store.list(prefix)) as found:
        async for _ in found:
            return True
    return False
