"""Searches and retrievals as of a revision or time, histories, and undoing deletions, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession

from app.assembly import ARCHIVE
from dicomweb.model.keys import Scope
from storage.archive.archive import LakeArchive
from storage.upkeep.purge import purge
from tests.app.archives import House, open_house
from tests.build.dicom import ct_slice, uid

STUDY, SERIES = uid("study"), uid("series")
AT_STUDY = f"/studies/{STUDY}"
AT_SERIES = f"{AT_STUDY}/series/{SERIES}"
REVISION = "X-Dicomlake-Revision"


def at(instance: str) -> str:
    return f"{AT_SERIES}/instances/{uid(instance)}"


def first_of(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(body)[0]
    return found


@asynccontextmanager
async def told_story(folder: Path) -> AsyncIterator[House]:
    """Two instances stored (1), one of them replaced (2), the series deleted (3) and stored anew in part (4)."""
    async with open_house(folder) as house:
        await house.store([ct_slice(instance="b"), ct_slice(instance="a", PatientName="Old^Name")])
        await house.store([ct_slice(instance="a", seed=1, PatientName="New^Name")])
        async with house.client.delete(house.dicomweb + AT_SERIES) as answer:
            assert (answer.status, answer.headers[REVISION]) == (204, "3")
        await house.store([ct_slice(instance="b")])
        yield house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with told_story(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def asked(
    house: House, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> AsyncIterator[Any]:
    client: ClientSession = house.client
    async with client.request(method, house.dicomweb + path, headers=headers) as answer:
        yield answer


@pytest.mark.parametrize(
    ("revision", "name", "instances"), [(1, "Old^Name", 2), (2, "New^Name", 2), (4, "Doe^Jane", 1)]
)
async def test_a_study_is_told_as_it_was(house: House, revision: int, name: str, instances: int) -> None:
    status, body = await house.get(f"/studies?StudyInstanceUID={STUDY}&asof={revision}")

    told = first_of(body)
    assert status == 200
    assert told["00201208"]["Value"] == [instances]
    assert told["00100010"]["Value"] == [{"Alphabetic": name}]


@pytest.mark.parametrize(
    "path",
    ["/studies", "/series", "/instances", AT_STUDY + "/series", AT_STUDY + "/instances", AT_SERIES + "/instances"],
)
async def test_all_six_searches_know_the_past(house: House, path: str) -> None:
    assert [(await house.get(f"{path}?asof={n}"))[0] for n in (0, 1, 3)] == [204, 200, 204]


async def test_metadata_frames_and_pictures_are_those_of_the_version_that_was_current(house: House) -> None:
    _, metadata = await house.get(at("a") + "/metadata?asof=1")
    assert first_of(metadata)["00100010"]["Value"] == [{"Alphabetic": "Old^Name"}]

    stored = [await house.get(f"{at('a')}?asof={n}", 'application/dicom;transfer-syntax="*"') for n in (1, 2)]
    assert stored == [(200, ct_slice(instance="a", PatientName="Old^Name")),
                      (200, ct_slice(instance="a", seed=1, PatientName="New^Name"))]  # fmt: skip
    frames = [await house.get(f"{at('a')}/frames/1?asof={n}", "application/octet-stream") for n in (1, 2)]
    assert [status for status, _ in frames] == [200, 200]
    assert frames[0] != frames[1]
    assert (await house.get(f"{at('a')}/rendered?asof=1", "image/png"))[0] == 200
    uri = f"/wado?requestType=WADO&studyUID={STUDY}&seriesUID={SERIES}&objectUID={uid('a')}&asof=1"
    assert (await house.get(uri, "image/jpeg"))[0] == 200
    assert (await house.get(at("a")))[0] == 410
    assert (await house.get(f"{at('a')}?asof=3"))[0] == 410
    assert (await house.get(f"{at('a')}?asof=0"))[0] == 404


async def test_urls_in_an_answer_stay_at_the_revision(house: House) -> None:
    _, body = await house.get("/studies?asof=1")
    url = first_of(body)["00081190"]["Value"][0]
    assert url == f"{house.dicomweb}/asof/1{AT_STUDY}"

    status, metadata = await house.get(url.removeprefix(house.dicomweb) + "/metadata")
    assert (status, len(orjson.loads(metadata))) == (200, 2)
    bulk = first_of(metadata)["7FE00010"]["BulkDataURI"]
    assert bulk.startswith(f"{house.dicomweb}/asof/1/")
    assert (await house.get(bulk.removeprefix(house.dicomweb), "application/octet-stream"))[0] == 200


async def test_the_etag_is_that_of_the_revision_and_a_copy_of_it_is_confirmed(house: House) -> None:
    tags = {}
    for path in (AT_STUDY + "/metadata?asof=2", AT_STUDY + "/metadata?asof=1", "/studies?asof=1", "/studies"):
        async with asked(house, path) as answer:
            tags[path] = answer.headers["ETag"]
            assert answer.headers.get(REVISION) == (path.partition("asof=")[2] or None)
    assert len(set(tags.values())) == len(tags)
    for path, tag in tags.items():
        async with asked(house, path, {"If-None-Match": tag}) as answer:
            assert answer.status == 304


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("asof=5", "no revision 5"),
        ("asof=99999999999999", "expected a revision"),
        ("asof=", "expected a revision"),
        ("asof=-1", "expected a revision"),
        ("asof=2026-03-01", "expected a revision"),
        ("asof=yesterday", "expected a revision"),
        ("asof=20260301", "no revision"),
        ("asof=2026-13-01T00:00:00Z", "expected a revision"),
        ("asof=1&asof=1", "stands twice"),
        ("AsOf=1", "lower case"),
        ("asof=123e4567-e89b-12d3-a456-426614174000-1", "another epoch"),
        ("asof=29990101000000", "not come yet"),
    ],
)
async def test_what_is_no_revision_is_refused_by_a_clear_word(house: House, query: str, words: str) -> None:
    status, body = await house.get(f"/studies?{query}")

    assert status == 400
    assert words in orjson.loads(body)["Message"]


async def test_a_revision_may_bear_its_epoch(house: House) -> None:
    epoch = archive_of(house).epoch
    _, body = await house.get(f"/studies?asof={epoch}-1")
    assert first_of(body)["00081190"]["Value"] == [f"{house.dicomweb}/asof/{epoch}-1{AT_STUDY}"]


def archive_of(house: House) -> LakeArchive:
    return house.application[ARCHIVE]


async def test_a_time_is_the_last_revision_at_or_before_it(house: House) -> None:
    journal = archive_of(house).journal
    times = [entry.written for n in range(1, 5) if (entry := await journal.read(n)) is not None]
    for number, time in enumerate(times, start=1):
        for text in (time.isoformat().replace("+00:00", "Z"), time.isoformat(),  # a plus that nobody escaped
                     time.strftime("%Y%m%d%H%M%S.%f"),
                     (time + timedelta(hours=2)).strftime("%Y%m%d%H%M%S.%f%%2B0200")):  # fmt: skip
            async with asked(house, f"/studies?asof={text}") as answer:
                assert answer.headers[REVISION] == str(number), text
    async with asked(house, "/studies?asof=20000101000000") as answer:
        assert (answer.status, answer.headers[REVISION]) == (204, "0")


@pytest.mark.parametrize(("method", "path"), [("DELETE", AT_STUDY), ("POST", "/studies"), ("GET", "/"),
                                              ("GET", AT_STUDY + "/history")])  # fmt: skip
async def test_the_past_is_only_read(house: House, method: str, path: str) -> None:
    async with asked(house, path + "?asof=1", method=method) as answer:
        assert answer.status == 400


@pytest.mark.parametrize(
    ("path", "status"), [("/asof/1", 404), ("/asof/1/", 404), ("/asof/1/nothing", 404), ("/asof/x/studies", 400),
                         ("/asof/1/studies?asof=1", 400), ("/asof/1/asof/1/studies", 404)],
)  # fmt: skip
async def test_below_the_root_of_the_past_is_what_is_read(house: House, path: str, status: int) -> None:
    assert (await house.get(path))[0] == status


async def test_what_was_erased_is_erased_at_every_revision(house: House) -> None:
    await house.get("/studies?asof=1&includefield=all")
    assert (await house.get(AT_STUDY + "/metadata?asof=1"))[0] == 200
    assert (await house.get(AT_STUDY + "/thumbnail?asof=1"))[0] == 200
    await purge(archive_of(house), Scope(STUDY, SERIES, uid("a")))

    for path in (AT_STUDY, AT_STUDY + "/metadata", at("a"), at("a") + "/metadata", at("a") + "/frames/1",
                 at("a") + "/rendered", AT_SERIES + "/thumbnail", AT_STUDY + "/thumbnail"):  # fmt: skip
        status, body = await house.get(path + "?asof=1")
        assert status == 410, path
        assert "erasure" in orjson.loads(body)["Message"]
    assert (await house.get(at("b") + "/metadata?asof=1"))[0] == 200
    for path in ("/studies", "/instances", "/instances?00081030=*"):
        _, body = await house.get(path + ("&" if "?" in path else "?") + "includefield=all&asof=1")
        assert b"Old" not in body
    _, body = await house.get("/studies?asof=1")
    assert first_of(body)["00201208"]["Value"] == [2], "it is known that it was there"


async def test_a_history_tells_who_did_what(house: House) -> None:
    status, body = await house.get(AT_STUDY + "/history")

    told = orjson.loads(body)
    assert status == 200
    assert (told["study"], told["revision"]) == (STUDY, 4)
    events = told["history"]
    assert [(one["revision"], one["event"], one["instances"]) for one in events] == [
        (4, "stored", 1),
        (3, "deleted", 2),
        (2, "replaced", 1),
        (1, "stored", 2),
    ]
    assert {(one["door"], one["peer"]) for one in events} == {("stow", "127.0.0.1"), ("dicomweb", "127.0.0.1")}
    assert events[2]["instance"] == uid("a")
    assert (events[1]["level"], events[1]["undelete"]) == (
        "series",
        f"{house.dicomweb}{AT_SERIES}/undelete?revision=3",
    )
    assert (await house.get(events[3]["asof"].removeprefix(house.dicomweb) + "/metadata"))[0] == 200
    assert b"Name" not in body


async def test_a_history_comes_in_pages_and_of_an_instance_alone(house: House) -> None:
    path, seen = AT_STUDY + "/history?limit=3", []
    while path:
        told = orjson.loads((await house.get(path))[1])
        seen.append([one["revision"] for one in told["history"]])
        path = told.get("next", "").removeprefix(house.dicomweb)
    assert seen == [[4, 3, 2], [1]]
    of_a = orjson.loads((await house.get(at("a") + "/history"))[1])["history"]
    assert [one["event"] for one in of_a] == ["deleted", "replaced", "stored"]
    assert (await house.get("/studies/1.2.3/history"))[0] == 404
    assert (await house.get(AT_STUDY + "/history?limit=0"))[0] == 400
    assert (await house.get(AT_STUDY + "/history?offset=1"))[0] == 400


async def test_a_deletion_is_undone_over_http(house: House) -> None:
    async with asked(house, AT_STUDY + "/undelete?revision=3", method="POST") as answer:
        assert (answer.status, answer.headers[REVISION]) == (200, "5")
        assert await answer.json() == {"revision": 5, "instances": 2, "undid": 3}
    assert (await house.get(at("a")))[0] == 200
    events = orjson.loads((await house.get(AT_STUDY + "/history"))[1])["history"]
    assert (events[0]["event"], events[0]["undoes"], events[0]["instances"]) == ("restored", 3, 1)
    assert "undelete" not in events[2]
    async with asked(house, AT_STUDY + "/undelete?revision=3", method="POST") as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (AT_STUDY + "/undelete", 400, "history"),
        (AT_STUDY + "/undelete?revision=x", 400, "expected that of the deletion"),
        (AT_STUDY + "/undelete?revision=3&limit=1", 400, "limit"),
        (AT_STUDY + "/undelete?revision=2", 404, "no removal"),
        ("/studies/1.2.3/undelete?revision=3", 404, "not within"),
        (at("a") + "/undelete?revision=3", 404, "POST http"),
    ],
)  # fmt: skip
async def test_an_undelete_names_a_deletion_within_the_resource(
    house: House, path: str, status: int, words: str
) -> None:
    async with asked(house, path, method="POST") as answer:
        assert answer.status == status
        assert words in (await answer.json())["Message"]


async def test_pages_of_other_origins_undelete_nothing(house: House) -> None:
    headers = {"Origin": "http://elsewhere.example"}
    async with asked(house, AT_STUDY + "/undelete?revision=3", headers, method="POST") as answer:
        assert answer.status == 403
