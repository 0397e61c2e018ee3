"""The catalog at size: what applying, searching and looking up cost in CPU time.

    python -m tests.benchmarks.catalog_scale --studies 10000 [--folder PATH] [--keep]

Writes synthetic rows through `Catalog.apply`, as a node that follows a log does, then measures. Figures are
milliseconds of CPU of the whole process, medians of several runs.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import orjson

from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.query import Between, Match, OneOf, Query, Wildcard
from storage.catalog.catalog import Catalog
from storage.log.columns import BY_NAME
from storage.log.events import ColumnValue, Entry, StoredVersion
from tests.storage.catalog.making import CT, EPOCH, EXPLICIT, IMAGE, LogHeaders, entry, store

_FAMILIES = ("SMITH", "JONES", "GARCIA", "MÜLLER", "ROSSI", "DUPONT", "KIM", "TANAKA", "SILVA", "IVANOV")
_GIVEN = ("ANNA", "JOHN", "MARIA", "PETER", "LI", "KENJI", "OLGA", "JOSÉ")
_FILLER = {f"0018{n:04X}": {"vr": "DS", "Value": [n / 7, n * 3.25]} for n in range(0x1000, 0x1000 + 90)} | {
    "00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["SPS1"]}}]}
}


def study_columns(number: int, chance: random.Random) -> dict[str, ColumnValue]:
    """The study's and series' columns of a study."""
    date = f"20{chance.randrange(10, 25)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
    return {
        "study_date": date,
        "study_time": f"{chance.randrange(24):02}{chance.randrange(60):02}{chance.randrange(60):02}",
        "accession_number": f"A{number:07}",
        "referring_physician_name": f"{chance.choice(_FAMILIES)}^{chance.choice(_GIVEN)}",
        "study_description": f"STUDY {chance.randrange(200)}",
        "patient_name": f"{chance.choice(_FAMILIES)}{chance.randrange(500)}^{chance.choice(_GIVEN)}",
        "patient_id": f"P{number // 2:07}",
        "patient_birth_date": f"19{chance.randrange(20, 99)}0{chance.randrange(1, 9)}11",
        "patient_sex": chance.choice("MF"),
        "study_id": str(number),
        "institution_name": "GENERAL",
        "manufacturer": "ACME",
        "station_name": f"CT{chance.randrange(8)}",
    }


def header_of(columns: dict[str, ColumnValue]) -> bytes:
    """A header of a usual size with these columns."""
    told = {
        BY_NAME[name].tag: {
            "vr": BY_NAME[name].vr,
            "Value": [{"Alphabetic": value} if BY_NAME[name].vr == "PN" else value],
        }
        for name, value in columns.items()
    }
    return orjson.dumps(told | _FILLER)


def versions(study: int, chance: random.Random, *, series: int, instances: int) -> Iterator[StoredVersion]:
    """The instances of a study."""
    shared = study_columns(study, chance)
    root = f"1.2.826.0.1.3680043.8.498.{10**12 + study * 7919}"
    for a in range(1, series + 1):
        shared |= {
            "modality": chance.choice(("CT", "MR", "US", "CR", "PT")),
            "series_number": a,
            "series_description": f"SERIES {chance.randrange(50)}",
            "body_part_examined": "CHEST",
        }
        for b in range(1, instances + 1):
            columns = shared | {"instance_number": b, "rows": 512, "columns": 512, "bits_allocated": 16}
            header = header_of(columns)
            yield StoredVersion(
                key=InstanceKey(root, f"{root}.{a}", f"{root}.{a}.{b}"),
                version=f"{study:012x}{a:04x}{b:06x}",
                size=528_000,
                data_set_offset=330,
                sop_class=CT,
                transfer_syntax=EXPLICIT,
                meta_digest=bytes(32),
                digest=chance.randbytes(32),
                header=header,
                header_size=len(header),
                file_meta=b'{"00020010":{"vr":"UI","Value":["1.2.840.10008.1.2.1"]}}' * 4,
                frames=bytes(40),
                bulk=bytes(30),
                image=IMAGE,
                pixel_vr="OW",
                columns=columns,
            )


async def cpu(work: Callable[[], Awaitable[object]], runs: int = 9) -> float:
    """Median milliseconds of CPU."""
    taken = []
    for _ in range(runs):
        begin = time.process_time()
        await work()
        taken.append((time.process_time() - begin) * 1000)
    return statistics.median(taken)


async def all_of(catalog: Catalog, query: Query) -> int:
    """Carry a search out; how many match."""
    found = await catalog.search(query)
    async for _ in found.batches:
        pass
    return found.total


def match(tag: str, vr: str, condition: OneOf | Wildcard | Between) -> Match:
    """A matching key."""
    return Match((tag,), vr, condition, tag)


def resident() -> int:
    """Resident set in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024


async def fill(catalog: Catalog, studies: int, *, big: int) -> int:
    """Studies of one to three series of one or two instances, one of them of 300; the last entry applied."""
    chance = random.Random(7)
    number = catalog.applied
    begun, instances = time.process_time(), 0
    made = 0.0
    for first in range(0, studies, 50):
        making = time.process_time()
        events = []
        for study in range(first, min(first + 50, studies)):
            size = 300 if study == big else chance.randrange(1, 3)
            events += [
                store(one) for one in versions(study, chance, series=chance.randrange(1, 4), instances=size)
            ]
        made += time.process_time() - making
        number += 1
        instances += len(events)
        catalog.apply(entry(number, *events))
        if first % 500 == 0:
            await catalog.flush()
    await catalog.flush()
    spent = time.process_time() - begun - made
    print(f"filled {studies} studies, {instances} instances: {spent / instances * 1000:.3f} ms an instance")
    return number


async def measure(catalog: Catalog, studies: int, big: int) -> None:
    """Print the figures of searches and lookups."""
    include = (("00081030",), ("00080060",), ("00080090",), ("00100030",))
    page = Query(Level.STUDY, include=include, limit=101)
    found = await catalog.search(Query(Level.STUDY, (match("00080050", "SH", OneOf((f"A{big:07}",))),)))
    rows = [one async for batch in found.batches for one in batch]
    uid = rows[0]["0020000D"]["Value"][0]
    series = f"{uid}.1"
    of_study = match("0020000D", "UI", OneOf((uid,)))
    of_series = match("0020000E", "UI", OneOf((series,)))
    cases = {
        "study list, first page of 101": page,
        "study list, last page": Query(Level.STUDY, include=include, limit=101, offset=studies - 101),
        "PatientID": Query(Level.STUDY, (match("00100020", "LO", OneOf((f"P{studies // 5:07}",))),), include),
        "AccessionNumber": Query(
            Level.STUDY, (match("00080050", "SH", OneOf((f"A{studies // 3:07}",))),), include
        ),
        "StudyInstanceUID": Query(Level.STUDY, (of_study,), include),
        "name prefix": Query(Level.STUDY, (match("00100010", "PN", Wildcard("garcia1*")),), include, limit=101),
        "name contains": Query(Level.STUDY, (match("00100010", "PN", Wildcard("*arcia1*")),), include, limit=101),
        "one month": Query(
            Level.STUDY, (match("00080020", "DA", Between("20150301", "20150331")),), include, limit=101
        ),
        "ModalitiesInStudy": Query(Level.STUDY, (match("00080061", "CS", OneOf(("MR",))),), include, limit=101),
        "Modality of a series": Query(Level.STUDY, (match("00080060", "CS", OneOf(("MR",))),), include, limit=101),
        "series of a study": Query(Level.SERIES, (of_study,)),
        "all series, page of 101": Query(Level.SERIES, limit=101),
        "instances of a 300-slice series": Query(Level.INSTANCE, (of_study, of_series)),
        "SOPInstanceUID alone": Query(Level.INSTANCE, (match("00080018", "UI", OneOf((f"{series}.7",))),)),
        "attribute without column, one study": Query(
            Level.INSTANCE, (of_study, match("00181001", "DS", OneOf(("12291.75",))))
        ),
        "all instances, page of 1000": Query(Level.INSTANCE, limit=1000),
    }
    for name, query in cases.items():
        taken = await cpu(lambda query=query: all_of(catalog, query))  # type: ignore[misc]  # binds the loop's value
        print(f"{name:45} {taken:8.2f} ms   total {await all_of(catalog, query)}")
    scope = Scope(uid, series)

    async def cold() -> None:
        catalog._memory.hot.clear()
        await catalog.within(scope)

    print(f"{'series of 300 looked up cold':45} {await cpu(cold):8.2f} ms")
    instances = await catalog.within(scope)

    async def headers() -> None:
        async for _ in catalog.headers(instances):
            pass

    print(f"{'headers of 300 instances':45} {await cpu(headers):8.2f} ms")

    async def find() -> None:
        for one in instances:
            await catalog.find(one.key)
            await catalog.frame_bytes(one)

    print(f"{'find and frame index, hot (each)':45} {await cpu(find) / 300:8.4f} ms")


async def ingest(catalog: Catalog, studies: int) -> None:
    """Print what storing costs at this size."""
    chance = random.Random()  # other studies at each run
    number = catalog.applied
    for name, series, size, together in (
        ("300-slice series, 50 an entry", 1, 300, 50),
        ("tiny studies, 50 an entry", 1, 1, 50),
        ("tiny studies, 1 an entry, flushed by the second", 1, 1, 1),
    ):
        taken = []
        for run in range(5):
            count = 300 if size == 1 else 1
            first = studies + 1_000_000 + chance.randrange(10**9)
            made = [
                one for n in range(count) for one in versions(first + n, chance, series=series, instances=size)
            ]
            entries: list[Entry] = []
            for at in range(0, len(made), together):
                number += 1
                entries.append(entry(number, *(store(one) for one in made[at : at + together])))
            begin = time.process_time()
            for one in entries:
                await catalog.known([event.stored.key for event in one.events if event.stored])
                catalog.apply(one)
            await catalog.flush()
            taken.append((time.process_time() - begin) * 1000 / len(made))
            del run
        print(f"{name:45} {statistics.median(taken):8.3f} ms an instance")


async def together(catalog: Catalog, studies: int, seconds: float = 5.0) -> None:
    """Print how long a study list takes while four clients store tiny studies, one an entry."""
    chance = random.Random()  # other studies at each run
    first = studies + 2_000_000 + chance.randrange(10**9)
    made = iter([one for n in range(4000) for one in versions(first + n, chance, series=1, instances=1)])
    stored, waits, stop = 0, [], False

    async def storing() -> None:
        nonlocal stored
        while not stop and (one := next(made, None)) is not None:
            await catalog.known([one.key])
            catalog.apply(entry(catalog.applied + 1, store(one)))
            stored += 1
            await asyncio.sleep(0.008)  # what the rest of storing takes

    async def listing() -> None:
        while not stop:
            begin = time.perf_counter()
            await all_of(catalog, Query(Level.STUDY, limit=101))
            waits.append((time.perf_counter() - begin) * 1000)
            await asyncio.sleep(0.05)

    begin = time.process_time()
    tasks = [asyncio.create_task(work()) for work in (storing, storing, storing, storing, listing)]
    await asyncio.sleep(seconds)
    stop = True
    await asyncio.gather(*tasks)
    waits.sort()
    print(
        f"list while storing {stored / seconds:.0f}/s: median {statistics.median(waits):.0f} ms, "
        f"p95 {waits[int(len(waits) * 0.95)]:.0f} ms, longest {waits[-1]:.0f} ms; "
        f"{(time.process_time() - begin) / seconds:.2f} cores"
    )


async def main() -> None:
    """See the module header."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="catalog-scale-"))
    big = given.studies // 2
    try:
        async with Catalog(folder, epoch=EPOCH, origin=LogHeaders()) as catalog:
            if not catalog.applied:
                await fill(catalog, given.studies, big=big)
            print(f"resident {resident()} MB; {await catalog.statistics()}")
            await measure(catalog, given.studies, big)
            await ingest(catalog, given.studies)
            await together(catalog, given.studies)
        begin, wall = time.process_time(), time.perf_counter()
        async with Catalog(folder, epoch=EPOCH, origin=LogHeaders()) as catalog:
            print(f"opened in {time.process_time() - begin:.2f} s CPU, {time.perf_counter() - wall:.2f} s")
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"on disk {size / 1e6:.0f} MB, resident {resident()} MB")
    finally:
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
