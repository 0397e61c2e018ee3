"""What happened in a study, series or instance, as far as the catalog knows: which entries, and what they came to.

Who did it is told by the entries themselves. What no entry says is worked out here: whether a stored instance was
new or took the place of another, how many a deletion hid, and whether it can still be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomweb.model.history import Deed
from dicomweb.model.keys import InstanceKey, Scope
from storage.catalog.aggregates import SeriesRow
from storage.catalog.as_of import versions_at
from storage.catalog.database import rows_of
from storage.catalog.hashes import hash_uid
from storage.catalog.history import read_removal
from storage.catalog.label_writing import read_label_rows
from storage.catalog.pending import overlaps
from storage.catalog.projection import History, Version, Versions, current_of
from storage.catalog.writing import read_histories, read_versions

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Chronicle:
    """Some entries that concern a scope, the last first."""

    revisions: tuple[int, ...]
    more: bool
    """Whether earlier ones follow."""
    ever: bool
    """Whether anything was ever stored in the scope."""
    deeds: Mapping[str, Deed]
    """What storing each version of these entries came to, by version."""
    turned: Mapping[int, tuple[InstanceKey, ...]]
    """By entry that deleted or restored: the instances of the scope that it hid, or brought back."""
    undoable: frozenset[int]
    """Those that deleted something which can still be brought back."""


_Keys = Mapping[InstanceKey, Versions]


def read_chronicle(cursor: DuckDBPyConnection, scope: Scope, before: int | None, limit: int) -> Chronicle:
    """The last `limit` entries below `before`."""
    keys = _read_keys(cursor, scope)
    whole = read_histories(cursor, [scope.study]).get(scope.study, History())
    here = _within(whole, scope)
    every = {*_numbers(keys.values(), here), *_label_numbers(cursor, scope)}
    numbers = sorted((number for number in every if before is None or number < before), reverse=True)
    page = numbers[:limit]
    removals = {one.position.revision for one in here.removed} & set(page)
    turning = removals | ({one.position.revision for one in here.restored} & set(page))
    return Chronicle(
        tuple(page),
        len(numbers) > limit,
        bool(keys),
        dict(_deeds(keys.values(), whole, set(page))),
        {number: _turned(keys, whole, number) for number in turning},
        frozenset(n for n in removals if (found := read_removal(cursor, n)) is not None and found.hidden),
    )


def _read_keys(cursor: DuckDBPyConnection, scope: Scope) -> _Keys:
    """All versions in the scope by key."""
    sql = """SELECT se.no, se.study_no, se.study, se.uid FROM studies st JOIN series se ON se.study_no = st.no
             WHERE st.hash = ? AND st.uid = ?"""
    rows = [SeriesRow(*row) for row in rows_of(cursor, sql, [hash_uid(scope.study), scope.study])]
    series = [one for one in rows if scope.series in (None, one.uid)]
    found = read_versions(cursor, series) if series else {}
    return {
        InstanceKey(one.study, one.uid, sop): versions
        for one in series
        for sop, versions in found[one.no].keys.items()
        if scope.instance in (None, sop)
    }


def _within(history: History, scope: Scope) -> History:
    """What of a study's removals and undeletes touches the scope."""
    removed = tuple(one for one in history.removed if overlaps(one.scope, scope))
    targets = {one.position.revision for one in removed}
    restored = (one for one in history.restored if one.scope is None or overlaps(one.scope, scope))
    return History(removed, tuple(one for one in restored if one.target in targets))


def _numbers(keys: Iterable[Versions], history: History) -> Iterator[int]:
    """The entries that concern these versions."""
    for one in (one for versions in keys for one in versions):
        yield from (number for number in (one.instance.revision, one.voided, one.purged) if number)
    yield from (one.position.revision for one in history.removed)
    yield from (one.position.revision for one in history.restored)


def _label_numbers(cursor: DuckDBPyConnection, scope: Scope) -> Iterator[int]:
    """The entries that put labels on what lies in the scope, or took them off."""
    for one in read_label_rows(cursor, f"study_hash = {hash_uid(scope.study)}"):
        if scope.covers(one.scope):
            yield from (number for number in (one.position.revision, one.ended) if number)


def _deeds(keys: Iterable[Versions], history: History, page: set[int]) -> Iterator[tuple[str, Deed]]:
    for versions in keys:
        for at, one in enumerate(versions):
            if one.instance.revision in page:
                yield one.instance.version, _deed(versions[:at], one, history)


def _deed(earlier: Versions, one: Version, history: History) -> Deed:
    """What storing a version came to, after these of the same key."""
    if not one.leading:
        return Deed.KEPT
    beside = any(other.leading and other.instance.revision == one.instance.revision for other in earlier)
    there = beside or any(other.visible for other in versions_at(earlier, history, one.instance.revision - 1))
    return Deed.REPLACED if there else Deed.STORED


def _turned(keys: _Keys, history: History, number: int) -> tuple[InstanceKey, ...]:
    """The instances that are there after an entry and were not before it, or the other way round."""

    def there(versions: Versions, at: int) -> bool:
        return current_of(versions_at(versions, history, at)) is not None

    return tuple(
        key for key, versions in keys.items() if there(versions, number - 1) is not there(versions, number)
    )
