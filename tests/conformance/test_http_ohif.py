"""OHIF, dicom-microscopy-viewer and VolView: the requests that were seen on the wire, replayed byte by byte, and
the answers taken apart as strictly as those clients do it.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.build.dicom import EXPLICIT_LITTLE, ct_slice, make_data_set, multi_frame, part10, pixels, to_file, uid
from tests.build.images import frame_in, samples_of, spec_of
from tests.clients.raw import RawAnswer, ask
from tests.clients.servers import Server
from tests.dicomweb.wire import accept_corpus as corpus

STUDY, SERIES = uid("ohif"), uid("ohif series")
STUDY_PATH = f"/studies/{STUDY}"
SERIES_PATH = f"{STUDY_PATH}/series/{SERIES}"
JSON = {"Accept": "application/dicom+json"}
LIST = "limit=101&offset=0&fuzzymatching=false&includefield=00081030%2C00080060%2C00080090%2C00100030"
PROFILE = pixels(3000, seed=5)
ENCAPSULATED = (
    corpus.JPEG, corpus.JPEG_LOSSLESS, corpus.JLS, corpus.J2K, corpus.J2K_LOSSY, corpus.JPX, corpus.HTJ2K,
    corpus.JXL, corpus.RLE, corpus.MPEG2, corpus.MP4, corpus.DEFLATED_FRAMES, corpus.PRIVATE,
)  # fmt: skip
NATIVE = (corpus.ELE, corpus.IMPLICIT, corpus.BIG, corpus.DEFLATED)
FRAMES = 5


OPAQUE = (corpus.MPEG2, corpus.MP4, corpus.PRIVATE)
"""What is passed through without being understood."""
GREY = spec_of(bits=8, frames=FRAMES)
CT = replace(spec_of(bits=16), rows=4, columns=4)


def tile(syntax: str, number: int) -> bytes:
    """The bytes of a frame of the slide in that syntax, counted from 1."""
    if syntax in OPAQUE:
        return b"\xff\xd8 " + pixels(97 + 2 * number, seed=number + len(syntax))
    return frame_in(syntax, number, GREY)


def relabelled(syntax: str, tiles: list[list[bytes]], **attributes: Any) -> bytes:
    """A multi-frame file in any syntax, also those that pydicom does not know."""
    data = multi_frame(tiles, **attributes)
    (length,) = struct.unpack_from("<L", data, 140)
    return part10(data[144 + length :], syntax, sop_instance=attributes["instance"])


def make_instances() -> list[bytes]:
    """A study with a series for each way of storing pixels, a document, and a slide's colour profile."""
    common: dict[str, Any] = {
        "study": "ohif",
        "PatientName": "Müller^Änne",
        "PatientID": "OHIF-1",
        "AccessionNumber": "ACC-77",
        "StudyDescription": "Schädel nativ",
    }
    slices = [
        ct_slice(
            rows=16,
            columns=16,
            seed=n,
            series="ohif series",
            instance=f"ohif {n}",
            InstanceNumber=n,
            SeriesDescription="axial",
            **common,
        )
        for n in (1, 2, 3)
    ]
    optical_path = Dataset()
    optical_path.OpticalPathIdentifier = "1"
    optical_path.ICCProfile = PROFILE
    slide = [
        relabelled(
            syntax,
            [[tile(syntax, n)] for n in range(1, FRAMES + 1)],
            series=syntax,
            instance=syntax,
            OpticalPathSequence=[optical_path],
            Rows=GREY.rows,
            Columns=GREY.columns,
            **common,
        )
        for syntax in ENCAPSULATED
    ]
    native = [
        ct_slice(transfer_syntax=syntax, series=syntax, instance=syntax, InstanceNumber=1, **common)
        for syntax in NATIVE
    ]
    document = make_data_set(series="document", instance="document", Modality="DOC", **common)
    document.add_new(0x00420011, "OB", b"%PDF-1.7 " + pixels(3001))
    return [*slices, *slide, *native, to_file(document)]


@pytest.fixture(scope="module")
def viewed(archive: Server) -> Server:
    """The archive with that study in it."""
    parts = [b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in make_instances()]
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
    answer = ask(archive, "/studies", headers, method="POST", body=b"".join(parts) + b"--x--\r\n")
    assert answer.status == 200, answer.body
    return archive


def told(answer: RawAnswer) -> list[dict[str, Any]]:
    """The matches or data sets of a JSON answer."""
    assert answer.status == 200, answer.body
    assert answer.header("content-type") == "application/dicom+json"
    found: list[dict[str, Any]] = json.loads(answer.body)
    return found


def value(found: dict[str, Any], tag: str) -> Any:
    """The first value of an attribute, None if it has none."""
    return found[tag].get("Value", [None])[0]


@dataclass(frozen=True, slots=True)
class Part:
    """A part as a viewer reads it."""

    media: str
    transfer_syntax: str
    data: bytes


def viewer_parts(answer: RawAnswer) -> list[Part]:
    """The parts of an answer, found as cornerstone's loader and dicomweb-client (JS) find them."""
    assert answer.status == 200, answer.body
    assert "multipart" in answer.header("content-type")
    body = answer.body
    assert body.startswith(b"--")
    boundary = body[: body.index(b"\r\n")]
    assert boundary[2:].decode() in answer.header("content-type")
    assert body.endswith(b"\r\n" + boundary + b"--\r\n") or body.endswith(b"\r\n" + boundary + b"--")
    pieces = body.split(boundary)
    assert pieces[0] == b""
    assert pieces[-1].strip() == b"--"
    return [_viewer_part(piece) for piece in pieces[1:-1]]


def _viewer_part(piece: bytes) -> Part:
    end = piece.find(b"\r\n\r\n", 0, 1000)
    assert end > 0, "the part's header is too long for dicomweb-client"
    (line,) = [one for one in piece[:end].split(b"\r\n") if one.startswith(b"Content-Type:")]
    media, *parameters = [text.strip() for text in line.removeprefix(b"Content-Type:").decode().split(";")]
    (syntax,) = [
        text.removeprefix("transfer-syntax=") for text in parameters if text.startswith("transfer-syntax=")
    ]
    assert piece.endswith(b"\r\n")
    return Part(media, syntax, piece[end + 4 : -2])


def test_the_study_list_has_what_it_shows(viewed: Server) -> None:
    answer = ask(viewed, f"/studies?{LIST}", JSON)

    (study,) = [one for one in told(answer) if value(one, "0020000D") == STUDY]
    assert value(study, "00081030") == "Schädel nativ"
    assert value(study, "00100010") == {"Alphabetic": "Müller^Änne"}
    assert value(study, "00100020") == "OHIF-1"
    assert value(study, "00080050") == "ACC-77"
    assert value(study, "00080020") == "20240229"
    assert value(study, "00080030") == "131415"
    assert set(study["00080061"]["Value"]) == {"CT", "OT", "DOC"}
    assert value(study, "00201208") == 3 + len(ENCAPSULATED) + len(NATIVE) + 1
    assert value(study, "00201206") == 1 + len(ENCAPSULATED) + len(NATIVE) + 1
    assert "Müller".encode() in answer.body


@pytest.mark.parametrize(
    ("key", "matches"),
    [
        ("PatientName=*M%C3%BCLLER*", True),
        ("PatientName=*mueller*", False),
        ("PatientName=*muller*", True),
        ("PatientName=*%C3%A4nne*", True),
        ("00100020=*HIF-*", True),
        ("00100020=OHIF-1", True),
        ("00100020=*hif-*", False),
        ("AccessionNumber=*77*", True),
        ("AccessionNumber=*78*", False),
        ("StudyDescription=*nativ*", True),
        ("ModalitiesInStudy=CT,MR", True),
        ("ModalitiesInStudy=CT%2CMR", True),
        ("ModalitiesInStudy=MR,US", False),
        ("StudyDate=20240201-20240301", True),
        ("StudyDate=20240301-", False),
        (f"StudyInstanceUID={STUDY}", True),
        (f"StudyInstanceUID={uid('other')}%5C{STUDY}", True),
        (f"StudyInstanceUID={uid('other')}\\{STUDY}", True),
        (f"StudyInstanceUID={uid('other')},{STUDY}", True),
        ("PatientName=", True),
    ],
)
def test_the_study_lists_filters(viewed: Server, key: str, matches: bool) -> None:
    answer = ask(viewed, f"/studies?{LIST}&{key}", JSON)
    assert answer.status in (200, 204)
    studies = told(answer) if answer.status == 200 else []
    assert (STUDY in [value(one, "0020000D") for one in studies]) == matches


@pytest.mark.parametrize("query", ["?&limit=5", "?&&limit=5&", "?limit=5&", "?&"])
def test_empty_parameters_as_weasis_sends_them_are_passed_over(viewed: Server, query: str) -> None:
    assert ask(viewed, f"{STUDY_PATH}/series{query}", JSON).status == 200


def test_series_of_a_study(viewed: Server) -> None:
    first = told(ask(viewed, f"{STUDY_PATH}/series?includefield=0008103E%2C00080021", JSON))
    second = told(ask(viewed, f"{STUDY_PATH}/series?includefield=00080021%2C00080031%2C0008103E%2C00200011", JSON))
    for found in (first, second):
        (series,) = [one for one in found if value(one, "0020000E") == SERIES]
        assert value(series, "00080060") == "CT"
        assert value(series, "0008103E") == "axial"
        assert value(series, "00200011") == 1
        assert value(series, "00201209") == 3


@pytest.mark.parametrize(
    "accept",
    [
        "application/dicom+json",
        "application/dicom+json, multipart/related; type=application/octet-stream; transfer-syntax=*; "
        "transfer-syntax=*",
        'application/dicom+json, multipart/related; type="application/octet-stream"; transfer-syntax="*"; '
        'transfer-syntax="*"',
        "*/*",
    ],
)
def test_metadata_are_json_whatever_stands_beside_it_in_accept(viewed: Server, accept: str) -> None:
    found = told(ask(viewed, f"{SERIES_PATH}/metadata", {"Accept": accept}))
    assert [value(one, "00200013") for one in found] == [1, 2, 3]
    for one in found:
        assert value(one, "00280010") == 16
        assert "Value" not in one["7FE00010"]
        assert "InlineBinary" not in one["7FE00010"]


@pytest.mark.parametrize("accept", ["*/*", 'multipart/related; type="application/octet-stream"'])
def test_a_profile_within_a_sequence_is_fetched_by_its_uri(viewed: Server, accept: str) -> None:
    (found,) = told(ask(viewed, f"{STUDY_PATH}/series/{uid(corpus.JPEG)}/metadata", JSON))
    link = value(found, "00480105")["00282000"]["BulkDataURI"]
    assert link.startswith(viewed.dicomweb + "/studies/")

    answer = ask(viewed, link.removeprefix(viewed.dicomweb), {"Accept": accept})

    if "multipart" in answer.header("content-type"):
        assert [part.data for part in viewer_parts(answer)] == [PROFILE]
    else:
        assert (answer.status, answer.body) == (200, PROFILE)


def test_a_document_is_fetched_by_its_uri(viewed: Server) -> None:
    (found,) = told(ask(viewed, f"{STUDY_PATH}/series/{uid('document')}/metadata", JSON))
    link = found["00420011"]["BulkDataURI"]
    answer = ask(viewed, link.removeprefix(viewed.dicomweb), {"Accept": "*/*"})
    assert answer.status == 200
    assert answer.body.startswith(b"%PDF-1.7 ")


def stored_frame(syntax: str, number: int) -> bytes:
    """The frame as it is stored; a video is one stream, of which no frame can be taken."""
    if syntax not in ENCAPSULATED:
        return pixels(32)
    numbers = range(1, FRAMES + 1) if syntax in (corpus.MPEG2, corpus.MP4) else [number]
    return b"".join(data + b"\0" * (len(data) % 2) for data in (tile(syntax, one) for one in numbers))


CASES = [case for case in corpus.FRAMES if case.stored in (*ENCAPSULATED, *NATIVE)]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.client}, {case.stored}" for case in CASES])
def test_a_frame_is_what_the_clients_accept_asks_for(viewed: Server, case: corpus.Case) -> None:
    numbers = list(range(1, case.numbers + 1)) if case.stored in ENCAPSULATED else [1] * case.numbers
    path = f"{STUDY_PATH}/series/{uid(case.stored)}/instances/{uid(case.stored)}"
    answer = ask(viewed, f"{path}/frames/{','.join(map(str, numbers))}", {"Accept": case.accept})

    if case.sent is None:
        assert answer.status == 406
        assert case.stored in answer.error()["Message"] or EXPLICIT_LITTLE in answer.error()["Message"]
        return
    media, multipart, syntax = case.sent
    if multipart:
        parts = viewer_parts(answer)
        assert f'type="{media}"' in answer.header("content-type")
    else:
        single, _, label = answer.header("content-type").partition("; transfer-syntax=")
        parts = [Part(single, label, answer.body)]
    assert [(part.media, part.transfer_syntax) for part in parts] == [(media, syntax)] * len(numbers)
    if case.converted:
        for part, number in zip(parts, numbers, strict=True):
            assert_same_samples(part, case.stored, number)
        return
    expected = [stored_frame(case.stored, number) for number in numbers]
    if case.stored == corpus.BIG and syntax == corpus.BIG:
        expected = [_swapped(frame) for frame in expected]
    assert [part.data for part in parts] == expected


def assert_same_samples(part: Part, stored: str, number: int) -> None:
    """The part has the samples of the stored frame, or nearly those if something lossy is in between."""
    if stored in corpus.NATIVE:
        spec, before = CT, samples_of(pixels(32), corpus.ELE, CT)
    else:
        spec, before = GREY, samples_of(tile(stored, number), stored, GREY)
    assert (samples_of(part.data, part.transfer_syntax, spec) == before).all()


def _swapped(frame: bytes) -> bytes:
    return b"".join(frame[n : n + 2][::-1] for n in range(0, len(frame), 2))


def test_a_frame_answer_tells_its_length(viewed: Server) -> None:
    """What viewers show progress by; and no content coding, however much the browser would take."""
    headers = {
        "Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*",
        "Accept-Encoding": "gzip, deflate, br, zstd",
    }
    answer = ask(viewed, f"{SERIES_PATH}/instances/{uid('ohif 1')}/frames/1", headers)
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("content-encoding") == ""
    assert answer.header("transfer-encoding") == ""


@pytest.mark.parametrize(
    "accept",
    [
        'multipart/related; type="application/dicom"',
        "multipart/related; type=application/dicom; transfer-syntax=*",
        'multipart/related; type="application/dicom"; transfer-syntax=*',
    ],
)
def test_whole_objects_and_series(viewed: Server, accept: str) -> None:
    (one,) = viewer_parts(ask(viewed, f"{SERIES_PATH}/instances/{uid('ohif 2')}", {"Accept": accept}))
    every = viewer_parts(ask(viewed, SERIES_PATH, {"Accept": accept}))
    assert one.media == "application/dicom"
    assert one.transfer_syntax == EXPLICIT_LITTLE
    assert one.data[128:132] == b"DICM"
    assert [part.data for part in every] == make_instances()[:3]
    assert one in every


PAGE = "https://viewer.example.org"


def test_a_page_of_another_origin_may_read_after_asking(viewed: Server) -> None:
    preflight = ask(
        viewed,
        f"{SERIES_PATH}/instances/{uid('ohif 1')}/frames/1",
        {
            "Origin": PAGE,
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "accept,authorization,range",
        },
        method="OPTIONS",
    )
    assert preflight.status in (200, 204)
    assert preflight.header("access-control-allow-origin") in ("*", PAGE)
    allowed = {name.strip().lower() for name in preflight.header("access-control-allow-headers").split(",")}
    assert allowed >= {"accept", "authorization", "content-type", "range"}
    assert "GET" in preflight.header("access-control-allow-methods")

    answer = ask(viewed, f"/studies?{LIST}", {**JSON, "Origin": PAGE})
    assert answer.header("access-control-allow-origin") in ("*", PAGE)
    assert "Content-Range" in answer.header("access-control-expose-headers")


def test_errors_too_may_be_read_by_a_page_of_another_origin(viewed: Server) -> None:
    for path, status in (("/studies/1.2.3.4.5/metadata", 404), ("/studies?limit=x", 400), ("/nowhere", 404)):
        answer = ask(viewed, path, {**JSON, "Origin": PAGE})
        assert answer.status == status
        assert answer.header("access-control-allow-origin") in ("*", PAGE)


def test_volviews_list_without_parameters(viewed: Server) -> None:
    assert STUDY in [value(one, "0020000D") for one in told(ask(viewed, "/studies", JSON))]


def test_the_other_studies_of_the_patient(viewed: Server) -> None:
    found = told(ask(viewed, f"/studies?00100020=OHIF-1&{LIST}", JSON))
    assert [value(one, "0020000D") for one in found] == [STUDY]


def test_the_alias_of_the_root_serves_the_same(viewed: Server) -> None:
    answer = ask(viewed, f"/studies?{LIST}&StudyInstanceUID={STUDY}", JSON, root="/dicomweb")
    (study,) = told(answer)
    assert value(study, "00081190") == f"{viewed.url}/dicomweb/studies/{STUDY}"
