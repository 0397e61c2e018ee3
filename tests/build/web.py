"""What a client gets: answers read to their end and taken apart, errors by the table of the DICOMweb door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dicomweb.services.handler import Handler
from dicomweb.wire.errors import answer_error
from dicomweb.wire.exchange import Answer
from dicomweb.wire.media_types import parse_media_type
from dicomweb.wire.multipart import MultipartReader, PartData, PartHead, boundary_of
from tests.build import asking
from tests.build.asking import whole_body


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


async def read_answer(answer: Answer) -> Told:
    """The answer, its body read and compared with the length it announced."""
    data = await whole_body(answer)
    assert answer.length in (None, len(data))
    return Told(answer.status, {name.lower(): value for name, value in answer.headers}, data)


async def ask(handlers: Mapping[str, Handler], path: str, **headers: str) -> Told:
    """What the services answer to a GET of the path; header fields with `_` for `-`."""
    try:
        answer = await asking.ask(
            handlers, "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
    except Exception as error:
        told = answer_error(error)
        return Told(told.status, {n.lower(): v for n, v in told.headers}, told.message.encode())
    return await read_answer(answer)
