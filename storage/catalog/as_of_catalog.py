"""What the catalog knows of the past: the questions that `Catalog` answers for now, as of an earlier revision.

By UID it goes from the series in memory or DuckDB, whose versions are all there, and asks for the removals of the
study only where something was changed since. Nothing is remembered: a version may be erased at any time, and what
was known of it then must not be told from memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.query import Found, Query
from storage.catalog import lookup
from storage.catalog.as_of import versions_at
from storage.catalog.as_of_chronicle import Chronicle, read_chronicle
from storage.catalog.as_of_search import PastSearcher
from storage.catalog.database import Database, rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.memory import SeriesMemory
from storage.catalog.projection import History, Version, Versions, current_of, was_removed
from storage.catalog.schema import to_microseconds
from storage.catalog.writing import read_histories

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ScopeThen:
    """What was there of a study, a series or an instance."""

    revision: int
    """The last entry up to then that changed anything in it."""
    instances: tuple[Instance, ...]
    """Current versions, ordered by Series UID, Instance Number, SOP Instance UID."""
    purged: tuple[int, ...]
    """For those among them whose bytes have been taken since: the entries that say so."""
    ever: bool
    """Whether anything had been stored in it, be it removed by then."""


class PastCatalog:
    """The past of a catalog. All methods are called on the event loop."""

    def __init__(
        self,
        database: Database,
        memory: SeriesMemory,
        searcher: PastSearcher,
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._memory = memory
        self._searcher = searcher
        self._flush = flush

    async def search(self, query: Query, revision: int) -> Found:
        """Find what there was. Raises QueryTooBroad, TooMuchChanged."""
        await self._flush()
        return await self._searcher.search(query, revision)

    async def within(self, scope: Scope, revision: int) -> ScopeThen:
        """What was there in the scope."""
        await self._flush()
        keys = {(scope.study, scope.series)} if scope.series is not None else set[lookup.SeriesKey]()
        if scope.series is None:
            series = await self._database.read(partial(_series_of_study, study=scope.study))
            keys = {(scope.study, uid) for uid in series}
        states = await self._memory.several(keys)
        known = [
            versions
            for key in sorted(states)
            for sop, versions in states[key].keys.items()
            if scope.instance in (None, sop)
        ]
        return await self._database.read(partial(_then, known=known, scope=scope, revision=revision))

    async def find(self, key: InstanceKey, revision: int) -> ScopeThen:
        """What was there of an instance; costs no query if nothing of it was changed since."""
        state = await self._memory.one(key.study, key.series)
        versions = state.keys.get(key.instance, ()) if state is not None else ()
        if all(max(one.changed, one.voided) <= revision for one in versions):
            return _told([versions])
        return await self.within(key.scope, revision)

    async def chronicle(self, scope: Scope, *, before: int | None, limit: int) -> Chronicle:
        """What is known of the last `limit` entries below `before` that changed something in the scope."""
        await self._flush()
        return await self._database.slow(partial(read_chronicle, scope=scope, before=before, limit=limit))

    async def last_before(self, time: datetime) -> int:
        """The last entry that is known to have stored, removed or labelled something by a time; 0 if none."""
        await self._flush()
        return await self._database.slow(partial(_last_before, microseconds=to_microseconds(time)))


def _series_of_study(cursor: DuckDBPyConnection, study: str) -> list[str]:
    """All series of a study that ever were."""
    sql = "SELECT se.uid FROM studies st JOIN series se ON se.study_no = st.no WHERE st.hash = ? AND st.uid = ?"
    return [uid for (uid,) in rows_of(cursor, sql, [hash_uid(study), study])]


def _then(cursor: DuckDBPyConnection, *, known: Sequence[Versions], scope: Scope, revision: int) -> ScopeThen:
    changed = any(one.changed > revision for versions in known for one in versions)
    histories = read_histories(cursor, [scope.study]) if changed else {}
    history = histories.get(scope.study, History())
    return _told([versions_at(versions, history, revision) for versions in known])


def _told(keys: Sequence[Versions]) -> ScopeThen:
    current = [one for versions in keys if (one := current_of(versions)) is not None]
    current.sort(key=_order)
    return ScopeThen(
        max((one.changed for versions in keys for one in versions), default=0),
        tuple(one.instance for one in current),
        tuple(sorted({one.purged for one in current if one.purged})),
        bool(current) or any(map(was_removed, keys)),
    )


def _order(one: Version) -> tuple[str, bool, int, str]:
    key = one.instance.key
    return key.series, one.number is None, one.number or 0, key.instance


def _last_before(cursor: DuckDBPyConnection, *, microseconds: int) -> int:
    sql = """SELECT max(revision) FROM (SELECT revision FROM instances WHERE time <= ?
             UNION ALL SELECT revision FROM removals WHERE time <= ?
             UNION ALL SELECT revision FROM labels WHERE time <= ?)"""
    ((found,),) = rows_of(cursor, sql, [microseconds] * 3)
    return int(found or 0)
