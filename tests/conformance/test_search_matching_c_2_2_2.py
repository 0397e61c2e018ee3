"""Attribute matching: PS3.4 C.2.2.2 as PS3.18 8.3.4 uses it, on a real archive in memory.

Each row is a search and the studies it must find, by the letter the study is called.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio
from pydicom.dataset import Dataset

from dicomweb.services.handler import Handler
from dicomweb.services.limits import Limits
from dicomweb.services.qido import Search
from storage.objects.memory import MemoryStore
from tests.build.asking import ask, field_of, whole_body
from tests.build.dicom import make_file, uid
from tests.build.lake import open_lake, store_files


def request_item(step: str, start: str, at: str) -> Dataset:
    """An item of Request Attributes Sequence."""
    protocol = Dataset()
    protocol.CodeValue = f"P-{step}"
    item = Dataset()
    item.ScheduledProcedureStepID = step
    item.ScheduledProcedureStepStartDate = start
    item.ScheduledProcedureStepStartTime = at
    item.ScheduledProtocolCodeSequence = [protocol]
    return item


def files() -> list[bytes]:
    """Five studies."""
    a: dict[str, Any] = {
        "PatientName": "Müller^Änne^Maria",
        "PatientID": "A,1",
        "StudyDate": "20240101",
        "StudyTime": "0930",
        "StudyDescription": "Brain Stem",
        "AccessionNumber": "X1",
    }
    b: dict[str, Any] = {
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "PatientID": "B_2",
        "StudyDate": "20240102",
        "StudyTime": "101500.5",
        "StudyDescription": "brain",
        "AccessionNumber": "X2",
    }
    c: dict[str, Any] = {
        "PatientName": "Muller^Jo-Ann",
        "PatientID": "C3",
        "StudyDate": "20240103",
        "StudyTime": "180000",
        "StudyDescription": "100% Knee",
        "AccessionNumber": "",
    }
    d: dict[str, Any] = {
        "PatientName": None,
        "PatientID": "D4",
        "StudyDate": None,
        "StudyTime": None,
        "OtherPatientNames": "Roe^R\\Poe^E",
        "AccessionNumber": None,
    }
    e: dict[str, Any] = {
        "PatientName": "O'Neil Smith^Zoë",
        "PatientID": "E5",
        "StudyDate": "20231231",
        "StudyTime": "235959",
        "AccessionNumber": None,
        "AcquisitionDateTime": "20240101013000+0200",
        "StudyDescription": "KNEE",
    }
    for named in (a, b, c, d, e):
        named["SpecificCharacterSet"] = "ISO_IR 192"
    return [
        make_file(study="a", series="a1", instance="a1", Modality="CT", **a, SeriesNumber=7),
        make_file(study="a", series="a2", instance="a2", Modality="SR", **a, SeriesNumber=70),
        make_file(
            **{"study": "b", "series": "b1", "instance": "b1", "Modality": "MR", **b},
            RequestAttributesSequence=[request_item("S1", "20240102", "10"), request_item("S2", "20240104", "12")],
        ),
        make_file(
            **{"study": "c", "series": "c1", "instance": "c1", "Modality": "CT", **c},
            RequestAttributesSequence=[request_item("S2", "20240103", "12")],
            SliceThickness="1.50",
        ),
        make_file(**{"study": "d", "series": "d1", "instance": "d1", "Modality": "US", **d}),
        make_file(**{"study": "e", "series": "e1", "instance": "e1", "Modality": "MR", **e}, SeriesNumber=7),
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def handlers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mapping[str, Handler]]:
    """The search service over an archive that holds the five studies."""
    folder: Path = tmp_path_factory.mktemp("node")
    async with open_lake(MemoryStore(), folder) as lake:
        receipts = await store_files(lake, *files())
        assert not [receipt.failure for receipt in receipts if receipt.failure]
        yield Search(lake, Limits()).handlers()


CASES = [
    # section, search, studies
    ("C.2.2.2.1", "PatientID=C3", "c"),
    ("C.2.2.2.1", "PatientID=c3", ""),
    ("C.2.2.2.1", "PatientID=A,1", "a"),
    ("C.2.2.2.1", "StudyDescription=brain", "b"),
    ("C.2.2.2.1", "PatientName=müller^änne^maria", "a"),
    ("C.2.2.2.1", "PatientName=MULLER^ANNE^MARIA", "a"),
    ("C.2.2.2.1", "PatientName=yamada^tarou", "b"),
    ("C.2.2.2.1", "PatientName=山田^太郎", "b"),
    ("C.2.2.2.1", "SeriesNumber=07", "ae"),
    ("C.2.2.2.1", "SliceThickness=1.5", "c"),
    ("C.2.2.2.2", f"StudyInstanceUID={uid('a')},{uid('c')}", "ac"),
    ("C.2.2.2.2", f"StudyInstanceUID={uid('a')}\\{uid('c')}", "ac"),
    ("C.2.2.2.2", "ModalitiesInStudy=CT,MR", "abce"),
    ("C.2.2.2.2", "ModalitiesInStudy=CT\\US", "acd"),
    ("C.2.2.2.2", "Modality=SR", "a"),
    ("C.2.2.2.3", "PatientName=", "abcde"),
    ("C.2.2.2.3", "PatientName=*", "abcde"),
    ("C.2.2.2.3", "", "abcde"),
    ("C.2.2.2.4", "StudyDescription=*rain*", "ab"),
    ("C.2.2.2.4", "StudyDescription=Brain*", "a"),
    ("C.2.2.2.4", "StudyDescription=?rain", "b"),
    ("C.2.2.2.4", "StudyDescription=100%*", "c"),
    ("C.2.2.2.4", "PatientID=B_?", "b"),
    ("C.2.2.2.4", "PatientID=?_*", "b"),
    ("C.2.2.2.4", "PatientName=mull*", "ac"),
    ("C.2.2.2.4", "PatientName=*smith*", "e"),
    ("C.2.2.2.4", "PatientName=山*", "b"),
    ("C.2.2.2.4", "PatientName=*zoe", "e"),
    ("C.2.2.2.4", "ModalitiesInStudy=?R", "abe"),
    ("C.2.2.2.5.1", "StudyDate=20240102", "b"),
    ("C.2.2.2.5.1", "StudyDate=20240101-20240102", "ab"),
    ("C.2.2.2.5.1", "StudyDate=20240102-", "bc"),
    ("C.2.2.2.5.1", "StudyDate=-20240101", "ae"),
    ("C.2.2.2.5.2", "StudyTime=09", "a"),
    ("C.2.2.2.5.2", "StudyTime=0930", "a"),
    ("C.2.2.2.5.2", "StudyTime=093000", "a"),
    ("C.2.2.2.5.2", "StudyTime=093001", ""),
    ("C.2.2.2.5.2", "StudyTime=101500", "b"),
    ("C.2.2.2.5.2", "StudyTime=101500.5", "b"),
    ("C.2.2.2.5.2", "StudyTime=101500.4", ""),
    ("C.2.2.2.5.2", "StudyTime=0930-1015", "ab"),
    ("C.2.2.2.5.2", "StudyTime=18-", "ce"),
    ("C.2.2.2.5.3", "AcquisitionDateTime=20231231", "e"),
    ("C.2.2.2.5.3", "AcquisitionDateTime=20231231233000+0000", "e"),
    ("C.2.2.2.5.3", "AcquisitionDateTime=20231231183000-0500", "e"),
    ("C.2.2.2.5.3", "AcquisitionDateTime=20231231-20240101", "e"),
    ("C.2.2.2.5.3", "AcquisitionDateTime=20240101000000+0200-", "e"),
    ("C.2.2.2.5.3", "AcquisitionDateTime=20240101000000+0000-", ""),
    ("C.2.2.2.5.4", "StudyDate=20240101-20240103&StudyTime=1000-1800", "bc"),
    ("C.2.2.2.5.4", "StudyDate=20240101-20240102&StudyTime=0900-0930", "a"),
    ("C.2.2.2.5.4", "StudyDate=20240102-&StudyTime=1100-", "c"),
    ("C.2.2.2.5.4", "StudyDate=-20240102&StudyTime=-1000", "ae"),
    ("C.2.2.2.5.4", "StudyDate=20240101-&StudyTime=-1200", "ab"),
    ("C.2.2.2.6", "RequestAttributesSequence.ScheduledProcedureStepID=S2", "bc"),
    ("C.2.2.2.6", "00400275.00400009=S1", "b"),
    ("C.2.2.2.6", "00400275.ScheduledProtocolCodeSequence.CodeValue=P-S?", "bc"),
    ("C.2.2.2.6", "00400275.00400002=20240103-20240104", "bc"),
    (
        "C.2.2.2.6",
        "00400275.00400002=20240102-20240103&00400275.00400003=0900-1100",
        "b",
    ),
    ("C.2.2.2.7", 'emptyvaluematching=true&PatientName=""', "d"),
    ("C.2.2.2.7", 'emptyvaluematching=true&AccessionNumber=""', "cde"),
    ("C.2.2.2.7", 'emptyvaluematching=true&StudyDate=""', "d"),
    ("C.2.2.2.7", 'emptyvaluematching=true&RequestAttributesSequence=""', "ade"),
    ("C.2.2.2.8", "multiplevaluematching=true&ModalitiesInStudy=CT,SR", "a"),
    ("C.2.2.2.8", "multiplevaluematching=true&ModalitiesInStudy=CT\\MR", ""),
    ("C.2.2.2.8", "multiplevaluematching=true&OtherPatientNames=poe^e\\roe*", "d"),
    ("8.3.4.2", "fuzzymatching=true&PatientName=ann", "ac"),
    ("8.3.4.2", "fuzzymatching=true&PatientName=maria mull", "a"),
    ("8.3.4.2", "fuzzymatching=true&PatientName=太", "b"),
    ("8.3.4.2", "fuzzymatching=true&PatientName=たろ", "b"),
    ("8.3.4.2", "fuzzymatching=true&PatientName=*mith", "e"),
    ("8.3.4.2", "fuzzymatching=true&PatientName=neil", "e"),
    ("8.3.4.2", "fuzzymatching=true&PatientName=nne", ""),
    ("8.3.4.2", "fuzzymatching=false&PatientName=ann", ""),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("section", "search", "studies"), CASES)
async def test_matching(handlers: Mapping[str, Handler], section: str, search: str, studies: str) -> None:
    answer = await ask(handlers, "GET", "/studies?" + quote(search, safe="=&"))
    body = await whole_body(answer)
    names = {uid(name): name for name in "abcde"}
    found = [names[match["0020000D"]["Value"][0]] for match in orjson.loads(body)] if body else []
    assert "".join(sorted(found)) == studies, section
    assert field_of(answer, "X-Total-Count") == str(len(studies))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("search", "studies"),
    [
        ("orderby=StudyDate&StudyDate=19000101-", "eabc"),
        ("orderby=-StudyDate&StudyDate=19000101-", "cbae"),
        ("orderby=-PatientID", "edcba"),
        ("orderby=PatientID&limit=2&offset=1", "bc"),
        ("orderby=ModalitiesInStudy,-PatientID&ModalitiesInStudy=MR,US", "ebd"),
    ],
)
async def test_order_and_pages(handlers: Mapping[str, Handler], search: str, studies: str) -> None:
    answer = await ask(handlers, "GET", "/studies?" + search)
    names = {uid(name): name for name in "abcde"}
    found = [names[match["0020000D"]["Value"][0]] for match in orjson.loads(await whole_body(answer))]
    assert "".join(found) == studies


@pytest.mark.asyncio(loop_scope="module")
async def test_pages_put_together_are_the_whole(handlers: Mapping[str, Handler]) -> None:
    whole = orjson.loads(await whole_body(await ask(handlers, "GET", "/instances")))
    pages = []
    for offset in range(len(whole)):
        answer = await ask(handlers, "GET", f"/instances?limit=1&offset={offset}")
        pages += orjson.loads(await whole_body(answer))
    assert pages == whole
    assert len(whole) == 6


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("url", "tags"),
    [
        (
            "/studies",
            "00080020 00080030 00080050 00080056 00080061 00081190 00100010 00100020 0020000D 00201206 00201208",
        ),
        ("/series", "00080060 00081190 0020000D 0020000E 00200011 00201209"),
        ("/instances", "00080016 00080018 00081190 0020000D 0020000E"),
    ],
)
async def test_10_6_3_3_what_every_match_tells(handlers: Mapping[str, Handler], url: str, tags: str) -> None:
    """PS3.18 Tables 10.6.3-3 to 10.6.3-5."""
    for match in orjson.loads(await whole_body(await ask(handlers, "GET", url))):
        assert set(tags.split()) <= set(match)
        assert list(match) == sorted(match)


@pytest.mark.asyncio(loop_scope="module")
async def test_10_6_3_3_keys_and_included_fields_are_told(handlers: Mapping[str, Handler]) -> None:
    url = "/studies?PatientID=C3&StudyDescription=&includefield=SliceThickness,RequestAttributesSequence"
    (match,) = orjson.loads(await whole_body(await ask(handlers, "GET", url)))
    assert match["00081030"]["Value"] == ["100% Knee"]
    url = "/instances?PatientID=C3&includefield=SliceThickness&includefield=00400275"
    (match,) = orjson.loads(await whole_body(await ask(handlers, "GET", url)))
    assert match["00180050"]["Value"] == [1.5]
    assert match["00400275"]["Value"][0]["00400009"]["Value"] == ["S2"]
