"""The door of portraits: which objects it is for, in which media types, and that odd data get a card."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest

from dicomweb.pixels.frame import Picture, Undecodable
from dicomweb.pixels.objects import portrait
from dicomweb.pixels.objects.portrait import Fetched, Portrait, PortraitRequest, offered_media, passage, portrays
from dicomweb.pixels.render.settings import BadRenderRequest, RenderSettings, Viewport
from tests.build.dicom import ct_slice, segmentation
from tests.build.samples import SAMPLES, sample_ids
from tests.dicomweb.pixels.objects.subjects import STORAGE, Subject, built, item, subject


def pdf(document: bytes = b"%PDF-1.4 ...", length: int | None = None) -> Subject:
    return built(
        SOPClassUID=STORAGE + "104.1",
        Modality="DOC",
        DocumentTitle="Letter",
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocument=document + b"\0" * (len(document) % 2),
        EncapsulatedDocumentLength=length,
    )


def test_images_are_left_to_the_render_pipeline() -> None:
    ct = subject(ct_slice())

    assert not portrays(ct.header, ct.transfer_syntax)
    assert offered_media(ct.header, ct.transfer_syntax) == ("image/*",)


def test_segmentations_and_objects_without_pixels_are_not() -> None:
    assert portrays(subject(segmentation()).header, "")
    assert portrays(built(SOPClassUID=STORAGE + "481.5").header, "")
    assert portrays({}, "")


@pytest.mark.parametrize(
    ("sop_class", "default"),
    [
        ("104.1", "application/pdf"),
        ("104.2", "text/html"),
        ("104.3", "model/stl"),
        ("104.4", "model/obj"),
        ("104.5", "model/mtl"),
        ("88.11", "text/html"),
        ("88.59", "text/html"),
        ("481.5", "image/*"),
        ("11.1", "image/*"),
    ],
)
def test_each_kind_has_a_default_media_type(sop_class: str, default: str) -> None:
    header = built(SOPClassUID=STORAGE + sop_class, EncapsulatedDocument=b"ab").header

    assert offered_media(header, "")[0] == default


@pytest.mark.parametrize(
    ("sop_class", "media"),
    [
        ("104.1", ("image/*",)),
        ("104.2", ("text/html", "text/plain", "image/*")),
        ("104.3", ("image/*",)),
        ("104.5", ("image/*",)),
    ],
)
def test_a_document_that_is_not_there_is_not_offered(sop_class: str, media: tuple[str, ...]) -> None:
    empty = built(SOPClassUID=STORAGE + sop_class, EncapsulatedDocument=b"")

    assert offered_media(empty.header, "") == media
    assert isinstance(empty.show(), Picture)
    assert passage(empty.header, PortraitRequest(media_type=media[0].replace("*", "png"))) is None


def test_video_is_told_by_its_transfer_syntax() -> None:
    header = subject(ct_slice()).header

    assert offered_media(header, "1.2.840.10008.1.2.4.102")[0] == "video/mp4"
    assert offered_media(header, "1.2.840.10008.1.2.4.100")[0] == "video/mpeg"


def test_a_media_type_that_is_not_offered_is_refused_with_those_that_are() -> None:
    with pytest.raises(BadRenderRequest, match="text/html, text/plain"):
        built(SOPClassUID=STORAGE + "88.11").show("application/pdf")


def test_parameters_of_a_media_type_do_not_matter() -> None:
    assert isinstance(pdf().show("image/jpeg; quality=50"), Picture)


def test_a_pdf_is_given_as_it_is_stored_without_its_padding() -> None:
    made = pdf(b"%PDF-odd", 7).show("application/pdf")

    assert made == Portrait("application/pdf", b"%PDF-od")


def test_a_long_document_can_be_passed_on_without_being_held() -> None:
    long = pdf(b"%PDF" + bytes(3001), 3005)

    found = passage(long.header, PortraitRequest(media_type="application/pdf"))

    assert found is not None
    assert (found.path, found.length) == ("00420011", 3005)
    assert passage(long.header, PortraitRequest(media_type="image/png")) is None


def test_a_document_that_is_not_there_is_refused_but_has_a_card() -> None:
    empty = built(SOPClassUID=STORAGE + "104.1")

    assert isinstance(empty.show("image/png"), Picture)
    with pytest.raises(BadRenderRequest, match="application/pdf"):
        empty.show("application/pdf")


def test_a_card_has_the_shape_of_the_viewport_and_something_on_it() -> None:
    made = pdf().picture(settings=RenderSettings(viewport=Viewport(200, 200)))

    assert made.shape == (200, 200, 3)
    assert len(np.unique(made.reshape(-1, 3), axis=0)) > 10


def test_what_a_card_says_is_not_who_the_patient_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from dicomweb.pixels.objects import facts

    summary = facts.summary_of(
        built(SOPClassUID=STORAGE + "481.5", RTPlanLabel="Plan A", PatientName="Doe^Jane").header
    )
    words = [summary.badge, summary.title, summary.subtitle, *(part for fact in summary.facts for part in fact)]

    assert ("Plan", "Plan A") in summary.facts
    assert summary.title == "RT Plan"
    assert not any("Doe" in word or "P-1" in word for word in words)


def test_a_frame_that_cannot_be_decoded_is_an_error_when_it_is_asked_for() -> None:
    seg = subject(segmentation())
    wanted = PortraitRequest(seg.transfer_syntax, "image/png", 2)

    with pytest.raises(Undecodable, match="frame 2"):
        portrait.portray(seg.header, Fetched(), wanted)


def test_frames_that_cannot_be_decoded_are_left_out_of_the_whole() -> None:
    seg = subject(segmentation(3))
    del seg.frames[2]

    assert seg.picture().any()


def test_without_any_frame_the_whole_is_a_card() -> None:
    seg = subject(segmentation())
    made = portrait.portray(seg.header, Fetched(), PortraitRequest(seg.transfer_syntax, "image/png"))

    assert isinstance(made, Picture)
    assert made.array.shape == (512, 512, 3)


ODD_VALUES: tuple[object, ...] = (None, "", "abc", -1, 0, 10**30, 1e400, float("nan"), [], {}, "1\\2", "\x00<&>")


@pytest.mark.parametrize("seed", range(12))
def test_odd_headers_never_raise(seed: int) -> None:
    chance = random.Random(seed)
    kinds = ["66.4", "66.7", "30", "481.2", "481.3", "481.5", "91.1", "4.2", "104.1", "104.2", "104.3", "9.1.1",
             "88.11", "11.1", "66.1", "67", "66.5", "78.1"]  # fmt: skip
    tags = ["00080060", "0008103E", "00280008", "00280010", "00280011", "00280100", "00280004", "00620002",
            "30060039", "54000100", "0040A730", "006A0002", "52009229", "52009230", "00480006", "00480007",
            "3004000E", "300A00B0", "00420011", "56000020", "00289002", "00081115", "00700308", "7FE00010",
            "00281101", "00620001", "00209311", "00181020", "00400100"]  # fmt: skip
    for kind in kinds:
        header = {"00080016": {"vr": "UI", "Value": [STORAGE + kind]}}
        for tag in chance.sample(tags, 14):
            inner = {one: {"Value": [chance.choice(ODD_VALUES)]} for one in chance.sample(tags, 5)}
            value = chance.choice(
                [{"Value": [chance.choice(ODD_VALUES)]}, {"Value": [inner, 3, None]}, {"BulkDataURI": tag}, {},
                 {"InlineBinary": "!!"}, {"InlineBinary": "AAECAwQF"}, {"Value": chance.choice(ODD_VALUES)}]
            )  # fmt: skip
            header[tag] = {"vr": "SQ", **copy.deepcopy(value)}
        for media_type in offered_media(header, ""):
            wanted = PortraitRequest("1.2.840.10008.1.2.1", "image/png" if media_type == "image/*" else media_type)
            portrait.needs(header, wanted)
            try:
                portrait.portray(header, Fetched(), wanted)
            except BadRenderRequest:
                assert media_type in ("application/pdf", "model/stl", "text/xml")


PAINTED = {
    # folder of samples: files in it that are cards, since there is nothing in them to paint
    "objects/seg": 0, "objects/rt": 3, "objects/sr": 0, "objects/spectroscopy": 0, "objects/palette": 0,
    "objects/waveform": 0, "objects/annotation": 0, "objects/parametric-map": 0, "objects/pdf": 1,
    "objects/stl": 1,
}  # fmt: skip


@pytest.mark.skipif(SAMPLES is None, reason="sample data are not here")
@pytest.mark.parametrize("folder", PAINTED)
def test_every_sample_object_is_painted(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dicomweb.pixels.objects import card

    assert SAMPLES is not None
    cards: list[str] = []
    drawn = card.instead
    for path in sample_ids(folder):
        one = subject((SAMPLES / path).read_bytes())
        if not portrays(one.header, one.transfer_syntax):
            continue
        monkeypatch.setattr(card, "instead", lambda *given, path=path: cards.append(path) or drawn(*given))
        made = one.show("image/png")
        assert isinstance(made, Picture)
        assert len(np.unique(made.array)) > 1

    assert len(cards) == PAINTED[folder], cards


def test_items_of_sequences_may_be_anything() -> None:
    header = built(SOPClassUID=STORAGE + "481.3", ROIContourSequence=[item(ROIDisplayColor=[1, 2, 3])]).header

    made = portrait.portray(header, Fetched(), PortraitRequest(media_type="image/png"))

    assert isinstance(made, Picture)


def test_a_mapping_says_its_unit_and_scale() -> None:
    from dicomweb.pixels.objects.facts import summary_of

    mapping = item(
        LUTLabel="SUV",
        RealWorldValueSlope=0.5,
        RealWorldValueIntercept=0.0,
        MeasurementUnitsCodeSequence=[item(CodeValue="g/ml", CodeMeaning="gram per milliliter")],
    )
    referenced = item(ReferencedImageSequence=[item(), item()], RealWorldValueMappingSequence=[mapping])
    header = built(
        SOPClassUID=STORAGE + "67", ReferencedImageRealWorldValueMappingSequence=[referenced], Modality="RWV"
    ).header

    facts = dict(summary_of(header).facts)

    assert facts["Unit"] == "gram per milliliter"
    assert facts["Scale"] == "value x 0.5 + 0.0"
    assert facts["Images"] == "2 images"
