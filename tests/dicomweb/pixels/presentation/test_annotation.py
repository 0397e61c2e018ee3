"""The `annotation` parameter: what is written, where, and that it can be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicomweb.pixels.presentation.annotation import annotate, patient_lines, technique_lines
from tests.dicomweb.pixels.presentation.states import make_image, read

BOTH = ("patient", "technique")


def header(**attributes: Any) -> Any:
    return read(make_image(np.zeros((4, 4), np.uint8), **attributes))[0]


def test_the_patient_is_told_by_name_id_birth_date_and_sex() -> None:
    assert patient_lines(header()) == ["Doe, Jane", "P-1", "*1970-01-31 F"]


def test_of_a_name_the_form_in_latin_letters_is_taken() -> None:
    name = header(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", SpecificCharacterSet="ISO_IR 192")

    assert patient_lines(name)[0] == "Yamada, Tarou"
    only_ideographic = {"00100010": {"vr": "PN", "Value": [{"Ideographic": "山田^太郎"}]}}
    assert patient_lines(only_ideographic) == ["山田, 太郎"]


def test_the_technique_is_told_by_what_the_image_says() -> None:
    lines = technique_lines(
        header(
            Modality="CT", ContentDate="20240301", ContentTime="101530.5", SeriesNumber=3, InstanceNumber=17,
            SeriesDescription="Thorax", KVP=120, SliceThickness="2.50", NumberOfFrames=5,
        ),
        2,
    )  # fmt: skip

    assert lines == ["CT  2024-03-01  10:15", "Se 3  Im 17  Fr 2/5", "Thorax", "2.5 mm  120 kV"]


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"00100010": {"vr": "PN"}, "00100030": {"vr": "DA", "Value": [None]}},
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": 5}]}, "00100020": {"vr": "LO", "Value": [{}]}},
        {"00100010": {"vr": "PN", "Value": ["^^^"]}, "00200013": {"vr": "IS", "Value": ["x"]}},
        {"00080030": {"vr": "TM", "Value": ["noon"]}, "00280008": {"vr": "IS", "Value": ["many"]}},
    ],
)
def test_missing_and_broken_attributes_are_passed_over(attributes: Any) -> None:
    picture = np.zeros((100, 100), np.uint8)

    assert annotate(picture, attributes, 1, BOTH).shape == picture.shape


def test_the_patient_is_written_above_and_the_technique_below() -> None:
    picture = np.zeros((400, 500), np.uint8)

    patient = annotate(picture, header(), 1, {"patient"})
    technique = annotate(picture, header(), 1, {"technique"})

    assert patient[:100].any()
    assert not patient[100:].any()
    assert technique[300:].any()
    assert not technique[:300].any()
    assert not patient[:, 250:].any()
    assert not picture.any(), "the picture given is not written on"


@pytest.mark.parametrize("level", [0, 100, 200, 255])
def test_it_can_be_read_on_dark_and_bright_pictures(level: int) -> None:
    annotated = annotate(np.full((400, 400), level, np.uint8), header(), 1, {"patient"}).astype(int)

    assert annotated.max() > 250
    assert annotated.max() - annotated.min() > 150


def test_colour_pictures_stay_colour_pictures_and_grey_ones_grey() -> None:
    assert annotate(np.zeros((80, 80, 3), np.uint8), header(), 1, BOTH).shape == (80, 80, 3)
    assert annotate(np.zeros((80, 80), np.uint8), header(), 1, BOTH).shape == (80, 80)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (16, 300), (300, 16), (33, 40)])
def test_small_pictures_get_what_finds_room(shape: tuple[int, int]) -> None:
    assert annotate(np.zeros(shape, np.uint8), header(), 1, BOTH).shape == shape


def test_without_a_wish_the_picture_is_given_back_as_it_is() -> None:
    picture = np.zeros((10, 10), np.uint8)

    assert annotate(picture, header(), 1, ()) is picture
    assert annotate(picture, {}, 1, {"patient"}) is picture
