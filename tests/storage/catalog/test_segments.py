"""Header segments: what is written is read back, what is gone or damaged is a miss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.catalog import segments
from storage.catalog.segments import BlockPlace, HeaderPlace, HeaderSegments


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[HeaderSegments]:
    made = HeaderSegments(tmp_path, limit=1 << 20, segment_bytes=1 << 18)
    made.open()
    yield made
    made.close()


@given(st.lists(st.lists(st.binary(min_size=1, max_size=300), max_size=20), max_size=5))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_headers_come_back_in_any_order(kept: HeaderSegments, batches: list[list[bytes]]) -> None:
    places = [
        (place, header) for batch in batches for place, header in zip(kept.append(batch), batch, strict=True)
    ]

    backwards = places[::-1]
    assert kept.read([place for place, _ in backwards]) == [header for _, header in backwards]


def test_a_block_holds_neighbours_up_to_its_size(kept: HeaderSegments) -> None:
    half = segments.BLOCK // 2
    places = kept.append([b"a" * half, b"b" * half, b"c" * (3 * half), b"d"])

    blocks = [place.block for place in places if place]
    assert len(blocks) == 4
    assert blocks[0] == blocks[1]
    assert len(set(blocks)) == 3


def test_headers_too_large_to_keep_are_left_to_the_log(
    kept: HeaderSegments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "LARGEST", 1000)
    monkeypatch.setattr(segments, "BLOCK", 100)

    assert [place is None for place in kept.append([b"a", b"b" * 1001, b"c"])] == [False, True, False]


def test_what_was_never_there_is_a_miss(kept: HeaderSegments) -> None:
    (place,) = kept.append([b"header"])
    assert place is not None
    beyond = HeaderPlace(BlockPlace(1, 1 << 20, 100), 0, 6)
    no_file = HeaderPlace(BlockPlace(99, 0, 100), 0, 6)

    assert kept.read([None, beyond, no_file, place]) == [None, None, None, b"header"]


@pytest.mark.parametrize("at", range(0, 40, 3))
def test_a_damaged_block_is_a_miss(tmp_path: Path, kept: HeaderSegments, at: int) -> None:
    (place,) = kept.append([bytes(range(40))])
    assert place is not None
    (file,) = tmp_path.glob("headers-*")
    data = bytearray(file.read_bytes())
    data[min(at, len(data) - 1)] ^= 0x55
    file.write_bytes(data)

    assert kept.read([place]) == [None]


def test_blanked_blocks_leave_no_byte(tmp_path: Path, kept: HeaderSegments) -> None:
    first, second = (kept.append([text])[0] for text in (b"first header", b"second header"))
    assert first is not None
    assert second is not None

    kept.blank([first.block, BlockPlace(99, 0, 10)])

    assert kept.read([first, second]) == [None, b"second header"]
    (file,) = tmp_path.glob("headers-*")
    assert file.read_bytes()[: first.block.size] == bytes(first.block.size)


def test_old_segments_stay_readable_after_opening_again(tmp_path: Path, kept: HeaderSegments) -> None:
    (old,) = kept.append([b"old"])
    again = HeaderSegments(tmp_path, limit=1 << 20, segment_bytes=1 << 18)
    again.open()
    (new,) = again.append([b"new"])

    assert again.read([old, new]) == [b"old", b"new"]
    assert again.size == sum(path.stat().st_size for path in tmp_path.glob("headers-*"))
    again.close()


def test_the_oldest_segments_are_dropped(tmp_path: Path) -> None:
    kept = HeaderSegments(tmp_path, limit=3000, segment_bytes=1000)
    kept.open()
    noise = [bytes((n * 7 + i * i) % 251 for i in range(600)) for n in range(20)]
    places = [kept.append([one])[0] for one in noise]

    found = kept.read(places)

    assert found[-1] == noise[-1]
    assert found[0] is None
    assert kept.size <= 3000
    kept.close()
