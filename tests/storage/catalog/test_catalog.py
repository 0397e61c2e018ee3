"""The catalog as the archive uses it: what it knows at once, what it keeps, what it survives."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dicomweb.model.keys import Level, Scope
from dicomweb.model.query import Query
from storage.catalog.catalog import Catalog
from storage.catalog.database import CatalogBroken, CatalogInUse
from storage.catalog.projection import Standing
from storage.catalog.settings import CatalogSettings
from storage.log.events import Entry, Kind
from tests.storage.catalog.making import (
    BEGIN,
    EPOCH,
    LogHeaders,
    element,
    entry,
    event,
    key,
    purge,
    remove,
    restore,
    store,
    stored,
    void,
)


@pytest.fixture
def origin() -> LogHeaders:
    return LogHeaders()


@pytest.fixture
async def catalog(tmp_path: Path, origin: LogHeaders) -> AsyncIterator[Catalog]:
    async with Catalog(tmp_path, epoch=EPOCH, origin=origin) as made:
        yield made


def opened(folder: Path, origin: LogHeaders, **settings: Any) -> Catalog:
    return Catalog(folder, epoch=EPOCH, origin=origin, settings=CatalogSettings(**settings))


def apply(catalog: Catalog, origin: LogHeaders, *entries: Entry) -> None:
    origin.learn(*entries)
    for one in entries:
        catalog.apply(one)


async def total(catalog: Catalog) -> int:
    return (await catalog.search(Query(Level.INSTANCE))).total


# applying


async def test_an_entry_is_there_as_soon_as_it_is_applied(catalog: Catalog) -> None:
    one = stored(key("1"))

    catalog.apply(entry(1, store(one)))

    assert catalog.applied == 1
    assert (found := await catalog.find(one.key)) is not None
    assert (found.version, found.revision, found.size) == (one.version, 1, one.size)
    assert await catalog.frame_bytes(found) == one.frames
    assert await catalog.bulk_bytes(found) == one.bulk
    assert await catalog.file_meta(found) == one.file_meta
    assert await total(catalog) == 1


async def test_entries_come_in_order_and_once(catalog: Catalog) -> None:
    catalog.apply(entry(3))

    for number in (2, 3):
        with pytest.raises(ValueError, match="comes after 3"):
            catalog.apply(entry(number))


async def test_events_about_object_keys_alone_change_nothing(catalog: Catalog) -> None:
    catalog.apply(entry(1, event(Kind.CONDEMNED, None, object_key="dicom/x")))

    assert catalog.applied == 1
    assert await total(catalog) == 0


async def test_blobs_come_from_duckdb_when_nothing_is_in_memory(catalog: Catalog) -> None:
    large = stored(key("1"), frames=b"f" * 100_000)
    catalog.apply(entry(1, store(large)))
    await catalog.flush()
    catalog._memory.hot.clear()
    found = await catalog.find(large.key)
    assert found is not None

    assert await catalog.frame_bytes(found) == large.frames
    assert await catalog.bulk_bytes(found) == large.bulk
    assert await catalog.file_meta(found) == large.file_meta


async def test_pending_rows_are_written_after_a_while(tmp_path: Path, origin: LogHeaders) -> None:
    async with opened(tmp_path, origin, flush_seconds=0.01) as catalog:
        apply(catalog, origin, entry(1, store(stored(key("1")))))
        await until(lambda: catalog._flusher.durable == 1)

        apply(catalog, origin, entry(2, store(stored(key("2")))))
        await until(lambda: catalog._flusher.durable == 2)


async def test_many_pending_rows_are_written_at_once(tmp_path: Path, origin: LogHeaders) -> None:
    async with opened(tmp_path, origin, flush_seconds=3600.0, flush_rows=3) as catalog:
        apply(catalog, origin, entry(1, *(store(stored(key("1", "1", str(n)))) for n in range(3))))
        await until(lambda: catalog._flusher.durable == 1)


async def test_a_search_that_is_given_up_while_rows_are_written_does_not_double_them(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, began, go = catalog._database.write, asyncio.Event(), asyncio.Event()

    async def slowly(work: Callable[[Any], Any]) -> Any:
        began.set()
        await go.wait()
        return await write(work)

    monkeypatch.setattr(catalog._database, "write", slowly)
    catalog.apply(entry(1, store(stored(key("1")))))
    search = asyncio.create_task(total(catalog))
    await began.wait()
    search.cancel()
    catalog.apply(entry(2, store(stored(key("2")))))
    go.set()

    assert await total(catalog) == 2
    assert (await catalog.statistics()).versions == 2


async def test_a_batch_whose_end_was_not_heard_of_is_not_written_twice(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, failures = catalog._database.write, [OSError("the answer was lost")]

    async def deaf(work: Callable[[Any], Any]) -> Any:
        done = await write(work)
        if failures:
            raise failures.pop()
        return done

    monkeypatch.setattr(catalog._database, "write", deaf)
    catalog.apply(entry(1, store(stored(key("1")))))
    with pytest.raises(OSError, match="lost"):
        await catalog.flush()
    assert "OSError" in catalog.problem
    catalog.apply(entry(2, store(stored(key("2")))))

    assert await total(catalog) == 2
    assert (await catalog.statistics()).versions == 2
    assert catalog.problem == ""


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.005)


def segments(folder: Path) -> list[Path]:
    """The header segments there are."""
    return sorted(folder.glob("headers-*"))


# what is known of a key


async def test_known_tells_current_and_kept_versions(catalog: Catalog) -> None:
    first, other = stored(key("1"), "v1"), stored(key("1"), "v2")
    catalog.apply(entry(1, store(first)))
    catalog.apply(entry(2, store(other, current=False)))

    known = (await catalog.known([key("1"), key("2")]))[key("1")]

    assert known.current is not None
    assert known.current.version == first.version
    assert [(each.version, each.digest) for each in known.visible] == [
        (first.version, first.digest),
        (other.version, other.digest),
    ]


@pytest.mark.parametrize("forget", [False, True])
async def test_the_same_sop_instance_elsewhere_is_noted(catalog: Catalog, forget: bool) -> None:
    here, there = key("1"), key("2")
    there = type(there)(there.study, there.series, here.instance)
    alone = key("3")
    catalog.apply(entry(1, store(stored(here)), store(stored(alone))))
    if forget:
        await catalog.flush()
        catalog._memory.hot.clear()

    async def elsewhere() -> list[bool]:
        known = await catalog.known([here, there, alone])
        return [known[one].elsewhere for one in (here, there, alone)]

    assert await elsewhere() == [False, True, False]
    catalog.apply(entry(2, store(stored(there))))
    assert await elsewhere() == [True, True, False]
    catalog.apply(entry(3, remove(here.scope)))
    assert await elsewhere() == [True, False, False]


async def test_a_series_looked_up_while_entries_come_in_is_complete(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.apply(entry(1, store(stored(key("1", "1", "1")))))
    await catalog.flush()
    catalog._memory.hot.clear()
    read, began, go = catalog._database.read, asyncio.Event(), asyncio.Event()

    async def slowly(work: Callable[[Any], Any]) -> Any:
        found = await read(work)
        began.set()
        await go.wait()
        return found

    monkeypatch.setattr(catalog._database, "read", slowly)
    looking = [asyncio.create_task(catalog.within(Scope("1.1", "1.1.1"))) for _ in range(3)]
    await began.wait()
    catalog.apply(entry(2, store(stored(key("1", "1", "2")))))
    await catalog.flush()
    catalog.apply(entry(3, store(stored(key("1", "1", "3")))))
    go.set()

    for within in await asyncio.gather(*looking):
        assert [one.key.instance for one in within] == ["1.1.1.1", "1.1.1.2", "1.1.1.3"]


async def test_a_bounded_memory_says_the_same(tmp_path: Path, origin: LogHeaders) -> None:
    async with opened(tmp_path, origin, hot_instances=3) as catalog:
        for number in range(1, 9):
            apply(catalog, origin, entry(number, *(store(stored(key(str(number), "1", n))) for n in "12")))
        apply(catalog, origin, entry(9, remove(key("2", "1", "1").scope)))

        assert len(catalog._memory.hot) <= 3
        counts = [(await catalog.status(Scope(f"1.{n}", f"1.{n}.1"))).visible for n in range(1, 9)]
        assert counts == [2, 1, 2, 2, 2, 2, 2, 2]


# scopes


async def test_a_scope_that_was_never_stored_is_told_from_one_that_was_removed(catalog: Catalog) -> None:
    catalog.apply(entry(1, store(stored(key("1")))))
    catalog.apply(entry(2, remove(Scope("1.1"))))

    for scope in (Scope("1.1"), Scope("1.1", "1.1.1"), key("1").scope):
        assert (await catalog.status(scope)).ever
        assert await catalog.within(scope) == []
    for scope in (Scope("1.2"), Scope("1.1", "1.1.2"), key("1", "1", "2").scope, key("2").scope):
        assert not (await catalog.status(scope)).ever


async def test_instances_are_ordered_by_series_number_and_uid(catalog: Catalog) -> None:
    numbers = [("2", "1", 5), ("1", "3", None), ("1", "2", 10), ("1", "1", 9), ("1", "4", 9)]
    catalog.apply(
        entry(
            1,
            *(store(stored(key("1", a, b), **({"instance_number": n} if n else {}))) for a, b, n in numbers),
        )
    )

    within = await catalog.within(Scope("1.1"))

    assert [one.key.instance for one in within] == ["1.1.1.1", "1.1.1.4", "1.1.1.2", "1.1.1.3", "1.1.2.1"]


# removal, undelete, history


async def test_a_removal_of_a_large_series_is_in_force_at_once(catalog: Catalog) -> None:
    many = [store(stored(key("1", "1", str(n)))) for n in range(1100)]
    catalog.apply(entry(1, *many, store(stored(key("1", "2")))))
    catalog.apply(entry(2, remove(Scope("1.1", "1.1.1"))))
    catalog.apply(entry(3, store(stored(key("1", "1", "7"), "v2"))))

    within = await catalog.within(Scope("1.1", "1.1.1"))

    assert [one.version for one in within] == ["1.1.1.7~v2"]
    assert (await catalog.status(Scope("1.1"))).hidden == 1099
    assert await total(catalog) == 2


async def test_a_removal_tells_what_undelete_would_bring_back(catalog: Catalog) -> None:
    first, second, late = (stored(key("1", "1", n), f"v{n}") for n in "123")
    catalog.apply(entry(1, store(first), store(second)))
    catalog.apply(entry(2, remove(Scope("1.1", "1.1.1"), minute=5)))
    catalog.apply(entry(3, store(late)))

    removal = await catalog.removal(2)

    assert removal is not None
    assert (removal.scope, removal.hidden) == (Scope("1.1", "1.1.1"), 2)
    assert removal.versions == (first.version, second.version)
    assert removal.time == BEGIN + timedelta(minutes=5)
    assert [(one.revision, one.undone) for one in await catalog.removals()] == [(2, False)]
    assert await catalog.removal(3) is None
    catalog.apply(entry(4, restore(2, removal.scope)))
    assert await catalog.removals() == []
    assert (await catalog.removal(2)).undone  # type: ignore[union-attr]  # it was there before
    assert (await catalog.removal(2)).hidden == 0  # type: ignore[union-attr]  # it was there before
    assert (await catalog.status(Scope("1.1"))).visible == 3


async def test_versions_tell_their_life(catalog: Catalog) -> None:
    first, second = stored(key("1"), "v1"), stored(key("1"), "v2")
    catalog.apply(entry(1, store(first, minute=1)))
    catalog.apply(entry(2, store(second, minute=2)))
    catalog.apply(entry(3, remove(key("1").scope, minute=3)))

    old, new = await catalog.versions(Scope("1.1"))

    assert (old.standing, new.standing) == (Standing.HIDDEN, Standing.HIDDEN)
    assert (old.since.revision, old.until.revision if old.until else 0) == (1, 2)
    assert (new.since.time, new.until.time if new.until else None) == tuple(
        BEGIN + timedelta(minutes=n) for n in (2, 3)
    )
    assert (old.meta_digest, old.instance.digest) == (first.meta_digest, first.digest)


async def test_retention_is_told_what_has_not_been_visible_for_long(catalog: Catalog) -> None:
    replaced, removed, young, kept = (stored(key(n), "v1") for n in "1234")
    catalog.apply(entry(1, *(store(one) for one in (replaced, removed, young, kept))))
    catalog.apply(entry(2, store(stored(key("1"), "v2"), minute=10), remove(Scope("1.2"), minute=5)))
    catalog.apply(entry(3, remove(Scope("1.3"), minute=30)))

    async def expired(minutes: int, limit: int = 10) -> list[str]:
        found = await catalog.expired(BEGIN + timedelta(minutes=minutes), limit)
        return [one.instance.version for one in found]

    assert await expired(20) == [removed.version, replaced.version]
    assert await expired(20, limit=1) == [removed.version]
    assert await expired(5) == []
    catalog.apply(entry(4, purge(removed)))
    assert await expired(60) == [replaced.version, young.version]


async def test_statistics_count_what_is_visible(catalog: Catalog) -> None:
    catalog.apply(entry(1, *(store(stored(key(study, "1", n))) for study in "12" for n in "12")))
    catalog.apply(entry(2, remove(Scope("1.2"))))
    catalog.apply(entry(3, store(stored(key("1", "1", "1"), "v2"))))
    await catalog.flush()

    found = await catalog.statistics()

    assert (found.studies, found.series, found.instances, found.versions, found.pending) == (1, 1, 2, 5, 0)
    assert found.bytes == sum(one.size for one in await catalog.within(Scope("1.1")))
    assert found.header_bytes > 0


async def test_instances_that_disagree_about_the_patient_are_flagged(catalog: Catalog) -> None:
    catalog.apply(entry(1, store(stored(key("1", "1", "1"), patient_id="P1"))))
    catalog.apply(entry(2, store(stored(key("1", "2", "1"), patient_id="P2"))))
    assert await conflicts(catalog) == [True]

    catalog.apply(entry(3, remove(Scope("1.1", "1.1.1"))))
    assert await conflicts(catalog) == [False]


async def conflicts(catalog: Catalog) -> list[bool]:
    await catalog.flush()
    return await catalog._database.read(
        lambda cursor: [found for (found,) in cursor.execute("SELECT conflict FROM studies").fetchall()]
    )


async def test_a_voided_version_gives_way_to_what_it_replaced(catalog: Catalog) -> None:
    whole, torn = stored(key("1"), "v1"), stored(key("1"), "v2")
    catalog.apply(entry(1, store(whole)))
    catalog.apply(entry(2, store(torn)))
    catalog.apply(entry(3, void(torn)))

    found = await catalog.find(key("1"))

    assert found is not None
    assert found.version == whole.version


async def test_a_purge_leaves_nothing_of_the_header_behind(
    tmp_path: Path, catalog: Catalog, origin: LogHeaders
) -> None:
    secret, other = stored(key("1"), patient_name="Secret^Name"), stored(key("1", "1", "2"), patient_name="Other")
    apply(catalog, origin, entry(1, store(secret), store(other)))
    await catalog.flush()
    places = await catalog._database.read(
        lambda cursor: cursor.execute("SELECT segment FROM instances").fetchall()
    )
    apply(catalog, origin, entry(2, purge(secret)))
    await catalog.flush()

    assert places == [(1,), (1,)]
    (segment,) = segments(tmp_path)
    assert segment.read_bytes().strip(b"\0") == b""
    rows = await catalog._database.read(
        lambda cursor: cursor.execute("SELECT * FROM instances WHERE version = ?", [secret.version]).fetchall()
    )
    assert "Secret" not in str(rows)
    assert secret.digest in rows[0]
    (left,) = await catalog.within(Scope("1.1"))
    assert [one.json async for some in catalog.headers([left]) for one in some] == [other.header]
    assert origin.fetched == [other.version]


# headers


async def test_headers_come_from_memory_and_then_from_the_local_disk(catalog: Catalog, origin: LogHeaders) -> None:
    made = [stored(key("1", a, str(b)), instance_number=b) for a in "12" for b in range(300)]
    catalog.apply(entry(1, *(store(one) for one in made)))
    within = await catalog.within(Scope("1.1"))
    told = {one.key: one.header for one in made}

    for _ in range(2):
        headers = [one async for some in catalog.headers(within) for one in some]
        assert [one.instance for one in headers] == within
        assert all(one.json == told[one.instance.key] for one in headers)
        await catalog.flush()
        catalog._memory.hot.clear()
    assert origin.fetched == []


async def test_headers_that_are_gone_are_fetched_together_and_kept(
    tmp_path: Path, catalog: Catalog, origin: LogHeaders
) -> None:
    made = [stored(key("1", "1", str(n)), instance_number=n) for n in range(5)]
    apply(catalog, origin, entry(1, *(store(one) for one in made)))
    await catalog.flush()
    (segment,) = segments(tmp_path)
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    segment.write_bytes(damaged)
    within = await catalog.within(Scope("1.1"))

    for _ in range(2):
        headers = [one.json async for some in catalog.headers(within) for one in some]
        await catalog._headers.close()
        assert headers == [one.header for one in made]
        assert sorted(origin.fetched) == sorted(one.version for one in made)


async def test_old_header_segments_make_room_for_new_ones(tmp_path: Path, origin: LogHeaders) -> None:
    async with opened(tmp_path, origin, header_bytes=20_000, segment_bytes=4_000) as catalog:
        noise = [random.Random(n).randbytes(1000).hex() for n in range(60)]
        made = [stored(key(str(n)), more={"00091001": element("UT", text)}) for n, text in enumerate(noise)]
        for number, one in enumerate(made, start=1):
            apply(catalog, origin, entry(number, store(one)))
            await catalog.flush()

        assert sum(path.stat().st_size for path in segments(tmp_path)) <= 20_000
        for one, local in ((made[-1], True), (made[0], False)):
            origin.fetched.clear()
            within = await catalog.within(Scope(one.key.study))
            assert [h.json async for some in catalog.headers(within) for h in some] == [one.header]
            assert (origin.fetched == []) is local


# opening


async def test_a_catalog_goes_on_where_it_was_closed(tmp_path: Path, origin: LogHeaders) -> None:
    async with opened(tmp_path, origin) as catalog:
        apply(catalog, origin, entry(1, store(stored(key("1")))), entry(2, remove(Scope("1.1"))))
    async with opened(tmp_path, origin) as catalog:
        assert catalog.applied == 2
        apply(catalog, origin, entry(3, restore(2, Scope("1.1"))), entry(4, store(stored(key("1", "2")))))
        assert (await catalog.status(Scope("1.1"))).visible == 2
    async with opened(tmp_path, origin) as catalog:
        assert catalog.applied == 4
        assert await total(catalog) == 2


_KILLED = """
import asyncio, os, sys
from pathlib import Path
from tests.storage.catalog.making import EPOCH, LogHeaders, entry, key, store, stored
from storage.catalog.catalog import Catalog

async def main():
    catalog = await Catalog(Path(sys.argv[1]), epoch=EPOCH, origin=LogHeaders()).__aenter__()
    for number in range(1, 21):
        catalog.apply(entry(number, store(stored(key(str(number)))), store(stored(key("99", "1", str(number))))))
        if number == 15:
            await catalog.flush()
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


async def test_a_killed_node_knows_how_far_it_had_come(tmp_path: Path, origin: LogHeaders) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _KILLED, str(tmp_path))
    assert await process.wait() == -9

    async with opened(tmp_path, origin) as catalog:
        assert catalog.applied == 15
        assert await total(catalog) == 30
        assert (await catalog.status(Scope("1.99"))).visible == 15


async def test_a_catalog_of_another_epoch_is_begun_anew(tmp_path: Path, origin: LogHeaders) -> None:
    async with opened(tmp_path, origin) as catalog:
        apply(catalog, origin, entry(1, store(stored(key("1")))))

    async with Catalog(tmp_path, epoch="e2", origin=origin) as catalog:
        assert catalog.applied == 0
        assert await total(catalog) == 0
        assert segments(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b"not a database" * 1000])
async def test_a_damaged_catalog_is_begun_anew(tmp_path: Path, origin: LogHeaders, damage: bytes) -> None:
    async with opened(tmp_path, origin) as catalog:
        apply(catalog, origin, entry(1, store(stored(key("1")))))
    (tmp_path / "catalog.duckdb").write_bytes(damage)

    async with opened(tmp_path, origin) as catalog:
        assert catalog.applied == 0
        apply(catalog, origin, entry(1, store(stored(key("1")))))
        assert await total(catalog) == 1


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
async def test_a_file_cut_short_is_begun_anew(tmp_path: Path, origin: LogHeaders, share: float) -> None:
    async with opened(tmp_path, origin) as catalog:
        apply(catalog, origin, entry(1, *(store(stored(key(str(n)))) for n in range(300))))
    file = tmp_path / "catalog.duckdb"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])

    async with opened(tmp_path, origin) as catalog:
        assert catalog.applied == 0
        apply(catalog, origin, entry(1, store(stored(key("1")))))
        assert await total(catalog) == 1


async def test_a_file_that_breaks_in_use_is_begun_anew_at_the_next_start(
    tmp_path: Path, origin: LogHeaders
) -> None:
    def broken(*_: Any) -> None:
        raise duckdb.IOException("checksum")

    async with opened(tmp_path, origin) as catalog:
        apply(catalog, origin, entry(1, store(stored(key("1")))))
        with pytest.raises(CatalogBroken):
            await catalog._database.read(broken)

    async with opened(tmp_path, origin) as catalog:
        assert catalog.applied == 0


async def test_two_processes_cannot_share_a_folder(tmp_path: Path, origin: LogHeaders) -> None:
    async with opened(tmp_path, origin):
        with pytest.raises(CatalogInUse):
            await opened(tmp_path, origin).__aenter__()


async def test_opening_and_closing_leaks_nothing(tmp_path: Path, origin: LogHeaders) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def once() -> None:
        async with opened(tmp_path, origin) as catalog:
            apply(catalog, origin, entry(catalog.applied + 1, store(stored(key(str(catalog.applied))))))
            within = await catalog.within(Scope(f"1.{catalog.applied - 1}"))
            await catalog.flush()
            _ = [one async for one in catalog.headers(within)]

    await once()
    before = descriptors()
    for _ in range(10):
        await once()
    assert descriptors() <= before
