"""What a load makes in bulk is, row by row and byte by byte, what applying the log makes one by one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings

from dicomweb.model.keys import Scope
from storage.catalog import loading, loading_sums, schema
from storage.catalog.catalog import Catalog
from storage.catalog.loading_numbers import Numbers
from storage.catalog.loading_rows import run_starts, wanted_columns
from storage.log.checkpoint import WITHOUT_HEADERS
from storage.log.codec import decode_batch, encode_entry
from storage.log.events import Entry, StoredVersion
from storage.log.folding import KNOWN, plan_fold
from storage.log.rows import SCHEMA, place_events
from tests.storage.catalog.making import (
    EPOCH,
    LogHeaders,
    entry,
    key,
    label,
    purge,
    remove,
    restore,
    store,
    stored,
    unlabel,
    void,
)

NAMES = (
    "Doe^Jane",
    "doe^JANE ^",
    "Müller^Änne",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "=山田^太郎",
    "Wang^XiaoDong=王^小東\\Second^Name",
    'O"Neill^\\Back^Slash',
    "Łukasz^\t^😀",
)
TEXTS = ("CHEST", 'with "quotes" and \\ more', "Größe", "漢字", "two\\values", "\\second", "a", "\x1f\u2028")


def table_rows(entries: Sequence[Entry]) -> pa.Table:
    """The checkpoint table of a log."""
    batches = [(one.number, decode_batch(encode_entry(one), number=one.number, epoch=EPOCH)) for one in entries]
    known = SCHEMA.empty_table().select(KNOWN).append_column("file", [[]])
    return plan_fold(place_events(batches), known).rows.select(wanted_columns(WITHOUT_HEADERS))


async def in_batches(rows: pa.Table, size: int) -> AsyncIterator[pa.RecordBatch]:
    for batch in rows.combine_chunks().to_batches(max_chunksize=size):
        yield batch


async def contents(catalog: Catalog) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, but for the numbers that a file gives in the order of arrival."""
    parents = "SELECT uid FROM {} p WHERE p.no = t.{}"
    series = f"({parents.format('series', 'series_no')}), ({parents.format('studies', 'study_no')})"
    places = ", ".join(("row", "segment", "block", "block_size", "start", "length", "study_no", "series_no"))
    version = '(SELECT version FROM instances i WHERE i."row" = t.last_row)'
    questions = {
        "instances": f"SELECT * EXCLUDE ({places}), {series} FROM instances t",
        "series": f"SELECT * EXCLUDE (no, study_no, last_row), {version} FROM series t",
        "studies": f"SELECT * EXCLUDE (no, last_row), {version} FROM studies t",
        "removals": "SELECT * FROM removals",
        "restorations": "SELECT * EXCLUDE time FROM restorations",
        "labels": "SELECT * FROM labels",
        "meta": "SELECT * FROM meta",
    }
    return {
        name: await catalog._database.read(
            lambda cursor, sql=sql: sorted(cursor.execute(sql).fetchall(), key=repr)  # type: ignore[misc]
        )
        for name, sql in questions.items()
    }


async def both(entries: Sequence[Entry], rows: pa.Table, size: int) -> None:
    """Apply the log to one catalog and load its table into another: they hold the same."""
    origin = LogHeaders()
    origin.learn(*entries)
    with tempfile.TemporaryDirectory() as folder:
        async with Catalog(Path(folder) / "a", epoch=EPOCH, origin=origin) as applied:
            for one in entries:
                applied.apply(one)
                await applied.flush()  # what comes and goes within a batch is blank, and a table knows no batches
            expected = await contents(applied)
        async with Catalog(Path(folder) / "b", epoch=EPOCH, origin=origin) as loaded:
            await loaded.load(in_batches(rows, size), len(entries))
            found = await contents(loaded)
    for name, wanted in expected.items():
        assert found[name] == wanted, name


def maybe(values: Sequence[str]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


parents = st.fixed_dictionaries(
    {
        "patient_name": maybe(NAMES),
        "patient_id": maybe(("P1", "P2", "Ü")),
        "referring_physician_name": maybe(NAMES),
        "study_date": maybe(("20240131", "2024", "20240229\\20240301", "not a date")),
        "study_time": maybe(("1203", "120304.5", "x")),
        "study_description": maybe(TEXTS),
        "timezone_offset": maybe(("+0100",)),
        "modality": maybe(("CT", "MR", "CT\\MR")),
        "series_number": st.none() | st.integers(-3, 3),
        "series_description": maybe(TEXTS),
        "performing_physician_name": maybe(NAMES),
    }
)
made = st.lists(
    st.tuples(
        st.sampled_from(["1", "2"]),
        st.sampled_from(["1", "2", "3"]),
        st.integers(1, 4),
        parents,
        st.booleans(),
        st.sampled_from(["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"]),
    ),
    min_size=1,
    max_size=14,
)


@given(made, st.integers(1, 5), st.integers(1, 3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_every_row_is_the_same_whatever_values_there_are(
    made: list[tuple[Any, ...]], size: int, an_entry: int
) -> None:
    events = [
        store(
            stored(
                key(study, series, str(number)),
                f"v{at}",
                transfer_syntax=syntax,
                **{name: value for name, value in columns.items() if value is not None},
            ),
            current=current,
        )
        for at, (study, series, number, columns, current, syntax) in enumerate(made)
    ]
    groups = [events[at : at + an_entry] for at in range(0, len(events), an_entry)]
    entries = [entry(number, *group) for number, group in enumerate(groups, 1)]

    await both(entries, table_rows(entries), size)


def version(number: int, *, series: str = "1", name: str = "A^B", **columns: Any) -> StoredVersion:
    return stored(key("1", series, str(number)), f"v{number}-{name}", patient_name=name, **columns)


async def test_a_series_that_is_split_over_files_and_mixed_with_others_is_one_series() -> None:
    entries = [
        entry(at, store(version(at, series=str(at % 3), name=f"N{at % 2}^X", modality="CT", instance_number=at)))
        for at in range(1, 13)
    ]

    rows = table_rows(entries)

    await both(entries, pa.concat_tables([rows.slice(7), rows.slice(0, 4), rows.slice(4, 3)]), 5)


async def test_what_was_removed_brought_back_replaced_kept_voided_and_removed_in_part_counts_as_in_the_log() -> (
    None
):
    first, again, beside = version(1), version(1, name="C^D"), version(1, name="E^F")
    second, third, gone = version(2, series="2"), version(3, series="2", name="G^H"), version(4, series="3")
    entries = [
        entry(1, store(first), store(second)),
        entry(2, remove(Scope("1.1", "1.1.2"), minute=2)),
        entry(3, store(again, minute=3)),
        entry(4, store(third, minute=4)),
        entry(5, store(beside, current=False, minute=5)),
        entry(6, restore(2, Scope("1.1", "1.1.2"), minute=6)),
        entry(7, void(third)),
        entry(8, remove(second.key.scope, minute=8)),
        entry(9, store(gone, minute=9)),
        entry(10, purge(gone)),
    ]

    await both(entries, table_rows(entries), 3)


async def test_labels_put_on_taken_off_hidden_and_back_are_as_in_the_log() -> None:
    study, series = Scope("1.1"), Scope("1.1", "1.1.1")
    entries = [
        entry(1, store(version(1)), label(study, "a"), label(study, "b"), label(series, "c")),
        entry(2, unlabel(study, "a", minute=2), label(study, "a", minute=2)),
        entry(3, remove(series, minute=3), label(version(1).key.scope, "d")),
        entry(4, remove(study, minute=4)),
        entry(5, unlabel(study, "b", minute=5), unlabel(study, "x")),
        entry(6, restore(4, study, minute=6)),
        entry(7, unlabel(series, "c", minute=7), label(Scope("1.9"), "e")),
    ]

    await both(entries, table_rows(entries), 3)


async def test_a_study_of_which_nothing_is_visible_has_its_row_all_the_same() -> None:
    entries = [entry(1, store(version(1)), store(version(2))), entry(2, remove(Scope("1.1"), minute=1))]

    await both(entries, table_rows(entries), 10)


async def test_studies_beyond_those_that_are_added_up_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading_sums, "_TOGETHER", 2)
    events = [
        store(stored(key(str(study), str(series)), f"v{study}{series}", patient_name=f"N{study}", modality="CT"))
        for study in range(1, 8)
        for series in range(1, 3)
    ]
    entries = [entry(1, *events)]

    await both(entries, table_rows(entries), 4)


def some_studies(monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Fourteen series, to be loaded by many transactions."""
    monkeypatch.setattr(loading, "_ROWS_TOGETHER", 4)
    monkeypatch.setattr(loading_sums, "_TOGETHER", 2)
    monkeypatch.setattr(loading_sums, "_SETTLED_TOGETHER", 3)
    events = [
        store(stored(key(str(study), str(series)), f"v{study}{series}", patient_name=f"N{study}", modality="CT"))
        for study in range(1, 8)
        for series in range(1, 3)
    ]
    return [entry(1, *events), entry(2, remove(Scope("1.2")))]


async def test_a_load_by_many_transactions_is_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = some_studies(monkeypatch)

    await both(entries, table_rows(entries), 3)


@pytest.mark.parametrize("taken", [2, 9, 14])
async def test_what_a_load_left_that_was_killed_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    entries, left = some_studies(monkeypatch), tmp_path / "left"

    async def killed() -> AsyncIterator[pa.RecordBatch]:
        rows = 0
        async for batch in in_batches(table_rows(entries), 1):
            yield batch
            rows += 1
            if rows == taken:
                shutil.copytree(tmp_path / "node", left, ignore=shutil.ignore_patterns("lock"))

    async with Catalog(tmp_path / "node", epoch=EPOCH, origin=LogHeaders()) as whole:
        await whole.load(killed(), 2)
        expected = await contents(whole)

    async with Catalog(left, epoch=EPOCH, origin=LogHeaders()) as catalog:
        assert catalog.applied == 0
        assert not (await contents(catalog))["instances"]
        await catalog.load(in_batches(table_rows(entries), 5), 2)
        assert await contents(catalog) == expected


async def test_a_load_tells_how_far_it_is(tmp_path: Path) -> None:
    entries = [entry(1, *(store(version(number)) for number in range(1, 8)))]
    told: list[int] = []

    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders()) as catalog:
        await catalog.load(in_batches(table_rows(entries), 3), 1, told.append)

    assert told == [3, 6, 7]


async def test_a_load_that_breaks_off_while_rows_are_taken_in_leaves_nothing(tmp_path: Path) -> None:
    entries = [entry(1, *(store(version(number)) for number in range(1, 8)))]
    rows = table_rows(entries)

    async def broken() -> AsyncIterator[pa.RecordBatch]:
        async for batch in in_batches(rows, 2):
            yield batch
            if batch["instance"][0].as_py() == "1.1.1.3":
                raise ConnectionError

    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders()) as catalog:
        with pytest.raises(ConnectionError):
            await catalog.load(broken(), 1)
        assert {name: len(rows) for name, rows in (await contents(catalog)).items()} == {
            **dict.fromkeys(("instances", "series", "studies", "removals", "restorations", "labels"), 0),
            "meta": 1,
        }


async def test_a_loaded_catalog_takes_what_comes_next(tmp_path: Path) -> None:
    log = [entry(1, store(version(1)), store(version(2, series="2")))]
    later = [entry(2, store(version(1, name="Z^Z"))), entry(3, purge(version(2, series="2")))]
    origin = LogHeaders()
    origin.learn(*log, *later)
    async with Catalog(tmp_path / "a", epoch=EPOCH, origin=origin) as applied:
        for one in (*log, *later):
            applied.apply(one)
            await applied.flush()
        expected = await contents(applied)

    async with Catalog(tmp_path / "b", epoch=EPOCH, origin=origin) as catalog:
        await catalog.load(in_batches(table_rows(log), 10), 1)
        for one in later:
            catalog.apply(one)
        await catalog.flush()

        assert await contents(catalog) == expected


@given(st.lists(st.lists(st.sampled_from([f"1.2.{n}" for n in range(30)]), max_size=12), max_size=12))
@example([["a", "b"], ["b", "c"], ["a", "c", "d"]])
def test_names_are_numbered_at_first_sight_wherever_they_lie(groups: list[list[str]]) -> None:
    numbers, expected = Numbers(merge_at=5), dict[str, int]()

    for names in groups:
        found, fresh = numbers.of(names)
        for name, number, new in zip(names, found, fresh, strict=True):
            assert new == (name not in expected)
            assert number == expected.setdefault(name, len(expected) + 1)

    assert len(numbers) == len(expected)


@given(st.lists(st.tuples(*[st.sampled_from([None, "", "a", "b"])] * 2, st.none()), min_size=1, max_size=20))
def test_runs_begin_where_any_column_changes(rows: list[tuple[str | None, ...]]) -> None:
    columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]

    starts = run_starts(pa.table(columns, names=["x", "y", "z"])).tolist()

    assert starts == [at for at in range(len(rows)) if at == 0 or rows[at] != rows[at - 1]]


def test_a_load_needs_every_column_that_instances_have() -> None:
    there = set(wanted_columns(WITHOUT_HEADERS))
    computed = {"row", "sop", "revision", "standing", "hidden_by", "hidden_at", "purged", "voided", "changed"}
    computed |= {"image", "study_no", "series_no", "hash", "print", "attributes"}
    computed |= {"segment", "block", "block_size", "start", "length"}

    assert set(schema.INSTANCES.columns) - computed <= there
