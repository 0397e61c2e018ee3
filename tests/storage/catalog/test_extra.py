"""Extra columns: what settings make searchable is found without reading headers, and found the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dicomweb.model.keys import Level, Scope
from dicomweb.model.query import AllOf, Between, Condition, Empty, Match, NameWords, OneOf, Query, Wildcard
from storage.catalog.catalog import Catalog
from storage.catalog.settings import CatalogSettings
from tests.storage.catalog.making import EPOCH, LogHeaders, element, entry, key, purge, remove, store, stored

THICKNESS, OPERATOR, MOMENT, OPTIONS = "00180050", "00081070", "0008002A", "00180022"
TAGS = (THICKNESS, OPERATOR, MOMENT, OPTIONS)

MORE: dict[str, dict[str, Any]] = {
    "1": {
        THICKNESS: element("DS", 2.5),
        OPERATOR: element("PN", "Müller^Änne", "Doe^John"),
        OPTIONS: element("CS", "FAST", "LOW DOSE"),
    },
    "2": {THICKNESS: element("DS", 5), MOMENT: element("DT", "20240301120000+0200")},
    "3": {THICKNESS: element("DS"), OPERATOR: element("PN", "Doe^Anna")},
}
MADE = {study: stored(key(study), more=more) for study, more in MORE.items()}

CASES: list[tuple[str, str, Condition, list[str]]] = [
    (THICKNESS, "DS", OneOf(("2.50",)), ["1.1"]),
    (THICKNESS, "DS", OneOf(("5.0", "x")), ["1.2"]),
    (THICKNESS, "DS", Empty(), ["1.3"]),
    (OPERATOR, "PN", Wildcard("doe*"), ["1.1", "1.3"]),
    (OPERATOR, "PN", OneOf(("muller^anne",)), ["1.1"]),
    (OPERATOR, "PN", NameWords(("ann", "doe")), ["1.3"]),
    (OPERATOR, "PN", Empty(), ["1.2"]),
    (MOMENT, "DT", Between("20240301100000", "20240301100000"), ["1.2"]),
    (OPTIONS, "CS", AllOf(("FAST", "LOW DOSE")), ["1.1"]),
    (OPTIONS, "CS", AllOf(("FAST", "SLOW")), []),
    (OPTIONS, "CS", Wildcard("L*"), ["1.1"]),
]


def opened(folder: Path, origin: LogHeaders, *tags: str, slow_rows: int = 0) -> Catalog:
    """By default a catalog that may read no header to find something."""
    settings = CatalogSettings(extra_columns=tags, slow_rows=slow_rows)
    return Catalog(folder, epoch=EPOCH, origin=origin, settings=settings)


async def found(catalog: Catalog, tag: str, vr: str, condition: Condition) -> list[str]:
    result = await catalog.search(Query(Level.STUDY, (Match((tag,), vr, condition, tag),)))
    return sorted([one["0020000D"]["Value"][0] async for batch in result.batches for one in batch])


async def filled(catalog: Catalog) -> None:
    async with asyncio.timeout(10):
        while not catalog._extra.complete:  # noqa: ASYNC110  # filling has no event of its own
            await asyncio.sleep(0.005)


def origin_of_all() -> LogHeaders:
    origin = LogHeaders()
    origin.learn(entry(1, *(store(one) for one in MADE.values())))
    return origin


@pytest.mark.parametrize("extra", [True, False])
async def test_extra_columns_find_what_headers_would(tmp_path: Path, extra: bool) -> None:
    async with opened(tmp_path, LogHeaders(), *(TAGS if extra else ()), slow_rows=0 if extra else 100) as catalog:
        if extra:
            await filled(catalog)
        catalog.apply(entry(1, *(store(one) for one in MADE.values())))

        for tag, vr, condition, expected in CASES:
            assert await found(catalog, tag, vr, condition) == expected, (tag, condition)


async def test_what_was_there_before_is_filled_in(tmp_path: Path) -> None:
    origin = origin_of_all()
    async with opened(tmp_path, origin) as catalog:
        catalog.apply(entry(1, *(store(one) for one in MADE.values())))

    async with opened(tmp_path, origin, *TAGS) as catalog:
        await filled(catalog)
        for tag, vr, condition, expected in CASES:
            assert await found(catalog, tag, vr, condition) == expected
    assert origin.fetched == []

    async with opened(tmp_path, origin, THICKNESS, "00181030") as catalog:
        await filled(catalog)
        assert await found(catalog, THICKNESS, "DS", OneOf(("5",))) == ["1.2"]
        left = await catalog._database.read(lambda c: c.execute("SELECT DISTINCT tag FROM extra").fetchall())
        assert sorted(left) == [(THICKNESS,), ("00181030",)]


async def test_headers_that_were_not_at_hand_are_filled_in_later(tmp_path: Path) -> None:
    origin = origin_of_all()
    async with opened(tmp_path, origin, *TAGS) as catalog:
        await filled(catalog)
        large = stored(key("4"), more={THICKNESS: element("DS", 7)})
        origin.learn(entry(2, store(large)))
        object.__setattr__(large, "header", b"")  # as intake leaves it when the header has an object of its own
        catalog.apply(entry(2, store(large)))
        await catalog.flush()
        assert not catalog._extra.complete
        await filled(catalog)

        assert await found(catalog, THICKNESS, "DS", OneOf(("7",))) == ["1.4"]
        assert origin.fetched == [large.version]


async def test_extra_values_follow_removal_and_purge(tmp_path: Path) -> None:
    async with opened(tmp_path, LogHeaders(), *TAGS) as catalog:
        await filled(catalog)
        catalog.apply(entry(1, *(store(one) for one in MADE.values())))
        catalog.apply(entry(2, remove(Scope("1.2"))))
        await catalog.flush()
        catalog.apply(entry(3, purge(MADE["2"]), purge(MADE["3"])))

        assert await found(catalog, THICKNESS, "DS", OneOf(("5",))) == []
        rows = await catalog._database.read(
            lambda c: c.execute("SELECT count(DISTINCT row) FROM extra").fetchall()
        )
        assert rows == [(1,)]


def test_an_extra_column_is_a_tag(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="eight hexadecimal digits"):
        opened(tmp_path, LogHeaders(), "'; DROP TABLE studies")
