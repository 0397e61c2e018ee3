"""BulkIndex: where bulk values lie, and its compact form."""

from __future__ import annotations

import pytest

from dicomweb.encoding.bulk_index import BulkIndex, bulk_index
from dicomweb.encoding.frame_index import frame_index
from dicomweb.encoding.head import BulkValue
from dicomweb.encoding.image import image_spec
from dicomweb.model.packing import DamagedIndex
from dicomweb.model.ranges import ByteRange
from tests.dicomweb.encoding.heads import FIRST, fragments, head, image_json

PROFILE = BulkValue(("00480105", "1", "00282000"), "OB", ByteRange(500, 3500))
ICON = BulkValue(("00880200", "1", "7FE00010"), "OB", fragments(30, 40))


def test_values_are_found_by_their_path() -> None:
    index = bulk_index(head(image_json(), ByteRange(FIRST, FIRST + 16), PROFILE))
    found = index.find(("00480105", "1", "00282000"))
    assert found is not None
    assert (found.vr, found.value, found.length) == ("OB", ByteRange(500, 3500), 3000)
    assert index.find(["7FE00010"]) is not None
    assert index.find(("00480105", "2", "00282000")) is None
    assert index.find(("00480105",)) is None


def test_paths_are_told_in_stored_order_with_vr_and_length() -> None:
    index = bulk_index(head(image_json(frames=3), fragments(10, 20, 30), PROFILE, ICON))
    assert BulkIndex.from_bytes(index.to_bytes()).paths() == [
        (("00480105", "1", "00282000"), "OB", 3000),
        (("00880200", "1", "7FE00010"), "OB", 70),
        (("7FE00010",), "OB", 60),
    ]


def test_the_compact_form_brings_the_same_index_back() -> None:
    index = bulk_index(head(image_json(frames=3), fragments(10, 20, 30), PROFILE, ICON))
    assert BulkIndex.from_bytes(index.to_bytes()) == index
    assert BulkIndex.from_bytes(b"").values == ()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_encapsulated_pixel_data_are_all_fragments_of_the_frame_index(frames: int) -> None:
    found = head(image_json(frames=frames), fragments(10, 20, 30))
    stored = bulk_index(found).find(("7FE00010",))
    assert stored is not None
    spans = stored.fragments(frame_index(found, image_spec(found.data_set)))
    assert spans is not None
    assert list(spans.lengths) == [10, 20, 30]
    assert stored.length == spans.total == 60


def test_nested_encapsulated_values_have_fragments_of_their_own() -> None:
    stored = bulk_index(head(image_json(frames=3), fragments(10, 20, 30), ICON)).find(ICON.path)
    assert stored is not None
    spans = stored.fragments(None)
    assert spans is not None
    assert list(spans.lengths) == [30, 40]


def test_a_single_span_has_no_fragments() -> None:
    stored = bulk_index(head(image_json(), None, PROFILE)).find(PROFILE.path)
    assert stored is not None
    assert stored.fragments(None) is None


def test_two_hundred_thousand_fragments_are_not_stored_twice() -> None:
    index = bulk_index(head(image_json(frames=200_000), fragments(*([100] * 200_000))))
    assert len(index.to_bytes()) < 100


def test_pixel_data_without_a_frame_index_are_told_as_damage() -> None:
    stored = bulk_index(head(image_json(frames=3), fragments(10, 20, 30))).find(("7FE00010",))
    assert stored is not None
    with pytest.raises(DamagedIndex):
        stored.fragments(None)


@pytest.mark.parametrize("broken", [b"\x01", b"\x09\0\0\0\0", b"\x01\x05\0\0\0abcde", b"\x01\x02\0\0\0\xff\xff"])
def test_broken_bytes_are_told_and_not_believed(broken: bytes) -> None:
    with pytest.raises(DamagedIndex):
        BulkIndex.from_bytes(broken)
