"""Metadata of studies, series and instances (PS3.18 10.4.1.1.2)."""

from __future__ import annotations

import gzip
import json
from typing import Any
from xml.etree import ElementTree

import pydicom
import pytest
import zstandard
from pydicom.dataset import Dataset

from dicomweb.model.instance import Header
from dicomweb.model.keys import InstanceKey
from dicomweb.services import metadata as module
from dicomweb.services.metadata import Metadata, document
from tests.build.asking import ROOT, make_request
from tests.build.compute import DirectCompute
from tests.build.dicom import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    ct_slice,
    make_file,
    multi_frame,
    uid,
)
from tests.build.memory_archive import MemoryArchive
from tests.build.web import Told, ask

STUDY = f"/studies/{uid('study')}"
SERIES = f"{STUDY}/series/{uid('series')}"
INSTANCE = f"{SERIES}/instances/{uid('instance')}"
KEY = InstanceKey(uid("study"), uid("series"), uid("instance"))
JSON = "application/dicom+json"
XML = 'multipart/related; type="application/dicom+xml"'


def service(*files: bytes) -> Metadata:
    return Metadata(MemoryArchive(files), DirectCompute())


async def get(metadata: Metadata, path: str = SERIES, accept: str = JSON, **headers: str) -> Told:
    return await ask(metadata.handlers(), path + "/metadata", accept=accept, **headers)


def series(number: int = 3) -> list[bytes]:
    return [ct_slice(instance=f"i{n}", InstanceNumber=n + 1) for n in range(number)]


def with_profile() -> bytes:
    """A data set with a bulk value within a sequence, as an ICC profile is in a slide's optical path."""
    path = Dataset()
    path.OpticalPathIdentifier = "1"
    path.ICCProfile = bytes(2000)
    return make_file(OpticalPathSequence=[path])


@pytest.mark.parametrize("path", [STUDY, SERIES])
async def test_every_instance_is_told_whole_and_in_order(path: str) -> None:
    told = await get(service(*series()), path)
    assert told.content_type == JSON
    data_sets: list[dict[str, Any]] = json.loads(told.body)
    assert [d["00200013"]["Value"] for d in data_sets] == [[1], [2], [3]]
    for data_set, file in zip(data_sets, series(), strict=True):
        known = pydicom.dcmread(pydicom.filebase.BytesIO(file)).to_json_dict(bulk_data_threshold=8)
        assert {tag: value for tag, value in data_set.items() if tag not in ("7FE00010", "00083002")} == {
            tag: value for tag, value in known.items() if tag != "7FE00010"
        }


async def test_bulk_data_are_pointed_to_by_absolute_urls() -> None:
    (data_set,) = json.loads((await get(service(ct_slice()), INSTANCE)).body)
    assert data_set["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{ROOT}{INSTANCE}/bulkdata/7FE00010"}


async def test_bulk_data_within_sequences_are_pointed_to_as_well() -> None:
    (data_set,) = json.loads((await get(service(with_profile()), INSTANCE)).body)
    (item,) = data_set["00480105"]["Value"]
    assert item["00282000"]["BulkDataURI"] == f"{ROOT}{INSTANCE}/bulkdata/00480105/1/00282000"


async def test_text_that_looks_like_a_bulk_data_uri_is_left_alone() -> None:
    text = 'x","BulkDataURI":"y'
    (data_set,) = json.loads((await get(service(make_file(StudyDescription=text)), INSTANCE)).body)
    assert data_set["00081030"]["Value"] == [text]


@pytest.mark.parametrize(
    ("file", "syntaxes"),
    [
        (ct_slice(), [EXPLICIT_LITTLE]),
        (ct_slice(transfer_syntax=IMPLICIT_LITTLE), [IMPLICIT_LITTLE, EXPLICIT_LITTLE]),
        (multi_frame([[b"ab"]]), [JPEG_BASELINE]),
    ],
    ids=["explicit", "implicit", "compressed"],
)
async def test_available_transfer_syntaxes_are_told(file: bytes, syntaxes: list[str]) -> None:
    (data_set,) = json.loads((await get(service(file), INSTANCE)).body)
    assert data_set["00083002"] == {"vr": "UI", "Value": syntaxes}


async def test_text_is_sent_in_unicode_and_says_so() -> None:
    file = make_file(SpecificCharacterSet=["ISO_IR 100"], PatientName="Müller^Jörg")
    told = json.loads((await get(service(file))).body)[0]
    assert told["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert told["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]


async def test_available_transfer_syntaxes_of_another_archive_are_replaced() -> None:
    told = await get(service(make_file(AvailableTransferSyntaxUID="1.2.3")), INSTANCE)
    assert told.body.count(b"00083002") == 1
    assert json.loads(told.body)[0]["00083002"]["Value"] == [EXPLICIT_LITTLE]


def test_a_data_set_without_attributes_is_told() -> None:
    instance = MemoryArchive().put(make_file())
    assert json.loads(document(Header(instance, b"{}"), ROOT)) == {
        "00083002": {"vr": "UI", "Value": [EXPLICIT_LITTLE]}
    }


async def test_plain_json_is_told_under_its_own_name() -> None:
    told = await get(service(*series()), accept="application/json")
    assert told.content_type == "application/json"
    assert len(json.loads(told.body)) == 3


async def test_xml_has_a_part_an_instance() -> None:
    told = await get(service(*series()), accept=XML)
    assert told.content_type.startswith('multipart/related; type="application/dicom+xml"')
    parts = told.parts()
    assert [part.content_type for part in parts] == ["application/dicom+xml"] * 3
    numbers = [ElementTree.fromstring(part.data).findtext(".//{*}DicomAttribute[@tag='00200013']/{*}Value")
               for part in parts]  # fmt: skip
    assert numbers == ["1", "2", "3"]
    assert f"{ROOT}{SERIES}/instances/{uid('i0')}/bulkdata/7FE00010".encode() in parts[0].data


async def test_one_instance_may_come_as_one_xml_document() -> None:
    metadata = service(*series(), ct_slice())
    assert (await get(metadata, accept="application/dicom+xml")).status == 406
    told = await get(metadata, INSTANCE, "application/dicom+xml")
    assert ElementTree.fromstring(told.body).tag.endswith("NativeDicomModel")


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_client_that_accepts_an_encoding_gets_it_as_it_lies_there(coding: str) -> None:
    compute = DirectCompute()
    metadata = Metadata(MemoryArchive(series(30)), compute)
    plain = await get(metadata)
    first = await get(metadata, accept_encoding=coding)
    again = await get(metadata, accept_encoding=coding)
    decoded = (
        gzip.decompress(first.body) if coding == "gzip" else zstandard.ZstdDecompressor().decompress(first.body)
    )
    assert decoded == plain.body
    assert first.headers["content-encoding"] == coding
    assert "content-encoding" not in plain.headers
    assert again.body == first.body
    assert compute.runs == 1


async def test_without_compression_no_client_gets_it() -> None:
    metadata = Metadata(MemoryArchive(series(30)), DirectCompute(), compression=False)
    told = await get(metadata, accept_encoding="gzip, zstd")
    assert "content-encoding" not in told.headers
    assert len(json.loads(told.body)) == 30


async def test_an_encoded_answer_is_not_encoded_again() -> None:
    answer = await service(*series()).metadata(
        make_request("/", accept=JSON, accept_encoding="gzip"), {"study": uid("study"), "series": uid("series")}
    )
    assert not answer.compressible


async def test_metadata_are_put_together_once_for_a_revision() -> None:
    archive = MemoryArchive(series())
    metadata = Metadata(archive, DirectCompute())
    first = await get(metadata)
    assert (await get(metadata)).body == first.body
    assert (archive.calls["headers"], archive.calls["find_instances"]) == (1, 1)
    archive.put(ct_slice(instance="another", InstanceNumber=9))
    assert len(json.loads((await get(metadata)).body)) == 4
    assert archive.calls["headers"] == 2


async def test_no_object_is_read() -> None:
    archive = MemoryArchive(series())
    await get(Metadata(archive, DirectCompute()))
    assert archive.calls["read"] + archive.calls["frames"] + archive.calls["bulk"] == 0


async def test_clients_that_came_by_another_address_get_its_urls() -> None:
    metadata = service(ct_slice())
    await get(metadata)
    request = make_request("/", accept=JSON)
    other = type(request)(request.method, request.path, "http://other/root", (), request.headers, request.body)
    answer = await metadata.metadata(other, {"study": KEY.study, "series": KEY.series})
    assert isinstance(answer.body, bytes)
    assert b'"http://other/root/studies/' in answer.body
    assert ROOT.encode() not in answer.body


async def test_what_is_too_large_to_be_kept_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_BYTES", 3000)
    archive = MemoryArchive(series(9))
    metadata = Metadata(archive, DirectCompute())
    answer = await metadata.metadata(
        make_request("/", accept=JSON, accept_encoding="gzip"), {"study": uid("study"), "series": uid("series")}
    )
    assert not isinstance(answer.body, bytes)
    assert answer.compressible
    assert len(json.loads((await get(metadata)).body)) == 9
    # found out by the first client, whose stream is not read here; the second one is not made to wait for it
    assert archive.calls["headers"] == 2


async def test_large_headers_are_put_together_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_INLINE_BYTES", 100)
    compute = DirectCompute()
    told = await get(Metadata(MemoryArchive(series(4)), compute))
    assert len(json.loads(told.body)) == 4
    assert compute.runs == 2


async def test_a_client_that_holds_the_metadata_gets_304() -> None:
    archive = MemoryArchive(series())
    metadata = Metadata(archive, DirectCompute())
    tag = (await get(metadata)).headers["etag"]
    again = await get(metadata, if_none_match=tag)
    assert (again.status, again.body, again.headers["vary"]) == (304, b"", "Accept, Accept-Encoding")
    assert (await get(metadata, accept="application/json", if_none_match=tag)).status == 200
    assert (await get(metadata, accept_encoding="gzip", if_none_match=tag)).status == 200
    archive.put(ct_slice(instance="another"))
    assert (await get(metadata, if_none_match=tag)).status == 200


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
async def test_what_was_never_there_is_404_and_what_was_deleted_410(path: str) -> None:
    archive = MemoryArchive([ct_slice()])
    assert (await get(service(), path)).status == 404
    await get(Metadata(archive, DirectCompute()), path)
    await archive.remove(KEY.scope, door="test", peer="")
    assert (await get(Metadata(archive, DirectCompute()), path)).status == 410


async def test_what_cannot_be_sent_is_406_with_what_can() -> None:
    told = await get(service(ct_slice()), accept="text/html")
    assert told.status == 406
    assert b"application/dicom+json" in told.body
