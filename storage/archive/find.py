"""Looking up instances: the catalog first, the log's tail before anything is called missing."""

from __future__ import annotations

from collections.abc import Sequence

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.query import Found, OneOf, Query
from dicomweb.ports import Gone, NotStored
from storage.archive.follower import Follower
from storage.catalog.catalog import Catalog

_UNIQUE = {"0020000D", "0020000E", "00080018"}


class Finder:
    """Answers which instances there are."""

    def __init__(self, catalog: Catalog, follower: Follower) -> None:
        self._catalog = catalog
        self._follower = follower

    async def instance(self, key: InstanceKey) -> Instance:
        """See `Archive.find_instance`."""
        found = await self._catalog.find(key)
        if found is None:
            await self._follower.catch_up()
            found = await self._catalog.find(key)
        if found is None:
            raise await self._missing(key.scope)
        return found

    async def instances(self, scope: Scope) -> Sequence[Instance]:
        """See `Archive.find_instances`."""
        found = await self._catalog.within(scope)
        if not found:
            await self._follower.catch_up()
            found = await self._catalog.within(scope)
        if not found:
            raise await self._missing(scope)
        return found

    async def revision(self, scope: Scope) -> int:
        """See `Archive.series_revision`."""
        status = await self._catalog.status(scope)
        if not status.visible:
            await self._follower.catch_up()
            status = await self._catalog.status(scope)
        if not status.visible:
            raise await self._missing(scope)
        return status.revision

    async def search(self, query: Query) -> Found:
        """See `Archive.search`."""
        found = await self._catalog.search(query)
        if not found.total and _names_one(query):
            await self._follower.catch_up()
            found = await self._catalog.search(query)
        return found

    async def _missing(self, scope: Scope) -> NotStored | Gone:
        status = await self._catalog.status(scope)
        level = scope.level.name.lower()
        return Gone(f"the {level} was removed") if status.ever else NotStored(f"no such {level} is stored")


def _names_one(query: Query) -> bool:
    return any(isinstance(m.condition, OneOf) and m.path[-1] in _UNIQUE for m in query.matches)
