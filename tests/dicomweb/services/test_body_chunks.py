"""Request bodies within their limit, and chunks read as a file is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.services.body_chunks import BodyOverLimit, ByteSource, EndOfBody, limited_body
from dicomweb.wire.exchange import Request
from tests.build.asking import ROOT, body_chunks


def request(body: AsyncIterator[bytes], **headers: str) -> Request:
    """A POST of that body."""
    return Request("POST", "/studies", ROOT, (), headers, body)


async def test_a_body_of_just_the_limit_passes() -> None:
    taken = [chunk async for chunk in limited_body(request(body_chunks(bytes(100), 30)), 100)]
    assert [len(chunk) for chunk in taken] == [30, 30, 30, 10]


async def test_one_byte_more_is_refused_when_it_comes() -> None:
    body = limited_body(request(body_chunks(bytes(101), 30)), 100)
    assert [len(await anext(body)) for _ in range(3)] == [30, 30, 30]
    with pytest.raises(BodyOverLimit):
        await anext(body)


async def test_a_declared_length_over_the_limit_is_refused_before_reading() -> None:
    with pytest.raises(BodyOverLimit):
        limited_body(request(body_chunks(b""), **{"content-length": "101"}), 100)


async def test_a_source_is_read_like_a_file() -> None:
    source = ByteSource(body_chunks(b"0123456789", 3))
    assert await source.peek(4) == b"0123"
    assert await source.read_exactly(5) == b"01234"
    source.give_back(b"34")
    assert source.position == 3
    assert await source.read() == b"345"
    assert await source.peek(99) == b"6789"
    with pytest.raises(EndOfBody):
        await source.read_exactly(5)
    assert await source.read_exactly(4) == b"6789"
    assert await source.read() == b""


async def test_empty_chunks_are_not_the_end() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b""
        yield b"a"
        yield b""
        yield b"b"

    assert await ByteSource(chunks()).read_exactly(2) == b"ab"


@given(st.binary(max_size=60), st.integers(1, 9), st.lists(st.integers(0, 9), max_size=20))
async def test_pieces_are_the_whole_in_order(data: bytes, size: int, counts: list[int]) -> None:
    source = ByteSource(body_chunks(data, size))
    taken = b""
    for count in counts:
        try:
            taken += await source.read_exactly(count)
        except EndOfBody:
            break
    while piece := await source.read():
        taken += piece
    assert taken == data
    assert source.position == len(data)
