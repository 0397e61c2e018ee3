"""Requests as a web server would hand them to a service, and answers taken apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from dicomweb.services.handler import Handler
from dicomweb.wire.errors import answer_error
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.media_types import parse_media_type
from dicomweb.wire.multipart import MultipartReader, PartData, PartHead, boundary_of
from dicomweb.wire.paths import match

ROOT = "https://archive.example/dicom-web"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart answer."""

    headers: Mapping[str, str]
    data: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


@dataclass(frozen=True, slots=True)
class Told:
    """An answer with its body read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    def parts(self) -> list[Part]:
        """The parts of a multipart body, read to its closing boundary."""
        media = parse_media_type(self.content_type)
        assert media is not None
        assert media.type == "multipart", self.content_type
        reader = MultipartReader(boundary_of(media))
        events = reader.feed(self.body)
        reader.finish()
        parts: list[tuple[Mapping[str, str], list[bytes]]] = []
        for event in events:
            if isinstance(event, PartHead):
                parts.append((event.headers, []))
            elif isinstance(event, PartData):
                parts[-1][1].append(event.data)
        return [Part(headers, b"".join(data)) for headers, data in parts]


async def empty_body() -> AsyncIterator[bytes]:
    """The body of a GET."""
    for chunk in ():
        yield chunk


def make_request(
    path: str, *, method: str = "GET", query: tuple[tuple[str, str], ...] = (), **headers: str
) -> Request:
    """A request; header fields as keywords, `_` for `-`."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, path, ROOT, query, fields, empty_body())


async def read_answer(answer: Answer) -> Told:
    """The answer, its body read and compared with the length it announced."""
    body = answer.body
    if isinstance(body, AsyncIterator):
        data = b"".join([chunk async for chunk in body])
    else:
        data = body if isinstance(body, bytes) else b"".join(body)
    assert answer.length in (None, len(data))
    return Told(answer.status, {name.lower(): value for name, value in answer.headers}, data)


async def ask(
    handlers: Mapping[str, Handler], path: str, *, query: tuple[tuple[str, str], ...] = (), **headers: str
) -> Told:
    """What the services answer to a GET of the path; errors by the table of this door."""
    found = match("GET", path)
    assert found is not None, path
    try:
        answer = await handlers[found.route.operation](make_request(path, query=query, **headers), found.variables)
    except Exception as error:
        told = answer_error(error)
        return Told(told.status, {n.lower(): v for n, v in told.headers}, told.message.encode())
    return await read_answer(answer)
