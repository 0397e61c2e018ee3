"""Search transaction: PS3.18 10.6, 8.3.4 and 8.7.4, by section."""

from __future__ import annotations

import csv
import io
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from dicomweb.model.keys import IllegalUid, Level
from dicomweb.model.query import JsonAttributes, OneOf
from dicomweb.ports import Unavailable
from dicomweb.services.limits import Limits
from dicomweb.services.qido import Search
from dicomweb.services.qido_attributes import BadParameter
from dicomweb.wire.exchange import Answer
from dicomweb.wire.media_types import parse_media_type
from dicomweb.wire.multipart import MultipartReader, PartData, PartHead, boundary_of
from dicomweb.wire.negotiation import NotAcceptable
from tests.build.asking import ROOT, ask, field_of, whole_body
from tests.build.recording_archive import RecordingArchive


def study(number: int) -> JsonAttributes:
    """A match at study level, as an archive gives it."""
    return {
        "00080020": {"vr": "DA", "Value": ["20240101"]},
        "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Änne", "Ideographic": "山田"}]},
        "00100020": {"vr": "LO", "Value": [f"P,{number}"]},
        "00101040": {"vr": "LO"},
        "0020000D": {"vr": "UI", "Value": [f"1.2.{number}"]},
        "00201208": {"vr": "IS", "Value": [number]},
    }


def instance(number: int) -> JsonAttributes:
    """A match at instance level."""
    return {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
        "00080018": {"vr": "UI", "Value": [f"1.2.3.4.{number}"]},
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.3"]},
    }


STUDIES = [study(number) for number in range(5)]


async def search(
    url: str, archive: RecordingArchive | None = None, *, limits: Limits | None = None, **fields: str
) -> Answer:
    """The answer to a search; header fields with `_` for `-`."""
    service = Search(archive or RecordingArchive(STUDIES), limits or Limits())
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return await ask(service.handlers(), "GET", url, headers=headers)


async def found(answer: Answer) -> list[dict[str, Any]]:
    """The matches of a JSON answer."""
    body: list[dict[str, Any]] = orjson.loads(await whole_body(answer))
    return body


@pytest.mark.parametrize(
    ("url", "level", "parents"),
    [
        ("/studies", Level.STUDY, {}),
        ("/series", Level.SERIES, {}),
        ("/instances", Level.INSTANCE, {}),
        ("/studies/1.2/series", Level.SERIES, {"0020000D": "1.2"}),
        ("/studies/1.2/instances", Level.INSTANCE, {"0020000D": "1.2"}),
        ("/studies/1.2/series/1.3/instances", Level.INSTANCE, {"0020000D": "1.2", "0020000E": "1.3"}),
    ],
)
async def test_10_6_1_1_the_six_resources(url: str, level: Level, parents: dict[str, str]) -> None:
    archive = RecordingArchive()
    await search(url, archive)
    (query,) = archive.queries
    assert query.level is level
    assert {match.path[0]: match.condition for match in query.matches} == {
        tag: OneOf((uid,)) for tag, uid in parents.items()
    }


@pytest.mark.parametrize(
    "url", ["/studies/a%20b/series", "/studies/..%2Fx/instances", "/studies/" + "1" * 65 + "/series"]
)
async def test_10_6_1_1_an_illegal_uid_in_the_url_never_reaches_the_archive(url: str) -> None:
    archive = RecordingArchive()
    with pytest.raises(IllegalUid):
        await search(url, archive)
    assert not archive.queries


async def test_8_3_4_1_a_bad_key_is_400_before_the_archive_is_asked() -> None:
    archive = RecordingArchive()
    with pytest.raises(BadParameter):
        await search("/studies?PatientsName=x", archive)
    assert not archive.queries


async def test_8_3_4_4_pages_and_the_total_of_all_matches() -> None:
    answer = await search("/studies?limit=2&offset=1")
    assert answer.status == 200
    assert [match["0020000D"]["Value"] for match in await found(answer)] == [["1.2.1"], ["1.2.2"]]
    assert field_of(answer, "X-Total-Count") == "5"


async def test_8_3_4_4_1_the_warning_tells_how_many_more_there_are() -> None:
    answer = await search("/studies?limit=2&offset=1")
    assert field_of(answer, "Warning") == f"299 {ROOT}: There are 2 additional results that can be requested"
    last = await search("/studies?limit=2&offset=3")
    assert field_of(last, "Warning") is None


@pytest.mark.parametrize("url", ["/studies?offset=5", "/studies?offset=99", "/studies?limit=0"])
async def test_8_3_4_4_1_a_page_without_matches_is_204(url: str) -> None:
    answer = await search(url)
    assert answer.status == 204
    assert await whole_body(answer) == b""
    assert field_of(answer, "X-Total-Count") == "5"


async def test_10_6_3_1_nothing_found_is_204() -> None:
    answer = await search("/studies?PatientID=none", RecordingArchive())
    assert answer.status == 204
    assert field_of(answer, "X-Total-Count") == "0"


async def test_8_3_4_4_1_the_server_bounds_the_page() -> None:
    answer = await search("/studies?limit=1000", limits=Limits(max_studies=3))
    assert len(await found(answer)) == 3
    assert "2 additional" in (field_of(answer, "Warning") or "")


async def test_10_6_3_3_every_match_tells_where_it_is_retrieved() -> None:
    (first, *_) = await found(await search("/studies"))
    assert first["00081190"] == {"vr": "UR", "Value": [f"{ROOT}/studies/1.2.0"]}
    (told,) = await found(await search("/instances", RecordingArchive([instance(9)])))
    assert told["00081190"]["Value"] == [f"{ROOT}/studies/1.2/series/1.2.3/instances/1.2.3.4.9"]


async def test_f_2_2_attributes_stand_in_the_order_of_their_tags() -> None:
    for match in await found(await search("/studies")):
        assert list(match) == sorted(match)


async def test_the_archive_keeps_its_matches_as_they_are() -> None:
    mine = study(1)
    await whole_body(await search("/studies", RecordingArchive([mine])))
    assert mine == study(1)


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
async def test_a_page_is_the_same_streamed_or_whole(batch: int) -> None:
    answer = await search("/studies", RecordingArchive(STUDIES, batch=batch))
    assert isinstance(answer.body, bytes) == (batch >= 5)
    assert [match["0020000D"]["Value"][0] for match in await found(answer)] == [f"1.2.{n}" for n in range(5)]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/dicom+json", "application/dicom+json"),
        ("application/json", "application/json"),
        ("application/json;q=0.5, application/dicom+json", "application/dicom+json"),
        (
            "application/dicom+json, multipart/related; type=application/octet-stream; transfer-syntax=*; "
            "transfer-syntax=*",
            "application/dicom+json",
        ),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/dicom+json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ('multipart/related; type="application/dicom+xml"', "multipart/related"),
        ("multipart/related; type=application/dicom+xml", "multipart/related"),
        ("application/dicom+xml", "multipart/related"),
    ],
)
async def test_8_7_4_media_types(accept: str, content_type: str) -> None:
    answer = await search("/studies", accept=accept)
    assert answer.status == 200
    assert (field_of(answer, "Content-Type") or "").startswith(content_type)
    assert answer.compressible


async def test_8_3_3_1_the_accept_parameter_comes_first() -> None:
    answer = await search("/studies?accept=text/csv", accept="application/dicom+json")
    assert field_of(answer, "Content-Type") == "text/csv; charset=utf-8"


@pytest.mark.parametrize("accept", ["image/jpeg", "application/dicom", "application/dicom+json;q=0"])
async def test_8_7_4_other_media_types_are_406(accept: str) -> None:
    archive = RecordingArchive(STUDIES)
    with pytest.raises(NotAcceptable, match=r"application/dicom\+json"):
        await search("/studies", archive, accept=accept)
    assert not archive.queries


@pytest.mark.parametrize(("charset", "good"), [("utf-8", True), ("UTF-8;q=1,latin1", True), ("iso-8859-1", False)])
async def test_8_3_3_2_answers_are_in_utf_8(charset: str, good: bool) -> None:
    if good:
        assert (await search(f"/studies?charset={charset}")).status == 200
    else:
        with pytest.raises(BadParameter, match="charset"):
            await search(f"/studies?charset={charset}")


@pytest.mark.parametrize("batch", [2, 100])
async def test_f_3_xml_has_one_document_a_match(batch: int) -> None:
    answer = await search("/studies", RecordingArchive(STUDIES, batch=batch), accept="application/dicom+xml")
    media = parse_media_type(field_of(answer, "Content-Type") or "")
    assert media is not None
    assert media.parameter("type") == "application/dicom+xml"
    reader = MultipartReader(boundary_of(media))
    events = reader.feed(await whole_body(answer))
    reader.finish()
    assert sum(isinstance(event, PartHead) for event in events) == 5
    documents = [ElementTree.fromstring(event.data) for event in events if isinstance(event, PartData)]
    assert len(documents) == 5
    assert all(document.find("*[@keyword='RetrieveURL']") is not None for document in documents)


@pytest.mark.parametrize("batch", [2, 100])
async def test_csv_is_a_table_of_what_is_told(batch: int) -> None:
    archive = RecordingArchive(STUDIES, batch=batch)
    answer = await search("/studies?includefield=PatientComments", archive, accept="text/csv")
    rows = list(csv.DictReader(io.StringIO((await whole_body(answer)).decode())))
    assert len(rows) == 5
    assert rows[1]["PatientID"] == "P,1"
    assert rows[1]["PatientName"] == "Müller^Änne=山田"
    assert rows[1]["ModalitiesInStudy"] == "CT\\SR"
    assert rows[1]["RetrieveURL"] == f"{ROOT}/studies/1.2.1"
    assert rows[1]["PatientComments"] == ""
    assert rows[1]["NumberOfStudyRelatedInstances"] == "1"


async def test_csv_of_all_fields_has_the_columns_of_the_first_rows() -> None:
    odd = {**study(1), "00091001": {"vr": "LO", "Value": ["x"]}, "00400275": {"vr": "SQ", "Value": [{}]}}
    answer = await search("/studies?includefield=all", RecordingArchive([odd]), accept="text/csv")
    (row,) = csv.DictReader(io.StringIO((await whole_body(answer)).decode()))
    assert (row["00091001"], row["RequestAttributesSequence"]) == ("x", "[{}]")


async def test_8_5_an_answer_of_the_same_revision_is_304_without_a_search() -> None:
    archive = RecordingArchive(STUDIES)
    tag = field_of(await search("/studies", archive), "ETag") or ""
    again = await search("/studies", archive, if_none_match=tag)
    assert (again.status, len(archive.queries)) == (304, 1)
    assert (await search("/studies", archive, if_none_match=tag, accept="text/csv")).status == 200
    archive.revision += 1
    assert (await search("/studies", archive, if_none_match=tag)).status == 200


@pytest.mark.parametrize("fields", [{"cache_control": "no-cache"}, {"pragma": "no-cache"}])
async def test_no_cache_reads_the_log_first(fields: dict[str, str]) -> None:
    archive = RecordingArchive(STUDIES)
    await search("/studies", archive)
    assert archive.caught_up == 0
    await search("/studies", archive, **fields)
    assert archive.caught_up == 1


async def test_an_archive_that_is_away_is_told_as_such() -> None:
    archive = RecordingArchive(STUDIES)
    archive.failing = Unavailable("away")
    with pytest.raises(Unavailable):
        await search("/studies", archive)
