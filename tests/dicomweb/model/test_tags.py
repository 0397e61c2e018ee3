"""The data dictionary."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from dicomweb.model.tags import is_private, keyword_of, name_of, private_vr, public_vr, tag_of, vr_of


@pytest.mark.parametrize("keyword", ["PatientName", "StudyInstanceUID", "PixelData", "RTROIObservationsSequence"])
def test_keyword_tag_and_vr_belong_together(keyword: str) -> None:
    tag = tag_of(keyword)

    assert tag is not None
    assert int(tag, 16) == tag_for_keyword(keyword)
    assert keyword_of(tag) == keyword == keyword_for_tag(int(tag, 16))
    assert dictionary_VR(int(tag, 16)) in (vr_of(tag), "OB or OW")


def test_what_the_dictionary_does_not_know() -> None:
    assert tag_of("NoSuchKeyword") is None
    assert keyword_of("00091001") is None
    assert name_of("00091001") is None
    assert vr_of("00091001") == "UN"
    assert public_vr(0x00091001) is None


def test_name_is_that_of_the_standard() -> None:
    assert name_of("00100010") == "Patient's Name"


@pytest.mark.parametrize(
    ("tag", "vr"),
    [("60003000", "OW"), ("60020010", "US"), ("60FF0010", "UN"), ("50003000", "OW"), ("00203100", "CS")],
)
def test_repeating_groups_are_known_by_their_mask(tag: str, vr: str) -> None:
    expected = "UN" if int(tag[:4], 16) & 1 else vr

    assert vr_of(tag) == expected


@pytest.mark.parametrize(
    ("tag", "vr"), [("00280106", "US"), ("7FE00010", "OW"), ("00283006", "US"), ("00281200", "US")]
)
def test_ambiguous_attributes_have_the_vr_to_match_by(tag: str, vr: str) -> None:
    assert vr_of(tag) == vr


def test_group_lengths_are_ul() -> None:
    assert public_vr(0x00080000) == public_vr(0x00090000) == "UL"


def test_odd_groups_are_private() -> None:
    assert is_private("00091001")
    assert is_private("000B0010")
    assert not is_private("00080018")


def test_private_attributes_are_known_by_creator_and_element() -> None:
    assert private_vr(0x00291010, "SIEMENS CSA HEADER") == "OB"
    assert private_vr(0x0029FF10, "SIEMENS CSA HEADER") == "OB"
    assert private_vr(0x00291010, "NOBODY") is None
    assert private_vr(0x002910FE, "SIEMENS CSA HEADER") is None


def test_dictionary_is_loaded_without_the_rest_of_pydicom() -> None:
    code = (
        "import sys; from dicomweb.model.tags import tag_of; assert tag_of('PatientID') == '00100020';"
        "sys.exit('pydicom' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
