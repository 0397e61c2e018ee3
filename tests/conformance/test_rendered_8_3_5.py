"""Rendered resources and thumbnails over HTTP, as viewers ask for them (PS3.18 8.3.5, 10.4)."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from tests.build.asking import multipart
from tests.build.asking import related as content_type
from tests.build.dicom import ct_slice, image_attributes, make_data_set, make_file, native_frames, to_file, uid
from tests.clients.raw import RawAnswer, ask
from tests.clients.servers import Server

STUDY = f"/studies/{uid('looked at')}"
CT = f"{STUDY}/series/{uid('looked at ct')}"
MIDDLE = f"{CT}/instances/{uid('slice 3')}"
CINE = f"{STUDY}/series/{uid('looked at us')}/instances/{uid('cine')}"
PDF = f"{STUDY}/series/{uid('looked at doc')}/instances/{uid('paper')}"
EMPTY = f"{STUDY}/series/{uid('looked at broken')}/instances/{uid('empty')}"
FIREFOX = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8"
)
IMG = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def files() -> list[bytes]:
    """A stack, a cine, a document, and an image without pixels."""
    empty = make_data_set(
        study="looked at",
        series="looked at broken",
        instance="empty",
        SeriesNumber=9,
        **image_attributes(400, 400),
    )
    empty.add_new(0x7FE00010, "OW", b"\0\0")
    return [
        *(
            ct_slice(
                study="looked at",
                series="looked at ct",
                instance=f"slice {n}",
                InstanceNumber=n,
                SeriesNumber=2,
                rows=40,
                columns=60,
                seed=n,
            )
            for n in range(1, 6)
        ),
        native_frames(
            4, study="looked at", series="looked at us", instance="cine", SeriesNumber=3, rows=20, columns=20
        ),
        make_file(
            study="looked at",
            series="looked at doc",
            instance="paper",
            SeriesNumber=1,
            SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
            MIMETypeOfEncapsulatedDocument="application/pdf",
            EncapsulatedDocument=b"%PDF-1.4" + b"x" * 2000,
        ),
        to_file(empty),
    ]


@pytest.fixture(scope="module")
def viewed(archive: Server) -> Server:
    body = multipart(*(({"Content-Type": "application/dicom"}, one) for one in files()))
    headers = {"Content-Type": content_type("application/dicom")}
    assert ask(archive, "/studies", headers, method="POST", body=body).status == 200
    return archive


def picture(answer: RawAnswer) -> Image.Image:
    """The picture in an answer."""
    assert answer.status == 200, answer
    assert int(answer.header("content-length")) == len(answer.body)
    return Image.open(io.BytesIO(answer.body))


def message(answer: RawAnswer) -> str:
    """What an error says."""
    said = answer.error()["Message"]
    assert isinstance(said, str)
    return said


@pytest.mark.parametrize("path", [STUDY, CT, MIDDLE])
def test_ohifs_thumbnails(viewed: Server, path: str) -> None:
    """Of the instances of a series, and in the study list's preview without the instance."""
    found = picture(ask(viewed, path + "/thumbnail?viewport=256%2C256", {"Accept": "image/jpeg"}))
    assert (found.format, found.size) == ("JPEG", (256, 171))


def test_ohifs_rendered_images(viewed: Server) -> None:
    found = picture(ask(viewed, MIDDLE + "/rendered?accept=image/jpeg", {"Accept": "*/*"}))
    assert (found.format, found.size) == ("JPEG", (60, 40))


def test_volviews_thumbnail(viewed: Server) -> None:
    assert picture(ask(viewed, MIDDLE + "/rendered", {"Accept": "image/jpeg"})).size == (60, 40)


def test_slims_overview(viewed: Server) -> None:
    found = picture(ask(viewed, MIDDLE + "/rendered?viewport=30,20&iccprofile=yes", {"Accept": "image/png"}))
    assert (found.format, found.size) == ("PNG", (30, 20))


def test_ohifs_document_as_the_data_of_an_object_element(viewed: Server) -> None:
    answer = ask(viewed, PDF + "/rendered", {"Accept": FIREFOX})
    assert (answer.status, answer.header("content-type")) == (200, "application/pdf")
    assert answer.body.startswith(b"%PDF")


@pytest.mark.parametrize("accept", [IMG, FIREFOX])
@pytest.mark.parametrize("path", [STUDY, CT, CINE, CINE + "/frames/2"])
def test_a_browser_gets_something_it_can_show(viewed: Server, path: str, accept: str) -> None:
    for kind in ("/rendered", "/thumbnail"):
        answer = ask(viewed, path + kind, {"Accept": accept})
        assert answer.header("content-type") in ("image/jpeg", "image/png")
        picture(answer)


def test_the_thumbnail_of_a_study_is_the_middle_image_of_its_first_series_with_images(viewed: Server) -> None:
    of_study, of_series, of_middle = [
        ask(viewed, path + "/thumbnail", {"Accept": "image/png"}).body for path in (STUDY, CT, MIDDLE)
    ]
    assert of_study == of_series == of_middle


@pytest.mark.parametrize(("path", "pictures"), [(CT, 5), (STUDY, 5 + 4 + 1)])
def test_whoever_accepts_anything_gets_all_images(viewed: Server, path: str, pictures: int) -> None:
    """Each frame of each, and a card for the image without pixels; no part for the document."""
    answer = ask(viewed, path + "/rendered", {"Accept": "*/*"})
    assert answer.header("content-type").startswith('multipart/related; type="image/jpeg"; boundary=')
    assert answer.body.count(b"Content-Type: image/jpeg") == pictures
    assert answer.whole


def test_a_head_request_tells_what_a_get_would(viewed: Server) -> None:
    got = ask(viewed, MIDDLE + "/thumbnail", {"Accept": "image/jpeg"})
    head = ask(viewed, MIDDLE + "/thumbnail", {"Accept": "image/jpeg"}, method="HEAD")
    for name in ("content-type", "content-length", "etag"):
        assert head.header(name) == got.header(name)


def test_a_picture_that_is_held_is_not_sent_again(viewed: Server) -> None:
    for path in (STUDY + "/thumbnail", CT + "/thumbnail", MIDDLE + "/rendered", CINE + "/frames/2/rendered"):
        tag = ask(viewed, path, {"Accept": "image/jpeg"}).header("etag")
        again = ask(viewed, path, {"Accept": "image/jpeg", "If-None-Match": tag})
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (MIDDLE + "/rendered?window=40", 400, "window is center,width"),
        (MIDDLE + "/rendered?window=40,0", 400, "linear window"),
        (MIDDLE + "/rendered?viewport=1000000,1000000", 400, "viewport"),
        (MIDDLE + "/rendered?viewport=60000,60000", 400, "pixels.viewport_pixels"),
        (MIDDLE + "/rendered?viewport=10,10,500,500", 400, "outside"),
        (MIDDLE + "/frames/2/rendered", 404, "the instance has 1"),
        (CINE + "/frames/5/thumbnail", 404, "the instance has 4"),
        (EMPTY + "/frames/1/rendered", 404, "the instance has 0 frames"),
        (EMPTY + "/frames/1/thumbnail", 404, "the instance has 0 frames"),
        (MIDDLE + "/frames/1,2/thumbnail", 404, "the instance has 1 frame"),
        (MIDDLE + "/frames/99999999999999999999/rendered", 404, "20 digits"),
        (CT + "9/thumbnail", 404, "series"),
        (PDF + "/frames/1/rendered", 404, "the instance has 0"),
    ],
)
def test_errors_say_what_was_expected(viewed: Server, path: str, status: int, said: str) -> None:
    answer = ask(viewed, path, {"Accept": "image/jpeg"})
    assert (answer.status, said in message(answer)) == (status, True), answer


def test_an_image_without_pixels_has_a_card_that_says_so(viewed: Server) -> None:
    small = picture(ask(viewed, EMPTY + "/thumbnail?viewport=512,512", {"Accept": "image/jpeg"}))
    shown = picture(ask(viewed, EMPTY + "/rendered?viewport=512,512", {"Accept": "image/jpeg"}))

    assert max(small.size) > 50
    assert small == shown


def test_what_cannot_be_sent_is_406_with_what_can(viewed: Server) -> None:
    answer = ask(viewed, MIDDLE + "/rendered", {"Accept": "application/dicom"})
    assert answer.status == 406
    for offer in ("image/jpeg", "image/png", "each by itself or in multipart/related"):
        assert offer in message(answer)


def test_a_warning_tells_of_annotations_that_are_not_known(viewed: Server) -> None:
    answer = ask(viewed, MIDDLE + "/rendered?annotation=technique,smile", {"Accept": "image/jpeg"})
    assert answer.status == 200
    assert "299 dicomlake" in answer.header("warning")


@pytest.mark.parametrize("root", ["", "/dicom-web", "/dicomweb"])
def test_wado_uri_is_where_its_clients_look_for_it(viewed: Server, root: str) -> None:
    path = f"/wado?&requestType=WADO&studyUID={uid('looked at')}&seriesUID=&objectUID={uid('slice 3')}"
    assert picture(ask(viewed, path, {"Accept": "*/*"}, root=root)).size == (60, 40)
    file = ask(viewed, path + "&contentType=application/dicom", root=root)
    assert file.header("content-type").startswith("application/dicom")


def test_capabilities_name_what_can_be_asked(viewed: Server) -> None:
    described = json.loads(ask(viewed, "/", {"Accept": "application/json"}).body)
    by_path = {resource["path"]: resource["methods"][0] for resource in described["resources"]}
    rendered = by_path["/studies/{study}/rendered"]
    assert {"window", "viewport", "quality", "annotation", "iccprofile", "charset"} <= set(rendered["query"])
    assert {"image/jpeg", "image/gif", "video/mp4", "application/pdf", "text/html"} <= set(rendered["produces"])
    assert "objectUID" in by_path["/wado"]["query"]
