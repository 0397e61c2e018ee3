"""The checkpoint table: whatever happens to folds, it says what the log says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable, QueryBuilder

from dicomweb.model.keys import Scope
from storage.layout import TABLE, entry_key
from storage.log.checkpoint import WITHOUT_HEADERS, Checkpoint, files_holding
from storage.log.codec import decode_batch, encode_entry
from storage.log.delta import InstancesTable, place_of
from storage.log.errors import DamagedEntry, DamagedTable, FoldFailed
from storage.log.events import Event, Kind
from storage.log.fold import fold
from storage.log.folding import KNOWN, plan_touched
from storage.log.gathering import FoldLimits, Rewriting, plan_rewriting
from storage.log.journal import Journal
from storage.log.rows import BLANKED, CURRENT_VIEW, SCHEMA, place_events, rows_of
from storage.log.snapshot import Snapshot, TableFile
from storage.objects.address import Folder, Memory
from storage.objects.memory import MemoryStore
from tests.storage.log.conftest import Place
from tests.storage.log.make import EPOCH, entry, event, key, labelled, removed, restored, stored, unlabelled
from tests.storage.log.stores import Watched
from tests.storage.log.stories import Row, play, play_labels, random_log

SMALL = FoldLimits(chunk_bytes=1, file_rows=12, small_files=3)
"""A transaction an entry, files of a dozen rows, three small ones are gathered."""

ALL = range(100)
"""Revisions of all that a test stores."""


async def write(place: Place, *log: Sequence[Event], first: int = 1) -> Journal:
    journal = await Journal.open(place.store, node="writer")
    for number, events in enumerate(log, first):
        await journal.append(number, events, f"c{number}")
    return journal


async def rows(place: Place, columns: Sequence[str] = WITHOUT_HEADERS) -> list[dict[str, Any]]:
    reader = Checkpoint(place.store, place.address)
    snapshot = await snapshot_of(place)
    return [row async for batch in reader.read_rows(snapshot, columns) for row in batch.to_pylist()]


async def fates(place: Place) -> dict[str, Row]:
    found = [row for row in await rows(place) if row["kind"] in (Kind.STORED, Kind.LABELLED)]
    assert len(found) == len({row["version"] for row in found})
    return {row["version"]: Row.read(row) for row in found}


async def snapshot_of(place: Place) -> Snapshot:
    table = await asyncio.to_thread(InstancesTable.open, place_of(place.address))
    assert table is not None
    return table.snapshot()


async def test_a_row_says_what_the_event_said(place: Place) -> None:
    one = stored(key(), "v1", number=7)
    await write(place, [event(Kind.CONDEMNED, None, object_key="dicom/x"), one])

    folded, _ = await fold(place.store, place.address)

    assert (folded.last, folded.entries, folded.rows, folded.transactions) == (1, 1, 1, 1)
    [row] = await rows(place, (*WITHOUT_HEADERS, "header"))
    assert one.stored is not None
    image = one.stored.image
    assert image is not None
    expected = {
        **{"kind": "stored", "study": "1.2.1", "series": "1.2.1.1", "instance": "1.2.1.1.1", "version": "v1"},
        **{"since_revision": 1, "ordinal": 1, "until_revision": None, "until_time": None, "state": "current"},
        **{"current": True, "leading": True, "changed_revision": 1, "event_id": one.event_id, "time": one.time},
        **{"node": "node-a", "door": "stow", "peer": "192.0.2.1", "size": 526_000, "data_set_offset": 330},
        **{"digest": one.stored.digest.hex(), "meta_digest": one.stored.meta_digest.hex(), "pixel_vr": "OW"},
        **{"image_rows": image.rows, "image_photometric_interpretation": "MONOCHROME2", "instance_number": 7},
        **{"patient_name": "Doe^Jane=山田^花子", "header": one.stored.header.decode(), "frames": b"\x01frames"},
        **{"file_meta": one.stored.file_meta.decode(), "header_size": one.stored.header_size},
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("seed", range(3))
async def test_folding_bit_by_bit_says_what_the_whole_log_says(folder: Place, seed: int) -> None:
    log = random_log(seed, entries=20)
    await write(folder, *log)

    folded, snapshot = await fold(folder.store, folder.address, limits=SMALL)

    assert folded.transactions == len(log)
    assert snapshot.last == len(log)
    assert await fates(folder) == {**play(log), **play_labels(log)}


@pytest.mark.parametrize("seed", range(10, 13))
async def test_folding_at_once_says_the_same(folder: Place, seed: int) -> None:
    log = random_log(seed, entries=60)
    await write(folder, *log[:40])
    await fold(folder.store, folder.address)
    await write(folder, *log[40:], first=41)

    folded, _ = await fold(folder.store, folder.address)

    assert (folded.entries, folded.transactions) == (20, 1)
    assert await fates(folder) == {**play(log), **play_labels(log)}


async def test_a_fold_in_a_bucket_says_the_same(place: Place) -> None:
    log = random_log(21, entries=20)
    await write(place, *log[:10])
    await fold(place.store, place.address)
    await write(place, *log[10:], first=11)

    await fold(place.store, place.address)

    assert await fates(place) == {**play(log), **play_labels(log)}


async def test_folding_again_changes_nothing(folder: Place) -> None:
    await write(folder, [stored(key())], [removed(key().scope)])
    await fold(folder.store, folder.address)
    before = await snapshot_of(folder)

    folded, _ = await fold(folder.store, folder.address)

    assert (folded.last, folded.entries, folded.transactions) == (2, 0, 0)
    assert await snapshot_of(folder) == before


async def test_a_fold_ends_where_it_is_told_to(folder: Place) -> None:
    await write(folder, [stored(key(), "v1")], [stored(key(instance=2), "v2")])

    folded, _ = await fold(folder.store, folder.address, until=1)

    assert folded.last == 1
    assert set(await fates(folder)) == {"v1"}


async def test_removals_and_undeletes_have_rows_of_their_own(folder: Place) -> None:
    await write(folder, [stored(key())], [removed(Scope("1.2.1"))], [restored(Scope("1.2.1"), 2)])
    await fold(folder.store, folder.address)

    told = {row["kind"]: row for row in await rows(folder)}

    assert told["removed"]["study"] == "1.2.1"
    assert told["removed"]["series"] is None
    assert (told["removed"]["since_revision"], told["removed"]["until_revision"]) == (2, 2)
    assert (told["restored"]["target"], told["restored"]["state"]) == (2, "event")
    assert not any(told[kind]["current"] for kind in ("removed", "restored"))


async def test_a_label_has_a_row_until_it_is_taken_off_or_what_it_is_on_is_removed(folder: Place) -> None:
    study, series = Scope("1.2.1"), Scope("1.2.1", "1.2.1.1")
    put = [labelled(study, "urgent"), labelled(series, "seen"), labelled(study, "teaching")]
    await write(folder, [stored(key()), *put])
    await fold(folder.store, folder.address)
    await write(folder, [unlabelled(study, "urgent"), unlabelled(study, "seen")], [removed(series)], first=2)
    await fold(folder.store, folder.address)

    told = {row["label"]: row for row in await rows(folder) if row["kind"] == "labelled"}

    assert {label: (row["state"], row["until_revision"]) for label, row in told.items()} == {
        "urgent": ("unlabelled", 2),
        "seen": ("removed", 3),
        "teaching": ("label", None),
    }
    assert told["seen"]["series"] == "1.2.1.1"
    assert not any(row["current"] for row in told.values())


async def test_a_fold_of_labels_reads_no_version_of_their_study() -> None:
    events = place_events(
        [(2, decode_batch(encode_entry(entry(2, labelled(Scope("1.2.1"), "x"))), number=2, epoch=EPOCH))]
    )
    there = rows_of(
        place_events(
            [
                (
                    1,
                    decode_batch(
                        encode_entry(entry(1, stored(key()), removed(Scope("1.2.1")))), number=1, epoch=EPOCH
                    ),
                )
            ]
        )
    )

    assert plan_touched(events).matching(there)["kind"].to_pylist() == ["removed"]


async def test_a_purge_blanks_the_header_and_leaves_the_identity(folder: Place) -> None:
    one, other = stored(key(), "v1"), stored(key(instance=2), "v2")
    await write(folder, [one, other], [removed(key().scope)])
    await fold(folder.store, folder.address)
    await write(folder, [event(Kind.PURGED, key().scope, version="v1")], first=3)

    await fold(folder.store, folder.address)

    told = {row["version"]: row for row in await rows(folder, (*WITHOUT_HEADERS, "header"))}
    assert all(told["v1"][name] is None for name in BLANKED)
    assert one.stored is not None
    assert told["v1"]["digest"] == one.stored.digest.hex()
    assert told["v1"]["instance"] == key().instance
    assert told["v2"]["header"] is not None


async def test_two_processes_that_fold_at_once_leave_one_consistent_table(place: Place) -> None:
    log = random_log(5, entries=40)
    await write(place, *log)
    folders = [Checkpoint(place.store, place.address) for _ in range(2)]

    folded = await asyncio.gather(*(one.fold() for one in folders))

    assert [one.last for one in folded] == [40, 40]
    assert await fates(place) == {**play(log), **play_labels(log)}


async def test_folds_side_by_side_in_small_steps_lose_and_double_nothing(folder: Place) -> None:
    log = random_log(6, entries=12)
    await write(folder, *log)

    await asyncio.gather(*(_fold_to_the_end(folder, len(log)) for _ in range(3)))

    assert await fates(folder) == {**play(log), **play_labels(log)}


async def _fold_to_the_end(place: Place, last: int) -> None:
    while True:
        try:
            folded, _ = await fold(place.store, place.address, limits=SMALL)
        except FoldFailed:
            continue
        assert folded.last == last
        return


async def test_a_fold_that_dies_before_its_transaction_leaves_no_trace(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = random_log(7)
    await write(folder, *log)
    await fold(folder.store, folder.address, until=10)

    def dies(*given: object, **named: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr("storage.log.fold_step.place", dies)
        with pytest.raises(RuntimeError):
            await fold(folder.store, folder.address)
    await fold(folder.store, folder.address)

    assert await fates(folder) == {**play(log), **play_labels(log)}


async def test_a_fold_that_dies_after_its_transaction_is_known_to_have_happened(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = random_log(8, entries=10)
    await write(folder, *log)

    async def dies(*given: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr("storage.log.fold._Table.follow", dies)
        with pytest.raises(RuntimeError):
            await fold(folder.store, folder.address, limits=SMALL)
    folded, _ = await fold(folder.store, folder.address)

    assert folded.entries == len(log) - 1
    assert await fates(folder) == {**play(log), **play_labels(log)}


@pytest.mark.parametrize("after", [0.4, 0.7])
async def test_a_folding_process_that_is_killed_does_no_harm(folder: Place, after: float) -> None:
    log = random_log(9, entries=20)
    await write(folder, *log)
    checkpoint = Checkpoint(folder.store, folder.address)
    started = asyncio.create_task(checkpoint.fold())

    await asyncio.sleep(after)
    started.cancel()
    await asyncio.gather(started, return_exceptions=True)
    await Checkpoint(folder.store, folder.address).fold()

    assert await fates(folder) == {**play(log), **play_labels(log)}


async def test_cancelling_a_fold_ends_its_process(folder: Place) -> None:
    await write(folder, [stored(key())])
    started = asyncio.create_task(Checkpoint(folder.store, folder.address).fold())
    await asyncio.sleep(0.2)
    [child] = _children()

    started.cancel()
    await asyncio.gather(started, return_exceptions=True)

    with pytest.raises(ProcessLookupError):
        os.kill(child, signal.SIG_DFL)


def _children() -> list[int]:
    """Processes of this one that fold."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            words = (path / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == os.getpid() and b"storage.log.fold" in words:
            found.append(int(path.name))
    return found


async def test_what_a_fold_wrote_to_a_folder_is_durable(folder: Place) -> None:
    watched = Watched(folder.store)
    await write(folder, [stored(key())])
    watched.done.clear()

    await fold(watched, folder.address)  # type: ignore[arg-type]  # a store by its methods

    settled = {name for what, name in watched.done if what == "settle"}
    snapshot = await snapshot_of(folder)
    log = {f"{TABLE}/_delta_log/{version:020d}.json" for version in (0, 1)}
    assert settled >= {file.key for file in snapshot.files} | log


@pytest.mark.parametrize("torn", ["rows", "log"])
async def test_a_torn_table_in_a_folder_is_built_anew(folder: Place, torn: str) -> None:
    log = random_log(11)
    await write(folder, *log[:20])
    await Checkpoint(folder.store, folder.address).fold()
    assert isinstance(folder.address, Folder)
    table = folder.address.path / TABLE
    names = table.rglob("*.parquet") if torn == "rows" else table.glob("_delta_log/*1.json")
    for path in names:
        os.truncate(path, path.stat().st_size // 2)
    await write(folder, *log[20:], first=21)

    folded = await Checkpoint(folder.store, folder.address).fold()

    assert folded.entries == len(log)
    assert await fates(folder) == {**play(log), **play_labels(log)}


async def test_reading_a_torn_table_says_so(folder: Place) -> None:
    await write(folder, [stored(key())])
    checkpoint = Checkpoint(folder.store, folder.address)
    await checkpoint.fold()
    assert isinstance(folder.address, Folder)
    for path in (folder.address.path / TABLE).rglob("*.parquet"):
        path.unlink()

    with pytest.raises(DamagedTable):
        await checkpoint.read_series_headers("1.2.1", "1.2.1.1", revisions=ALL)


async def test_a_table_of_another_epoch_is_built_anew(folder: Place) -> None:
    await write(folder, [stored(key(), "old")])
    await Checkpoint(folder.store, folder.address).fold()
    format_ = json.loads(await folder.store.get("format.json"))
    await folder.store.put("format.json", [json.dumps(format_ | {"epoch": str(uuid.uuid4())}).encode()])
    await write(folder, [stored(key(instance=2), "new")])

    await Checkpoint(folder.store, folder.address).fold()

    assert set(await fates(folder)) == {"new"}


async def test_a_table_is_rebuilt_on_demand(folder: Place) -> None:
    log = random_log(12, entries=8)
    await write(folder, *log)
    checkpoint = Checkpoint(folder.store, folder.address)
    await checkpoint.fold()

    folded = await checkpoint.rebuild()

    assert folded.entries == 8
    assert await fates(folder) == {**play(log), **play_labels(log)}


async def test_a_damaged_entry_ends_the_fold_before_it(folder: Place) -> None:
    journal = await write(folder, *random_log(13, entries=6))
    await folder.store.put(entry_key(journal.epoch, 4), [b"damaged"])

    folded, _ = await fold(folder.store, folder.address, until=5, limits=FoldLimits(chunk_bytes=1 << 20))

    assert folded.last == 3


async def test_a_fold_that_cannot_begin_says_why(folder: Place) -> None:
    journal = await write(folder, [stored(key())])
    await folder.store.put(entry_key(journal.epoch, 1), [b"damaged"])

    with pytest.raises(DamagedEntry):
        await fold(folder.store, folder.address)
    with pytest.raises(FoldFailed, match="entry 1"):
        await Checkpoint(folder.store, folder.address).fold()


async def test_small_files_are_gathered(folder: Place) -> None:
    log = [[stored(key(instance=n, study=n % 7), f"v{n}")] for n in range(30)]
    await write(folder, *log)

    _, snapshot = await fold(folder.store, folder.address, limits=SMALL)

    assert len(snapshot.files) <= 30 / (SMALL.file_rows / 2) + SMALL.small_files
    assert max(file.rows for file in snapshot.files) <= SMALL.file_rows * 5 / 4
    assert set(await fates(folder)) == {f"v{n}" for n in range(30)}


def test_what_is_written_anew_is_what_changed_and_what_is_small_if_there_is_much_of_it() -> None:
    def file(name: str, rows: int, revision: int, size: int = 100) -> TableFile:
        return TableFile(name, size, rows, ("", ""), (revision, revision))

    limits = FoldLimits(file_rows=10, file_bytes=1000, small_files=3)
    full, heavy = file("full", 5, 1), file("heavy", 1, 2, size=500)
    a, b, c, d = file("a", 4, 3), file("b", 4, 4), file("c", 2, 5), file("d", 2, 6)

    assert plan_rewriting([], [], limits) == Rewriting()
    assert plan_rewriting([full, a, b], [], limits) == Rewriting()
    assert plan_rewriting([full, a, b], ["full", "b"], limits) == Rewriting((), (full, b))
    assert plan_rewriting([d, c, b, a, heavy, full], [], limits) == Rewriting((a, b, c), ())
    assert plan_rewriting([d, c, b, a, full], ["a", "d", "full"], limits) == Rewriting((a, b, c), (full, d))


async def test_the_headers_of_a_series_are_found_in_at_most_two_objects(place: Place) -> None:
    log = [
        [stored(key(series, instance, study=study), number=instance) for instance in range(40)]
        for study in range(1, 11)
        for series in (1, 2)
    ]
    await write(place, *log)
    watched = Watched(place.store)
    checkpoint = Checkpoint(watched, place.address)  # type: ignore[arg-type]  # a store by its methods
    await checkpoint.fold()
    await checkpoint.last_folded()
    watched.done.clear()

    found = await checkpoint.read_series_headers("1.2.4", "1.2.4.2", revisions=ALL)

    expected = {e.stored.version: e.stored.header for events in log for e in events if e.stored}
    assert len(found) == 40
    assert all(found[version] == expected[version] for version in found)
    assert len({name for what, name in watched.done if what == "get"}) <= 2


async def test_long_uids_that_are_alike_are_found(folder: Place) -> None:
    from dataclasses import replace

    from dicomweb.model.keys import InstanceKey

    stem = "1.2.840.113619.2.55.3.604688119.971.1330430456.612"
    keys = [InstanceKey(f"{stem}.{n}999999", f"{stem}.8.{n}", f"{stem}.9.{n}") for n in range(1, 7)]
    events = [stored(one, f"v{n}") for n, one in enumerate(keys)]
    events = [replace(one, stored=replace(one.stored, key=of)) for one, of in zip(events, keys, strict=True)]  # type: ignore[type-var]  # stored is never None here
    await write(folder, *([one] for one in events))
    await fold(folder.store, folder.address, limits=SMALL)
    checkpoint = Checkpoint(folder.store, folder.address)

    for n, of in enumerate(keys):
        assert list(await checkpoint.read_series_headers(of.study, of.series, revisions=ALL)) == [f"v{n}"]
        narrowed = await checkpoint.read_series_headers(of.study, of.series, revisions=[n + 1])
        assert list(narrowed) == [f"v{n}"]


def test_only_files_that_hold_what_an_entry_of_the_series_stored_are_looked_into() -> None:
    files = tuple(TableFile(f"{n}", 1, 1, ("1.2", "1.9"), (10 * n, 10 * n + 9)) for n in range(6))
    snapshot = Snapshot("epoch", 1, 59, files)

    assert [file.path for file in files_holding(snapshot, "1.5", {3, 19, 50})] == ["0", "1", "5"]
    assert list(files_holding(snapshot, "2.1", {3, 19, 50})) == []
    assert list(files_holding(snapshot, "1.5", ())) == []


async def test_a_header_in_an_object_of_its_own_is_left_out(folder: Place) -> None:
    from dataclasses import replace

    large = stored(key(), "large")
    assert large.stored is not None
    await write(
        folder, [replace(large, stored=replace(large.stored, header=b"")), stored(key(instance=2), "small")]
    )
    checkpoint = Checkpoint(folder.store, folder.address)
    await checkpoint.fold()

    assert set(await checkpoint.read_series_headers("1.2.1", "1.2.1.1", revisions=ALL)) == {"small"}


async def test_any_engine_reads_what_is_current(folder: Place) -> None:
    """The example of the documentation: DuckDB over the files that make up the table."""
    await write(
        folder,
        [stored(key(1, n), f"v{n}", number=n) for n in range(1, 4)],
        [stored(key(2, 1), "other")],
        [removed(key(2).scope)],
        [stored(key(1, 1), "newer", number=1)],
    )
    await fold(folder.store, folder.address)
    snapshot = await snapshot_of(folder)
    assert isinstance(folder.address, Folder)
    files = [str(folder.address.path / file.key) for file in snapshot.files]
    instances = ds.dataset(files, format="parquet")  # found by name in the SQL below

    with duckdb.connect() as connection:
        connection.register("instances", instances)
        view = CURRENT_VIEW.removeprefix("CREATE VIEW current AS ")
        found = connection.execute(
            f"SELECT version, patient_name, json_extract_string(header, '$.\"00080060\".Value[0]') "
            f"FROM ({view}) ORDER BY instance_number"
        ).fetchall()

    assert found == [
        ("newer", "Doe^Jane=山田^花子", "CT"),
        ("v2", "Doe^Jane=山田^花子", "CT"),
        ("v3", "Doe^Jane=山田^花子", "CT"),
    ]


async def test_delta_readers_see_the_table_by_its_name_and_columns(folder: Place) -> None:
    await write(folder, [stored(key(), "a")], [stored(key(), "b")], [removed(Scope("1.2.9"))])
    await fold(folder.store, folder.address)
    assert isinstance(folder.address, Folder)

    table = DeltaTable(folder.address.path / TABLE)
    current = table.to_pyarrow_dataset().to_table(
        filter=pc.field("until_revision").is_null() & pc.field("current")
    )

    assert table.metadata().name == "instances"
    assert current["version"].to_pylist() == ["b"]
    query = "SELECT version FROM instances WHERE until_revision IS NULL AND current AND modality = 'CT'"
    answer = QueryBuilder().register("instances", table).execute(query)
    assert pa.table(answer)["version"].to_pylist() == ["b"]


async def test_an_archive_in_memory_has_no_table() -> None:
    checkpoint = Checkpoint(MemoryStore(), Memory())

    assert await checkpoint.snapshot() is None
    assert (await checkpoint.fold()).last == 0
    assert await checkpoint.read_series_headers("1.2", "3.4", revisions=ALL) == {}


async def test_an_archive_nobody_folded_has_no_table(place: Place) -> None:
    checkpoint = Checkpoint(place.store, place.address)

    assert await checkpoint.snapshot() is None
    assert await checkpoint.last_folded() == 0


async def test_a_node_does_not_carry_the_library_that_folds(folder: Place) -> None:
    program = (
        "import sys, storage.log.checkpoint, storage.log.journal; "
        "sys.exit(any(name.startswith('deltalake') for name in sys.modules))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)

    assert await process.wait() == 0


def test_a_snapshot_survives_the_pipe() -> None:
    file = TableFile("x.parquet", 10, 3, ("1.2", "1.3"), (1, 9))
    snapshot = Snapshot("epoch", 4, 9, (file,))

    assert Snapshot.from_json(snapshot.to_json()) == snapshot
    assert pa.table({"x": [1]}).num_rows == 1


async def test_a_snapshot_that_has_grown_too_old_is_looked_up_anew(folder: Place) -> None:
    await write(folder, [stored(key(), "v1")])
    old = Checkpoint(folder.store, folder.address)
    await old.fold()
    await write(folder, [stored(key(), "v2")], first=2)
    before = await snapshot_of(folder)
    await fold(folder.store, folder.address)
    for file in before.files:
        await folder.store.delete(file.key)

    with pytest.raises(DamagedTable):
        await old.read_series_headers("1.2.1", "1.2.1.1", revisions=ALL)

    assert set(await old.read_series_headers("1.2.1", "1.2.1.1", revisions=ALL)) == {"v1", "v2"}


async def test_a_table_made_before_a_column_was_thought_of_is_widened(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(folder, [stored(key(), "v1")])
    narrow = pa.schema([field for field in SCHEMA if field.name not in ("modality", "voided_revision")])
    with monkeypatch.context() as patch:
        for module in ("rows", "fold_step", "delta", "parquet_writes"):
            patch.setattr(f"storage.log.{module}.SCHEMA", narrow)
        patch.setattr("storage.log.fold_step.KNOWN", [name for name in KNOWN if name in narrow.names])
        patch.setattr("storage.log.parquet_writes._STATED", ("study", "series", "since_revision"))
        await fold(folder.store, folder.address)
    await write(folder, [stored(key(), "v2")], first=2)

    await fold(folder.store, folder.address)

    told = {row["version"]: row for row in await rows(folder)}
    assert {name: (row["state"], row["modality"]) for name, row in told.items()} == {
        "v1": ("former", None),
        "v2": ("current", "CT"),
    }
    assert isinstance(folder.address, Folder)
    names = DeltaTable(folder.address.path / TABLE).to_pyarrow_dataset().schema.names
    assert {"modality", "voided_revision"} <= set(names)
