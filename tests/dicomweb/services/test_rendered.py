"""Rendered studies, series, instances and frames (PS3.18 10.4.1.1.3)."""

from __future__ import annotations

import asyncio
import io
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from dicomweb.pixels.frame import Picture
from dicomweb.services import drawing_work
from dicomweb.services.picture_limits import PictureLimits
from tests.build.dicom import (
    EXPLICIT_BIG,
    RLE,
    ct_slice,
    image_attributes,
    make_data_set,
    make_file,
    multi_frame,
    native_frames,
    to_file,
    uid,
)
from tests.build.samples import SAMPLES
from tests.build.studio import gallery, greys, look_at

STUDY = f"/studies/{uid('study')}"
SERIES = f"{STUDY}/series/{uid('series')}"
INSTANCE = f"{SERIES}/instances/{uid('instance')}"
RELATED = 'multipart/related; type="{}"'
PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


def ramp(
    *, frames: int | None = None, transfer_syntax: str = "1.2.840.10008.1.2.1", **attributes: object
) -> bytes:
    """An image of 8 rows that rises by 1 a column from 0 to 63, by 64 a frame; 16 bits, shown as values."""
    rows = np.tile(np.arange(64, dtype=np.uint16), (8, 1))
    samples = np.concatenate([rows + 64 * n for n in range(frames or 1)])
    data_set = make_data_set(
        **{**image_attributes(8, 64, frames=frames), "RescaleIntercept": -10, "RescaleSlope": 1, **attributes}
    )
    order = ">u2" if transfer_syntax == EXPLICIT_BIG else "<u2"
    data_set.add_new(0x7FE00010, "OW", samples.astype(order).tobytes())
    return to_file(data_set, transfer_syntax)


async def test_an_image_is_shown_with_the_window_that_is_asked_for() -> None:
    """PS3.3 C.11.2.1.2.1: values of a linear window of 32 around 22 are spread, others are black or white."""
    told = await gallery(ramp()).get(f"{INSTANCE}/rendered?window=22,32", "image/png")
    assert told.content_type == "image/png"
    row = greys(told.body)[0]
    values = np.arange(64) - 10.0
    expected = np.clip(((values - 21.5) / 31 + 0.5) * 255, 0, 255)
    assert np.abs(row - expected).max() <= 1


@pytest.mark.parametrize("syntax", [EXPLICIT_BIG, "1.2.840.10008.1.2"])
async def test_the_byte_order_it_is_stored_in_does_not_show(syntax: str) -> None:
    plain = await gallery(ramp()).get(f"{INSTANCE}/rendered?window=22,32", "image/png")
    told = await gallery(ramp(transfer_syntax=syntax)).get(f"{INSTANCE}/rendered?window=22,32", "image/png")
    assert told.body == plain.body


@pytest.mark.parametrize(
    ("accept", "media", "kind"),
    [
        ("image/jpeg", "image/jpeg", "JPEG"),
        ("image/png", "image/png", "PNG"),
        ("image/gif", "image/gif", "GIF"),
        ("image/jp2", "image/jp2", "JPEG2000"),
        ("image/*", "image/jpeg", "JPEG"),
        ("*/*", "image/jpeg", "JPEG"),
        ("", "image/jpeg", "JPEG"),
        (PAGE, "image/jpeg", "JPEG"),
        ("image/png;q=0.5, image/jpeg;q=0.4", "image/png", "PNG"),
    ],
)
async def test_a_picture_comes_in_the_media_type_that_is_accepted(accept: str, media: str, kind: str) -> None:
    told = await gallery(ramp()).get(f"{INSTANCE}/rendered", accept)
    assert (told.status, told.content_type) == (200, media)
    assert look_at(told.body).format == kind


async def test_the_accept_parameter_comes_before_the_header_field() -> None:
    told = await gallery(ramp()).get(f"{INSTANCE}/rendered?accept=image/png", "image/jpeg")
    assert told.content_type == "image/png"


async def test_what_cannot_be_sent_is_406_and_names_what_can() -> None:
    told = await gallery(ramp()).get(f"{INSTANCE}/rendered", "text/html")
    assert told.status == 406
    assert b"image/jpeg, image/png" in told.body
    assert b"video/mp4" not in told.body


@pytest.mark.parametrize(
    "path", [f"{INSTANCE}/rendered", f"{INSTANCE}/thumbnail", f"{INSTANCE}/frames/1/rendered"]
)
async def test_an_accept_parameter_that_cannot_be_met_is_warned_of(path: str) -> None:
    services = gallery(ramp())
    overruled = await services.get(path + "?accept=text/html", "image/png")
    assert (overruled.status, overruled.content_type) == (200, "image/png")
    assert "accept parameter cannot be met" in overruled.headers["warning"]
    assert "warning" not in (await services.get(path + "?accept=image/jpeg", "image/png")).headers


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/rendered?window=5", 400, "window is center,width"),
        ("/rendered?viewport=9,9,900,0", 400, "outside"),
        ("/frames/2/rendered", 404, "the instance has 1"),
        ("/frames/0/rendered", 404, "frame 0"),
        ("/frames/1,9/rendered", 404, "frame 9"),
        ("/frames/x/rendered", 400, "a frame list is"),
        ("/frames/2/thumbnail", 404, "the instance has 1"),
    ],
)
async def test_what_has_no_meaning_is_a_clear_error(path: str, status: int, told: str) -> None:
    answer = await gallery(ramp()).get(INSTANCE + path, "image/jpeg, multipart/related")
    assert (answer.status, told in answer.body.decode()) == (status, True), answer.body


async def test_what_is_not_stored_is_404() -> None:
    for path in (STUDY, SERIES, INSTANCE):
        assert (await gallery().get(path + "/rendered")).status == 404


async def test_of_many_frames_one_picture_is_that_of_the_frame_that_stands_for_them() -> None:
    services = gallery(ramp(frames=4, RepresentativeFrameNumber=3))
    whole = await services.get(f"{INSTANCE}/rendered?window=150,300", "image/png")
    third = await services.get(f"{INSTANCE}/frames/3/rendered?window=150,300", "image/png")
    first = await services.get(f"{INSTANCE}/frames/1/rendered?window=150,300", "image/png")
    assert whole.body == third.body != first.body


async def test_of_many_frames_one_is_read_and_one_is_computed() -> None:
    services = gallery(ramp(frames=40))
    services.archive.calls.clear()
    await services.get(f"{INSTANCE}/frames/17/rendered")
    assert (services.archive.calls["frames"], services.compute.runs) == (1, 2), "one to look, one to draw"


@pytest.mark.parametrize("accept", ["multipart/related", RELATED.format("image/jpeg")])
async def test_of_many_frames_parts_are_all_of_them(accept: str) -> None:
    told = await gallery(ramp(frames=4)).get(f"{INSTANCE}/rendered?window=150,300", accept)
    assert 'type="image/jpeg"' in told.content_type
    parts = told.parts()
    assert [part.content_type for part in parts] == ["image/jpeg"] * 4
    means = [greys(part.data).mean() for part in parts]
    assert means == sorted(means)
    assert len(set(means)) == 4


async def test_listed_frames_come_as_parts_in_the_order_of_the_list() -> None:
    told = await gallery(ramp(frames=4)).get(f"{INSTANCE}/frames/3,1,3/rendered?window=150,300", "*/*")
    means = [greys(part.data).mean() for part in told.parts()]
    assert means[0] == means[2] > means[1]


@pytest.mark.parametrize(("path", "frames"), [("/rendered", 4), ("/frames/4,2/rendered", 2)])
async def test_many_frames_are_one_gif_that_moves(path: str, frames: int) -> None:
    told = await gallery(ramp(frames=4, FrameTime="200")).get(f"{INSTANCE}{path}?window=150,300", "image/gif")
    picture = look_at(told.body)
    assert isinstance(picture, Image.Image)
    assert (told.content_type, getattr(picture, "n_frames", 1)) == ("image/gif", frames)
    assert picture.info["duration"] == 200


async def test_many_frames_are_one_video() -> None:
    told = await gallery(ramp(frames=4)).get(f"{INSTANCE}/rendered", "video/mp4")
    assert told.content_type == "video/mp4"
    assert told.body[4:8] == b"ftyp"
    assert told.headers["accept-ranges"] == "bytes"


async def test_an_animation_of_too_many_frames_or_bytes_is_refused() -> None:
    few = gallery(ramp(frames=4), limits=PictureLimits(animation_frames=3))
    small = gallery(ramp(frames=4), limits=PictureLimits(animation_bytes=1000))
    for services, told in ((few, "at most 3 frames"), (small, "too large")):
        answer = await services.get(f"{INSTANCE}/rendered", "image/gif")
        assert (answer.status, told in answer.body.decode()) == (400, True)


async def test_an_animation_that_would_be_too_large_is_refused_before_any_frame_is_read() -> None:
    """2560 x 320 pixels of 4 frames are known to be more from the viewport alone."""
    services = gallery(ramp(frames=4), limits=PictureLimits(animation_bytes=3_000_000))

    told = await services.get(f"{INSTANCE}/rendered?viewport=2560,2560", "image/gif")

    assert told.status == 400
    assert "pixels.animation_bytes" in told.body.decode()
    assert "4 frames of 2560 x 320 pixels" in told.body.decode()
    assert services.archive.calls["frames"] == 0
    assert (await services.get(f"{INSTANCE}/rendered?viewport=2000,2000", "image/gif")).status == 200


async def test_a_film_without_a_window_is_seen_through_one_window() -> None:
    """The frames rise by 64 each: each by itself would look like all others."""
    services = gallery(ramp(frames=3))

    film = look_at((await services.get(f"{INSTANCE}/rendered", "image/gif")).body)
    means = []
    for number in range(3):
        film.seek(number)
        means.append(np.asarray(film.convert("L")).mean())
    middle = greys((await services.get(f"{INSTANCE}/frames/2/rendered", "image/png")).body)

    assert means[0] == 0
    assert means[2] == 255
    assert means[1] == pytest.approx(middle.mean(), abs=1)


@pytest.mark.parametrize("media", ["image/gif", "video/mp4"])
async def test_an_animation_lets_go_of_each_picture_before_the_next(
    media: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory of a long cine is that of its file, not of all its pictures."""
    made: list[weakref.ref[Any]] = []
    most = 0

    def rendered(*given: Any) -> Picture:
        nonlocal most
        picture = render(*given)
        array = picture.array.copy()
        made.append(weakref.ref(array))
        most = max(most, sum(one() is not None for one in made))
        return replace(picture, array=array)

    render = drawing_work.render
    monkeypatch.setattr(drawing_work, "render", rendered)
    told = await gallery(ramp(frames=40)).get(f"{INSTANCE}/rendered", media)
    assert (told.status, len(made), most <= 3) == (200, 40, True)


async def test_an_animation_that_nobody_waits_for_any_more_is_given_up() -> None:
    services = gallery(ramp(frames=200))
    asking = asyncio.ensure_future(services.get(f"{INSTANCE}/rendered", "image/gif"))
    held = asyncio.Event()
    begin = services.compute.run

    async def run(work: Any) -> Any:
        if services.compute.runs == 4:
            held.set()
            await asyncio.Event().wait()
        return await begin(work)

    services.compute.run = run  # type: ignore[method-assign]  # the fourth turn never comes
    await asyncio.wait_for(held.wait(), 5)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    services.compute.run = begin  # type: ignore[method-assign]  # as it was
    for _ in range(3):  # more than are made at a time
        again = await asyncio.wait_for(services.get(f"{INSTANCE}/frames/1,2,3/rendered", "image/gif"), 5)
        assert again.status == 200


async def test_pictures_kept_by_another_making_are_not_taken_for_these(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies on disk, or with a browser, may be older than this software."""
    services = gallery(ramp())
    tag = (await services.get(f"{INSTANCE}/rendered")).headers["etag"]
    monkeypatch.setattr("dicomweb.services.drawing._MAKING", "another")
    told = await services.get(f"{INSTANCE}/rendered", if_none_match=tag)
    assert (told.status, services.archive.calls["frames"]) == (200, 2)


async def test_a_picture_that_is_held_costs_no_header_no_frame_and_no_computing() -> None:
    services = gallery(ramp())
    path = f"{INSTANCE}/rendered?window=22,32&viewport=20,20"
    first = await services.get(path)
    services.archive.calls.clear()
    runs = services.compute.runs
    again = await services.get(path)
    assert again == first
    assert (dict(services.archive.calls), services.compute.runs) == ({"find_instance": 1}, runs)


async def test_however_many_wait_for_a_picture_it_is_made_once() -> None:
    services = gallery(ramp())
    answers = await asyncio.gather(*(services.get(f"{INSTANCE}/rendered") for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    assert services.archive.calls["frames"] == 1


async def test_a_client_that_holds_the_picture_gets_304_until_the_image_is_replaced() -> None:
    services = gallery(ramp())
    tag = (await services.get(f"{INSTANCE}/rendered")).headers["etag"]
    assert (await services.get(f"{INSTANCE}/rendered", if_none_match=tag)).status == 304
    for other in ("?window=1,2", "?accept=image/png", "?quality=3"):
        assert (await services.get(f"{INSTANCE}/rendered{other}", if_none_match=tag)).status == 200
    services.archive.put(ramp(RescaleSlope=2))
    renewed = await services.get(f"{INSTANCE}/rendered", if_none_match=tag)
    assert (renewed.status, renewed.headers["etag"] != tag) == (200, True)


async def test_the_etag_is_the_same_after_a_restart() -> None:
    services = gallery(ramp())
    before = await services.get(f"{INSTANCE}/rendered?annotation=patient,technique")
    services.renew()
    after = await services.get(f"{INSTANCE}/rendered?annotation=technique,patient")
    assert after.headers["etag"] == before.headers["etag"]


async def test_a_range_of_a_picture_is_given() -> None:
    services = gallery(ramp())
    whole = await services.get(f"{INSTANCE}/rendered")
    part = await services.get(f"{INSTANCE}/rendered", range="bytes=2-5")
    assert (part.status, part.body) == (206, whole.body[2:6])
    assert part.headers["content-range"] == f"bytes 2-5/{len(whole.body)}"


def stack(count: int = 3, **attributes: Any) -> list[bytes]:
    return [ramp(instance=f"i{n}", InstanceNumber=n, RescaleIntercept=-60 + 20 * n, **attributes)
            for n in range(count)]  # fmt: skip


@pytest.mark.parametrize("path", [STUDY, SERIES])
@pytest.mark.parametrize("accept", ["*/*", "", "multipart/related", RELATED.format("image/png") + ", */*;q=0.1"])
async def test_of_a_series_or_study_parts_are_all_frames_of_all_images(path: str, accept: str) -> None:
    report = make_file(instance="sr", series="sr", Modality="SR")
    cine = ramp(instance="cine", series="zcine", frames=2)
    told = await gallery(*stack(), report, cine).get(path + "/rendered?window=20,100", accept)
    assert len(told.parts()) == (5 if path == STUDY else 3)


@pytest.mark.parametrize("path", [STUDY, SERIES])
@pytest.mark.parametrize("accept", ["image/jpeg", "image/png", PAGE, "image/avif,image/*,*/*;q=0.8"])
async def test_a_client_of_single_parts_gets_the_image_that_stands_for_them(path: str, accept: str) -> None:
    services = gallery(*stack())
    told = await services.get(path + "/rendered?window=20,100", accept)
    middle = await services.get(f"{SERIES}/instances/{uid('i1')}/rendered?window=20,100", accept)
    assert told.content_type.startswith("image/")
    assert (told.body, told.headers["etag"]) == (middle.body, middle.headers["etag"])


async def test_parts_of_a_series_are_not_sent_again_to_who_holds_them() -> None:
    services = gallery(*stack())
    first = await services.get(SERIES + "/rendered", "multipart/related")
    assert first.headers["etag"].startswith("W/")
    again = await services.get(SERIES + "/rendered", "multipart/related", if_none_match=first.headers["etag"])
    assert again.status == 304


async def test_a_damaged_frame_is_an_error_of_that_frame_alone() -> None:
    intact = b"\1\0\0\0" + b"\x40\0\0\0" + b"\0" * 56 + b"\xf1\x07"  # PS3.5 G: 16 samples of 7 in one segment
    services = gallery(
        multi_frame([[intact], [b"no RLE"]], transfer_syntax=RLE, **image_attributes(4, 4, bits=8, frames=2))
    )
    assert (await services.get(f"{INSTANCE}/frames/1/rendered")).status == 200
    damaged = await services.get(f"{INSTANCE}/frames/2/rendered")
    assert damaged.status == 406
    assert "the stored pixel data are damaged" in damaged.body.decode()
    assert "frame 2" in damaged.body.decode()
    assert (await services.get(f"{INSTANCE}/frames/2/thumbnail")).status == 406
    whole = await services.get(f"{INSTANCE}/rendered", "multipart/related")
    assert [look_at(part.data).size == (4, 4) for part in whole.parts()] == [True, False], "a card for the other"


def document(
    media: str = "application/pdf", sop_class: str = "104.1", data: bytes = b"%PDF-1.4 " + b"x" * 5000
) -> bytes:
    return make_file(
        SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{sop_class}",
        Modality="DOC",
        MIMETypeOfEncapsulatedDocument=media,
        EncapsulatedDocument=data + b"\0" * (len(data) % 2),
        EncapsulatedDocumentLength=len(data),
    )


@pytest.mark.parametrize("accept", [PAGE, "application/pdf", "*/*", ""])
async def test_a_document_is_given_as_it_is_to_a_page_too(accept: str) -> None:
    services = gallery(document())
    told = await services.get(f"{INSTANCE}/rendered", accept)
    assert (told.status, told.content_type) == (200, "application/pdf")
    assert told.body == b"%PDF-1.4 " + b"x" * 5000
    part = await services.get(f"{INSTANCE}/rendered", accept, range="bytes=0-7")
    assert (part.status, part.body) == (206, b"%PDF-1.4")
    assert services.archive.calls["frames"] == 0


@pytest.mark.parametrize(
    ("syntax", "media"), [("1.2.840.10008.1.2.4.102", "video/mp4"), ("1.2.840.10008.1.2.4.100", "video/mpeg")]
)
@pytest.mark.parametrize("accept", ["video/*", "*/*", PAGE])
async def test_a_stored_video_passes_through_with_ranges(syntax: str, media: str, accept: str) -> None:
    """Its one fragment as it is; two fragments joined."""
    film = bytes(range(256)) * 40
    for fragments in ([film], [film[:5000], film[5000:]]):
        stored = multi_frame([fragments], transfer_syntax=syntax, **image_attributes(8, 8, bits=8, frames=30))
        services = gallery(stored)
        told = await services.get(f"{INSTANCE}/rendered", accept)
        assert (told.status, told.content_type, told.body) == (200, media, film)
        part = await services.get(f"{INSTANCE}/rendered", accept, range="bytes=4990-5009")
        assert (part.status, part.body) == (206, film[4990:5010])
        assert (await services.get(f"{INSTANCE}/thumbnail")).status == 200


async def test_a_document_in_parts_is_one_part() -> None:
    told = await gallery(document()).get(f"{INSTANCE}/rendered", "multipart/related; type=application/pdf")
    (part,) = told.parts()
    assert (part.content_type, part.data[:8]) == ("application/pdf", b"%PDF-1.4")


async def test_a_document_as_a_picture_is_a_picture() -> None:
    told = await gallery(document()).get(f"{INSTANCE}/rendered?viewport=100,100", "image/png")
    assert max(look_at(told.body).size) == 100


@pytest.mark.parametrize(
    ("accept", "media"), [(PAGE, "text/html"), ("text/plain", "text/plain"), ("*/*", "text/html")]
)
async def test_a_report_is_text_that_can_do_nothing(accept: str, media: str) -> None:
    report = make_file(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    told = await gallery(report).get(f"{INSTANCE}/rendered", accept)
    assert (told.status, told.content_type) == (200, f"{media}; charset=utf-8")
    assert ("content-security-policy" in told.headers) is (media == "text/html")


async def test_a_report_comes_in_the_character_set_that_is_asked_for() -> None:
    report = make_file(SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", SeriesDescription="Gr\xf6\xdfe")
    report = make_file(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11",
        SpecificCharacterSet="ISO_IR 192",
        Modality="SR",
        PatientName="M\xfcller",
    )
    told = await gallery(report).get(f"{INSTANCE}/rendered?charset=iso-8859-1", "text/plain")
    assert told.content_type == "text/plain; charset=iso-8859-1"
    told.body.decode("latin-1")
    unknown = await gallery(report).get(f"{INSTANCE}/rendered?charset=utf-16,klingon", "text/plain")
    assert unknown.content_type == "text/plain; charset=utf-8"
    assert "utf-16, klingon" in unknown.headers["warning"]


def report_of(*instances: str) -> bytes:
    """A report that refers to instances of the stack."""
    references = []
    for name in instances:
        one = Dataset()
        one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid(name)
        references.append(one)
    series, evidence = Dataset(), Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = uid("series"), references
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = uid("study"), [series]
    content = []
    for one in references:
        item = Dataset()
        item.RelationshipType, item.ValueType, item.ReferencedSOPSequence = "CONTAINS", "IMAGE", [one]
        content.append(item)
    return make_file(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33",
        instance="report",
        series="reports",
        Modality="SR",
        ValueType="CONTAINER",
        CurrentRequestedProcedureEvidenceSequence=[evidence],
        ContentSequence=content,
    )


async def test_a_report_tells_images_that_are_not_stored_from_those_that_are() -> None:
    services = gallery(*stack(), report_of("i1", "nowhere"))
    path = f"{STUDY}/series/{uid('reports')}/instances/{uid('report')}/rendered"

    page = (await services.get(path, "text/html")).body.decode()
    text = (await services.get(path, "text/plain")).body.decode()

    assert page.count("<a ") == 1
    assert f"instances/{uid('i1')}/rendered" in page
    assert f'({uid("nowhere")}) <span class="how">not stored here</span>' in page
    assert f"({uid('nowhere')}), not stored here" in text
    assert f"({uid('i1')})\n" in text


@pytest.mark.skipif(SAMPLES is None, reason="no sample data beside the checkout")
async def test_a_chart_as_jpeg_is_not_much_larger_than_it_need_be() -> None:
    """Lines cost JPEG a megabyte at the quality of photographs, which is given to who asks for it."""
    assert SAMPLES is not None
    data = (SAMPLES / "objects" / "waveform" / "pydicom--waveform_ecg.dcm").read_bytes()
    header = pydicom.dcmread(io.BytesIO(data))
    path = (
        f"/studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}"
        f"/instances/{header.SOPInstanceUID}/rendered"
    )
    services = gallery(data)

    plain = await services.get(path, "image/jpeg")
    fine = await services.get(path + "?quality=90", "image/jpeg")

    assert plain.content_type == "image/jpeg"
    assert len(plain.body) < 300_000 < len(fine.body)


async def test_an_object_whose_document_is_empty_is_shown_by_a_card() -> None:
    services = gallery(document("model/stl", "104.3", b""))

    told = await services.get(f"{INSTANCE}/rendered", "*/*")

    assert (told.status, told.content_type) == (200, "image/jpeg")
    assert (await services.get(f"{INSTANCE}/rendered", "model/stl")).status == 406


async def test_thumbnails_are_small_and_whole_pictures_are_not() -> None:
    services = gallery(ct_slice(rows=700, columns=350))
    thumbnail = await services.get(f"{INSTANCE}/thumbnail")
    assert look_at(thumbnail.body).size == (128, 256)
    assert look_at((await services.get(f"{INSTANCE}/rendered")).body).size == (350, 700)


async def test_thumbnails_are_not_enlarged_but_for_a_viewport() -> None:
    services = gallery(ct_slice(rows=32, columns=32))
    assert look_at((await services.get(f"{INSTANCE}/thumbnail")).body).size == (32, 32)
    enlarged = await services.get(f"{INSTANCE}/thumbnail?viewport=256%2C256")
    assert look_at(enlarged.body).size == (256, 256)


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE, INSTANCE + "/frames/2"])
async def test_there_is_a_thumbnail_at_every_level_and_it_does_not_move(path: str) -> None:
    services = gallery(native_frames(3, rows=16, columns=16))
    for accept, media in (("image/jpeg", "image/jpeg"), ("*/*", "image/jpeg"), ("image/gif", "image/gif")):
        told = await services.get(path + "/thumbnail", accept)
        assert (told.status, told.content_type) == (200, media)
        assert getattr(look_at(told.body), "n_frames", 1) == 1
    assert (await services.get(path + "/thumbnail", "application/dicom")).status == 406


@pytest.mark.parametrize("path", [STUDY, SERIES])
async def test_a_thumbnail_of_a_series_reads_one_frame_and_again_nothing(path: str) -> None:
    services = gallery(*stack(9))
    services.archive.calls.clear()
    first = await services.get(path + "/thumbnail")
    assert services.archive.calls["frames"] == 1
    assert services.archive.calls["read"] == services.archive.calls["bulk"] == 0
    services.archive.calls.clear()
    runs = services.compute.runs
    assert (await services.get(path + "/thumbnail")) == first
    assert set(services.archive.calls) <= {"series_revision"}
    assert services.compute.runs == runs


async def test_what_has_no_decoder_has_a_thumbnail_all_the_same() -> None:
    unknown = multi_frame([[b"?"]], transfer_syntax="1.2.840.10008.1.2.4.94", **image_attributes(4, 4, bits=8))
    services = gallery(unknown)
    assert (await services.get(f"{INSTANCE}/thumbnail")).status == 200
    assert (await services.get(f"{INSTANCE}/rendered")).status == 406
