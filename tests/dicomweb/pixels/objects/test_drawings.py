"""Annotations of slides, spectra, palettes."""

from __future__ import annotations

import numpy as np
import pytest

from dicomweb.pixels.objects.portrait import Fetched
from dicomweb.pixels.objects.spectrum import spectra_of
from tests.dicomweb.pixels.objects.subjects import STORAGE, Subject, built, code, item


def annotations(
    kind: str, points: list[float], firsts: list[int] | None = None, *, coordinates: str = "2D"
) -> Subject:
    group = item(
        AnnotationGroupLabel="nuclei",
        GraphicType=kind,
        NumberOfAnnotations=2,
        AnnotationPropertyTypeCodeSequence=[code("1", "Nucleus")],
        PointCoordinatesData=np.array(points, "<f4").tobytes(),
    )
    if firsts:
        group.LongPrimitivePointIndexList = np.array(firsts, "<u4").tobytes()
    return built(
        SOPClassUID=STORAGE + "91.1",
        Modality="ANN",
        AnnotationCoordinateType=coordinates,
        AnnotationGroupSequence=[group],
    )


def coloured(shown: np.ndarray) -> np.ndarray:
    """Where the first colour of the palette is, in the middle of the picture: not in its legend."""
    return np.asarray((shown == (230, 85, 70)).all(axis=-1))[40:]


@pytest.mark.parametrize(
    ("kind", "points", "firsts"),
    [
        ("POINT", [0, 0, 10, 10], None),
        ("RECTANGLE", [0, 0, 10, 0, 10, 10, 0, 10], None),
        ("ELLIPSE", [0, 5, 10, 5, 5, 0, 5, 10], None),
        ("POLYGON", [0, 0, 10, 0, 10, 10, 20, 20, 30, 20, 30, 30], [1, 7]),
        ("POLYLINE", [0, 0, 10, 0, 10, 10], [1]),
    ],
)
def test_every_kind_of_annotation_is_drawn(kind: str, points: list[float], firsts: list[int] | None) -> None:
    assert coloured(annotations(kind, points, firsts).picture()).any()


def test_polygons_are_closed_and_polylines_are_not() -> None:
    points = [0.0, 0.0, 100.0, 0.0, 100.0, 100.0]
    closed = coloured(annotations("POLYGON", points, [1]).picture())
    opened = coloured(annotations("POLYLINE", points, [1]).picture())

    assert closed.sum() > opened.sum() * 1.2


def test_places_in_millimetres_have_three_numbers() -> None:
    flat = annotations("POINT", [0, 0, 10, 20])
    deep = annotations("POINT", [0, 0, 7, 10, 20, 7], coordinates="3D")

    assert np.array_equal(coloured(flat.picture())[:400], coloured(deep.picture())[:400])


def test_places_that_point_nowhere_are_left_out() -> None:
    assert coloured(annotations("POLYGON", [0, 0, 9, 0, 9, 9], [1, 4_000_000_000]).picture()).any()


def spectroscopy(signal: np.ndarray, domain: str) -> Subject:
    pairs = np.stack((signal.real, signal.imag), axis=-1).astype("<f4")
    return built(
        SOPClassUID=STORAGE + "4.2",
        DataPointColumns=signal.shape[1],
        DataRepresentation="COMPLEX",
        SignalDomainColumns=domain,
        SpectroscopyData=pairs.tobytes(),
    )


def test_a_signal_over_time_is_shown_as_its_frequencies() -> None:
    tone = np.exp(2j * np.pi * 16 / 256 * np.arange(256))[None]
    one = spectroscopy(tone, "TIME")

    spectrum = spectra_of(one.header, Fetched(values=one.values), one.transfer_syntax)[0]

    assert spectrum.argmax() == 128 + 16


def test_the_strongest_spectrum_is_drawn() -> None:
    signals = np.zeros((3, 64), complex)
    signals[1, 10] = 5
    shown = spectroscopy(signals, "FREQUENCY").picture()

    line = np.argwhere((shown == (110, 200, 250)).all(axis=-1))
    peak = line[line[:, 0].argmin()]
    assert abs(peak[1] - (28 + 10 / 63 * 584)) < 4


def test_a_palette_is_drawn_from_left_to_right() -> None:
    ramp = np.arange(256, dtype="<u2") * 256
    tables = {f"{name}PaletteColorLookupTableData": ramp.tobytes() for name in ("Red", "Green", "Blue")}
    described = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    one = built(SOPClassUID="1.2.840.10008.5.1.4.39.1", **tables, **described)

    shown = one.picture()

    assert shown.shape == (192, 384, 3)
    assert shown[0, 0, 0] == 0
    assert shown[0, -1, 0] == 255
    assert (np.diff(shown[0, :, 0].astype(int)) >= 0).all()
