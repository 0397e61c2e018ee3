"""Word sizes and byte order."""

from __future__ import annotations

import struct

import pytest

from dicomweb.encoding.words import KNOWN_VRS, byte_swap, word_bytes


@pytest.mark.parametrize(("word", "code"), [(2, "H"), (4, "L"), (8, "Q")])
def test_numbers_change_their_byte_order(word: int, code: str) -> None:
    numbers = [3, 258, 2 ** (8 * word) - 2]
    assert byte_swap(struct.pack(f">3{code}", *numbers), word) == struct.pack(f"<3{code}", *numbers)
    assert word == struct.calcsize(f"<{code}")


def test_bytes_have_no_order() -> None:
    data = b"abc"
    assert byte_swap(data, 1) is data


def test_what_follows_the_last_whole_word_stays() -> None:
    assert byte_swap(b"abcdefg", 4) == b"dcbaefg"
    assert byte_swap(b"a", 2) == b"a"
    assert byte_swap(b"", 2) == b""


def test_every_vr_has_its_word() -> None:
    words = {vr: word_bytes(vr) for vr in KNOWN_VRS if word_bytes(vr) > 1}
    assert words == {
        **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
        **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
        **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
    }
    assert word_bytes("??") == 1
