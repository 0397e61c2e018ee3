"""Brings the catalog to where the log is, entry by entry, and knows what keeps it from that.

Nothing else applies entries. The committer has it apply its own and those of others that it meets; whoever reads
asks for what is in the log, or for what a sibling has already told its clients.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from dicomweb.ports import Unavailable
from storage.archive.condemned import Condemned
from storage.archive.courtesy import Courtesy
from storage.archive.deference import Deference
from storage.archive.siblings import Siblings
from storage.catalog.catalog import Catalog
from storage.catalog.database import CatalogError
from storage.log.errors import EpochEnded, LogError, TooNew
from storage.log.events import Entry, Kind
from storage.log.journal import Journal
from storage.log.waiting import Notes
from storage.objects.contract import StoreError

_LOG = logging.getLogger(__name__)


class Follower:
    """Applies entries of the log to the catalog, in order. Whoever calls `follow` or `apply` has the `lock`."""

    def __init__(self, journal: Journal, catalog: Catalog, siblings: Siblings) -> None:
        self._journal = journal
        self._catalog = catalog
        self._siblings = siblings
        self.lock = asyncio.Lock()
        self.condemned = Condemned()
        """What no entry may name."""
        self.courtesy = Courtesy()
        self.deference = Deference(Notes(journal.store, journal.epoch), journal.node)
        """How this node goes about others that write."""
        self.damage = ""
        """What keeps the log from being followed, for the health page; empty if nothing does."""

    async def catch_up(self) -> None:
        """Apply every entry that is in the log by now. Raises Unavailable."""
        async with self.lock:
            await self.follow()
            self._siblings.tell(self._catalog.applied)

    async def hear_siblings(self) -> None:
        """Apply what any sibling has applied, so that no client finds this node behind what it saw at another.

        A log that cannot be read leaves this node where it is, and `health` says so.
        """
        if self._siblings.latest <= self._catalog.applied:
            return
        with suppress(Unavailable):
            async with self.lock:
                await self.follow_siblings()

    async def follow_siblings(self) -> None:
        """The same for whoever has the lock. Raises Unavailable."""
        if self._siblings.latest > self._catalog.applied:
            await self.follow(until=self._siblings.latest)

    async def follow(self, until: int | None = None) -> bool:
        """Whether anything new came. `until` is an entry that is known to be there, and durable.

        Raises Unavailable.
        """
        before = self._catalog.applied
        try:
            await self._journal.check_epoch()
            journal = self._journal
            async for entry in journal.follow(before) if until is None else journal.read_known(before, until):
                self.apply(entry)
                await self.let_the_catalog_follow()
                await asyncio.sleep(0)  # many entries that were read together must not hold up everybody else
        except LogError as error:
            raise self.read_only(error) from error
        except StoreError as error:
            raise Unavailable("the object store cannot be reached") from error
        self.damage = ""
        return self._catalog.applied > before

    def read_only(self, error: LogError) -> Unavailable:
        """An entry that is there cannot be read: the archive stands at the one before it (rule 6)."""
        if str(error) != self.damage:
            self.damage = str(error)
            _LOG.error("%s; serving revision %d, and no writes", error, self._catalog.applied)
        if isinstance(error, TooNew):
            return Unavailable(f"{error}; until then this node takes no writes", 60)
        if isinstance(error, EpochEnded):
            return Unavailable(str(error), 60)
        return Unavailable(f"{error}: the archive is read-only until that is mended", 60)

    def check_format(self) -> None:
        """See that this program may write to the archive, which may have been upgraded. Raises Unavailable."""
        if self._journal.outgrown is not None:
            raise Unavailable(f"{self._journal.outgrown}; until then this node takes no writes", 60)

    def apply(self, entry: Entry) -> None:
        """Make an entry that is durable, and the next one, part of the catalog."""
        if any(event.kind is Kind.ENDED for event in entry.events):
            raise EpochEnded
        self._catalog.apply(entry)
        self.courtesy.meet(entry.lost)
        self.deference.meet(entry)
        self._siblings.tell(entry.number)
        self.condemned.add([event.object_key for event in entry.events if event.kind is Kind.CONDEMNED])

    async def let_the_catalog_follow(self) -> None:
        """Wait while the catalog is far behind, so that neither memory nor the wait of a search grows with it.

        A catalog that cannot be written holds nobody up at first: it says so itself. Raises Unavailable once
        memory has no room for what it cannot write.
        """
        if self._catalog.overfull:
            raise Unavailable(f"{self._catalog.problem}; until then this node stands still", 60)
        if self._catalog.crowded and not self._catalog.problem:
            with suppress(CatalogError):
                await self._catalog.flush()
