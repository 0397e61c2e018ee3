"""Inflating piece by piece, within bounds."""

from __future__ import annotations

import random

import pytest

from dicomweb.encoding.head import OverLimit, Truncated, Unreadable
from dicomweb.encoding.inflate import PIECE, Inflater
from tests.build.dicom import deflate


def inflated(data: bytes, *, step: int, ratio: int | None = None) -> list[bytes]:
    inflater = Inflater(ratio)
    pieces = [piece for at in range(0, len(data), step) for piece in inflater.feed(data[at : at + step])]
    return [*pieces, *inflater.finish()]


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_what_was_deflated_comes_back_whatever_the_chunks(step: int) -> None:
    plain = random.Random(1).randbytes(5000) + bytes(5000)
    assert b"".join(inflated(deflate(plain), step=step)) == plain


def test_pieces_are_bounded() -> None:
    plain = bytes(10 * PIECE + 17)
    pieces = inflated(deflate(plain), step=1 << 20)
    assert b"".join(pieces) == plain
    assert max(map(len, pieces)) <= PIECE


def test_a_bomb_is_stopped_before_it_is_out() -> None:
    bomb = deflate(bytes(100 << 20))
    given: list[int] = []
    with pytest.raises(OverLimit):
        given.extend(map(len, Inflater(ratio=200).feed(bomb)))
    assert sum(given) < 40 << 20


def test_what_keeps_the_ratio_passes() -> None:
    plain = random.Random(1).randbytes(1000) * 100
    assert b"".join(inflated(deflate(plain), step=1000, ratio=200)) == plain


def test_what_follows_the_deflated_stream_is_padding() -> None:
    assert b"".join(inflated(deflate(b"abc") + bytes(10), step=3)) == b"abc"


def test_a_stream_that_breaks_off_is_told() -> None:
    with pytest.raises(Truncated):
        inflated(deflate(random.Random(1).randbytes(1000))[:-20], step=100)


def test_no_bytes_at_all_are_no_bytes() -> None:
    assert inflated(b"", step=1) == []


def test_what_is_not_deflated_is_told() -> None:
    with pytest.raises(Unreadable):
        inflated(b"\xff" * 100, step=10)
