"""The one table of this door from error class to status, and the body an error is told in.

Only faults of ours are worth an error in the server's log: status 500. What is below went as it should.

A frame that cannot be decoded is 406, as what cannot be encoded is: the resource is there and can be had as
stored, only not in the form that was asked for (RFC 9110 15.5.7, PS3.18 8.5). Not 500, which clients ask again for
and operators are woken by although no fault of the server is behind it; not 404, for the frame exists; nor 422,
which is about the content of a request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from dicomweb.encoding.head import Unreadable
from dicomweb.model.keys import IllegalUid
from dicomweb.model.labels import IllegalLabel
from dicomweb.model.pixel_errors import PixelError, TooLarge, Undecodable, UnsupportedSyntax
from dicomweb.model.query import CannotSort, QueryTooBroad
from dicomweb.ports import (
    Damaged,
    Gone,
    NoSuchBulkData,
    NoSuchFrame,
    NoSuchRevision,
    NotStored,
    NotUpgraded,
    Unavailable,
)
from dicomweb.wire.byte_ranges import Unsatisfiable
from dicomweb.wire.exchange import HeaderFields, WebError
from dicomweb.wire.multipart import MultipartError, MultipartOverLimit
from dicomweb.wire.negotiation import NotAcceptable

STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (Gone, 410),
    (NotStored, 404),
    (NoSuchFrame, 404),
    (NoSuchBulkData, 404),
    (NoSuchRevision, 400),
    (IllegalUid, 400),
    (Unreadable, 400),
    (MultipartOverLimit, 413),
    (MultipartError, 400),
    (NotAcceptable, 406),
    (UnsupportedSyntax, 406),
    (Undecodable, 406),
    (TooLarge, 413),
    (PixelError, 400),
    (Unsatisfiable, 416),
    (CannotSort, 400),
    (QueryTooBroad, 413),
    (IllegalLabel, 400),
    (NotUpgraded, 409),
    (Unavailable, 503),
    (Damaged, 500),
)
"""The first class an error belongs to decides (PS3.18 8.5, 10.4.3.2)."""

_ORTHANC: Mapping[int, tuple[int, str]] = {
    400: (8, "Bad request"),
    401: (29, "Unauthorized"),
    403: (45, "Forbidden"),
    404: (17, "Unknown resource"),
    406: (34, "Not acceptable"),
    410: (17, "Unknown resource"),
    413: (7, "Not enough memory"),
    415: (15, "Bad file format"),
    416: (41, "Bad range"),
    501: (2, "Not implemented"),
    503: (36, "Currently not available"),
    507: (19, "Full storage"),
}
"""The numbers scripts written for Orthanc's REST API look at; any other status is -1, internal error, or 8."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """What a client is told of an error."""

    status: int
    message: str
    headers: HeaderFields = ()


def answer_error(error: Exception) -> ErrorAnswer:
    """What to tell of the error. One that is not in the table is a fault of ours, of which nothing is told."""
    if isinstance(error, WebError):
        return ErrorAnswer(error.status, error.message, error.headers)
    if isinstance(error, Undecodable):
        return ErrorAnswer(
            406, f"{error}; the stored pixel data are damaged, or other than the attributes of the instance say"
        )
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return ErrorAnswer(status, str(error) or _DEFAULTS.get(status, ""), _headers(error))
    return ErrorAnswer(500, "something went wrong on the server; its log tells more under this request's id")


_DEFAULTS: Mapping[int, str] = {
    404: "there is no such resource",
    410: "the resource has been deleted",
    503: "the archive cannot be reached for now",
}


def _headers(error: Exception) -> HeaderFields:
    if isinstance(error, Unavailable):
        return (("Retry-After", str(error.retry_after)),)
    if isinstance(error, Unsatisfiable):
        return (("Content-Range", f"bytes */{error.total}"),)
    return ()


def error_body(
    status: int, message: str, method: str, uri: str, details: Mapping[str, Any] | None = None
) -> bytes:
    """The body of an error, a JSON object: the keys of Orthanc's error objects, `Details` an object of ours."""
    number, text = _ORTHANC.get(status, (8, "Bad request") if status < 500 else (-1, "Internal error"))
    return json.dumps(
        {
            "HttpStatus": status,
            "HttpError": _phrase(status),
            "Message": message,
            "Method": method,
            "Uri": uri,
            "OrthancStatus": number,
            "OrthancError": text,
            "Details": dict(details or {}),
        },
        ensure_ascii=False,
    ).encode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
