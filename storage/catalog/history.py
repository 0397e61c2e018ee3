"""What was, for upkeep and undelete: versions with their times, removals, and what retention may take away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dicomweb.model.instance import Instance
from dicomweb.model.keys import Level, Scope
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.projection import Moment, Standing
from storage.catalog.rows import VERSION_SELECT, version_from
from storage.catalog.schema import VERSION_COLUMNS, from_microseconds, to_microseconds

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SELECT = f"""SELECT {VERSION_SELECT}, i.meta_digest, se.study, se.uid
              FROM instances i JOIN series se ON se.no = i.series_no"""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version and its life."""

    instance: Instance
    meta_digest: bytes
    standing: Standing
    since: Moment
    """When it was stored."""
    until: Moment | None
    """When it ceased to be visible (removed, replaced, voided, purged); None while it is."""
    hidden_by: int
    """Number of the entry whose removal hides it, 0 if none does."""


@dataclass(frozen=True, slots=True)
class RemovalInfo:
    """A removal, as far as it is still in force."""

    revision: int
    """Number of its entry."""
    scope: Scope
    time: datetime
    hidden: int
    """Instances that it hides."""
    versions: tuple[str, ...]
    """The versions it hides whose bytes are still there."""
    undone: bool
    """Whether an undelete named it."""


@dataclass(frozen=True, slots=True)
class RemovalInForce:
    """A removal that was not undone."""

    revision: int
    """Number of its entry."""
    ordinal: int
    """Place in the entry."""
    scope: Scope
    time: datetime


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the catalog holds."""

    studies: int
    series: int
    instances: int
    """Visible ones, like the two before."""
    versions: int
    """All versions, former and removed ones too."""
    bytes: int
    """Of the visible instances' objects."""
    pending: int
    """Events that are not in DuckDB yet."""
    header_bytes: int
    """Compressed headers on the local disk."""


def read_versions(cursor: DuckDBPyConnection, scope: Scope) -> list[VersionRow]:
    """All versions in the scope, by key and log order."""
    where, values = ["se.study = ?"], [scope.study]
    if scope.series is not None:
        where.append("se.uid = ?")
        values.append(scope.series)
    if scope.instance is not None:
        where.append("i.sop = ?")
        values.append(scope.instance)
    sql = f"""{_SELECT} JOIN studies st ON st.no = se.study_no
              WHERE st.hash = {hash_uid(scope.study)} AND {" AND ".join(where)}
              ORDER BY se.uid, i.sop, i.revision, i.ordinal"""
    return [_row(one) for one in rows_of(cursor, sql, values)]


def read_studies_after(cursor: DuckDBPyConnection, place: str, limit: int) -> list[str]:
    """Study Instance UIDs in the order of `layout.study_place`, behind a place."""
    sql = """SELECT uid FROM (SELECT uid, sha256(uid)[:2] || '/' || uid || '/' AS place FROM studies)
             WHERE place > ? ORDER BY place LIMIT ?"""
    return [uid for (uid,) in rows_of(cursor, sql, [place, limit])]


def read_expired(cursor: DuckDBPyConnection, before: datetime, limit: int) -> list[VersionRow]:
    """Versions that ceased to be visible before that time and still have bytes, the longest gone first."""
    sql = f"""{_SELECT} WHERE i.standing IN ({Standing.HIDDEN}, {Standing.FORMER}) AND i.until_time < ?
              ORDER BY i.until_time, i.row LIMIT ?"""
    return [_row(one) for one in rows_of(cursor, sql, [to_microseconds(before), limit])]


def _row(values: tuple[Any, ...]) -> VersionRow:
    width = len(VERSION_COLUMNS)
    meta_digest, study, series = values[width:]
    version = version_from(values[:width], study, series)
    return VersionRow(
        version.instance,
        meta_digest,
        version.standing,
        Moment(version.instance.revision, version.time),
        version.until,
        version.hidden.revision if version.hidden else 0,
    )


def read_removal(cursor: DuckDBPyConnection, revision: int) -> RemovalInfo | None:
    """The removal of an entry, None if the entry has none. Of several, the first."""
    sql = """SELECT study, series, instance, time, study_hash FROM removals WHERE revision = ?
             ORDER BY ordinal LIMIT 1"""
    for study, series, instance, time, study_hash in rows_of(cursor, sql, [revision]):
        scope = Scope(study, series, instance)
        versions = _hidden(cursor, scope, study_hash, revision)
        instances = {(one.key.series, one.key.instance) for one in versions}
        names = tuple(one.version for one in versions)
        undone = bool(rows_of(cursor, "SELECT 1 FROM restorations WHERE target = ? LIMIT 1", [revision]))
        return RemovalInfo(revision, scope, from_microseconds(time), len(instances), names, undone)
    return None


def read_removals(cursor: DuckDBPyConnection) -> list[RemovalInfo]:
    """The removals that hide instances whose bytes are still there, the last first."""
    sql = f"""SELECT DISTINCT hidden_by FROM instances WHERE hidden_by > 0 AND standing = {Standing.HIDDEN}
              ORDER BY hidden_by DESC"""
    found = [read_removal(cursor, revision) for (revision,) in rows_of(cursor, sql)]
    return [removal for removal in found if removal is not None]


def read_removals_in_force(cursor: DuckDBPyConnection) -> list[RemovalInForce]:
    """The removals that no undelete named."""
    sql = """SELECT revision, ordinal, study, series, instance, time FROM removals
             WHERE revision NOT IN (SELECT target FROM restorations) ORDER BY revision, ordinal"""
    return [
        RemovalInForce(revision, ordinal, Scope(study, series, instance), from_microseconds(time))
        for revision, ordinal, study, series, instance, time in rows_of(cursor, sql)
    ]


def _hidden(cursor: DuckDBPyConnection, scope: Scope, study_hash: int, revision: int) -> list[Instance]:
    narrower = " AND se.uid = ?" if scope.level >= Level.SERIES else ""
    sql = f"""{_SELECT} JOIN studies st ON st.no = se.study_no
              WHERE st.hash = {study_hash} AND i.hidden_by = ? AND i.standing = {Standing.HIDDEN}
              AND se.study = ?{narrower} ORDER BY i.row"""
    values = [revision, scope.study, *([scope.series] if narrower else [])]
    found = [_row(one).instance for one in rows_of(cursor, sql, values)]
    return [one for one in found if scope.covers(one.key)]


def read_statistics(cursor: DuckDBPyConnection, pending: int, header_bytes: int) -> Statistics:
    """Counts and bytes."""
    sql = """SELECT count(*) FILTER (visible > 0), coalesce(sum(series), 0), coalesce(sum(visible), 0),
             coalesce(sum(bytes), 0) FROM studies"""
    ((studies, series, instances, size),) = rows_of(cursor, sql)
    ((versions,),) = rows_of(cursor, "SELECT count(*) FROM instances")
    return Statistics(studies, int(series), int(instances), versions, int(size), pending, header_bytes)
