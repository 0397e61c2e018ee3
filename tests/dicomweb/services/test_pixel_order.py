"""Byte order of pixel data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb.encoding.words import pixel_word_bytes
from dicomweb.services import pixel_order
from dicomweb.services.pixel_order import cut_bits, turned
from tests.build.compute import DirectCompute


@pytest.mark.parametrize(
    ("vr", "bits", "word"),
    [("OW", 1, 2), ("OW", 8, 2), ("OW", 16, 2), ("OW", 32, 4), ("OW", 64, 8), ("OB", 8, 1), ("OB", 16, 1),
     ("OF", 32, 4), ("OD", 64, 8)],
)  # fmt: skip
def test_samples_of_more_than_a_word_are_turned_as_a_whole(vr: str, bits: int, word: int) -> None:
    assert pixel_word_bytes(vr, bits) == word


@given(st.binary(min_size=1, max_size=20), st.data())
def test_bits_are_cut_out_as_a_number_would_be_shifted(data: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, 8 * len(data) - 1))
    bits = draw.draw(st.integers(1, 8 * len(data) - start))
    expected = int.from_bytes(data, "little") >> start & (1 << bits) - 1
    assert cut_bits(data, start, bits) == expected.to_bytes((bits + 7) // 8, "little")


async def test_large_values_are_turned_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_order, "_INLINE_BYTES", 4)
    compute = DirectCompute()
    assert await turned(compute, b"\1\2\3\4", 2) == b"\2\1\4\3"
    assert compute.runs == 0
    assert await turned(compute, b"\1\2\3\4\5\6", 2) == b"\2\1\4\3\6\5"
    assert compute.runs == 1
