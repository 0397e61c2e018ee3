"""Requests to services as a mount would make them, and bodies read to their end.

`tests.build.web` takes answers apart further.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import parse_qsl

from dicomweb.services.handler import Handler
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.paths import ROUTES
from dicomweb.wire.routing import RouteTree

ROOT = "http://lake.example/dicom-web"
BOUNDARY = "a-boundary"
_TREE = RouteTree(ROUTES)


async def body_chunks(data: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    """The bytes as they come from a connection."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def make_request(
    path: str,
    *,
    method: str = "GET",
    query: Sequence[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    body: bytes | AsyncIterator[bytes] = b"",
    **fields: str,
) -> Request:
    """A request; header fields as they are, or as keywords with `_` for `-`."""
    return Request(
        method=method,
        path=path,
        root=ROOT,
        query=query,
        headers=dict(headers or {}) | {name.replace("_", "-"): value for name, value in fields.items()},
        body=body_chunks(body) if isinstance(body, bytes) else body,
        peer="192.0.2.1",
    )


async def ask(
    handlers: Mapping[str, Handler],
    method: str,
    url: str,
    *,
    body: bytes | AsyncIterator[bytes] = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer of the service that the routes name for the URL. Raises what the service raises."""
    path, _, query = url.partition("?")
    routes, variables = _TREE.find(path)
    assert method in routes, f"no route for {method} {path}"
    request = make_request(
        path, method=method, query=parse_qsl(query, keep_blank_values=True), headers=headers, body=body
    )
    return await handlers[routes[method].operation](request, variables)


async def whole_body(answer: Answer) -> bytes:
    """The body's bytes, however it is given."""
    if isinstance(answer.body, bytes):
        return answer.body
    if isinstance(answer.body, Sequence):
        return b"".join(answer.body)
    return b"".join([piece async for piece in answer.body])


def field_of(answer: Answer, name: str) -> str | None:
    """A header field of the answer."""
    return next((value for key, value in answer.headers if key.lower() == name.lower()), None)


def multipart(*parts: tuple[Mapping[str, str], bytes], newline: bytes = b"\r\n") -> bytes:
    """A multipart body of header fields and data, with BOUNDARY."""
    dashed = b"--" + BOUNDARY.encode()
    pieces = []
    for fields, data in parts:
        lines = b"".join(f"{name}: {value}".encode() + newline for name, value in fields.items())
        pieces += [dashed, newline, lines, newline, data, newline]
    return b"".join([*pieces, dashed, b"--", newline])


def related(media: str, *, quoted: bool = True) -> str:
    """Content-Type of a multipart body of that type."""
    quote = '"' if quoted else ""
    return f"multipart/related; type={quote}{media}{quote}; boundary={BOUNDARY}"
