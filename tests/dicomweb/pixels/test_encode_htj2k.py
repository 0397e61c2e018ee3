"""The codestream of HTJ2K with RPCL options: a client that has its beginning has a smaller image (PS3.5 10.18)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import imagecodecs
import numpy as np
import pytest

from dicomweb.pixels.encode import encode_frame
from dicomweb.pixels.encoders.htj2k import decompositions
from tests.dicomweb.pixels.images import JPEG, Kind, frame_of, smooth

SIZ, COD, CAP, TLM, SOT = 0xFF51, 0xFF52, 0xFF50, 0xFF55, 0xFF90
RPCL = 2
HT_CODE_BLOCKS = 0x40


def segments(codestream: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Marker, offset and value of every segment of the main header."""
    at = 2
    while True:
        marker, length = struct.unpack_from(">HH", codestream, at)
        if marker == SOT:
            return
        yield marker, at, codestream[at + 4 : at + 2 + length]
        at += 2 + length


def tile_parts(codestream: bytes) -> list[tuple[int, int]]:
    """Offset and length of every tile-part."""
    found = []
    at = codestream.index(b"\xff\x90\x00\x0a")
    while codestream[at : at + 2] == b"\xff\x90":
        length = struct.unpack_from(">L", codestream, at + 6)[0]
        found.append((at, length))
        at += length
    assert codestream[at:] == b"\xff\xd9"
    return found


def encoded(kind: Kind) -> bytes:
    return encode_frame(frame_of(smooth(kind), kind), kind.spec, JPEG + "202")


@pytest.mark.parametrize(
    "kind", [Kind(12, 16).sized(300, 260), Kind(8, 8, photometric="RGB").sized(130, 257)], ids=str
)
def test_resolutions_come_first_in_the_progression(kind: Kind) -> None:
    (cod,) = [value for marker, _, value in segments(encoded(kind)) if marker == COD]

    progression, layers, transform = struct.unpack_from(">BHB", cod, 1)

    assert progression == RPCL
    assert layers == 1
    assert transform == (1 if kind.photometric == "RGB" else 0)
    assert cod[8] & HT_CODE_BLOCKS
    assert cod[9] == 1, "the reversible wavelet"


@pytest.mark.parametrize("side", [1, 64, 65, 512, 2048, 2049])
def test_the_smallest_image_has_at_most_64_rows_and_columns(side: int) -> None:
    halved = side
    for _ in range(decompositions(side, side // 2 + 1)):
        halved = -(-halved // 2)

    assert halved <= 64


def test_as_many_decompositions_are_written_as_planned() -> None:
    kind = Kind(8, 8).sized(16, 4100)

    (cod,) = [value for marker, _, value in segments(encoded(kind)) if marker == COD]

    assert cod[5] == decompositions(16, 4100) == 7


def test_the_lengths_of_all_tile_parts_are_told_in_front() -> None:
    codestream = encoded(Kind(12, 16).sized(300, 260))
    (tlm,) = [value for marker, _, value in segments(codestream) if marker == TLM]

    told = [length for _, length in struct.iter_unpack(">HL", tlm[2:])]

    assert told == [length for _, length in tile_parts(codestream)]
    assert len(told) == 6, "one for each resolution"


@pytest.mark.parametrize("left_out", [1, 2, 3])
def test_the_first_tile_parts_alone_are_a_smaller_image(left_out: int) -> None:
    kind = Kind(12, 16).sized(256, 320)
    codestream = encoded(kind)
    parts = tile_parts(codestream)
    begin, length = parts[-1 - left_out]

    preview = imagecodecs.htj2k_decode(codestream[: begin + length], skipres=left_out, resilient=True)

    assert preview.shape == (256 >> left_out, 320 >> left_out)
    assert np.array_equal(preview, imagecodecs.htj2k_decode(codestream, skipres=left_out))
    assert begin + length < len(codestream) / 2


def test_the_preview_looks_like_the_image() -> None:
    kind = Kind(12, 16).sized(256, 256)
    codestream = encoded(kind)

    preview = imagecodecs.htj2k_decode(codestream, skipres=2).astype(float)

    blocks = smooth(kind).reshape(64, 4, 64, 4).mean(axis=(1, 3))
    assert np.abs(preview - blocks).mean() < 4095 / 50


def test_htj2k_says_so_in_its_capabilities() -> None:
    markers = [marker for marker, _, _ in segments(encoded(Kind(12, 16)))]

    assert markers[:2] == [SIZ, CAP]
