"""Content encodings of text."""

from __future__ import annotations

import os
import zlib
from collections.abc import AsyncIterator, Mapping

import pytest
import zstandard
from aiohttp import ClientError

from app.web.compression import SMALLEST
from dicomweb.wire.exchange import Answer, Request
from tests.app.serving import serving

TEXT = b"".join(b'{"0020000D":{"vr":"UI","Value":["1.2.%d"]}},' % number for number in range(20_000))
STUDIES = "/dicom-web/studies"


def unpack(encoding: str, body: bytes) -> bytes:
    """The body without its encoding."""
    if encoding == "gzip":
        return zlib.decompress(body, 31)
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


async def whole(request: Request, variables: Mapping[str, str]) -> Answer:
    """Text in one piece, with a strong ETag."""
    return Answer(200, (("Content-Type", "application/dicom+json"), ("ETag", '"1-2"')), TEXT, compressible=True)


async def streamed(request: Request, variables: Mapping[str, str]) -> Answer:
    """The same text as a stream of large and small chunks."""

    async def chunks() -> AsyncIterator[bytes]:
        yield TEXT[:10]
        yield TEXT[10:400_000]
        yield TEXT[400_000:]

    return Answer(
        200, (("Content-Type", "application/dicom+json"),), chunks(), length=len(TEXT), compressible=True
    )


@pytest.mark.parametrize("handler", [whole, streamed])
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_text_comes_in_the_encoding_asked_for(handler, encoding: str) -> None:  # type: ignore[no-untyped-def]  # a handler
    async with serving({"search_studies": handler}) as server:
        server.client._auto_decompress = False
        async with server.client.get(server.url + STUDIES, headers={"Accept-Encoding": encoding}) as answer:
            body = await answer.read()

    assert answer.headers["Content-Encoding"] == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert len(body) < len(TEXT) / 5
    assert unpack(encoding, body) == TEXT


async def test_an_etag_is_weak_for_bytes_that_are_not_those_it_was_made_for() -> None:
    async with serving({"search_studies": whole}) as server:
        async with server.client.get(server.url + STUDIES, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["ETag"] == 'W/"1-2"'
        async with server.client.get(server.url + STUDIES, headers={"Accept-Encoding": "identity"}) as answer:
            assert answer.headers["ETag"] == '"1-2"'
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize(
    "answer_",
    [
        Answer(200, (), TEXT),
        Answer(200, (), TEXT[: SMALLEST - 1], compressible=True),
        Answer(200, (("Content-Encoding", "br"),), TEXT, compressible=True),
    ],
    ids=["pixel data", "too short to gain", "encoded already"],
)
async def test_what_need_not_be_compressed_is_sent_as_it_is(answer_: Answer) -> None:
    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        return answer_

    async with serving({"search_studies": handler}) as server:
        server.client._auto_decompress = False
        async with server.client.get(server.url + STUDIES, headers={"Accept-Encoding": "gzip"}) as answer:
            assert await answer.read() == answer_.body


async def test_compression_can_be_switched_off() -> None:
    async with (
        serving({"search_studies": whole}, {"web.compression": False}) as server,
        server.client.get(server.url + STUDIES, headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        assert "Content-Encoding" not in answer.headers


async def test_a_stream_that_fails_midway_never_ends_cleanly_when_compressed() -> None:
    async def handler(request: Request, variables: Mapping[str, str]) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(50):
                yield os.urandom(100_000)
            raise RuntimeError("broken")

        return Answer(200, (), chunks(), compressible=True)

    async with serving({"search_studies": handler}) as server:
        answer = await server.client.get(server.url + STUDIES, headers={"Accept-Encoding": "gzip"})
        with pytest.raises((ClientError, ConnectionError)):
            await answer.read()
