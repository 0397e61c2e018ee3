"""Two servers on one bucket: what one acknowledges the other tells at once to whoever asks for it by UID or says
`Cache-Control: no-cache`, and to everybody else within the time of a poll."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson
import pytest

from tests.build.dicom import ct_slice, uid
from tests.build.s3 import make_bucket
from tests.clients.raw import ask
from tests.clients.servers import Server, serving_bucket
from tests.faults.checks import AS_STORED, DICOM, RELATED, failures, fresh, path_of, related, until

STRONG = {"Cache-Control": "no-cache"}
POLL_SECONDS = 1.0
"""How often a server looks at the log (ArchiveSettings.poll_seconds)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Servers on one bucket."""

    one: Server
    other: Server


@pytest.fixture(scope="module")
def pair(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    bucket = make_bucket(s3_endpoint)
    with (
        serving_bucket(s3_endpoint, bucket, tmp_path_factory.mktemp("one")) as one,
        serving_bucket(s3_endpoint, bucket, tmp_path_factory.mktemp("other")) as other,
    ):
        yield Pair(one, other)
        assert one.complaints() + other.complaints() == []


def store(server: Server, *files: bytes) -> int:
    """Store files; the status."""
    return ask(server, "/studies", RELATED, method="POST", body=related(*files)).status


def listed(server: Server, query: str, headers: dict[str, str] | None = None) -> int:
    """How many studies a search finds."""
    return int(ask(server, f"/studies?{query}", headers).header("x-total-count"))


def named(name: str, *, seed: int = 0) -> bytes:
    """A slice of a patient who bears the name of the case."""
    return ct_slice(study=name, series=name, instance=name, PatientID=name, seed=seed)


def test_what_one_stores_the_other_gives_by_uid_at_once(pair: Pair) -> None:
    name, data = fresh()
    assert store(pair.one, data) == 200
    assert ask(pair.other, path_of(name), AS_STORED).body == data
    assert listed(pair.other, f"StudyInstanceUID={uid(name)}") == 1


def test_a_strong_search_sees_it_at_once(pair: Pair) -> None:
    for turn in range(5):
        name = f"strong {turn}"
        assert store(pair.one, named(name)) == 200
        assert listed(pair.other, f"PatientID=strong+{turn}", STRONG) == 1


def test_any_search_sees_it_within_a_poll(pair: Pair) -> None:
    assert store(pair.one, named("polled")) == 200
    until(lambda: listed(pair.other, "PatientID=polled") == 1, POLL_SECONDS + 2)
    assert listed(pair.other, "PatientID=polled") == 1


def test_what_one_replaces_the_other_gives_to_a_strong_read(pair: Pair) -> None:
    first, second = named("replaced"), named("replaced", seed=1)
    path = path_of("replaced")
    assert store(pair.one, first) == 200
    assert ask(pair.other, path, AS_STORED).body == first
    assert store(pair.one, second) == 200
    assert ask(pair.other, path, {**AS_STORED, **STRONG}).body == second
    assert ask(pair.other, path, AS_STORED).body == second


@pytest.mark.parametrize("below", ["", "/metadata", "/frames/1", "/bulkdata/7FE00010"])
def test_what_one_deletes_is_gone_for_a_strong_read(pair: Pair, below: str) -> None:
    name = f"deleted {below}"
    assert store(pair.one, named(name)) == 200
    assert ask(pair.other, path_of(name) + below).status == 200
    assert ask(pair.one, path_of(name), method="DELETE").status == 204
    assert ask(pair.other, path_of(name) + below, STRONG).status == 410


def test_what_one_deleted_the_other_stores_again(pair: Pair) -> None:
    """Within a poll the other takes it for a duplicate, keeps no bytes, and learns better when it commits: it says
    so with a reason, and does not call stored what it has not."""
    data = named("again")
    assert store(pair.one, data) == 200
    assert ask(pair.other, path_of("again"), AS_STORED).status == 200
    assert ask(pair.one, path_of("again"), method="DELETE").status == 204
    answer = ask(pair.other, "/studies", DICOM, method="POST", body=data)
    if answer.status != 200:
        assert (answer.status, failures(answer)) == (409, [0x0110])
        assert store(pair.other, data) == 200
    for server in (pair.one, pair.other):
        assert ask(server, path_of("again"), AS_STORED).body == data


def test_the_same_instance_at_both_at_once_is_stored_once(pair: Pair) -> None:
    instances = [fresh() for _ in range(10)]
    jobs = [(server, data) for _, data in instances for server in (pair.one, pair.other)]
    with ThreadPoolExecutor(len(jobs)) as threads:
        statuses = list(
            threads.map(lambda job: ask(job[0], "/studies", DICOM, method="POST", body=job[1]).status, jobs)
        )
    assert statuses == [200] * len(jobs)
    for name, data in instances:
        for server in (pair.one, pair.other):
            assert int(ask(server, f"/instances?SOPInstanceUID={uid(name)}").header("x-total-count")) == 1
            assert ask(server, path_of(name), AS_STORED).body == data


def test_both_writing_one_study_lose_nothing_and_agree(pair: Pair) -> None:
    def write(server: Server, series: str) -> list[int]:
        return [
            store(server, *(ct_slice(study="both", series=series, instance=f"{series} {n} {m}") for m in range(3)))
            for n in range(8)
        ]

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(write, pair.one, "both a")
        second = threads.submit(write, pair.other, "both b")
        assert set(first.result() + second.result()) == {200}

    answers = [
        ask(server, f"/studies?StudyInstanceUID={uid('both')}", STRONG) for server in (pair.one, pair.other)
    ]
    for answer in answers:
        (study,) = orjson.loads(answer.body)
        assert study["00201208"]["Value"] == [48]
        assert study["00201206"]["Value"] == [2]
    one, other = (
        {item["00080018"]["Value"][0] for item in orjson.loads(answer.body)}
        for answer in (ask(server, f"/studies/{uid('both')}/instances") for server in (pair.one, pair.other))
    )
    assert one == other
    assert len(one) == 48


def test_the_revision_of_a_write_orders_both(pair: Pair) -> None:
    revisions = [
        int(ask(server, "/studies", DICOM, method="POST", body=fresh()[1]).header("x-dicomlake-revision"))
        for server in (pair.one, pair.other, pair.one, pair.other)
    ]
    assert revisions == sorted(set(revisions))
