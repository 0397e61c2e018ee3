"""Promises about cost: what the catalog answers without asking DuckDB, and what it costs to keep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from dicomweb.model.keys import Level, Scope
from dicomweb.model.query import Match, OneOf, Query, Wildcard
from storage.catalog.catalog import Catalog
from tests.storage.catalog.making import EPOCH, LogHeaders, element, entry, key, label, remove, store, stored

SERIES = Scope("1.1", "1.1.1")


class Counted:
    """How often the threads of the catalog are asked."""

    def __init__(self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts = {"read": 0, "write": 0, "slow": 0}
        for lane in self.counts:
            monkeypatch.setattr(catalog._database, lane, self._counting(lane, getattr(catalog._database, lane)))

    def _counting(self, lane: str, work: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*given: Any) -> Any:
            self.counts[lane] += 1
            return await work(*given)

        return counted

    def taken(self) -> int:
        """Questions since the last time."""
        found = sum(self.counts.values())
        self.counts = dict.fromkeys(self.counts, 0)
        return found


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders()) as made:
        made.apply(entry(1, *(store(stored(key("1", "1", str(n)))) for n in range(50))))
        await made.flush()
        yield made


@pytest.fixture
def counted(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(catalog, monkeypatch)


async def test_new_series_and_series_in_use_are_judged_without_a_query(catalog: Catalog, counted: Counted) -> None:
    await catalog.known([key("2", "1", str(n)) for n in range(50)])
    await catalog.known([key("1", "1", str(n)) for n in range(100)])
    await catalog.known([key("1", "2", "1")])
    catalog.apply(entry(2, store(stored(key("1", "1", "99"))), remove(key("1", "1", "5").scope)))
    await catalog.known([key("1", "1", "99"), key("1", "1", "5")])

    assert counted.taken() == 0


async def test_frames_of_a_series_cost_one_lookup(catalog: Catalog, counted: Counted) -> None:
    catalog._memory.hot.clear()

    for n in range(50):
        found = await catalog.find(key("1", "1", str(n)))
        assert found is not None
        assert await catalog.frame_bytes(found) == b"frames"
        assert (await catalog.status(SERIES)).visible == 50
        await catalog.status(found.key.scope)
    await catalog.within(SERIES)

    assert counted.taken() == 1


async def test_what_was_never_stored_is_told_without_a_query(catalog: Catalog, counted: Counted) -> None:
    assert await catalog.find(key("9")) is None
    assert not (await catalog.status(Scope("1.9", "1.9.1"))).ever

    assert counted.taken() == 0


async def test_headers_of_a_series_cost_two_questions(catalog: Catalog, counted: Counted) -> None:
    within = await catalog.within(SERIES)

    assert [len(some) async for some in catalog.headers(within)] == [50]

    assert counted.taken() == 2


async def test_a_page_of_studies_costs_one_way_to_a_thread_and_no_header(
    catalog: Catalog, counted: Counted
) -> None:
    name = Match(("00100010",), "PN", Wildcard("*"), "PatientName")
    found = await catalog.search(Query(Level.STUDY, (name,), include=(("00080060",), ("00081030",)), limit=101))
    assert [len(batch) async for batch in found.batches] == [1]

    assert counted.counts["slow"] == 0
    assert counted.taken() == 1


async def test_labels_read_no_instance_of_what_they_are_on(catalog: Catalog, counted: Counted) -> None:
    for number in range(2, 100):
        catalog.apply(entry(number, label(Scope("1.1"), f"l{number}")))
    before = catalog._memory.hot.get("1.1", "1.1.1")
    await catalog.flush()

    assert counted.counts == {"read": 0, "write": 1, "slow": 0}
    assert catalog._memory.hot.get("1.1", "1.1.1") is before
    assert len(await catalog.labels.of(Scope("1.1"))) == 98
    assert (await catalog.status(Scope("1.1"))).revision == 1


async def test_a_batch_is_one_write(catalog: Catalog, counted: Counted) -> None:
    for number in range(2, 200):
        catalog.apply(entry(number, store(stored(key(str(number))))))
    await catalog.search(Query(Level.STUDY))

    assert counted.counts["write"] == 1


async def test_a_slow_search_stays_out_of_the_way(catalog: Catalog, counted: Counted) -> None:
    slow = Match(("00180050",), "DS", OneOf(("1",)), "SliceThickness")
    await catalog.search(Query(Level.STUDY, (slow,)))

    assert counted.counts["read"] == 1
    assert counted.counts["slow"] >= 2


async def test_headers_of_a_series_are_compressed_together(tmp_path: Path) -> None:
    more = {f"0018{n:04X}": element("DS", n / 7, n * 3.25) for n in range(0x1000, 0x1060)}
    made = [stored(key("1", "1", str(n)), more=more, instance_number=n) for n in range(300)]
    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders()) as catalog:
        catalog.apply(entry(1, *(store(one) for one in made)))
        await catalog.flush()
        kept = (await catalog.statistics()).header_bytes

    assert kept < sum(len(one.header) for one in made) / 20
