"""Store transaction: PS3.18 10.5 and Annex I, by section."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import orjson
import pydicom
import pytest

from dicomweb.encoding.xml_output import to_xml
from dicomweb.model.keys import IllegalUid, InstanceKey, Scope
from dicomweb.model.outcome import Failure, Outcome, Reason, Receipt
from dicomweb.ports import Unavailable
from dicomweb.services.body_chunks import BodyOverLimit
from dicomweb.services.limits import Limits
from dicomweb.services.stow import Store
from dicomweb.wire.exchange import Answer, WebError
from dicomweb.wire.multipart import MalformedMultipart, MultipartOverLimit
from tests.build.asking import ROOT, ask, body_chunks, field_of, multipart, related, whole_body
from tests.build.compute import DirectCompute
from tests.build.dicom import CT_IMAGE, SECONDARY_CAPTURE, ct_slice, make_data_set, make_file, pixels, uid
from tests.build.recording_archive import RecordingArchive

DICOM = "application/dicom"
STUDY = uid("study")
A = ct_slice(instance="a")
B = ct_slice(instance="b", seed=1)
OTHER_STUDY = ct_slice(study="other", instance="c")
FAILED, REFERENCED, OTHER = "00081198", "00081199", "0008119A"


def key(instance: str, study: str = "study") -> InstanceKey:
    """The key of a file made with that name."""
    return InstanceKey(uid(study), uid("series"), uid(instance))


async def store(
    body: bytes | AsyncIterator[bytes],
    content_type: str,
    archive: RecordingArchive | None = None,
    *,
    url: str = "/studies",
    limits: Limits | None = None,
    **fields: str,
) -> Answer:
    """The answer to a store request; header fields with `_` for `-`."""
    service = Store(archive or RecordingArchive(), DirectCompute(), limits or Limits())
    headers = {"content-type": content_type, **{name.replace("_", "-"): value for name, value in fields.items()}}
    return await ask(service.handlers(), "POST", url, body=body, headers=headers)


async def module(answer: Answer) -> dict[str, Any]:
    """The response module of a JSON answer."""
    body: dict[str, Any] = orjson.loads(await whole_body(answer))
    return body


def items(told: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    """The items of a sequence of the module."""
    found: list[dict[str, Any]] = told.get(tag, {}).get("Value", [])
    return found


def parts_of(*files: bytes) -> bytes:
    """A multipart body of DICOM files."""
    return multipart(*(({"Content-Type": DICOM}, data) for data in files))


def zipped(content: dict[str, bytes]) -> bytes:
    """A zip of these entries."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return target.getvalue()


@pytest.mark.parametrize(
    "content_type",
    [
        related(DICOM),
        related(DICOM, quoted=False),
        related(DICOM).replace("a-boundary", '"a-boundary"'),
        "multipart/related; boundary=a-boundary",
        'Multipart/Related; Boundary=a-boundary; Type="Application/DICOM"',
        'multipart/related; type="application/octet-stream"; boundary=a-boundary',
    ],
)
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
async def test_10_5_2_multipart_of_instances(content_type: str, newline: bytes) -> None:
    archive = RecordingArchive()
    body = multipart(({"Content-Type": DICOM}, A), ({"Content-Type": DICOM}, B), newline=newline)
    answer = await store(body, content_type, archive)
    assert answer.status == 200
    assert archive.stored == {key("a"): A, key("b"): B}
    assert archive.submissions == [("stow", "192.0.2.1", None)]
    assert archive.closed == 1


@pytest.mark.parametrize("size", [1, 13, 1000])
async def test_10_5_2_a_body_comes_in_chunks_of_any_size(size: int) -> None:
    archive = RecordingArchive()
    assert (await store(body_chunks(parts_of(A, B), size), related(DICOM), archive)).status == 200
    assert archive.stored == {key("a"): A, key("b"): B}


async def test_a_large_part_is_never_held_whole() -> None:
    archive = RecordingArchive()
    large = ct_slice(instance="large", rows=512, columns=512)
    await store(body_chunks(parts_of(large), 4096), related(DICOM), archive)
    assert archive.stored == {key("large"): large}
    assert archive.largest_chunk <= 4096 + 80


@pytest.mark.parametrize("fields", [{}, {"Content-Type": "application/octet-stream"}, {"Content-Location": "x"}])
async def test_10_5_2_parts_without_a_telling_type_are_instances(fields: dict[str, str]) -> None:
    archive = RecordingArchive()
    assert (await store(multipart((fields, A)), related(DICOM), archive)).status == 200
    assert archive.stored == {key("a"): A}


async def test_10_5_2_a_single_instance() -> None:
    archive = RecordingArchive()
    assert (await store(A, DICOM, archive)).status == 200
    assert archive.stored == {key("a"): A}


@pytest.mark.parametrize(
    "content_type",
    [
        *("", "text/plain", "image/jpeg", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("multipart/related; type=image/jpeg; boundary=x", "nonsense"),
    ],
)
async def test_10_5_3_1_415_tells_what_is_taken(content_type: str) -> None:
    archive = RecordingArchive()
    with pytest.raises(WebError, match="application/dicom") as caught:
        await store(A, content_type, archive)
    assert caught.value.status == 415
    assert not archive.submissions


async def test_10_5_1_1_instances_of_another_study_than_the_url_are_refused() -> None:
    archive = RecordingArchive()
    answer = await store(parts_of(A, OTHER_STUDY), related(DICOM), archive, url=f"/studies/{STUDY}")
    told = await module(answer)
    assert answer.status == 202
    assert archive.submissions[0][2] == Scope(STUDY)
    (failed,) = items(told, FAILED)
    assert failed["00081155"]["Value"] == [uid("c")]
    assert failed["00081197"] == {"vr": "US", "Value": [Reason.DATA_SET_MISMATCH]}
    assert told["00081190"]["Value"] == [f"{ROOT}/studies/{STUDY}"]


async def test_10_5_1_1_an_illegal_study_in_the_url_is_refused_before_the_body() -> None:
    archive = RecordingArchive()
    with pytest.raises(IllegalUid):
        await store(A, DICOM, archive, url="/studies/a%20b")
    assert not archive.submissions


async def test_10_5_3_1_the_same_again_is_success() -> None:
    archive = RecordingArchive()
    await store(A, DICOM, archive)
    answer = await store(A, DICOM, archive)
    assert answer.status == 200
    assert len(items(await module(answer), REFERENCED)) == 1


async def test_i_1_what_was_stored_is_referenced_with_its_url() -> None:
    answer = await store(parts_of(A, B), related(DICOM))
    told = await module(answer)
    assert [item["00081155"]["Value"] for item in items(told, REFERENCED)] == [[uid("a")], [uid("b")]]
    (first, _) = items(told, REFERENCED)
    assert first["00081150"]["Value"] == [CT_IMAGE]
    assert first["00081190"]["Value"] == [f"{ROOT}/studies/{STUDY}/series/{uid('series')}/instances/{uid('a')}"]
    assert told["00081190"] == {"vr": "UR", "Value": [f"{ROOT}/studies/{STUDY}"]}
    assert FAILED not in told
    assert OTHER not in told


async def test_i_1_no_study_url_for_several_studies() -> None:
    told = await module(await store(parts_of(A, OTHER_STUDY), related(DICOM)))
    assert told["00081190"] == {"vr": "UR"}


async def test_i_1_parts_that_cannot_be_identified_stand_in_other_failures() -> None:
    answer = await store(parts_of(A, b"no DICOM at all"), related(DICOM))
    told = await module(answer)
    assert answer.status == 202
    (other,) = items(told, OTHER)
    assert other["00081197"]["Value"] == [Reason.CANNOT_UNDERSTAND]
    assert other["00000902"]["Value"][0].startswith("part 2: ")


async def test_the_revision_of_the_commit_is_told() -> None:
    archive = RecordingArchive()
    assert field_of(await store(A, DICOM, archive), "X-Dicomlake-Revision") == str(archive.revision)


def receipt(outcome: Outcome, reason: int = 0, *, identified: bool = True, **more: Any) -> Receipt:
    """A receipt about instance a."""
    failure = Failure(reason, "why") if reason else None
    return Receipt(outcome, key("a") if identified else None, SECONDARY_CAPTURE, failure=failure, **more)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (receipt(Outcome.STORED), 200),
        (receipt(Outcome.REPLACED), 200),
        (receipt(Outcome.DUPLICATE), 200),
        (receipt(Outcome.KEPT), 202),
        (receipt(Outcome.STORED, warnings=("odd",)), 202),
        (receipt(Outcome.REFUSED, Reason.DATA_SET_MISMATCH), 409),
        (receipt(Outcome.REFUSED, Reason.PROCESSING_FAILURE), 409),
        (receipt(Outcome.REFUSED, Reason.CANNOT_UNDERSTAND), 409),
        (receipt(Outcome.REFUSED, Reason.CANNOT_UNDERSTAND, identified=False), 400),
        (receipt(Outcome.REFUSED, Reason.OUT_OF_RESOURCES), 507),
        (receipt(Outcome.REFUSED, Reason.OUT_OF_RESOURCES, identified=False), 507),
        (receipt(Outcome.REFUSED), 409),
    ],
)
async def test_10_5_3_1_status_of_a_request_with_one_outcome(verdict: Receipt, status: int) -> None:
    archive = RecordingArchive()
    archive.verdicts[uid("a")] = verdict
    answer = await store(A, DICOM, archive)
    assert answer.status == status
    assert (await module(answer))["00081190"]["vr"] == "UR"


@pytest.mark.parametrize("reason", [Reason.OUT_OF_RESOURCES, Reason.CANNOT_UNDERSTAND, Reason.DATA_SET_MISMATCH])
async def test_10_5_3_1_202_if_anything_was_stored(reason: int) -> None:
    archive = RecordingArchive()
    archive.verdicts[uid("a")] = receipt(Outcome.REFUSED, reason)
    answer = await store(parts_of(A, B), related(DICOM), archive)
    assert answer.status == 202
    (failed,) = items(await module(answer), FAILED)
    assert failed["00081197"]["Value"] == [reason]
    assert failed["00000902"]["Value"] == ["part 1: why"]


async def test_i_2_1_warnings_name_their_reason_and_attributes() -> None:
    archive = RecordingArchive()
    archive.verdicts[uid("a")] = receipt(Outcome.STORED, warnings=("odd", "strange"), warned_tags=("00280010",))
    archive.verdicts[uid("b")] = Receipt(Outcome.KEPT, key("b"))
    odd, kept = items(await module(await store(parts_of(A, B), related(DICOM), archive)), REFERENCED)
    assert odd["00081196"] == {"vr": "US", "Value": [0xB007]}
    assert odd["00000902"]["Value"] == ["part 1: odd; strange"]
    assert odd["00741048"]["Value"] == [{"00720026": {"vr": "AT", "Value": ["00280010"]}}]
    assert list(odd) == sorted(odd)
    assert kept["00081196"]["Value"] == [0xB100]
    assert kept["00081150"] == {"vr": "UI"}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/json", "application/json"),
        ("application/dicom+xml", "application/dicom+xml"),
        ("application/dicom", "application/dicom+json"),
        ("image/png", "application/dicom+json"),
    ],
)
async def test_10_5_3_the_response_in_json_or_xml(accept: str, content_type: str) -> None:
    answer = await store(A, DICOM, accept=accept)
    assert answer.status == 200
    assert field_of(answer, "Content-Type") == content_type
    body = await whole_body(answer)
    if content_type.endswith("xml"):
        assert ElementTree.fromstring(body).find("*[@keyword='ReferencedSOPSequence']/{*}Item") is not None
    else:
        assert pydicom.Dataset.from_json(orjson.loads(body)).ReferencedSOPSequence[
            0
        ].ReferencedSOPInstanceUID == uid("a")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", DICOM),
        (b"no DICOM", DICOM),
        (b"", related(DICOM)),
        (b"no boundary", related(DICOM)),
        (multipart(), related(DICOM)),
        (parts_of(b"x", b"y"), related(DICOM)),
        (b"", "application/zip"),
        (b"no zip", "application/zip"),
        (zipped({}), "application/zip"),
        (zipped({"readme.txt": b"x"}), "application/zip"),
        (b"{", "application/dicom+json"),
        (b"[]", "application/dicom+json"),
        (b"[1]", "application/dicom+json"),
        (b"<x/>", "application/dicom+xml"),
        (multipart(({"Content-Type": "image/jpeg"}, b"x")), related(DICOM)),
    ],
)
async def test_10_5_3_1_no_readable_part_at_all_is_400(body: bytes, content_type: str) -> None:
    archive = RecordingArchive()
    try:
        status = (await store(body, content_type, archive)).status
    except WebError as error:
        status = error.status
    assert status == 400
    assert not archive.stored


@pytest.mark.parametrize("content_type", ["multipart/related; type=application/dicom", related(DICOM) + "x" * 70])
async def test_10_5_2_a_boundary_must_be_named(content_type: str) -> None:
    with pytest.raises(MalformedMultipart):
        await store(parts_of(A), content_type)


async def test_a_body_cut_short_loses_the_torn_part_alone() -> None:
    archive = RecordingArchive()
    whole = parts_of(A, B)
    answer = await store(whole[: len(whole) - 100], related(DICOM), archive)
    told = await module(answer)
    assert answer.status == 202
    assert archive.stored == {key("a"): A}
    assert [item["00000902"]["Value"][0][:6] for item in items(told, OTHER)] == ["body: "]


@pytest.mark.parametrize("missing", [1, 3, 5, 20])
async def test_a_last_part_without_its_closing_boundary_is_never_stored(missing: int) -> None:
    archive = RecordingArchive()
    whole = parts_of(A).rstrip(b"\r\n")
    answer = await store(whole[: len(whole) - missing], related(DICOM), archive)
    assert answer.status == 400
    assert not archive.stored


async def test_a_dropped_connection_goes_through_and_the_submission_is_closed() -> None:
    async def dropped() -> AsyncIterator[bytes]:
        yield parts_of(A, B)[:-200]
        raise ConnectionResetError

    archive = RecordingArchive()
    with pytest.raises(ConnectionResetError):
        await store(dropped(), related(DICOM), archive)
    assert archive.closed == 1
    assert not archive.stored


async def test_a_store_that_is_away_is_told_as_such() -> None:
    archive = RecordingArchive()
    archive.failing = Unavailable("away")
    with pytest.raises(Unavailable):
        await store(parts_of(A), related(DICOM), archive)
    assert archive.closed == 1


@pytest.mark.parametrize("fields", [{}, {"content_length": "5000"}])
@pytest.mark.parametrize("content_type", [DICOM, related(DICOM), "application/zip", "application/dicom+json"])
async def test_8_5_a_body_over_the_limit_is_413(content_type: str, fields: dict[str, str]) -> None:
    archive = RecordingArchive()
    body = {"application/zip": b"PK\x03\x04" + bytes(5000), related(DICOM): parts_of(bytes(5000))}
    with pytest.raises(BodyOverLimit) as caught:
        await store(
            body.get(content_type, b"[" + b" " * 4999),
            content_type,
            archive,
            limits=Limits(body_bytes=1000),
            **fields,
        )
    assert caught.value.status == 413
    assert not archive.stored


async def test_8_5_parts_and_their_headers_are_bounded() -> None:
    archive = RecordingArchive()
    with pytest.raises(MultipartOverLimit):
        await store(parts_of(A, B), related(DICOM), archive, limits=Limits(parts=1))
    with pytest.raises(MultipartOverLimit):
        await store(
            multipart(({"X": "y" * 5000}, A)), related(DICOM), archive, limits=Limits(part_header_bytes=1000)
        )
    assert not archive.stored


async def test_zip_entries_are_instances_and_clutter_is_passed_over() -> None:
    archive = RecordingArchive()
    content = {
        "DICOMDIR": make_file(instance="dir"),
        "CD/DICOM/IM0001": A,
        "CD/b.dcm": B,
        "CD/": b"",
        "CD/.DS_Store": b"x",
        "__MACOSX/CD/b.dcm": B,
        "viewer.exe": b"MZ" * 100,
        "README.TXT": b"hello",
        "empty": b"",
        "named-as-something-else.txt": OTHER_STUDY,
    }
    answer = await store(zipped(content), "application/zip", archive)
    assert answer.status == 200
    assert archive.stored == {key("a"): A, key("b"): B, key("c", "other"): OTHER_STUDY}
    assert field_of(answer, "X-Dicomlake-Skipped") == "7"


async def test_zip_entries_that_cannot_be_read_are_failures_without_their_names() -> None:
    archive = RecordingArchive()
    content = {"DOE_JOHN": b"not DICOM" * 50, "DOE_JOHN.zip": zipped({"a": A}), "b": B}
    answer = await store(zipped(content), "application/zip", archive)
    assert answer.status == 202
    assert archive.stored == {key("b"): B}
    body = await whole_body(answer)
    assert b"DOE" not in body
    told = [item["00000902"]["Value"][0] for item in items(orjson.loads(body), OTHER)]
    assert [one.split(":")[0] for one in told] == ["entry 1", "entry 2"]


async def test_a_zip_cut_short_loses_the_torn_entry_alone() -> None:
    archive = RecordingArchive()
    whole = zipped({"a": A, "b": B})
    answer = await store(whole[: whole.index(b"PK\x01\x02") - 10], "application/zip", archive)
    assert answer.status == 202
    assert archive.stored == {key("a"): A}


async def test_a_zip_bomb_is_413() -> None:
    archive = RecordingArchive()
    with pytest.raises(BodyOverLimit):
        await store(zipped({"a": bytes(40 << 20)}), "application/zip", archive, limits=Limits(zip_ratio=2))
    assert not archive.stored


def json_of(instance: str, **attributes: Any) -> dict[str, Any]:
    """The DICOM JSON of a small data set."""
    found: dict[str, Any] = make_data_set(instance=instance, **attributes).to_json_dict()
    return found


def image_json(instance: str, uri: str) -> dict[str, Any]:
    """An image whose pixels are bulk data."""
    image = {"Rows": 2, "Columns": 2, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    plain = json_of(instance, SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", **image)
    return {**plain, "7FE00010": {"vr": "OB", "BulkDataURI": uri}}


@pytest.mark.parametrize("content_type", ["application/dicom+json", "application/json"])
async def test_10_5_2_data_sets_as_json_alone(content_type: str) -> None:
    archive = RecordingArchive()
    data_sets = [json_of("a", PatientName="Müller^Änne"), json_of("b")]
    answer = await store(orjson.dumps(data_sets), content_type, archive)
    assert answer.status == 200
    stored = pydicom.dcmread(io.BytesIO(archive.stored[key("a")]))
    assert stored.PatientName == "Müller^Änne"
    assert key("b") in archive.stored


async def test_10_5_2_json_with_bulk_data_by_their_location() -> None:
    archive = RecordingArchive()
    absolute = f"{ROOT}/studies/pixels/2"
    metadata = orjson.dumps([image_json("a", "pixels/1"), image_json("b", absolute)])
    body = multipart(
        ({"Content-Type": "application/dicom+json"}, metadata),
        ({"Content-Type": "application/octet-stream", "Content-Location": "pixels/2"}, b"zwei"),
        ({"Content-Type": "application/octet-stream", "Content-Location": "pixels/1"}, b"eins"),
    )
    answer = await store(body, related("application/dicom+json"), archive)
    assert answer.status == 200
    pixel_data = {name: pydicom.dcmread(io.BytesIO(archive.stored[key(name)])).PixelData for name in "ab"}
    assert pixel_data == {"a": b"eins", "b": b"zwei"}


async def test_10_5_2_xml_has_one_part_a_data_set() -> None:
    archive = RecordingArchive()
    body = multipart(
        ({"Content-Type": "application/dicom+xml"}, to_xml(image_json("a", "one"))),
        ({"Content-Type": "application/dicom+xml"}, to_xml(json_of("b", PatientName="Łoś^Ęwa"))),
        ({"Content-Location": "one"}, pixels(4)),
    )
    # The bulk data part has no type of its own: it would count as XML, so it must be given one.
    typed = body.replace(
        b"Content-Location: one", b"Content-Type: application/octet-stream\r\nContent-Location: one"
    )
    answer = await store(typed, related("application/dicom+xml"), archive)
    assert answer.status == 200
    assert pydicom.dcmread(io.BytesIO(archive.stored[key("a")])).PixelData == pixels(4)
    assert pydicom.dcmread(io.BytesIO(archive.stored[key("b")])).PatientName == "Łoś^Ęwa"


async def test_10_5_2_bulk_data_inline() -> None:
    archive = RecordingArchive()
    inline = image_json("a", "x")
    inline["7FE00010"] = {"vr": "OB", "InlineBinary": base64.b64encode(b"1234").decode()}
    assert (await store(orjson.dumps([inline]), "application/dicom+json", archive)).status == 200
    assert pydicom.dcmread(io.BytesIO(archive.stored[key("a")])).PixelData == b"1234"


async def test_10_5_2_a_data_set_whose_bulk_data_are_missing_is_refused_by_its_uids() -> None:
    archive = RecordingArchive()
    metadata = orjson.dumps([image_json("a", "pixels/1"), json_of("b")])
    answer = await store(metadata, "application/dicom+json", archive)
    assert answer.status == 202
    (failed,) = items(await module(answer), FAILED)
    assert failed["00081155"]["Value"] == [uid("a")]
    assert failed["00000902"]["Value"][0].startswith("body data set 1: ")


async def test_10_5_2_bulk_data_without_a_location_are_told() -> None:
    body = multipart(
        ({"Content-Type": "application/dicom+json"}, orjson.dumps([json_of("a")])),
        ({"Content-Type": "application/octet-stream"}, b"stray"),
    )
    answer = await store(body, related("application/dicom+json"))
    assert answer.status == 202
    assert items(await module(answer), OTHER)[0]["00000902"]["Value"][0].startswith("part 2: ")


async def test_8_5_metadata_and_bulk_data_in_memory_are_bounded() -> None:
    metadata = orjson.dumps([image_json("a", "one")])
    body = multipart(
        ({"Content-Type": "application/dicom+json"}, metadata),
        ({"Content-Type": "application/octet-stream", "Content-Location": "one"}, bytes(500)),
    )
    for limits in (Limits(metadata_bytes=100), Limits(bulk_bytes=100)):
        archive = RecordingArchive()
        with pytest.raises(BodyOverLimit):
            await store(body, related("application/dicom+json"), archive, limits=limits)
        assert not archive.stored
    with pytest.raises(BodyOverLimit):
        await store(orjson.dumps([json_of("a")] * 3), "application/dicom+json", limits=Limits(parts=2))


async def test_a_part_may_be_a_whole_instance_in_a_body_of_metadata() -> None:
    archive = RecordingArchive()
    body = multipart(
        ({"Content-Type": "application/dicom+json"}, orjson.dumps([json_of("a")])), ({"Content-Type": DICOM}, B)
    )
    assert (await store(body, related("application/dicom+json"), archive)).status == 200
    assert set(archive.stored) == {key("a"), key("b")}


async def test_receipts_and_refusals_are_told_in_the_order_of_the_request() -> None:
    answer = await store(
        multipart(
            ({"Content-Type": DICOM}, b"x"), ({"Content-Type": "image/png"}, b"y"), ({"Content-Type": DICOM}, A)
        ),
        related(DICOM),
    )
    told = await module(answer)
    assert [item["00000902"]["Value"][0][:6] for item in items(told, OTHER)] == ["part 1", "part 2"]
    assert len(items(told, REFERENCED)) == 1
