"""A node on an empty disk: the checkpoint table first, then the log behind it.

A short log is read from its beginning: that costs less than the process which says what the table is made of.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import aclosing

from storage.catalog.catalog import Catalog
from storage.catalog.database import CatalogError
from storage.catalog.loading_rows import wanted_columns
from storage.log.checkpoint import WITHOUT_HEADERS, Checkpoint
from storage.log.errors import LogError
from storage.log.journal import Journal
from storage.objects.contract import StoreError

_LOG = logging.getLogger(__name__)


class LoadProgress:
    """Says now and then how far a start on an empty disk has come."""

    def __init__(self, rows: int, told: Callable[[str], None], *, every_seconds: float = 5.0) -> None:
        """`rows` of the checkpoint table: versions of instances, and the few removals. `told` hears of each."""
        self._rows = rows
        self._told = told
        self._every = every_seconds
        self._next = time.monotonic() + every_seconds

    def __call__(self, taken: int) -> None:
        """So many rows have been taken."""
        state = f"catching up: {_grouped(taken)} of {_grouped(self._rows)} instances"
        self._told(state)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            _LOG.info("%s", state)


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


async def load_checkpoint(
    journal: Journal,
    catalog: Catalog,
    checkpoint: Checkpoint | None,
    *,
    short_log: int,
    told: Callable[[str], None],
) -> None:
    """Fill an empty catalog from the table, if there is one and the log has more than `short_log` entries;
    `told` hears how far it is.

    A table that cannot be read costs nothing but time: the log has everything. Raises the store's errors.
    """
    if catalog.applied or checkpoint is None or await journal.read(short_log + 1) is None:
        return
    try:
        snapshot = await checkpoint.snapshot(fresh=True)
        if snapshot is None or snapshot.epoch != journal.epoch or snapshot.last <= short_log:
            return
        progress = LoadProgress(sum(file.rows for file in snapshot.files), told)
        async with aclosing(checkpoint.read_rows(snapshot, wanted_columns(WITHOUT_HEADERS))) as rows:
            await catalog.load(rows, snapshot.last, progress)
    except (LogError, StoreError, CatalogError, OSError) as error:
        _LOG.warning("the checkpoint table could not be loaded, the log is read from its beginning: %s", error)
