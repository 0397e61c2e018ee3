"""The README's page on what an archive costs: its request counts are those on the wire to S3, its sums are right,
and `/metrics` has what they are made of."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest

from storage.archive.settings import ArchiveSettings
from storage.log.checkpoint import Checkpoint
from storage.log.journal import EPOCH_SECONDS, Journal
from storage.objects.address import open_store
from storage.upkeep.attendance import NOTE_SECONDS
from storage.upkeep.background import UpkeepSettings
from tests.build.dicom import ct_slice, uid
from tests.build.readme import README
from tests.build.s3 import make_bucket, s3_settings
from tests.clients.raw import ask
from tests.clients.servers import Server, serving_bucket
from tests.faults.checks import AS_STORED, RELATED, related
from tests.faults.link import Link, link_to
from tests.storage.log.make import key, stored

SECTION = README.read_text(encoding="utf-8").partition("\n## What it costs")[2].partition("\n## ")[0]
COUNTS = {
    row[0].strip(): (row[1].strip(), row[2].strip())
    for row in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", SECTION, re.MULTILINE)
}
"""By operation: requests that write or list, and requests that read, as the README tells them."""
SERIES = f"/studies/{uid('cost')}/series/{uid('cost')}"
SLICE = f"{SERIES}/instances/{uid('cost 3')}"
N = 20


def told(operation: str) -> tuple[int, int]:
    """The README's counts of an operation for `n` of N."""
    writes, reads = COUNTS[operation]
    return _number(writes), _number(reads)


def _number(text: str, versions: int = 0) -> int:
    found = re.fullmatch(r"(n \+ )?(?:(\d+) v \+ )?(\d+)", text)
    assert found, text
    return (N if found[1] else 0) + int(found[2] or 0) * versions + int(found[3])


class Wire:
    """What goes to S3 and is no look at what other nodes did."""

    def __init__(self, server: Server, link: Link) -> None:
        self.server = server
        self._link = link

    def asked(self, path: str, headers: dict[str, str] | None = None, **options: object) -> tuple[int, int]:
        """Requests that write or list, and requests that read, for a request that succeeds."""
        self._link.seen.clear()
        answer = ask(self.server, path, headers, **options)  # type: ignore[arg-type]
        assert answer.status in (200, 201, 204), answer
        return counted(self._link, self.last)

    def forget(self) -> None:
        """Take the log as it is now for known: asking for what is not there yet is no part of a request."""
        with urlopen(self.server.url + "/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = re.search(r"^dicomlake_revision(?:\{.*\})? (\d+)", text, re.MULTILINE)
        assert found
        self.last = int(found[1])

    last: int = 0


def counted(link: Link, last: int) -> tuple[int, int]:
    """Without looks for entries behind `last`, and at whether the epoch goes on."""
    writes = reads = 0
    for method, target in link.seen:
        path, _, query = target.partition("?")
        number = re.search(r"/log/[^/]+/(\d{20})\.arrow$", path)
        if method == "GET" and ((number and int(number[1]) > last) or path.endswith("/format.json")):
            continue
        if method == "GET" and "list-type" not in query:
            reads += 1
        elif method != "DELETE":
            writes += 1
    return writes, reads


@pytest.fixture(scope="module")
def wire(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A server with nothing on its disk; a series was stored by another one that is gone."""
    bucket = make_bucket(s3_endpoint)
    slices = [ct_slice(study="cost", series="cost", instance=f"cost {n}") for n in range(N)]
    with serving_bucket(s3_endpoint, bucket, tmp_path_factory.mktemp("storing")) as server:
        assert ask(server, "/studies", RELATED, method="POST", body=related(*slices)).status == 200
    with (
        link_to(s3_endpoint) as link,
        serving_bucket(link.url, bucket, tmp_path_factory.mktemp("cold")) as server,
    ):
        wire = Wire(server, link)
        assert ask(server, "/studies").status == 200
        wire.forget()
        yield wire


def test_requests_are_as_many_as_the_readme_says(wire: Wire) -> None:
    new = related(*[ct_slice(study="new", series="new", instance=f"new {n}") for n in range(N)])

    cold, most = wire.asked(SERIES + "/metadata"), told("Metadata of a series, cold, at most")
    assert cold[0] <= most[0]
    assert cold[1] <= most[1]
    assert wire.asked(SERIES + "/metadata") == told("Metadata of a series, warm")
    assert wire.asked("/studies?PatientName=Doe*") == told("Search")
    assert wire.asked(SLICE + "/frames/1") == told("A frame, or frames that lie together")
    assert wire.asked(SLICE, AS_STORED) == told("An instance as stored")
    assert wire.asked("/studies", RELATED, method="POST", body=new) == told("Storing n instances in one request")
    wire.forget()
    assert wire.asked("/studies", RELATED, method="POST", body=new) == told("Storing them again")
    label = f"/studies/{uid('new')}/labels/urgent"
    for method in ("PUT", "DELETE"):
        assert wire.asked(label, method=method) == told("Putting a label on, or taking it off")
    assert wire.asked("/labels") == wire.asked("/studies?label=urgent") == told("Search")
    assert wire.asked(f"/studies/{uid('new')}", method="DELETE") == told("Deleting a study, series or instance")


def test_metrics_have_what_the_costs_are_made_of(wire: Wire) -> None:
    def read() -> dict[str, float]:
        with urlopen(wire.server.url + "/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        told = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in told}

    wanted = set(re.findall(r"`(dicomlake_\w+)", SECTION))
    assert {"dicomlake_store_operations_total", "dicomlake_stored_bytes", "dicomlake_requests_total"} <= wanted
    found = _until(read, lambda found: found.get('dicomlake_stored_instances{state="visible"}', 0) >= N)
    for name in wanted:
        assert any(one.partition("{")[0] == name for one in found), name
    assert found['dicomlake_stored_bytes{state="visible"}'] > N * 500
    assert found['dicomlake_store_operations_total{kind="get",under="log"}'] >= 1


def _until(read: Callable[[], dict[str, float]], true: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    for _ in range(50):
        if true(found := read()):
            return found
        time.sleep(0.1)
    raise AssertionError("it has not come about")


async def test_folding_and_cold_headers_cost_as_many_requests_as_the_readme_says(s3_endpoint: str) -> None:
    """At most: what a fold reads of the table's own log differs a little from fold to fold."""
    writes, reads = COUNTS["Folding the log into the table, at most"]
    with link_to(s3_endpoint) as link:
        address = s3_settings(link.url, make_bucket(s3_endpoint), prefix="archive")
        async with open_store(address) as store:
            journal = await Journal.open(store, node="writer")
            checkpoint = Checkpoint(store, address)
            for number in range(1, 5):
                await journal.append(number, [stored(key(study=number))], f"c{number}")
                link.seen.clear()
                await checkpoint.fold(until=number)
                found = counted(link, number)
                if number > 1:  # the first makes the table
                    assert found[0] <= _number(writes), link.seen
                    assert found[1] <= _number(reads, number), link.seen
            link.seen.clear()
            assert await checkpoint.read_series_headers("1.2.3", "1.2.3.1", revisions=[3])
            assert counted(link, 4)[1] <= told("Metadata of a series, cold, at most")[1]


def test_the_day_of_an_idle_node_is_as_the_settings_have_it() -> None:
    writes, reads = told("A node for a day in which nothing happens")
    upkeep = UpkeepSettings()
    assert reads == 86_400 / ArchiveSettings().poll_seconds
    there = 86_400 / NOTE_SECONDS
    assert writes == 86_400 / upkeep.notes_seconds + 86_400 / upkeep.sweep_seconds + there
    assert f"every {EPOCH_SECONDS:.0f} seconds" in SECTION


def test_the_sums_of_the_readme_follow_from_its_counts_and_prices() -> None:
    price = _figures(r"^    (\w+) = \$([\d.]+)")
    sums = _figures(r"^\| ([^|]+) \| \$([\d.]+) \|")
    per_write, per_read, month = price["WRITE"] / 1e6, price["READ"] / 1e6, 30
    writes, reads = told("A node for a day in which nothing happens")
    fold_writes, fold_reads = COUNTS["Folding the log into the table, at most"]
    fold = _number(fold_writes) * per_write + _number(fold_reads, 50) * per_read

    expected = {
        "1 TB kept for a month": 1000 * price["GB"],
        "1 million instances stored, 100 to a request": 1e6 * (1 + 1 / 100) * per_write,
        "1 million instances stored, one to a request": 1e6 * 2 * per_write,
        "their rows in log and table for a month": 1e6 * 2 * 600 / 1e9 * price["GB"],
        "1 million frames read": 1e6 * per_read,
        "1 million searches": 0.0,
        "one idle node for a month": month * (writes * per_write + reads * per_read),
        "folding for a day in every minute of which something is stored": 1440 * fold,
        "the daily sweep of 1 million instances for a month": month * 1000 * per_write,
    }
    assert sums.keys() == expected.keys()
    for name, sum_ in expected.items():
        assert sums[name] == pytest.approx(sum_, abs=0.006), name


def _figures(pattern: str) -> dict[str, float]:
    return {name: float(value) for name, value in re.findall(pattern, SECTION, re.MULTILINE)}
