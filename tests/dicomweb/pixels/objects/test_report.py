"""Reports as HTML, text and picture."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomweb.pixels.objects.portrait import Fetched, Portrait, PortraitRequest, portray, referenced
from tests.build.dicom import ct_slice, uid
from tests.dicomweb.pixels.objects.subjects import STORAGE, Subject, built, code, item, subject

ROOT = "https://lake.example/dicom-web"
CT = STORAGE + "2"


def content(
    kind: str, name: str, *, how: str = "CONTAINS", children: tuple[Dataset, ...] = (), **more: object
) -> Dataset:
    one = item(RelationshipType=how, ValueType=kind, ConceptNameCodeSequence=[code("1", name)], **more)
    if children:
        one.ContentSequence = list(children)
    return one


def image(sop: str, *frames: int) -> Dataset:
    reference = item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid(sop))
    if frames:
        reference.ReferencedFrameNumber = list(frames)
    return reference


def report(*children: Dataset, sop_class: str = "88.33", **attributes: object) -> Subject:
    evidence = item(
        StudyInstanceUID=uid("study"),
        ReferencedSeriesSequence=[
            item(SeriesInstanceUID=uid("images"), ReferencedSOPSequence=[image("first"), image("second")])
        ],
    )
    return built(
        SOPClassUID=STORAGE + sop_class,
        Modality="SR",
        ValueType="CONTAINER",
        ConceptNameCodeSequence=[code("126000", "Imaging Report")],
        CurrentRequestedProcedureEvidenceSequence=[evidence],
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED",
        ContentSequence=list(children),
        **attributes,
    )


class Reader(HTMLParser):
    """Elements in order; fails for elements that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


MILLIMETRES = code("mm", "millimeter", "UCUM")
NUMBER = content(
    "NUM", "Length", MeasuredValueSequence=[item(NumericValue="12.5", MeasurementUnitsCodeSequence=[MILLIMETRES])]
)


def test_the_title_is_the_concept_name_of_the_document() -> None:
    assert "<h1>Imaging Report</h1>" in report().text("text/html")
    assert report().text("text/plain").startswith("Imaging Report\n==============\n")


def test_sections_items_and_values() -> None:
    page = report(content("CONTAINER", "Findings", children=(NUMBER,))).text("text/html")

    assert "<section><h2>Findings</h2><ul><li>" in page
    assert '<span class="name">Length:</span> <span class="text">12.5 mm</span>' in page
    read(page)


def test_text_is_escaped_everywhere() -> None:
    evil = '<script>alert("x")</script>'
    page = report(
        content("TEXT", evil, TextValue=evil),
        content("CONTAINER", evil, children=(content("TEXT", "a", TextValue="</section></ul>"),)),
        SeriesDescription="<img src=x>",
        PatientName="<i>^J",
    ).text("text/html")

    names = {tag for tag, _ in read(page).seen}
    assert names.isdisjoint({"script", "img", "i"})
    assert "&lt;script&gt;" in page


def test_images_are_linked_where_their_series_is_known() -> None:
    one = report(
        content("IMAGE", "Source", ReferencedSOPSequence=[image("first", 3, 4)]),
        content("IMAGE", "Elsewhere", ReferencedSOPSequence=[image("unknown")]),
    )

    links = [attributes["href"] for tag, attributes in read(one.text("text/html", root=ROOT)).seen if tag == "a"]

    assert links == [
        f"{ROOT}/studies/{uid('study')}/series/{uid('images')}/instances/{uid('first')}/frames/3,4/rendered"
    ]
    assert not [tag for tag, _ in read(one.text("text/html")).seen if tag == "a"]


def test_a_uid_that_is_none_makes_no_link() -> None:
    one = report(content("IMAGE", "Source", ReferencedSOPSequence=[image("first")]))
    evidence = one.header["0040A375"]["Value"][0]
    evidence["0020000D"]["Value"] = ['1.2"><script>']

    assert "<a " not in one.text("text/html", root=ROOT)


def test_value_types_in_plain_text() -> None:
    text = report(
        content("TEXT", "Finding", TextValue="two\nlines"),
        content("CODE", "Site", ConceptCodeSequence=[code("2", "Liver")]),
        content("PNAME", "Reader", PersonName="Doe^Jane"),
        content("DATE", "On", Date="20240229"),
        content("TIME", "At", Time="131415"),
        content("DATETIME", "When", DateTime="20240229131415"),
        content("UIDREF", "Key", UID="1.2.3"),
        content("SCOORD", "Where", GraphicType="POINT", GraphicData=[1.5, 2.5]),
        content("NUM", "Nothing", NumericValueQualifierCodeSequence=[code("3", "Not measured")]),
    ).text("text/plain").splitlines()  # fmt: skip

    for line in ("Finding: two", "  lines", "Site: Liver", "Reader: Jane Doe", "On: 2024-02-29", "At: 13:14:15",
                 "When: 2024-02-29 13:14:15", "Key: 1.2.3", "Where: point (1.5, 2.5)",
                 "Nothing: Not measured"):  # fmt: skip
        assert line in text


@pytest.mark.parametrize(
    ("meaning", "shown"),
    [("px", "7 px"), ("no units", "7"), ("1", "7"), ("Unity", "7"), ("lesions", "7 lesions")],
)
def test_what_is_counted_in_under_the_code_of_unity_is_shown(meaning: str, shown: str) -> None:
    measured = item(NumericValue="7", MeasurementUnitsCodeSequence=[code("1", meaning, "UCUM")])

    text = report(content("NUM", "Area", MeasuredValueSequence=[measured])).text("text/plain")

    assert f"Area: {shown}\n" in text


@pytest.mark.parametrize(("points", "more"), [(4, ""), (5, " and 1 more point"), (6, " and 2 more points")])
def test_long_outlines_are_cut(points: int, more: str) -> None:
    text = report(content("SCOORD", "Where", GraphicType="POLYLINE", GraphicData=[1.0] * 2 * points))

    assert f"(1, 1) (1, 1) (1, 1) (1, 1){more}\n" in text.text("text/plain")


def test_references_are_those_whose_series_is_known_each_once() -> None:
    one = report(
        content("IMAGE", "Source", ReferencedSOPSequence=[image("first", 3, 4)]),
        content(
            "CONTAINER",
            "More",
            children=(
                content("IMAGE", "Again", ReferencedSOPSequence=[image("first")]),
                content("IMAGE", "Other", ReferencedSOPSequence=[image("second")]),
                content("IMAGE", "Elsewhere", ReferencedSOPSequence=[image("unknown")]),
            ),
        ),
    )

    found = referenced(one.header, PortraitRequest(media_type="text/html"))

    assert found == [(uid("study"), uid("images"), uid("first")), (uid("study"), uid("images"), uid("second"))]
    assert referenced(one.header, PortraitRequest(media_type="image/png")) == []
    assert referenced(subject(ct_slice()).header, PortraitRequest(media_type="image/png")) == []


def test_objects_that_are_not_stored_are_not_linked_but_marked() -> None:
    one = report(
        content("IMAGE", "Source", ReferencedSOPSequence=[image("first")]),
        content("IMAGE", "Other", ReferencedSOPSequence=[image("second")]),
    )

    def text(media: str) -> str:
        wanted = PortraitRequest(media_type=media, root=ROOT, missing=frozenset((uid("first"),)))
        made = portray(one.header, Fetched(), wanted)
        assert isinstance(made, Portrait)
        return made.data.decode()

    links = [attributes["href"] or "" for tag, attributes in read(text("text/html")).seen if tag == "a"]
    assert [uid("second") in link for link in links] == [True]
    assert f'({uid("first")}) <span class="how">not stored here</span>' in text("text/html")
    assert f"({uid('first')}), not stored here\n" in text("text/plain")
    assert f"({uid('second')})\n" in text("text/plain")


def test_children_are_indented_below_what_they_belong_to() -> None:
    inner = content("TEXT", "Why", how="INFERRED FROM", TextValue="seen")
    one = report(content("TEXT", "What", TextValue="mass", children=(inner,)))

    assert "What: mass\n  Why: seen\n" in one.text("text/plain")
    assert '<span class="how">inferred from</span>' in one.text("text/html")


def test_a_key_object_selection_lists_its_images() -> None:
    one = report(
        content("IMAGE", "", ReferencedSOPSequence=[image("first")]),
        content("IMAGE", "", ReferencedSOPSequence=[image("second")]),
        sop_class="88.59",
    )

    assert one.text("text/html", root=ROOT).count("<a href=") == 2


def test_the_picture_is_a_page_and_does_not_show_the_patient() -> None:
    shown = report(content("CONTAINER", "Findings", children=(NUMBER,)))
    other = report(
        content("CONTAINER", "Findings", children=(NUMBER,)), PatientName="Somebody^Else", PatientID="7"
    )

    page = shown.picture()

    assert page.shape == (800, 620, 3)
    assert (page < 100).any()
    assert np.array_equal(page, other.picture())


def test_endless_trees_are_cut() -> None:
    inner = content("TEXT", "leaf", TextValue="x")
    for _ in range(45):
        inner = content("CONTAINER", "deeper", children=(inner,))
    one = report(inner)

    page = one.text("text/html")

    assert page.count("<section>") <= 41
    read(page)
