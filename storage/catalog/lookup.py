"""What DuckDB is asked by UID: whole series to be kept in memory, blobs, where headers lie, counts.

Everything here runs in a reading thread. A series is found by the hash of its UID in the index of the series
table; its instances by its number, which lies in few blocks of the instances table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey
from storage.catalog.database import rows_of
from storage.catalog.hashes import Hashes, hash_uid, sort_hashes
from storage.catalog.hot import Blobs, ScopeStatus, SeriesState
from storage.catalog.rows import PLACE_SELECT, VERSION_SELECT, place_from, version_from
from storage.catalog.schema import VERSION_COLUMNS
from storage.catalog.segments import HeaderPlace

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_HASHES_AT_ONCE = 1 << 18

SeriesKey = tuple[str, str]
"""Study and Series Instance UID."""


def numbers(values: Iterable[int]) -> str:
    """A list of numbers for an IN."""
    return ", ".join(map(str, values))


def series_numbers(cursor: DuckDBPyConnection, keys: Collection[SeriesKey]) -> dict[int, SeriesKey]:
    """The series among these that the catalog has, by number."""
    wanted = set(keys)
    hashes = numbers({hash_uid(series) for _, series in wanted})
    found = rows_of(cursor, f"SELECT no, study, uid FROM series WHERE hash IN ({hashes})") if wanted else []
    return {no: (study, uid) for no, study, uid in found if (study, uid) in wanted}


def read_series(
    cursor: DuckDBPyConnection, keys: Collection[SeriesKey]
) -> tuple[dict[SeriesKey, SeriesState], int]:
    """These series with all their versions (empty if unknown), and the last entry they take into account."""
    cursor.execute("BEGIN")
    try:
        ((applied,),) = rows_of(cursor, "SELECT applied FROM meta")
        states = {key: SeriesState(*key) for key in keys}
        by_number = series_numbers(cursor, keys)
        width = len(VERSION_COLUMNS)
        if by_number:
            sql = f"""SELECT {VERSION_SELECT}, i.frames, i.bulk, i.series_no FROM instances i
                      WHERE i.series_no IN ({numbers(by_number)}) ORDER BY i.revision, i.ordinal"""
            for values in rows_of(cursor, sql):
                key = by_number[values[-1]]
                version = version_from(values[:width], *key)
                states[key].put(version, Blobs(*values[width : width + 2]))
    finally:
        cursor.execute("ROLLBACK")
    return states, applied


def series_of_study(cursor: DuckDBPyConnection, study: str) -> list[str]:
    """The Series Instance UIDs of a study in ascending order, those without a visible instance left out."""
    sql = """SELECT se.uid FROM studies st JOIN series se ON se.study_no = st.no
             WHERE st.hash = ? AND st.uid = ? AND se.visible > 0"""
    return sorted(uid for (uid,) in rows_of(cursor, sql, [hash_uid(study), study]))


def study_status(cursor: DuckDBPyConnection, study: str) -> ScopeStatus:
    """What is there of a study."""
    sql = "SELECT changed, visible, hidden FROM studies WHERE hash = ? AND uid = ?"
    for changed, visible, hidden in rows_of(cursor, sql, [hash_uid(study), study]):
        return ScopeStatus(changed, visible, hidden)
    return ScopeStatus(0, 0, 0)


def read_blob(cursor: DuckDBPyConnection, instance: Instance, column: str) -> bytes:
    """A blob of a version, empty if the catalog does not have the version."""
    key = instance.key
    by_number = series_numbers(cursor, [(key.study, key.series)])
    if not by_number:
        return b""
    sql = f"SELECT i.{column} FROM instances i WHERE i.series_no IN ({numbers(by_number)}) AND i.version = ?"
    for (value,) in rows_of(cursor, sql, [instance.version]):
        return value.encode() if isinstance(value, str) else bytes(value)
    return b""


def visible_elsewhere(cursor: DuckDBPyConnection, keys: Sequence[InstanceKey]) -> set[InstanceKey]:
    """Those among these whose SOP Instance UID is visible in another series or study."""
    hashes = numbers({hash_uid(key.instance) for key in keys})
    sql = f"""SELECT DISTINCT i.sop, se.study, se.uid FROM instances i JOIN series se ON se.no = i.series_no
              WHERE i.hash IN ({hashes}) AND i.standing >= 4"""
    found: dict[str, set[SeriesKey]] = {}
    for sop, study, series in rows_of(cursor, sql):
        found.setdefault(sop, set()).add((study, series))
    return {key for key in keys if found.get(key.instance, set()) - {(key.study, key.series)}}


@dataclass(frozen=True, slots=True)
class HeaderRow:
    """A version's row and where its header lies on the local disk."""

    row: int
    place: HeaderPlace | None


def header_rows(cursor: DuckDBPyConnection, instances: Sequence[Instance]) -> dict[str, HeaderRow]:
    """Where headers lie, by version."""
    by_number = series_numbers(cursor, {(one.key.study, one.key.series) for one in instances})
    if not by_number:
        return {}
    values: list[Any] = []
    only = ""
    if len(instances) <= 16:
        only = f" AND i.version IN ({', '.join('?' * len(instances))})"
        values = [one.version for one in instances]
    sql = f"""SELECT i.version, i.row, {PLACE_SELECT} FROM instances i
              WHERE i.series_no IN ({numbers(by_number)}){only}"""
    return {version: HeaderRow(row, place_from(place)) for version, row, *place in rows_of(cursor, sql, values)}


def rows_with_places(cursor: DuckDBPyConnection, rows: Collection[int]) -> dict[int, HeaderRow]:
    """Where the headers of rows lie; those of purged versions are not told any more."""
    if not rows:
        return {}
    sql = f"SELECT i.row, {PLACE_SELECT} FROM instances i WHERE i.row IN ({numbers(rows)}) AND i.purged = 0"
    return {row: HeaderRow(row, place_from(place)) for row, *place in rows_of(cursor, sql)}


def instances_of_rows(cursor: DuckDBPyConnection, rows: Sequence[int]) -> dict[int, Instance]:
    """The instances of rows."""
    sql = f"""SELECT {VERSION_SELECT}, se.study, se.uid FROM instances i JOIN series se ON se.no = i.series_no
              WHERE i.row IN ({numbers(rows)})"""
    found = [version_from(values[:-2], *values[-2:]) for values in rows_of(cursor, sql)]
    return {version.row: version.instance for version in found}


@dataclass(frozen=True, slots=True)
class KnownUids:
    """Hashes of UIDs in ascending order, each once."""

    series: Hashes
    instances: Hashes
    shared: Hashes
    """Of those SOP Instance UIDs that are in several series."""


def known_uids(cursor: DuckDBPyConnection) -> KnownUids:
    """Which UIDs the catalog has."""
    series, _ = read_hashes(cursor, "series")
    instances, repeated = read_hashes(cursor, "instances")
    return KnownUids(series, instances, _shared(cursor, repeated))


def read_hashes(cursor: DuckDBPyConnection, table: str) -> tuple[Hashes, Hashes]:
    """The hashes in a table as `sort_hashes` tells them."""
    ((count,),) = rows_of(cursor, f"SELECT count(*) FROM {table}")
    found = np.empty(count, np.uint64)
    at = 0
    for batch in cursor.sql(f"SELECT hash FROM {table}").to_arrow_reader(_HASHES_AT_ONCE):
        found[at : at + batch.num_rows] = batch.column(0).to_numpy()
        at += batch.num_rows
    return sort_hashes(found[:at])


def _shared(cursor: DuckDBPyConnection, repeated: Hashes) -> Hashes:
    """Those hashes that instances in different series have, and not only versions of one instance."""
    import pyarrow as pa

    if not len(repeated):
        return repeated
    cursor.register("repeated", pa.table({"hash": repeated}))
    try:
        found: Hashes = cursor.execute(
            """SELECT i.hash FROM instances i JOIN repeated r ON r.hash = i.hash
               GROUP BY i.hash HAVING min(i.series_no) <> max(i.series_no)"""
        ).fetchnumpy()["hash"]
        return found
    finally:
        cursor.unregister("repeated")
