"""Waveforms: samples become values, values become curves, in SVG and as pictures."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as Xml

import numpy as np
import pytest

from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.portrait import Fetched
from dicomweb.pixels.objects.waveform import bytes_wanted, groups_of
from dicomweb.pixels.objects.waveform_sheet import lay_out
from dicomweb.pixels.render.settings import RenderSettings, Viewport
from tests.dicomweb.pixels.objects.subjects import STORAGE, Subject, built, code, item

UNITS = {"mV": "millivolt", "uV": "microvolt", "mm[Hg]": "mmHg"}


def wave(
    data: bytes, *, kind: str = "SS", bits: int = 16, channels: int = 1, unit: str = "mV",
    frequency: float = 100.0, sensitivity: str | None = "0.01", baseline: str = "0", padding: bytes | None = None,
    big_endian: bool = False, copies: int = 1,
) -> Subject:  # fmt: skip
    """One multiplex group (or several alike)."""
    definitions = []
    for number in range(channels):
        one = item(ChannelLabel=f"ch{number + 1}", WaveformBitsStored=bits)
        if sensitivity is not None:
            one.ChannelSensitivity = sensitivity
            one.ChannelSensitivityCorrectionFactor = "1"
            one.ChannelBaseline = baseline
            one.ChannelSensitivityUnitsSequence = [code(unit, UNITS[unit], "UCUM")]
        definitions.append(one)
    group = item(
        NumberOfWaveformChannels=channels,
        NumberOfWaveformSamples=len(data) * 8 // bits // channels,
        SamplingFrequency=frequency,
        MultiplexGroupLabel="RHYTHM",
        ChannelDefinitionSequence=definitions,
        WaveformBitsAllocated=bits,
        WaveformSampleInterpretation=kind,
    )
    vr = "OB" if bits == 8 else "OW"
    group.add_new(0x54001010, vr, data)
    if padding is not None:
        group.add_new(0x5400100A, vr, padding)
    return built(
        big_endian=big_endian, SOPClassUID=STORAGE + "9.1.1", Modality="ECG", WaveformSequence=[group] * copies
    )


def values(one: Subject) -> list[np.ndarray]:
    """The channels of the first group."""
    groups = groups_of(one.header, Fetched(values=one.values), one.transfer_syntax, 60.0)
    return [channel.values for channel in groups[0].channels]


def test_samples_are_scaled_by_sensitivity_and_moved_by_baseline() -> None:
    one = wave(struct.pack("<4h", 0, 100, -100, 50), sensitivity="0.5", baseline="3")

    assert values(one)[0].tolist() == [3.0, 53.0, -47.0, 28.0]


def test_channels_are_told_apart() -> None:
    one = wave(struct.pack("<6h", 1, 10, 2, 20, 3, 30), channels=2, sensitivity="1")

    assert [channel.tolist() for channel in values(one)] == [[1, 2, 3], [10, 20, 30]]


@pytest.mark.parametrize(
    ("kind", "bits", "data", "expected"),
    [
        ("SB", 8, b"\x00\x7f\x80\xff", [0, 127, -128, -1]),
        ("UB", 8, b"\x00\x7f\x80\xff", [0, 127, 128, 255]),
        ("SS", 16, b"\xff\xff\x00\x80", [-1, -32768]),
        ("US", 16, b"\xff\xff\x00\x80", [65535, 32768]),
        ("SL", 32, b"\xff\xff\xff\xff", [-1]),
        ("UL", 32, b"\xff\xff\xff\xff", [4294967295]),
    ],
)
def test_every_kind_of_sample(kind: str, bits: int, data: bytes, expected: list[int]) -> None:
    assert values(wave(data, kind=kind, bits=bits, sensitivity="1"))[0].tolist() == expected


@pytest.mark.parametrize(
    ("kind", "silence", "loudest", "softest"), [("MB", 0xFF, 0x80, 0x7F), ("AB", 0xD5, 0xAA, 0x2A)]
)
def test_companded_bytes_are_made_linear(kind: str, silence: int, loudest: int, softest: int) -> None:
    made = values(wave(bytes([silence, loudest, softest, silence]), kind=kind, bits=8, sensitivity=None))[0]

    assert abs(made[0]) < 0.001
    assert 0.9 < made[1] < 1.0
    if kind == "AB":
        assert -1.0 < made[2] < -0.9
    else:
        assert abs(made[2]) < 0.001  # the other zero of mu-law


def test_big_endian_samples() -> None:
    one = wave(struct.pack(">2h", 258, -2), sensitivity="1", big_endian=True)

    assert values(one)[0].tolist() == [258, -2]


def test_long_values_in_big_endian_are_bulk_and_turned_too() -> None:
    one = wave(struct.pack(">1000h", *range(1000)), sensitivity="1", big_endian=True)

    assert one.values
    assert values(one)[0].tolist() == list(range(1000))


def test_padding_values_leave_gaps() -> None:
    one = wave(struct.pack("<6h", 1, 2, -32768, -32768, 5, 6), sensitivity="1", padding=struct.pack("<h", -32768))

    assert np.isnan(values(one)[0][2:4]).all()
    sheet = lay_out(groups_of(one.header, Fetched(), one.transfer_syntax, 60.0), "t")
    assert [len(piece) for piece in sheet.traces[0].pieces] == [2, 2]


def test_a_millivolt_is_ten_millimetres_and_a_second_twenty_five() -> None:
    samples = [0] * 1000
    samples[500] = 100  # 1 mV
    one = wave(struct.pack("<1000h", *samples))
    sheet = lay_out(groups_of(one.header, Fetched(values=one.values), one.transfer_syntax, 60.0), "t")

    curve = np.concatenate(sheet.traces[0].pieces)
    peak = curve[curve[:, 1].argmin()]
    assert np.isclose(curve[:, 1].max() - peak[1], 10.0)
    assert np.isclose(peak[0] - curve[0, 0], 125.0)


def test_the_svg_is_well_formed_and_escapes_what_it_says() -> None:
    one = wave(struct.pack("<100h", *range(100)))
    one.header["0008103E"] = {"vr": "LO", "Value": ["<b>&\x01"]}

    root = Xml.fromstring(one.text("image/svg+xml"))

    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "ch1" in words
    assert any(text and "<b>&" in text for text in words)
    assert re.fullmatch(r"[\d.]+mm", root.attrib["width"])


def test_the_picture_shows_grid_and_curve() -> None:
    one = wave(struct.pack("<1000h", *(round(100 * np.sin(n / 20)) for n in range(1000))))

    made = one.show(settings=RenderSettings(viewport=Viewport(600, None)))

    assert isinstance(made, Picture)
    assert made.array.shape[1] == 600
    assert (made.array.max(axis=-1) < 60).sum() > 500  # the curve
    assert ((made.array[..., 0] > 230) & (made.array[..., 1] < 230)).sum() > 500  # the paper


def test_pressures_are_spread_over_the_sheet() -> None:
    one = wave(struct.pack("<1000h", *range(1000)), unit="mm[Hg]", sensitivity="0.1")
    sheet = lay_out(groups_of(one.header, Fetched(values=one.values), one.transfer_syntax, 60.0), "t")

    curve = np.concatenate(sheet.traces[0].pieces)
    assert np.ptp(curve[:, 0]) > 240
    assert "99.9" in [words.text for words in sheet.words]
    assert "mmHg" in [words.text for words in sheet.words]


def test_only_the_beginning_of_a_day_is_read() -> None:
    one = wave(bytes(4000), frequency=1000.0)
    group = one.header["54000100"]["Value"][0]
    group["003A0010"]["Value"] = [86_400_000]

    assert bytes_wanted(group, 60.0) == 2 * 60_001
    one.show("image/svg+xml")
    assert one.asked == ["54000100/1/54001010"]


def test_without_samples_there_is_a_card() -> None:
    made = wave(b"").show("image/svg+xml")

    assert b"ECG" in getattr(made, "data", b"")
