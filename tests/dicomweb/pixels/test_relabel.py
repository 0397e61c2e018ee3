"""What a data set says after its pixel data were converted (PS3.3 C.7.6.1.1.5, C.7.6.3)."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.quality import Quality
from dicomweb.pixels.relabel import LOSSY_METHODS, derived_uid, outdated, relabelled
from dicomweb.pixels.transcode import Conversion, plan_conversion
from tests.dicomweb.pixels.images import EXPLICIT_LITTLE, JPEG, RLE, Kind

SOURCE = "1.2.3.4"
CT = "1.2.840.10008.5.1.4.1.1.2"
HEADER: JsonAttributes = {
    "00080008": {"vr": "CS", "Value": ["ORIGINAL", "PRIMARY", "AXIAL"]},
    "00080016": {"vr": "UI", "Value": [CT]},
    "00080018": {"vr": "UI", "Value": [SOURCE]},
    "00280106": {"vr": "US", "Value": [0]},
    "00281050": {"vr": "DS", "Value": [40]},
}
GREY, RGB = Kind(12, 16), Kind(8, 8, photometric="RGB")


def conversion(target: str, kind: Kind = GREY, source: str = EXPLICIT_LITTLE) -> Conversion:
    return plan_conversion(kind.spec, "OW" if kind.allocated > 8 else "OB", source, target)


def lossy(header: JsonAttributes = HEADER, *, target: str = JPEG + "91", **settings: Any) -> JsonAttributes:
    return relabelled(header, conversion(target), source_version="v1", **settings)


@pytest.mark.parametrize("target", [JPEG + "90", JPEG + "202", JPEG + "80", JPEG + "70", RLE, EXPLICIT_LITTLE])
def test_a_lossless_conversion_of_grey_changes_nothing(target: str) -> None:
    assert relabelled(HEADER, conversion(target)) == {}


def test_colour_is_called_what_it_is() -> None:
    assert relabelled(HEADER, conversion(JPEG + "90", RGB)) == {"00280004": {"vr": "CS", "Value": ["YBR_RCT"]}}


def test_planes_that_became_pixels_are_said() -> None:
    from dataclasses import replace

    by_plane = replace(RGB.spec, planar_configuration=1)

    changes = relabelled(HEADER, plan_conversion(by_plane, "OB", EXPLICIT_LITTLE, RLE))

    assert changes == {"00280006": {"vr": "US", "Value": [0]}}


def test_bits_that_the_syntax_fixes_are_said() -> None:
    changes = relabelled(HEADER, conversion(JPEG + "51", Kind(10, 16)))

    assert changes["00280101"] == {"vr": "US", "Value": [12]}
    assert changes["00280102"] == {"vr": "US", "Value": [11]}
    assert "00280100" not in changes


def test_a_lossy_image_is_derived_and_names_its_source() -> None:
    changes = lossy(ratio=9.876)

    assert changes["00080008"]["Value"] == ["DERIVED", "PRIMARY", "AXIAL"]
    assert changes["00282110"] == {"vr": "CS", "Value": ["01"]}
    assert changes["00282112"] == {"vr": "DS", "Value": [9.88]}
    assert changes["00282114"] == {"vr": "CS", "Value": ["ISO_15444_1"]}
    (reference,) = changes["00082112"]["Value"]
    assert reference["00081150"]["Value"] == [CT]
    assert reference["00081155"]["Value"] == [SOURCE]
    assert reference["0040A170"]["Value"][0]["00080100"]["Value"] == ["121320"]
    assert changes["00089215"]["Value"][0]["00080100"]["Value"] == ["113040"]
    assert changes["00082111"]["Value"] == ["Lossy compression by JPEG 2000 Image Compression"]


def test_what_is_said_of_values_stays() -> None:
    assert not {"00280106", "00281050", "00280004"} & lossy().keys()


def test_a_lossy_image_gets_a_uid_of_its_own() -> None:
    (uid,) = lossy()["00080018"]["Value"]

    assert uid != SOURCE
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert int(uid[5:]) < 1 << 128


def test_the_same_conversion_of_the_same_version_has_the_same_uid() -> None:
    assert lossy()["00080018"] == lossy(ratio=3.0)["00080018"]


def test_another_source_version_target_or_quality_has_another_uid() -> None:
    base = (SOURCE, "v1", JPEG + "91", Quality(90))
    others = [(SOURCE, "v2", *base[2:]), ("1.2.5", *base[1:]), (*base[:2], JPEG + "81", base[3])]
    others.append((*base[:3], Quality(80)))

    assert len({derived_uid(*words) for words in [base, *others]}) == 5


def test_earlier_losses_are_kept_in_pairs_of_ratio_and_method() -> None:
    header = HEADER | {
        "00282110": {"vr": "CS", "Value": ["01"]},
        "00282112": {"vr": "DS", "Value": [7.5]},
        "00282114": {"vr": "CS", "Value": ["ISO_10918_1"]},
        "00082111": {"vr": "ST", "Value": ["cropped"]},
        "00082112": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.9"]}}]},
    }

    changes = lossy(header, ratio=20.0)

    assert changes["00282112"]["Value"] == [7.5, 20.0]
    assert changes["00282114"]["Value"] == ["ISO_10918_1", "ISO_15444_1"]
    assert changes["00082111"]["Value"] == ["cropped; Lossy compression by JPEG 2000 Image Compression"]
    assert [item["00081155"]["Value"][0] for item in changes["00082112"]["Value"]] == ["1.2.9", SOURCE]
    assert changes["00082112"]["Value"][1]["0040A170"]["Value"][0]["00080100"]["Value"] == ["121322"]


def test_an_earlier_ratio_without_its_method_stays_without() -> None:
    header = HEADER | {"00282112": {"vr": "DS", "Value": [7.5]}}

    changes = lossy(header, ratio=20.0)

    assert changes["00282112"]["Value"] == [7.5, 20.0]
    assert changes["00282114"]["Value"] == [None, "ISO_15444_1"]


def test_the_header_itself_is_not_touched() -> None:
    header = HEADER | {"00282114": {"vr": "CS", "Value": ["ISO_10918_1"]}}

    lossy(header)

    assert header["00282114"]["Value"] == ["ISO_10918_1"]
    assert header["00080008"]["Value"][0] == "ORIGINAL"


def test_every_lossy_syntax_that_is_encoded_has_a_method() -> None:
    from dicomweb.pixels.encode import ENCODABLE, is_lossy_encoding

    assert {uid for uid in ENCODABLE if is_lossy_encoding(uid)} <= LOSSY_METHODS.keys()


def test_a_jpeg_image_that_is_unpacked_is_still_called_lossy() -> None:
    kind = Kind(8, 8)

    changes = relabelled(HEADER, conversion(EXPLICIT_LITTLE, kind, JPEG + "50"))

    assert changes["00282110"]["Value"] == ["01"]
    assert changes["00282114"]["Value"] == ["ISO_10918_1"]
    assert "00080018" not in changes


def test_what_is_called_lossy_already_is_not_said_again() -> None:
    header = HEADER | {"00282110": {"vr": "CS", "Value": ["01"]}}

    assert relabelled(header, conversion(EXPLICIT_LITTLE, Kind(8, 8), JPEG + "50")) == {}


def test_what_is_given_as_stored_is_not_relabelled() -> None:
    assert relabelled(HEADER, conversion(JPEG + "50", Kind(8, 8), JPEG + "50")) == {}


@pytest.mark.parametrize(
    ("source", "target", "gone"),
    [
        (JPEG + "90", EXPLICIT_LITTLE, True),
        (JPEG + "90", RLE, True),
        ("1.2.840.10008.1.2.1.98", EXPLICIT_LITTLE, True),
        (JPEG + "90", JPEG + "90", False),
        (JPEG + "90", JPEG + "91", False),
    ],
)
def test_offset_tables_of_other_fragments_must_go(source: str, target: str, gone: bool) -> None:
    tables = ("7FE00001", "7FE00002", "7FE00003")
    header = HEADER | {tag: {"vr": "OV", "InlineBinary": ""} for tag in tables}

    tags = outdated(header, conversion(target, source=source))

    assert tags == (frozenset(tables) if gone else frozenset())


def test_a_loss_that_the_header_forgot_is_told_with_its_ratio() -> None:
    changes = relabelled(HEADER, conversion(EXPLICIT_LITTLE, Kind(8, 8), JPEG + "50"), stored_ratio=11.111)

    assert changes["00282112"] == {"vr": "DS", "Value": [11.11]}
    assert changes["00282114"]["Value"] == ["ISO_10918_1"]


def test_a_loss_that_the_header_forgot_stands_before_the_new_one() -> None:
    made = conversion(JPEG + "91", Kind(8, 8), JPEG + "50")

    changes = relabelled(HEADER, made, source_version="v1", ratio=20.0, stored_ratio=8.0)

    assert changes["00282112"]["Value"] == [8.0, 20.0]
    assert changes["00282114"]["Value"] == ["ISO_10918_1", "ISO_15444_1"]
    assert changes["00082112"]["Value"][0]["0040A170"]["Value"][0]["00080100"]["Value"] == ["121322"]


def test_high_bit_fits_the_bits_that_are_allocated_afterwards() -> None:
    header = HEADER | {"00280102": {"vr": "US", "Value": [15]}}

    changes = relabelled(header, conversion(JPEG + "50", Kind(8, 16)), source_version="v1")

    assert changes["00280100"]["Value"] == [8]
    assert changes["00280102"]["Value"] == [7]


class TestFrameType:
    """Frame Type of an enhanced image, PS3.3 C.8.13.5.1."""

    @staticmethod
    def group(*words: str | None, **more: Any) -> dict[str, Any]:
        frame_type = {"vr": "SQ", "Value": [{"00089007": {"vr": "CS", "Value": list(words)}}]}
        return {"00189226": frame_type, "00281052": {"vr": "DS", "Value": [0]}, **more}

    def header(self, *groups: dict[str, Any], shared: tuple[dict[str, Any], ...] = ()) -> JsonAttributes:
        return HEADER | {
            "52009229": {"vr": "SQ", "Value": list(shared)},
            "52009230": {"vr": "SQ", "Value": list(groups)},
        }

    def test_says_derived_in_every_frame_after_a_loss(self) -> None:
        header = self.header(self.group("ORIGINAL", "PRIMARY"), self.group("ORIGINAL", "OTHER"))

        changes = lossy(header)

        assert changes["52009230"]["Value"] == [self.group("DERIVED", "PRIMARY"), self.group("DERIVED", "OTHER")]
        assert "52009229" not in changes
        assert header["52009230"]["Value"][0] == self.group("ORIGINAL", "PRIMARY")

    def test_says_derived_where_all_frames_share_it(self) -> None:
        changes = lossy(self.header({}, shared=(self.group("ORIGINAL", "PRIMARY"),)))

        assert changes["52009229"]["Value"] == [self.group("DERIVED", "PRIMARY")]
        assert "52009230" not in changes

    def test_stays_when_nothing_is_lost(self) -> None:
        header = self.header(self.group("ORIGINAL", "PRIMARY"))

        assert relabelled(header, conversion(JPEG + "90")) == {}

    def test_stays_where_it_says_so_already_or_nothing(self) -> None:
        changes = lossy(self.header(self.group("DERIVED", "PRIMARY"), self.group(), {}))

        assert not {"52009229", "52009230"} & changes.keys()

    def test_stays_where_values_beside_it_are_not_at_hand(self) -> None:
        table = {
            "vr": "SQ",
            "Value": [{"00283006": {"vr": "OW", "BulkDataURI": "52009230/1/00289132/1/00283006"}}],
        }

        assert "52009230" not in lossy(self.header(self.group("ORIGINAL", **{"00289132": table})))
