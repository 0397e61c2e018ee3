"""What a batch of events makes of the rows of its series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from storage.catalog.aggregates import SeriesRow
from storage.catalog.folding import SeriesFold
from storage.catalog.hot import version_of
from storage.catalog.lookup import SeriesKey
from storage.catalog.pending import PendingEvent
from storage.catalog.projection import Version
from storage.catalog.rows import facts_of, instance_values
from storage.catalog.segments import BlockPlace, HeaderPlace
from storage.catalog.writing import SeriesVersions


@dataclass(slots=True)
class Changes:
    """What a batch will write."""

    rows: Mapping[str, int] = field(default_factory=dict)
    """Row numbers of new versions, by version."""
    instances: list[tuple[Any, ...]] = field(default_factory=list)
    updates: list[Version] = field(default_factory=list)
    purged: list[int] = field(default_factory=list)
    """Rows to blank."""
    blocks: set[BlockPlace] = field(default_factory=set)
    """Header blocks to blank."""
    series: dict[SeriesKey, SeriesRow] = field(default_factory=dict)
    known_series: set[int] = field(default_factory=set)
    """Numbers of series that DuckDB has already, so that their rows are replaced."""
    known_studies: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class NewRows:
    """The rows of new versions in the making."""

    numbers: Mapping[str, int]
    """Row numbers by version."""
    places: Mapping[str, HeaderPlace | None]
    """Where headers lie, by version."""
    rows: list[tuple[Any, ...]]


def append(row: SeriesRow, items: Sequence[PendingEvent], new: NewRows) -> None:
    """Count instances that are new, in a series where nothing else happened."""
    for item in items:
        stored = item.event.stored
        assert stored is not None, "only first versions are appended"
        number = new.numbers[stored.version]
        version = version_of(stored, item.event, item.revision, item.ordinal, row=number)
        facts = facts_of(version, stored)
        row.add(facts)
        row.changed = item.revision
        place = new.places.get(stored.version)
        new.rows.append(instance_values(version, stored, facts, (row.study_no, row.no), place))


def fold_in(
    row: SeriesRow,
    series: SeriesFold,
    known: SeriesVersions,
    items: Sequence[PendingEvent],
    new: NewRows,
    changes: Changes,
) -> SeriesRow:
    """A series in which versions were replaced, hidden or brought back, counted anew."""
    series.keys.update(known.keys)
    before = series.versions()
    facts = known.facts
    series.run(items, new.numbers)
    after = series.versions()
    for item in items:
        if (stored := item.event.stored) is not None:
            version = after[new.numbers[stored.version]]
            facts[version.row] = facts_of(version, stored)
            place = new.places.get(stored.version)
            values = instance_values(version, stored, facts[version.row], (row.study_no, row.no), place)
            new.rows.append(values)
    for number, version in after.items():
        if number in before and version != before[number]:
            changes.updates.append(version)
            if version.purged and not before[number].purged:
                changes.purged.append(number)
                changes.blocks.update([known.blocks[number]] if number in known.blocks else [])
    current = [facts[one.row] for one in series.current()]
    return row.recounted(current, hidden=series.hidden, changed=series.changed)
