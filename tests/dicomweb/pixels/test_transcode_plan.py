"""What is planned for a conversion, from the header alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicomweb.model.instance import ImageSpec
from dicomweb.pixels.abilities import SYNTAXES, can_encode
from dicomweb.pixels.encode import ENCODABLE
from dicomweb.pixels.frame import UnsupportedSyntax
from dicomweb.pixels.transcode import Way, plan_conversion
from dicomweb.wire.transfer_syntaxes import TRANSFER_SYNTAXES
from tests.dicomweb.pixels.images import EXPLICIT_LITTLE, JPEG, RLE, Kind

IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
ENCAPSULATED, DEFLATED_FRAME = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"
CT = Kind(16, 16, signed=True).spec
RGB = Kind(8, 8, photometric="RGB").spec


def test_the_table_of_abilities_and_the_encoders_agree() -> None:
    assert {uid for uid in SYNTAXES if can_encode(uid)} == ENCODABLE


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_the_same_syntax_is_the_same_bytes_and_the_same_description(syntax: str) -> None:
    conversion = plan_conversion(CT, "OW", syntax, syntax)

    assert conversion.way is Way.SAME
    assert (conversion.spec, conversion.pixel_vr) == (CT, "OW")
    assert conversion.lossless
    assert not conversion.changes_bytes


@pytest.mark.parametrize(
    ("source", "target", "way"),
    [
        (EXPLICIT_LITTLE, IMPLICIT_LITTLE, Way.SAME),
        (IMPLICIT_LITTLE, DEFLATED, Way.SAME),
        (DEFLATED, ENCAPSULATED, Way.SAME),
        (ENCAPSULATED, EXPLICIT_LITTLE, Way.SAME),
        (EXPLICIT_BIG, EXPLICIT_LITTLE, Way.PLAIN),
        (ENCAPSULATED, EXPLICIT_BIG, Way.PLAIN),
        (EXPLICIT_LITTLE, DEFLATED_FRAME, Way.PLAIN),
        (DEFLATED_FRAME, EXPLICIT_LITTLE, Way.PLAIN),
        (JPEG + "90", JPEG + "91", Way.SAME),
        (JPEG + "202", JPEG + "201", Way.SAME),
        (JPEG + "201", JPEG + "202", Way.RECODE),
        (JPEG + "91", JPEG + "90", Way.RECODE),
        (EXPLICIT_LITTLE, JPEG + "202", Way.RECODE),
        (RLE, EXPLICIT_LITTLE, Way.RECODE),
    ],
)
def test_the_shortest_way_is_taken(source: str, target: str, way: Way) -> None:
    conversion = plan_conversion(CT, "OW", source, target)

    assert conversion.way is way
    assert conversion.lossless


def test_bytes_keep_their_place_in_big_endian() -> None:
    byte = Kind(8, 8).spec

    assert plan_conversion(byte, "OB", EXPLICIT_BIG, EXPLICIT_LITTLE).way is Way.SAME
    assert plan_conversion(byte, "OW", EXPLICIT_BIG, EXPLICIT_LITTLE).way is Way.PLAIN


@pytest.mark.parametrize(
    ("source", "target", "before", "after"),
    [
        (EXPLICIT_LITTLE, JPEG + "90", "RGB", "YBR_RCT"),
        (EXPLICIT_LITTLE, JPEG + "202", "RGB", "YBR_RCT"),
        (EXPLICIT_LITTLE, JPEG + "91", "RGB", "YBR_ICT"),
        (EXPLICIT_LITTLE, JPEG + "203", "RGB", "YBR_ICT"),
        (EXPLICIT_LITTLE, JPEG + "50", "RGB", "YBR_FULL_422"),
        (EXPLICIT_LITTLE, JPEG + "50", "YBR_FULL", "YBR_FULL_422"),
        (EXPLICIT_LITTLE, JPEG + "70", "RGB", "RGB"),
        (EXPLICIT_LITTLE, JPEG + "80", "YBR_FULL", "YBR_FULL"),
        (EXPLICIT_LITTLE, JPEG + "112", "RGB", "XYB"),
        (EXPLICIT_LITTLE, JPEG + "110", "RGB", "RGB"),
        (EXPLICIT_LITTLE, RLE, "YBR_FULL_422", "YBR_FULL"),
        (JPEG + "50", EXPLICIT_LITTLE, "YBR_FULL_422", "RGB"),
        (JPEG + "50", JPEG + "111", "YBR_FULL_422", "YBR_FULL_422"),
        (JPEG + "111", EXPLICIT_LITTLE, "YBR_FULL_422", "RGB"),
        (JPEG + "90", EXPLICIT_LITTLE, "YBR_RCT", "RGB"),
        (JPEG + "91", JPEG + "202", "YBR_ICT", "YBR_RCT"),
        (JPEG + "112", JPEG + "80", "XYB", "RGB"),
        (JPEG + "80", EXPLICIT_LITTLE, "YBR_FULL", "YBR_FULL"),
    ],
)
def test_colour_is_called_what_it_becomes(source: str, target: str, before: str, after: str) -> None:
    spec = replace(RGB, photometric_interpretation=before)

    assert plan_conversion(spec, "OB", source, target).spec.photometric_interpretation == after


@pytest.mark.parametrize("target", [RLE, JPEG + "90", JPEG + "80"])
def test_recoded_colour_lies_by_pixel(target: str) -> None:
    spec = replace(RGB, planar_configuration=1)

    assert plan_conversion(spec, "OB", EXPLICIT_LITTLE, target).spec.planar_configuration == 0


@pytest.mark.parametrize("target", [IMPLICIT_LITTLE, ENCAPSULATED, DEFLATED_FRAME])
def test_bytes_that_stay_as_they_are_keep_their_planes(target: str) -> None:
    spec = replace(RGB, planar_configuration=1)

    assert plan_conversion(spec, "OB", EXPLICIT_LITTLE, target).spec == spec


def test_jpeg_fixes_the_bits() -> None:
    baseline = plan_conversion(Kind(7, 8).spec, "OB", EXPLICIT_LITTLE, JPEG + "50").spec
    extended = plan_conversion(Kind(10, 16).spec, "OW", EXPLICIT_LITTLE, JPEG + "51").spec

    assert (baseline.bits_allocated, baseline.bits_stored) == (8, 8)
    assert (extended.bits_allocated, extended.bits_stored) == (16, 12)


@pytest.mark.parametrize(
    ("spec", "vr", "source", "target", "after"),
    [
        (CT, "OW", EXPLICIT_LITTLE, JPEG + "90", "OB"),
        (CT, "OW", EXPLICIT_LITTLE, ENCAPSULATED, "OB"),
        (CT, "OB", JPEG + "90", EXPLICIT_LITTLE, "OW"),
        (RGB, "OB", JPEG + "50", EXPLICIT_LITTLE, "OB"),
        (RGB, "OB", JPEG + "50", IMPLICIT_LITTLE, "OW"),
        (RGB, "OW", IMPLICIT_LITTLE, EXPLICIT_LITTLE, "OW"),
        (RGB, "OW", EXPLICIT_LITTLE, EXPLICIT_BIG, "OB"),
        (Kind(32, 32).spec, "OF", IMPLICIT_LITTLE, EXPLICIT_BIG, "OF"),
    ],
)
def test_the_vr_is_that_of_the_target(spec: ImageSpec, vr: str, source: str, target: str, after: str) -> None:
    assert plan_conversion(spec, vr, source, target).pixel_vr == after


@pytest.mark.parametrize("end", ["50", "51", "81", "91", "203", "112"])
def test_lossy_targets_are_lossy(end: str) -> None:
    spec = Kind(8, 8).spec if end == "50" else Kind(12, 16).spec

    assert not plan_conversion(spec, "OW", EXPLICIT_LITTLE, JPEG + end).lossless
    assert plan_conversion(spec, "OB", JPEG + end, JPEG + "80").lossless


@pytest.mark.parametrize(
    ("spec", "vr", "source", "target", "reason"),
    [
        (CT, "OW", EXPLICIT_LITTLE, JPEG + "50", "2 to 8 bits a sample here, not 16"),
        (Kind(12, 16).spec, "OW", EXPLICIT_LITTLE, JPEG + "50", "bits"),
        (CT, "OW", EXPLICIT_LITTLE, JPEG + "110", "signed"),
        (Kind(8, 8, photometric="PALETTE COLOR").spec, "OB", EXPLICIT_LITTLE, JPEG + "91", "PALETTE COLOR"),
        (Kind(32, 32).spec, "OW", EXPLICIT_LITTLE, JPEG + "90", "1 to 24 bits"),
        (Kind(32, 32).spec, "OW", EXPLICIT_LITTLE, JPEG + "202", "1 to 16 bits"),
        (Kind(12, 32).spec, "OW", EXPLICIT_LITTLE, JPEG + "80", "16 allocated bits"),
        (replace(RGB, samples_per_pixel=4), "OB", EXPLICIT_LITTLE, JPEG + "90", "4 samples"),
        (replace(CT, bits_allocated=64, samples_per_pixel=3), "OW", EXPLICIT_LITTLE, RLE, "15 bytes"),
        (Kind(32, 32).spec, "OF", EXPLICIT_LITTLE, JPEG + "90", "floating point"),
        (Kind(32, 32).spec, "OF", EXPLICIT_LITTLE, DEFLATED_FRAME, "floating point"),
        (CT, "OW", EXPLICIT_LITTLE, JPEG + "111", "JPEG Baseline .* alone"),
        (CT, "OW", EXPLICIT_LITTLE, JPEG + "102", "no encoder for MPEG-4"),
        (RGB, "OB", JPEG + "102", EXPLICIT_LITTLE, "no decoder for MPEG-4"),
        (RGB, "OB", "1.2.3.4", EXPLICIT_LITTLE, "no decoder for 1.2.3.4"),
        (RGB, "OB", EXPLICIT_LITTLE, "1.2.3.4", "no encoder for 1.2.3.4"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    spec: ImageSpec, vr: str, source: str, target: str, reason: str
) -> None:
    with pytest.raises(UnsupportedSyntax, match=reason):
        plan_conversion(spec, vr, source, target)


@pytest.mark.parametrize("target", sorted(ENCODABLE))
def test_a_plan_is_made_or_refused_for_any_image(target: str) -> None:
    for photometric in ("MONOCHROME1", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_PARTIAL_420", "", "nonsense"):
        for samples in (1, 2, 3, 4):
            for allocated, stored in ((0, 0), (1, 1), (8, 12), (16, 0), (24, 24), (64, 64)):
                spec = ImageSpec(5, 5, samples, allocated, stored, 1, photometric, 1, 1)
                try:
                    conversion = plan_conversion(spec, "", EXPLICIT_LITTLE, target)
                except UnsupportedSyntax:
                    continue
                assert conversion.target == target
