"""From error to status and body (PS3.18 8.5)."""

from __future__ import annotations

import json

import pytest

from dicomweb import ports
from dicomweb.encoding.head import NotDicom, Unreadable
from dicomweb.model.keys import IllegalUid
from dicomweb.model.pixel_errors import PixelError, TooLarge, Undecodable, UnsupportedSyntax
from dicomweb.model.query import CannotSort, QueryTooBroad
from dicomweb.wire.byte_ranges import Unsatisfiable
from dicomweb.wire.errors import STATUSES, answer_error, error_body
from dicomweb.wire.exchange import WebError
from dicomweb.wire.multipart import MalformedMultipart, MultipartOverLimit, TruncatedMultipart
from dicomweb.wire.negotiation import NotAcceptable


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ports.NotStored(), 404),
        (ports.Gone(), 410),
        (ports.NoSuchFrame(7, 3), 404),
        (ports.NoSuchBulkData(), 404),
        (ports.Damaged("a stored object is missing"), 500),
        (ports.Unavailable("no store"), 503),
        (IllegalUid("../.."), 400),
        (Unreadable("no tag", 3), 400),
        (NotDicom("no tag", 3), 400),
        (MalformedMultipart("no boundary"), 400),
        (TruncatedMultipart("cut"), 400),
        (MultipartOverLimit("too many"), 413),
        (NotAcceptable(()), 406),
        (UnsupportedSyntax("no decoder"), 406),
        (Undecodable("frame 3: a frame is cut off"), 406),
        (TooLarge("a frame of 9 GiB"), 413),
        (Unsatisfiable(10), 416),
        (CannotSort(("00204000",)), 400),
        (QueryTooBroad(["a"], ["PatientID"]), 413),
        (WebError(415, "what is this"), 415),
        (KeyError("secret"), 500),
    ],
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    told = answer_error(error)
    assert told.status == status
    assert told.message


def test_every_error_an_archive_raises_has_a_status_of_its_own() -> None:
    in_table = {kind for kind, _ in STATUSES}
    assert set(ports.ArchiveError.__subclasses__()) <= in_table


def test_nothing_that_is_wrong_with_pixels_is_a_fault_of_the_server() -> None:
    class Another(PixelError):
        """Of the code that draws, which this room does not know."""

    assert all(answer_error(kind("why")).status < 500 for kind in (PixelError, Another))


def test_a_fault_of_ours_tells_nothing_of_itself() -> None:
    assert "secret" not in answer_error(KeyError("secret")).message


def test_a_store_that_is_away_is_tried_again_later() -> None:
    assert answer_error(ports.Unavailable("no store", retry_after=7)).headers == (("Retry-After", "7"),)


def test_an_unsatisfiable_range_learns_the_total() -> None:
    assert answer_error(Unsatisfiable(10)).headers == (("Content-Range", "bytes */10"),)


def test_a_broad_search_is_told_what_narrows_it() -> None:
    assert "PatientID" in answer_error(QueryTooBroad(["0018,1030"], ["PatientID"])).message


def test_the_body_holds_the_keys_scripts_look_at() -> None:
    body = json.loads(error_body(404, "no such study", "GET", "/dicom-web/studies/1", {"frame": 7}))
    assert body == {
        "HttpStatus": 404,
        "HttpError": "Not Found",
        "Message": "no such study",
        "Method": "GET",
        "Uri": "/dicom-web/studies/1",
        "OrthancStatus": 17,
        "OrthancError": "Unknown resource",
        "Details": {"frame": 7},
    }


@pytest.mark.parametrize("status", [400, 404, 409, 413, 418, 500, 503, 507, 599])
def test_every_status_has_a_body(status: int) -> None:
    body = json.loads(error_body(status, "m", "GET", "/", None))
    assert body["HttpStatus"] == status
    assert body["HttpError"]
    assert isinstance(body["OrthancStatus"], int)
