"""Labels over HTTP: put on, taken off, told, searched, told in the history and as of then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from dicomweb.model.query import CREATOR, LABELS, LABELS_CREATOR
from tests.app.archives import House, open_house
from tests.build.dicom import ct_slice, uid

STUDY = f"/studies/{uid('a')}"
SERIES = f"{STUDY}/series/{uid('series')}"
INSTANCE = f"{SERIES}/instances/{uid('i')}"
REVISION = "X-Dicomlake-Revision"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Three studies, stored by one entry."""
    async with open_house(tmp_path) as opened:
        await opened.store([ct_slice(study=name, instance="i") for name in "abc"])
        yield opened


async def change(house: House, method: str, path: str) -> tuple[int, str, Any]:
    """Status, revision, and the body if there is one."""
    async with house.client.request(method, house.dicomweb + path) as answer:
        body = await answer.read()
        return answer.status, answer.headers.get(REVISION, ""), orjson.loads(body) if body else None


async def told(house: House, path: str) -> Any:
    status, body = await house.get(path)
    return orjson.loads(body) if status == 200 else status


async def found(house: House, query: str, level: str = "studies") -> set[str]:
    matches = await told(house, f"/{level}?{query}")
    return set() if matches == 204 else {one["0020000D"]["Value"][0] for one in matches}


async def test_a_label_is_put_on_and_taken_off(house: House) -> None:
    for path in (STUDY, SERIES, INSTANCE):
        assert await told(house, path + "/labels") == []
    assert await change(house, "PUT", STUDY + "/labels/urgent") == (201, "2", ["urgent"])
    assert await change(house, "PUT", STUDY + "/labels/urgent") == (200, "2", ["urgent"])
    assert await change(house, "PUT", STUDY + "/labels/Follow-up_1") == (201, "3", ["Follow-up_1", "urgent"])
    assert await change(house, "PUT", SERIES + "/labels/motion") == (201, "4", ["motion"])
    assert await change(house, "PUT", INSTANCE + "/labels/key") == (201, "5", ["key"])
    assert await told(house, STUDY + "/labels") == ["Follow-up_1", "urgent"]
    assert await told(house, "/labels") == [
        {"label": "Follow-up_1", "studies": 1, "series": 0, "instances": 0},
        {"label": "key", "studies": 0, "series": 0, "instances": 1},
        {"label": "motion", "studies": 0, "series": 1, "instances": 0},
        {"label": "urgent", "studies": 1, "series": 0, "instances": 0},
    ]
    assert await change(house, "DELETE", STUDY + "/labels/urgent") == (204, "6", None)
    assert await change(house, "DELETE", STUDY + "/labels/urgent") == (204, "6", None)
    assert await told(house, STUDY + "/labels") == ["Follow-up_1"]
    assert await told(house, SERIES + "/labels") == ["motion"]


@pytest.mark.parametrize(
    "label", ["", "two%20words", "a.b", "a%5Cb", "%C3%BC", "x" * 65, "a%0A", "%3Cb%3E"], ids=range(8)
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_what_is_no_label_is_refused_in_words(house: House, method: str, label: str) -> None:
    status, _, error = await change(house, method, f"{STUDY}/labels/{label}")

    assert status == (405 if not label else 400)
    if label:
        assert "1 to 64 letters" in error["Message"]
    assert await told(house, "/labels") == []


async def test_what_is_not_there_bears_no_labels(house: House) -> None:
    nowhere = f"/studies/{uid('nowhere')}/labels"
    assert await told(house, nowhere) == 404
    assert (await change(house, "PUT", nowhere + "/x"))[0] == 404
    assert (await change(house, "DELETE", nowhere + "/x"))[0] == 404
    assert (await change(house, "PUT", "/studies/not%20a%20uid/labels/x"))[0] == 400
    await change(house, "PUT", STUDY + "/labels/x")
    await change(house, "DELETE", STUDY)
    assert await told(house, STUDY + "/labels") == 410
    assert (await change(house, "PUT", STUDY + "/labels/y"))[0] == 410
    assert await told(house, "/labels") == []


async def test_searches_find_by_labels(house: House) -> None:
    for study, labels in (("a", "xy"), ("b", "y")):
        for label in labels:
            await change(house, "PUT", f"/studies/{uid(study)}/labels/{label}")
    await change(house, "PUT", SERIES + "/labels/x")
    await change(house, "PUT", INSTANCE + "/labels/x")
    a, b, c = map(uid, "abc")
    for query, expected in {
        "label=x": {a},
        "label=x,y": {a},
        "label=x&label=y": {a},
        "label=%20y%20,": {a, b},
        "label=x,y&labels-constraint=any": {a, b},
        "label=x&labels-constraint=NONE": {b, c},
        "labels-constraint=any": {a, b},
        "labels-constraint=none": {c},
        "labels-constraint=all": {a, b, c},
        "label=": {a, b, c},
        "label=X": set(),
        f"label=y&StudyInstanceUID={b}": {b},
        "label=y&PatientName=nobody": set(),
        "label=y&search=doe&limit=1&offset=1": None,
    }.items():
        if expected is None:
            assert len(await found(house, query)) == 1
        else:
            assert await found(house, query) == expected, query
    assert await found(house, "label=x", "series") == {a}
    assert await found(house, "label=x", "instances") == {a}
    assert await found(house, "label=y", "series") == set()
    # with a condition that headers are read for
    assert await found(house, "label=y&KVP=*") == await found(house, "KVP=*") & {a, b}


async def test_labels_are_told_with_matches_only_if_asked(house: House) -> None:
    await change(house, "PUT", STUDY + "/labels/y")
    await change(house, "PUT", STUDY + "/labels/x")
    for asked in ("includefield=labels", f"includefield={LABELS}", "includefield=all,labels"):
        matches = {one["0020000D"]["Value"][0]: one for one in await told(house, f"/studies?{asked}")}
        assert matches[uid("a")][LABELS] == {"vr": "LO", "Value": ["x", "y"]}
        assert matches[uid("a")][LABELS_CREATOR] == {"vr": "LO", "Value": [CREATOR]}
        assert LABELS not in matches[uid("b")]
    for unasked in ("label=x", "includefield=all", "label=x&includefield=StudyDescription"):
        assert not any(LABELS in one for one in await told(house, f"/studies?{unasked}"))
    _, table = await house.get("/studies?includefield=labels", "text/csv")
    head, *lines = table.decode().splitlines()
    assert head.split(",")[-1] == "Labels"
    assert sorted(line.rpartition(",")[2] for line in lines) == ["", "", "x\\y"]
    _, xml = await house.get("/studies?includefield=labels", 'multipart/related; type="application/dicom+xml"')
    # the block's number is left out (PS3.19 A.1.5)
    assert f'tag="4C410001" privateCreator="{CREATOR}" vr="LO"'.encode() in xml


@pytest.mark.parametrize(
    "query", ["label=two%20words", "label=a.b", "labels-constraint=some", "Label=x", "labels=x"], ids=range(5)
)
async def test_what_cannot_be_understood_is_refused(house: House, query: str) -> None:
    status, body = await house.get(f"/studies?{query}")

    assert status == 400
    assert b"label" in body


async def test_labels_are_told_as_of_then(house: House) -> None:
    await change(house, "PUT", STUDY + "/labels/x")
    await change(house, "DELETE", STUDY + "/labels/x")
    assert [await told(house, f"{STUDY}/labels?asof={n}") for n in (0, 1, 2, 3)] == [404, [], ["x"], []]
    assert await told(house, "/asof/2/labels") == [{"label": "x", "studies": 1, "series": 0, "instances": 0}]
    assert await found(house, "label=x&asof=2") == {uid("a")}
    assert await found(house, "label=x&asof=1") == set()
    assert (await change(house, "PUT", f"{STUDY}/labels/y?asof=1"))[0] == 400
    assert await told(house, "/labels") == []


async def test_the_history_tells_who_labelled_what(house: House) -> None:
    await change(house, "PUT", STUDY + "/labels/x")
    await change(house, "PUT", SERIES + "/labels/y")
    await change(house, "DELETE", STUDY + "/labels/x")
    await change(house, "PUT", INSTANCE + "/labels/z")

    def line(one: dict[str, Any]) -> tuple[Any, ...]:
        return one["revision"], one["event"], one.get("level"), one.get("label"), one["instances"], one["series"]

    lines = [line(one) for one in (await told(house, STUDY + "/history"))["history"]]
    assert lines == [
        (5, "labelled", "instance", "z", 1, [uid("series")]),
        (4, "unlabelled", "study", "x", 0, []),
        (3, "labelled", "series", "y", 0, [uid("series")]),
        (2, "labelled", "study", "x", 0, []),
        (1, "stored", None, None, 1, [uid("series")]),
    ]
    of_series = (await told(house, SERIES + "/history"))["history"]
    assert [one["revision"] for one in of_series] == [5, 3, 1]
    assert of_series[0]["instance"] == uid("i")
    assert {one["door"] for one in of_series[:2]} == {"dicomweb"}


async def test_a_copy_of_the_labels_is_confirmed_until_something_is_written(house: House) -> None:
    async with house.client.get(house.dicomweb + "/labels") as answer:
        tag = {"If-None-Match": answer.headers["ETag"]}
    async with house.client.get(house.dicomweb + "/labels", headers=tag) as answer:
        assert answer.status == 304
    await change(house, "PUT", STUDY + "/labels/x")
    async with house.client.get(house.dicomweb + "/labels", headers=tag) as answer:
        assert answer.status == 200


async def test_a_page_of_elsewhere_cannot_label(house: House) -> None:
    origin = {"Origin": "https://evil.example"}
    async with house.client.put(house.dicomweb + STUDY + "/labels/x", headers=origin) as answer:
        assert answer.status == 403
    assert await told(house, STUDY + "/labels") == []
