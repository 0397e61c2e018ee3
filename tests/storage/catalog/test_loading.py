"""A node on an empty disk loads the checkpoint table and says the same as one that applied the log."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from dicomweb.model.instance import Original
from dicomweb.model.keys import Scope
from storage.catalog.catalog import Catalog
from storage.log.checkpoint import WITHOUT_HEADERS
from storage.log.codec import decode_batch, encode_entry
from storage.log.events import Entry
from storage.log.folding import KNOWN, plan_fold
from storage.log.rows import SCHEMA, place_events
from tests.storage.catalog.making import EPOCH, LogHeaders, entry, key, remove, restore, store, stored
from tests.storage.catalog.test_replay import Script, Step, agree, steps


async def table_of(entries: Sequence[Entry]) -> AsyncIterator[pa.RecordBatch]:
    """The checkpoint table of a log, a few rows at a time."""
    batches = [(one.number, decode_batch(encode_entry(one), number=one.number, epoch=EPOCH)) for one in entries]
    rows = plan_fold(place_events(batches), SCHEMA.empty_table().select(KNOWN).append_column("file", [[]])).rows
    for batch in rows.select(WITHOUT_HEADERS).to_batches(max_chunksize=3):
        yield batch


def whole(step: Step) -> Step:
    """The table knows undeletes by their scope."""
    return Step(step.kind, step.pick, step.flag or step.kind == "restore", step.ends, step.then)


@given(steps)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_a_loaded_catalog_agrees_with_the_log(script: list[Step]) -> None:
    made = Script()
    for step in script:
        made.take(whole(step))
    if not made.entries:
        return
    origin = LogHeaders()
    origin.learn(*made.entries)
    with tempfile.TemporaryDirectory() as folder:
        async with Catalog(Path(folder) / "a", epoch=EPOCH, origin=origin) as applied:
            for one in made.entries:
                applied.apply(one)
            await applied.flush()
            expected = await aggregates(applied)
        async with Catalog(Path(folder) / "b", epoch=EPOCH, origin=origin) as loaded:
            await loaded.load(table_of(made.entries), len(made.entries))
            assert loaded.applied == len(made.entries)
            await agree(loaded, made.entries)
            assert await aggregates(loaded) == expected


async def aggregates(catalog: Catalog) -> list[list[tuple[Any, ...]]]:
    """All rows of studies and series but for the numbers that only this file knows."""
    return [
        await catalog._database.read(
            lambda cursor, sql=sql: sorted(cursor.execute(sql).fetchall(), key=repr)  # type: ignore[misc]
        )
        for sql in (
            "SELECT * EXCLUDE (no, last_row) FROM studies",
            "SELECT * EXCLUDE (no, study_no, last_row) FROM series",
        )
    ]


async def test_what_comes_after_the_table_is_applied_on_top(tmp_path: Path) -> None:
    first, second = stored(key("1"), "v1"), stored(key("1", "1", "2"), "v1")
    log = [entry(1, store(first)), entry(2, remove(Scope("1.1")))]
    later = [entry(3, store(second)), entry(4, restore(2, Scope("1.1")))]
    origin = LogHeaders()
    origin.learn(*log, *later)

    async with Catalog(tmp_path, epoch=EPOCH, origin=origin) as catalog:
        await catalog.load(table_of(log), 2)
        for one in later:
            catalog.apply(one)

        within = await catalog.within(Scope("1.1"))
        headers = [one async for some in catalog.headers(within) for one in some]

    assert [one.version for one in within] == [first.version, second.version]
    assert [one.json for one in headers] == [first.header, second.header]
    assert origin.fetched == [first.version]


async def test_a_load_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[pa.RecordBatch]:
        async for batch in table_of([entry(1, store(stored(key("1"))))]):
            yield batch
        raise ConnectionError("the store went away")

    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders()) as catalog:
        with pytest.raises(ConnectionError):
            await catalog.load(broken(), 1)

        assert catalog.applied == 0
        assert await catalog.find(key("1")) is None
        await catalog.load(table_of([entry(1, store(stored(key("1"))))]), 1)
        assert await catalog.find(key("1")) is not None


async def test_only_an_empty_catalog_is_loaded(tmp_path: Path) -> None:
    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders()) as catalog:
        catalog.apply(entry(1, store(stored(key("1")))))

        with pytest.raises(ValueError, match="empty"):
            await catalog.load(table_of([]), 1)


async def test_what_an_instance_was_when_it_came_is_known_after_a_load_and_after_a_restart(tmp_path: Path) -> None:
    original = Original(b"d" * 32, 526_338, "1.2.840.10008.1.2.1")
    converted, plain = replace(stored(key("1"), "v1"), original=original), stored(key("2"), "v1")
    log = [entry(1, store(converted), store(plain))]

    async def originals(catalog: Catalog) -> list[Original | None]:
        return [one.original for each in ("1", "2") for one in await catalog.within(key(each).scope)]

    async with Catalog(tmp_path / "applied", epoch=EPOCH, origin=LogHeaders()) as catalog:
        catalog.apply(log[0])
        assert await originals(catalog) == [original, None]
        await catalog.flush()
    async with Catalog(tmp_path / "applied", epoch=EPOCH, origin=LogHeaders()) as catalog:
        assert await originals(catalog) == [original, None]
    async with Catalog(tmp_path / "loaded", epoch=EPOCH, origin=LogHeaders()) as catalog:
        await catalog.load(table_of(log), 1)
        assert await originals(catalog) == [original, None]
