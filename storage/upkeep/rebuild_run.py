"""A whole rebuild, from the claim to the new table."""

from __future__ import annotations

import asyncio

from storage.log.checkpoint import Checkpoint
from storage.objects.contract import ObjectStore
from storage.upkeep.rebuild import Rebuild, RebuildSettings, Tell, delete_old_notes
from storage.upkeep.rebuild_epoch import LogState, claim, end_log, switch
from storage.upkeep.rebuild_findings import Findings


async def rebuild(
    store: ObjectStore,
    checkpoint: Checkpoint,
    state: LogState,
    settings: RebuildSettings,
    *,
    node: str,
    wait_seconds: float,
    tell: Tell,
) -> Findings:
    """Make log and table anew; one that was interrupted is taken up. Every step may be repeated.

    `wait_seconds`: how long nodes are waited for that may still write to a log which was lost under them; 0 if it
    is known that none runs. Raises RebuildTaken, LogError and the store's errors.
    """
    claimed = await claim(store, state)
    if claimed.old:
        await end_log(store, claimed.old, node=node)
    if state.problem or state.under_way:
        await asyncio.sleep(wait_seconds)
    findings = await Rebuild(store, claimed, settings, node=node, tell=tell).run()
    await _discard_table(store)
    await switch(store, claimed)
    await delete_old_notes(store, claimed.new)
    await checkpoint.fold()
    return findings


async def _discard_table(store: ObjectStore) -> None:
    """The table is of the old epoch; without one, whichever node comes first folds a new one."""
    # brings delta-rs into memory, which a node does not need
    from storage.log.fold import discard

    await discard(store)
