"""Zips read while they come in."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicomweb.services.body_chunks import BodyOverLimit
from dicomweb.services.zip_input import DamagedEntry, MalformedZip, ZipError, ZipLimits, read_entries

LIMITS = ZipLimits()
NOISE = random.Random(7).randbytes(300_000)
CONTENT = {"a.dcm": b"first" * 1000, "folder/": b"", "folder/b.dcm": NOISE, "empty": b"", "c": b"PK\x07\x08" * 50}


class _Pipe(io.RawIOBase):
    """A file that can only be written, so that `zipfile` puts sizes behind the data."""

    def __init__(self) -> None:
        self.written = io.BytesIO()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # typeshed wants a buffer
        return self.written.write(data)


def zipped(
    content: dict[str, bytes] = CONTENT, method: int = zipfile.ZIP_DEFLATED, *, pipe: bool = False
) -> bytes:
    """A zip as Python's own module writes it, seeking or not."""
    target = _Pipe() if pipe else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return (target.written if isinstance(target, _Pipe) else target).getvalue()


async def chunks(data: bytes, size: int = 1 << 16) -> AsyncIterator[bytes]:
    """The bytes as they come from a connection."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def unpacked(data: bytes, size: int = 1 << 16, limits: ZipLimits = LIMITS) -> dict[str, bytes]:
    """All entries."""
    found = {}
    async for entry in read_entries(chunks(data, size), limits):
        found[entry.name] = b"".join([piece async for piece in entry.data()])
    return found


@pytest.mark.parametrize("pipe", [False, True], ids=["sizes before", "sizes behind"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
async def test_what_zipfile_packs_is_unpacked_in_any_chunks(pipe: bool, method: int, size: int) -> None:
    content = CONTENT if size > 1 else {"a": b"abc" * 20, "b": b"PK\x07\x08PK", "e": b""}
    assert await unpacked(zipped(content, method, pipe=pipe), size) == content


async def test_sizes_of_eight_bytes_are_read() -> None:
    """force_zip64 writes the ZIP64 field, and descriptors with long sizes."""
    for target in (io.BytesIO(), _Pipe()):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]  # a write-only file
            for name in ("a", "b"):
                with archive.open(name, "w", force_zip64=True) as entry:
                    entry.write(NOISE)
        data = (target.written if isinstance(target, _Pipe) else target).getvalue()
        assert await unpacked(data) == {"a": NOISE, "b": NOISE}


async def test_entries_may_be_passed_over() -> None:
    names = [entry.name async for entry in read_entries(chunks(zipped()), LIMITS)]
    assert names == list(CONTENT)


async def test_an_empty_zip_has_no_entries() -> None:
    assert await unpacked(zipped({})) == {}


async def test_a_damaged_entry_raises_at_its_end_and_the_next_is_fine() -> None:
    data = bytearray(zipped({"a": b"x" * 1000, "b": b"y"}, zipfile.ZIP_STORED))
    data[100] ^= 0xFF
    whole = {}
    damaged = []
    async for entry in read_entries(chunks(bytes(data)), LIMITS):
        try:
            whole[entry.name] = b"".join([piece async for piece in entry.data()])
        except DamagedEntry:
            damaged.append(entry.name)
    assert (whole, damaged) == ({"b": b"y"}, ["a"])


@pytest.mark.parametrize("pipe", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
async def test_a_zip_cut_short_anywhere_is_told(pipe: bool, method: int) -> None:
    data = zipped({"a": b"abc" * 30, "b": NOISE[:200]}, method, pipe=pipe)
    directory = data.index(b"PK\x01\x02")
    for end in range(0, directory + 3):
        with pytest.raises(MalformedZip):
            await unpacked(data[:end], 50)


async def test_no_entry_is_given_whole_if_its_end_is_missing() -> None:
    data = zipped({"a": NOISE}, zipfile.ZIP_STORED, pipe=True)
    async for entry in read_entries(chunks(data[:-200]), LIMITS):
        with pytest.raises(ZipError):
            async for _ in entry.data():
                pass
        break


async def test_encrypted_and_strangely_packed_entries_are_left_out() -> None:
    data = bytearray(zipped({"a": b"x" * 100, "b": b"y"}, zipfile.ZIP_STORED))
    struct.pack_into("<H", data, 6, 1)
    found = []
    async for entry in read_entries(chunks(bytes(data)), LIMITS):
        try:
            found.append(b"".join([piece async for piece in entry.data()]))
        except DamagedEntry:
            found.append(b"damaged")
    assert found == [b"damaged", b"y"]
    bzip = zipped({"a": b"x" * 100, "b": b"y"}, zipfile.ZIP_BZIP2)
    assert [entry.name async for entry in read_entries(chunks(bzip), LIMITS)] == ["a", "b"]


async def test_a_zip_bomb_is_stopped_early() -> None:
    data = zipped({"a": bytes(100 << 20)})
    taken = 0

    async def take_all() -> None:
        nonlocal taken
        async for entry in read_entries(chunks(data), ZipLimits(ratio=10)):
            async for piece in entry.data():
                taken += len(piece)

    with pytest.raises(BodyOverLimit) as caught:
        await take_all()
    assert caught.value.status == 413
    assert taken < 24 << 20


async def test_entries_are_bounded() -> None:
    with pytest.raises(BodyOverLimit):
        await unpacked(zipped({"a": b"", "b": b"", "c": b""}), limits=ZipLimits(entries=2))


async def test_names_are_unicode() -> None:
    assert list(await unpacked(zipped({"Übersicht/Bild.dcm": b"x"}))) == ["Übersicht/Bild.dcm"]


async def test_pieces_of_an_entry_stay_small_however_well_it_packs() -> None:
    async for entry in read_entries(chunks(zipped({"a": bytes(10 << 20)})), LIMITS):
        assert max([len(piece) async for piece in entry.data()]) <= 256 << 10


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300), st.integers(1, 40))
async def test_any_bytes_are_unpacked_or_refused(data: bytes, size: int) -> None:
    for body in (data, b"PK\x03\x04" + data):
        try:
            await unpacked(body, size)
        except (ZipError, BodyOverLimit):
            continue
        assert body[:4] in (b"PK\x05\x06", b"PK\x01\x02", b"PK\x06\x06", b"PK\x06\x08") or body.startswith(b"PK")


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 400), st.integers(1, 255), st.booleans())
async def test_a_flipped_byte_never_passes_for_the_entry(place: int, flip: int, pipe: bool) -> None:
    content = {"a": b"abcdefgh" * 9, "b": NOISE[:100]}
    data = bytearray(zipped(content, zipfile.ZIP_DEFLATED, pipe=pipe))
    place %= data.index(b"PK\x01\x02")
    data[place] ^= flip
    try:
        found = await unpacked(bytes(data))
    except (ZipError, BodyOverLimit):
        return
    assert set(map(zlib.crc32, found.values())) <= set(map(zlib.crc32, content.values()))
