"""What the catalog knows of labels, now and at an earlier revision. All methods are called on the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from dicomweb.model.keys import Scope
from dicomweb.model.labels import LabelCount
from storage.catalog.as_of_tables import Past
from storage.catalog.database import Database
from storage.catalog.labels import count_labels, read_labels, read_labels_at
from storage.catalog.pending import Pending


class LabelCatalog:
    """Which labels there are."""

    def __init__(
        self, database: Database, pending: Pending, flush: Callable[[], Awaitable[None]], *, past_rows: int
    ) -> None:
        self._database = database
        self._pending = pending
        self._flush = flush
        self._past_rows = past_rows

    async def of(self, scope: Scope) -> list[str]:
        """The labels in force on exactly this scope, ascending."""
        await self._flush_study(scope.study)
        return await self._database.read(partial(read_labels, scope=scope))

    async def of_past(self, scope: Scope, revision: int) -> list[str]:
        """The same after an earlier entry."""
        await self._flush_study(scope.study)
        return await self._database.read(partial(read_labels_at, scope=scope, revision=revision))

    async def counts(self) -> list[LabelCount]:
        """The labels that something visible bears, ascending."""
        await self._flush()
        return await self._database.slow(count_labels)

    async def counts_past(self, revision: int) -> list[LabelCount]:
        """The same after an earlier entry. Raises TooMuchChanged."""
        await self._flush()
        past = Past(revision, most=self._past_rows)
        return await self._database.slow(past.within(count_labels))

    async def _flush_study(self, study: str) -> None:
        if self._pending.of_study(study) or self._pending.wide(study):
            await self._flush()
