"""Clinical documents, meshes, video: as stored, as text, as pictures."""

from __future__ import annotations

import io
import struct
from itertools import product

import numpy as np
import pytest

from dicomweb.pixels.frame import Picture
from dicomweb.pixels.objects.mesh import facets_of
from dicomweb.pixels.objects.video import poster
from tests.build.dicom import multi_frame
from tests.dicomweb.pixels.objects.subjects import STORAGE, Subject, built, subject

CDA = b"""<?xml version="1.0" encoding="utf-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Discharge summary</title>
<component><structuredBody>
<component><section><title>Diagnosis</title><text><paragraph>Cough &lt;3 days</paragraph>
<table><tbody><tr><td>T</td><td onclick="x">38.2</td></tr></tbody></table><script>alert(1)</script></text>
<component><section><title>Inner</title><text>deeper</text></section></component></section></component>
</structuredBody></component></ClinicalDocument>"""


def document(sop_class: str, data: bytes) -> Subject:
    return built(
        SOPClassUID=STORAGE + sop_class,
        DocumentTitle="A title",
        EncapsulatedDocument=data + b"\0" * (len(data) % 2),
        EncapsulatedDocumentLength=len(data),
    )


def test_a_clinical_document_is_html_of_its_narrative() -> None:
    page = document("104.2", CDA).text("text/html")

    assert "<h1>Discharge summary</h1>" in page
    assert "<h2>Diagnosis</h2>" in page
    assert "<h3>Inner</h3>" in page
    assert "<p>Cough &lt;3 days</p>" in page
    assert "<td>38.2</td>" in page
    assert "<script" not in page
    assert "onclick" not in page


def test_a_clinical_document_is_text() -> None:
    lines = document("104.2", CDA).text("text/plain").splitlines()

    assert lines[:2] == ["Discharge summary", "================="]
    assert "Cough <3 days" in lines
    assert "T | 38.2" in lines
    assert "  deeper" in lines


def test_a_clinical_document_is_given_as_stored() -> None:
    assert document("104.2", CDA).text("text/xml") == CDA.decode()


@pytest.mark.parametrize(
    "data",
    [
        b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;">]><ClinicalDocument><title>&c;</title></ClinicalDocument>',
        b"<html/>",
        b"not XML",
        b"",
    ],
)
def test_what_cannot_be_read_as_a_clinical_document_is_a_card_in_words(data: bytes) -> None:
    assert "<h1>Encapsulated CDA</h1>" in document("104.2", data).text("text/html")


def cube() -> np.ndarray:
    """The facets of a cube, (12, 3, 3)."""
    found = []
    for axis, side in product(range(3), (0, 1)):
        corners = []
        for first, second in ((0, 0), (1, 0), (1, 1), (0, 1)):
            corner = [first, second]
            corner.insert(axis, side)
            corners.append(corner)
        found += [corners[:3], [corners[0], *corners[2:]]]
    return np.array(found, float)


def binary_stl(corners: np.ndarray) -> bytes:
    facets = b"".join(struct.pack("<12fH", 0, 0, 0, *facet.ravel(), 0) for facet in corners)
    return b"solid pretends to be text".ljust(80) + struct.pack("<L", len(corners)) + facets


def text_stl(corners: np.ndarray) -> bytes:
    lines = ["solid cube"]
    for facet in corners:
        lines += ["facet normal 0 0 0", "outer loop", *(f"vertex {x} {y} {z}" for x, y, z in facet), "endloop"]
    return "\n".join([*lines, "endsolid"]).encode()


def obj(corners: np.ndarray) -> bytes:
    lines = [f"v {x} {y} {z}" for x, y, z in corners.reshape(-1, 3)]
    lines += [f"f {3 * n + 1}/1 {3 * n + 2}//2 {3 * n + 3}" for n in range(len(corners))]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("write", [binary_stl, text_stl, obj])
def test_meshes_are_read_from_every_form(write: object) -> None:
    assert np.array_equal(facets_of(write(cube())), cube())  # type: ignore[operator]  # they are functions


def test_polygons_of_an_obj_are_fans_and_places_may_count_backwards() -> None:
    found = facets_of(b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf -4 -3 -2 -1\nf 1 2 99\n")

    assert found.tolist() == [[[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 0], [0, 1, 0]]]


def test_a_mesh_is_drawn_with_sides_of_different_brightness() -> None:
    shown = document("104.3", binary_stl(cube())).picture()

    middle = shown[130:380, 130:380].reshape(-1, 3)
    colours, counts = np.unique(middle, axis=0, return_counts=True)
    assert len(colours[counts > 2000]) >= 3


def test_a_mesh_is_given_as_stored() -> None:
    made = document("104.3", binary_stl(cube())).show("model/stl")

    assert getattr(made, "data", b"") == binary_stl(cube())


def test_a_mesh_of_nothing_is_a_card() -> None:
    assert tuple(document("104.3", b"solid\n").picture()[5, 5]) == (56, 97, 160)


def film(*greys: int) -> bytes:
    """An MPEG-2 transport stream, a picture of each grey."""
    import av

    made = io.BytesIO()
    with av.open(made, "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for grey in greys:
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), grey, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return made.getvalue()


def test_the_poster_of_a_video_is_its_first_picture_that_is_not_black() -> None:
    shown = poster(film(0, 0, 200, 100)).array

    assert shown.shape == (64, 64, 3)
    assert 190 < shown.mean() < 210


def test_a_black_video_has_a_black_poster() -> None:
    assert poster(film(0, 0, 0)).array.max() < 20


def test_a_stored_video_is_shown_by_its_poster_and_given_as_it_is() -> None:
    data = film(180, 180)
    stored = subject(multi_frame([[data]], transfer_syntax="1.2.840.10008.1.2.4.100", Rows=64, Columns=64))

    assert 170 < stored.picture().mean() < 190
    made = stored.show("video/mpeg")
    assert getattr(made, "data", b"").startswith(data)


@pytest.mark.parametrize("data", [b"#EXTM3U\nhttp://192.0.2.1/\n", b"\0\0\1\xb3", b"", b"G" * 2000, bytes(4000)])
def test_what_is_no_video_is_a_card(data: bytes) -> None:
    stored = subject(multi_frame([[data]], transfer_syntax="1.2.840.10008.1.2.4.102"))

    made = stored.show()

    assert isinstance(made, Picture)
    assert made.array.shape == (512, 512, 3)
