"""Parts of a multipart body, read while it comes in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.services.stow_parts import read_parts
from dicomweb.wire.multipart import MultipartReader, TruncatedMultipart
from tests.build.asking import BOUNDARY, body_chunks, multipart


async def read_all(body: AsyncIterator[bytes]) -> list[bytes]:
    """The data of every part."""
    parts = read_parts(body, MultipartReader(BOUNDARY))
    return [b"".join([piece async for piece in part.data()]) async for part in parts]


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 50))
async def test_parts_come_as_they_were_sent_in_any_chunks(contents: list[bytes], size: int) -> None:
    body = multipart(*(({"Content-Type": "x/y"}, data) for data in contents))
    if contents:
        assert await read_all(body_chunks(body, size)) == contents


async def test_parts_have_numbers_and_header_fields() -> None:
    body = multipart(({"Content-Type": "a/b"}, b"1"), ({"Content-Location": "here"}, b"2"))
    parts = read_parts(body_chunks(body), MultipartReader(BOUNDARY))
    told = [(part.number, part.header("content-type"), part.header("content-location")) async for part in parts]
    assert told == [(1, "a/b", ""), (2, "", "here")]


async def test_what_is_left_of_a_part_is_passed_over() -> None:
    body = multipart(({}, b"a" * 100), ({}, b"b" * 100), ({}, b"c" * 100))
    firsts = []
    async for part in read_parts(body_chunks(body, 10), MultipartReader(BOUNDARY)):
        if part.number != 2:
            firsts.append(await anext(part.data()))
    assert [first[:1] for first in firsts] == [b"a", b"c"]


@pytest.mark.parametrize("cut", [4, 10, 50])
async def test_a_torn_part_raises_instead_of_ending(cut: int) -> None:
    body = multipart(({}, b"whole"), ({}, b"torn" * 30)).rstrip()
    whole = []

    async def take_all() -> None:
        async for part in read_parts(body_chunks(body[:-cut], 16), MultipartReader(BOUNDARY)):
            whole.append(b"".join([piece async for piece in part.data()]))

    with pytest.raises(TruncatedMultipart):
        await take_all()
    assert whole == [b"whole"]


async def test_the_body_is_read_to_its_end_behind_the_closing_boundary() -> None:
    read = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal read
        for chunk in (multipart(({}, b"x")), b"epilogue", b"more"):
            read += 1
            yield chunk

    assert await read_all(chunks()) == [b"x"]
    assert read == 3
