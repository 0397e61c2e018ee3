"""Searches: what is found, what is told of it, in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from dicomweb.model.keys import Level, Scope
from dicomweb.model.query import (
    AllOf,
    Between,
    CannotSort,
    Condition,
    Empty,
    JsonAttributes,
    Match,
    NameWords,
    OneOf,
    Order,
    Query,
    QueryTooBroad,
    Wildcard,
)
from storage.catalog import page
from storage.catalog.catalog import Catalog
from storage.catalog.settings import CatalogSettings
from tests.storage.catalog.making import (
    CT,
    EPOCH,
    EXPLICIT,
    LogHeaders,
    element,
    entry,
    key,
    remove,
    store,
    stored,
)

ANNE = {
    "patient_name": "Müller^Änne",
    "patient_id": "P1",
    "patient_sex": "F",
    "study_date": "20240301",
    "study_time": "101500",
    "accession_number": "A1",
}
BOB = {"patient_name": "Doe^Bob", "patient_id": "P2", "study_date": "20240401", "accession_number": "A2"}
OLD = {"patient_name": "Doe^Anne", "patient_id": "P1", "study_date": "19990101", "study_id": "S3"}

ENTRIES = (
    entry(
        1,
        store(stored(key("1", "1", "1"), **ANNE, modality="CT", series_number=2, instance_number=2, rows=512)),
        store(stored(key("1", "1", "2"), **ANNE, modality="CT", series_number=2, instance_number=1, rows=256)),
        store(
            stored(
                key("1", "2", "1"),
                **ANNE,
                modality="SR",
                series_number=1,
                transfer_syntax="1.2.840.10008.1.2",
                more={
                    "00400275": {
                        "vr": "SQ",
                        "Value": [{"00400009": element("SH", "STEP"), "00400007": element("LO", "what")}],
                    },
                    "00091001": element("LO", "mine"),
                    "00420011": {"vr": "OB", "BulkDataURI": "00420011"},
                },
            )
        ),
    ),
    entry(2, store(stored(key("2"), **BOB, modality="MR", more={"00180050": element("DS", 2.5)}))),
    entry(3, store(stored(key("3"), **OLD, modality="CR"))),
)


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[Catalog]:
    origin = LogHeaders()
    origin.learn(*ENTRIES)
    async with Catalog(tmp_path, epoch=EPOCH, origin=origin) as made:
        for one in ENTRIES:
            made.apply(one)
        yield made


def match(tag: str, condition: Condition, vr: str = "") -> Match:
    path = tuple(tag.split("."))
    return Match(path, vr, condition, tag)


async def find(catalog: Catalog, query: Query) -> list[JsonAttributes]:
    found = await catalog.search(query)
    return [one async for batch in found.batches for one in batch]


async def uids(catalog: Catalog, level: Level, *matches: Match, **more: Any) -> list[str]:
    """The UIDs found, in order."""
    tag = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}[level]
    return [one[tag]["Value"][0] for one in await find(catalog, Query(level, matches, **more))]


# what is told


async def test_a_study_tells_the_attributes_of_the_standard(catalog: Catalog) -> None:  # PS3.18 Table 10.6.3-3
    (study,) = await find(catalog, Query(Level.STUDY, (match("0020000D", OneOf(("1.1",))),)))

    assert study == {
        "00080005": element("CS", "ISO_IR 192"),
        "00080020": element("DA", "20240301"),
        "00080030": element("TM", "101500"),
        "00080050": element("SH", "A1"),
        "00080056": element("CS", "ONLINE"),
        "00080061": element("CS", "CT", "SR"),
        "00080090": element("PN"),
        "00100010": element("PN", "Müller^Änne"),
        "00100020": element("LO", "P1"),
        "00100030": element("DA"),
        "00100040": element("CS", "F"),
        "0020000D": element("UI", "1.1"),
        "00200010": element("SH"),
        "00201206": element("IS", 2),
        "00201208": element("IS", 3),
    }


async def test_a_series_tells_the_attributes_of_the_standard(catalog: Catalog) -> None:  # PS3.18 Table 10.6.3-4
    first, second = await find(catalog, Query(Level.SERIES, (match("0020000D", OneOf(("1.1",))),)))

    assert first == {
        "00080060": element("CS", "SR"),
        "0020000D": element("UI", "1.1"),
        "0020000E": element("UI", "1.1.2"),
        "00200011": element("IS", 1),
        "00201209": element("IS", 1),
        "00400275": {"vr": "SQ", "Value": [{"00400009": element("SH", "STEP")}]},
    }
    assert second["00201209"] == element("IS", 2)


async def test_an_instance_tells_the_attributes_of_the_standard(catalog: Catalog) -> None:  # Table 10.6.3-5
    of = (match("0020000D", OneOf(("1.1",))), match("0020000E", OneOf(("1.1.1",))))

    first, second = await find(catalog, Query(Level.INSTANCE, of))

    assert first == {
        "00080016": element("UI", CT),
        "00080018": element("UI", "1.1.1.2"),
        "00080056": element("CS", "ONLINE"),
        "00083002": element("UI", EXPLICIT),
        "0020000D": element("UI", "1.1"),
        "0020000E": element("UI", "1.1.1"),
        "00200013": element("IS", 1),
        "00280010": element("US", 256),
    }
    assert second["00080018"] == element("UI", "1.1.1.1")


async def test_searches_across_studies_tell_the_levels_above(catalog: Catalog) -> None:
    series = await find(catalog, Query(Level.SERIES))
    instances = await find(catalog, Query(Level.INSTANCE))

    assert [one["00100020"]["Value"] for one in series] == [["P2"], ["P1"], ["P1"], ["P1"]]
    assert all({"00201208", "00201209", "00080060", "00080061"} <= one.keys() for one in instances)


async def test_what_is_asked_for_is_told_too(catalog: Catalog) -> None:
    asked = (("00081030",), ("00080060",), ("00180050",), ("00400275", "00400009"))

    studies = await find(catalog, Query(Level.STUDY, include=asked))

    assert [one["00080060"]["Value"] for one in studies] == [["MR"], ["SR"], ["CR"]]
    assert studies[0]["00180050"] == element("DS", 2.5)
    assert "00180050" not in studies[1]
    assert studies[1]["00400275"]["Value"] == [
        {"00400009": element("SH", "STEP"), "00400007": element("LO", "what")}
    ]


async def test_keys_are_told_whether_asked_for_or_not(catalog: Catalog) -> None:  # PS3.18 10.6.3.3
    (series,) = await find(catalog, Query(Level.SERIES, (match("00080050", OneOf(("A2",))),)))
    (by_header,) = await find(catalog, Query(Level.INSTANCE, (match("00091001", OneOf(("mine",))),)))

    assert series["00080050"] == element("SH", "A2")
    assert by_header["00091001"] == element("LO", "mine")


async def test_everything_of_an_instance_is_its_header_without_bulk(catalog: Catalog) -> None:
    (told,) = await find(
        catalog, Query(Level.INSTANCE, (match("00080018", OneOf(("1.1.2.1",))),), include_all=True)
    )

    assert told["00091001"] == element("LO", "mine")
    assert told["00400275"]["Value"][0]["00400007"] == element("LO", "what")
    assert "00420011" not in told
    assert told["00201208"] == element("IS", 3)


async def test_everything_of_a_study_says_nothing_of_single_instances(catalog: Catalog) -> None:
    (told,) = await find(catalog, Query(Level.STUDY, (match("0020000D", OneOf(("1.1",))),), include_all=True))

    assert told["00091001"] == element("LO", "mine")
    assert not {"00080018", "0020000E", "00080060", "00200013"} & told.keys()


async def test_how_much_there_is_of_a_patient_is_told_when_asked(catalog: Catalog) -> None:
    asked = (("00201200",), ("00201202",), ("00201204",))

    studies = await find(catalog, Query(Level.STUDY, include=asked))

    assert [[one[tag]["Value"][0] for (tag,) in asked] for one in studies] == [[1, 1, 1], [2, 3, 4], [2, 3, 4]]


async def test_a_patient_is_an_id_and_its_issuer_whether_the_issuer_is_asked_for_or_not(tmp_path: Path) -> None:
    entries = [
        entry(number, store(stored(key(str(number)), patient_id="P", **issued)))
        for number, issued in enumerate(
            ({"issuer_of_patient_id": "A"}, {"issuer_of_patient_id": "A"}, {}), start=1
        )
    ] + [entry(4, store(stored(key("4"))))]
    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders()) as catalog:
        for one in entries:
            catalog.apply(one)

        studies = await find(catalog, Query(Level.STUDY, include=(("00201200",),)))
        of_two = await uids(catalog, Level.STUDY, match("00201200", OneOf(("2",))))
        of_one = await uids(catalog, Level.INSTANCE, match("00201204", OneOf(("1",))))

    told = {one["0020000D"]["Value"][0]: one["00201200"].get("Value") for one in studies}
    assert told == {"1.1": [2], "1.2": [2], "1.3": [1], "1.4": None}
    assert sorted(of_two) == ["1.1", "1.2"]
    assert len(of_one) == 1


# what is found


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ((), ["1.2", "1.1", "1.3"]),
        ((match("00100020", OneOf(("P1",))),), ["1.1", "1.3"]),
        ((match("0020000D", OneOf(("1.3", "1.2", "9"))),), ["1.2", "1.3"]),
        ((match("00100010", Wildcard("*anne*")),), ["1.1", "1.3"]),
        ((match("00100010", NameWords(("ann", "mul"))),), ["1.1"]),
        ((match("00080020", Between("20240101", None)), match("00080050", OneOf(("A2",)))), ["1.2"]),
        ((match("00080050", Empty()),), ["1.3"]),
        ((match("00080061", OneOf(("SR", "CR"))),), ["1.1", "1.3"]),
        ((match("00080061", AllOf(("CT", "SR"))),), ["1.1"]),
        ((match("00080061", OneOf(("C",))),), []),
        ((match("00201208", OneOf(("3",))),), ["1.1"]),
        ((match("00201206", OneOf(("1",))),), ["1.2", "1.3"]),
        ((match("00080062", OneOf((CT,))),), ["1.2", "1.1", "1.3"]),
        ((match("00083002", OneOf(("1.2.840.10008.1.2",))),), ["1.1"]),
        ((match("00080056", OneOf(("ONLINE",))),), ["1.2", "1.1", "1.3"]),
        ((match("00080056", OneOf(("NEARLINE",))),), []),
    ],
)
async def test_studies_are_found_by_what_has_a_column(
    catalog: Catalog, matches: tuple[Match, ...], expected: list[str]
) -> None:
    assert await uids(catalog, Level.STUDY, *matches) == expected


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ((match("00080060", OneOf(("CT",))),), ["1.1"]),
        ((match("00080060", OneOf(("CT",))), match("00200011", OneOf(("2",)))), ["1.1"]),
        # both of the same series
        ((match("00080060", OneOf(("CT",))), match("00200011", OneOf(("1",)))), []),
        ((match("00280010", OneOf(("256",))),), ["1.1"]),
        # both of the same instance
        ((match("00280010", OneOf(("256",))), match("00200013", OneOf(("2",)))), []),
        ((match("00080060", OneOf(("SR",))), match("00280010", OneOf(("256",)))), []),
        ((match("00080018", OneOf(("1.1.2.1",))),), ["1.1"]),
        ((match("00080016", OneOf((CT,))), match("00100020", OneOf(("P2",)))), ["1.2"]),
        ((match("00180050", OneOf(("2.5",)), "DS"),), ["1.2"]),
        ((match("00400275.00400009", OneOf(("STEP",)), "SH"),), ["1.1"]),
        ((match("00091001", Wildcard("m*")), match("00100020", OneOf(("P1",)))), ["1.1"]),
        ((match("00091001", Wildcard("m*")), match("00080060", OneOf(("CT",)))), []),
        ((match("00091001", Empty()), match("00100020", OneOf(("P1",)))), ["1.1", "1.3"]),
    ],
)
async def test_studies_are_found_by_what_some_instance_has(
    catalog: Catalog, matches: tuple[Match, ...], expected: list[str]
) -> None:
    assert await uids(catalog, Level.STUDY, *matches) == expected


async def test_series_and_instances_are_found_by_all_levels(catalog: Catalog) -> None:
    assert await uids(catalog, Level.SERIES, match("00280010", OneOf(("256",)))) == ["1.1.1"]
    assert await uids(catalog, Level.SERIES, match("00091001", OneOf(("mine",)))) == ["1.1.2"]
    assert await uids(catalog, Level.SERIES, match("00201209", OneOf(("2",)))) == ["1.1.1"]
    assert await uids(catalog, Level.INSTANCE, match("00100020", OneOf(("P2",)))) == ["1.2.1.1"]
    assert await uids(catalog, Level.INSTANCE, match("00080061", OneOf(("SR",)))) == [
        "1.1.2.1",
        "1.1.1.2",
        "1.1.1.1",
    ]


async def test_what_was_removed_or_replaced_is_not_found(catalog: Catalog) -> None:
    catalog.apply(entry(4, remove(Scope("1.2"))))
    catalog.apply(entry(5, store(stored(key("3"), "v2", **BOB, modality="CR"))))

    assert await uids(catalog, Level.STUDY) == ["1.3", "1.1"]
    assert await uids(catalog, Level.STUDY, match("00180050", OneOf(("2.5",)))) == []
    assert await uids(catalog, Level.STUDY, match("00100010", Wildcard("doe^anne"))) == []
    assert await uids(catalog, Level.INSTANCE, match("00080018", OneOf(("1.2.1.1",)))) == []


# order and pages


@pytest.mark.parametrize("path", [("00204000",), ("00080060",), ("00400275", "00400007")])
async def test_an_order_that_cannot_be_had_is_refused_not_ignored(catalog: Catalog, path: tuple[str, ...]) -> None:
    with pytest.raises(CannotSort, match="orderby"):
        await catalog.search(Query(Level.STUDY, order=(Order(path),)))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((), ["1.2", "1.1", "1.3"]),
        ((Order(("00080020",)),), ["1.3", "1.1", "1.2"]),
        ((Order(("00100020",)),), ["1.1", "1.3", "1.2"]),
        ((Order(("00100020",), descending=True),), ["1.2", "1.1", "1.3"]),
        ((Order(("00100010",)),), ["1.3", "1.2", "1.1"]),
        ((Order(("00080050",), descending=True),), ["1.2", "1.1", "1.3"]),
        ((Order(("00200010",)),), ["1.3", "1.2", "1.1"]),
        ((Order(("00201208",), descending=True),), ["1.1", "1.2", "1.3"]),
    ],
)
async def test_order_keys_come_before_the_usual_order(
    catalog: Catalog, order: tuple[Order, ...], expected: list[str]
) -> None:
    assert await uids(catalog, Level.STUDY, order=order) == expected
    exact = match("0020000D", OneOf(("1.1", "1.2", "1.3")))
    assert await uids(catalog, Level.STUDY, exact, order=order) == expected


@pytest.mark.parametrize("narrow", [(), (match("00100020", OneOf(("P1",))),)])
async def test_pages_tell_the_total(catalog: Catalog, narrow: tuple[Match, ...]) -> None:
    every = await uids(catalog, Level.STUDY, *narrow)
    for limit in range(4):
        for offset in range(5):
            found = await catalog.search(Query(Level.STUDY, narrow, limit=limit, offset=offset))
            told = [one["0020000D"]["Value"][0] async for batch in found.batches for one in batch]
            assert (found.total, told) == (len(every), every[offset : offset + limit])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("anne",), ["1.1", "1.3"]),
        (("anne", "doe"), ["1.3"]),
        (("uller",), ["1.1"]),
        (("a2",), ["1.2"]),
        (("p1", "a1"), ["1.1"]),
        (("s3",), ["1.3"]),
        (("1.2",), ["1.2"]),
        (("anne", "nobody"), []),
        (("a_",), []),
        (("%",), []),
    ],
)
async def test_words_are_found_wherever_people_know_a_study_by(
    catalog: Catalog, words: tuple[str, ...], expected: list[str]
) -> None:
    for level, tag in ((Level.STUDY, "0020000D"), (Level.SERIES, "0020000D"), (Level.INSTANCE, "0020000D")):
        found = await catalog.search(Query(level, words=words))
        told = {one[tag]["Value"][0] async for batch in found.batches for one in batch}
        assert told == set(expected)


async def test_pages_far_from_the_first_are_in_the_same_order(catalog: Catalog) -> None:
    numbers = [n // 2 if n % 7 else None for n in range(2400)]  # some share a number, some have none
    catalog.apply(
        entry(4, *(store(stored(key("4", "1", str(n)), instance_number=a)) for n, a in enumerate(numbers)))
    )
    study = (match("0020000D", OneOf(("1.4",))),)
    found = await catalog.search(Query(Level.INSTANCE, study, limit=5000))
    every = [one["00080018"]["Value"][0] async for batch in found.batches for one in batch]

    for offset in (999, 1000, 1150, 1200, 1201, 2000, 2390, 2399, 2400, 3000):
        found = await catalog.search(Query(Level.INSTANCE, study, limit=30, offset=offset))
        told = [one["00080018"]["Value"][0] async for batch in found.batches for one in batch]
        assert (found.total, told) == (2400, every[offset : offset + 30]), offset


@pytest.mark.parametrize("level", [Level.STUDY, Level.SERIES])
async def test_pages_far_from_the_first_of_what_is_listed_by_date_are_in_the_same_order(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, level: Level
) -> None:
    dates = [f"20{n * 7919 % 30:02}{n % 12 + 1:02}{n % 31 + 1:02}" if n % 9 else None for n in range(120)]
    dates += ["20240101"] * 60 + ["odd"] * 3
    catalog.apply(
        entry(
            4,
            *(
                store(stored(key(str(n), str(s)), study_date=date))
                for n, date in enumerate(dates, 10)
                for s in (1, 2)
            ),
        )
    )
    narrow = (match("0020000D", Wildcard("*")), match("00080020", Between("", "20240101")))
    for matches in ((), narrow):
        found = await catalog.search(Query(level, matches, limit=5000))
        every = [orjson.dumps(one) async for batch in found.batches for one in batch]
        assert len(every) > 100
        with monkeypatch.context() as patched:
            patched.setattr(page, "_DEEP", 1)
            for limit in (7, 100):
                for offset in (*range(1, len(every) + 9, 23), len(every) - 1, len(every)):
                    found = await catalog.search(Query(level, matches, limit=limit, offset=offset))
                    told = [orjson.dumps(one) async for batch in found.batches for one in batch]
                    assert (found.total, told) == (len(every), every[offset : offset + limit]), offset


async def test_many_instances_come_in_batches(catalog: Catalog) -> None:
    catalog.apply(entry(4, *(store(stored(key("4", "1", str(n)), instance_number=n)) for n in range(1200))))

    found = await catalog.search(Query(Level.INSTANCE, (match("0020000D", OneOf(("1.4",))),), limit=50_000))
    batches = [list(batch) async for batch in found.batches]

    assert found.total == 1200
    assert max(map(len, batches)) <= 500
    assert [one["00200013"]["Value"][0] for batch in batches for one in batch] == list(range(1200))


# headers


def delete_segments(folder: Path) -> None:
    for path in folder.glob("headers-*"):
        path.unlink()


async def test_headers_that_are_gone_are_fetched_for_a_search(tmp_path: Path) -> None:
    origin = LogHeaders()
    origin.learn(*ENTRIES)
    async with Catalog(tmp_path, epoch=EPOCH, origin=origin) as catalog:
        for one in ENTRIES:
            catalog.apply(one)
        await catalog.flush()
        delete_segments(tmp_path)
    async with Catalog(tmp_path, epoch=EPOCH, origin=origin) as catalog:
        assert await uids(catalog, Level.STUDY, match("00180050", OneOf(("2.5",)))) == ["1.2"]
        assert sorted(origin.fetched) == ["1.1.1.1~v1", "1.1.1.2~v1", "1.1.2.1~v1", "1.2.1.1~v1", "1.3.1.1~v1"]
        assert await uids(catalog, Level.STUDY, match("00180050", OneOf(("2.5",)))) == ["1.2"]
        assert len(origin.fetched) == 5


async def test_a_search_over_too_many_headers_is_refused(tmp_path: Path) -> None:
    settings = CatalogSettings(slow_rows=4)
    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders(), settings=settings) as catalog:
        for one in ENTRIES:
            catalog.apply(one)

        by_date = match("00080020", Between("19000101", None))
        with pytest.raises(QueryTooBroad) as refused:
            await catalog.search(Query(Level.STUDY, (match("00180050", OneOf(("2.5",))), by_date)))

        assert refused.value.slow == ("00180050",)
        assert refused.value.narrowing == ("StudyInstanceUID", "PatientID", "AccessionNumber", "ModalitiesInStudy")
        narrowed = (match("00180050", OneOf(("2.5",))), match("00100020", OneOf(("P2",))))
        assert await uids(catalog, Level.STUDY, *narrowed) == ["1.2"]


async def test_a_search_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    settings = CatalogSettings(slow_seconds=0.0)
    async with Catalog(tmp_path, epoch=EPOCH, origin=LogHeaders(), settings=settings) as catalog:
        for one in ENTRIES:
            catalog.apply(one)

        with pytest.raises(QueryTooBroad):
            await catalog.search(Query(Level.STUDY, (match("00180050", OneOf(("2.5",))),)))
