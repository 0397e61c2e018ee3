"""WADO-URI: PS3.18 chapter 9 by section, the services on a real archive in memory."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomweb.model.outcome import Outcome
from dicomweb.services.byte_cache import ByteCache
from dicomweb.services.handler import Handler
from dicomweb.services.studio import Studio
from dicomweb.services.wado import Retrieval
from dicomweb.services.wado_uri import WadoUri
from storage.archive.archive import LakeArchive
from storage.objects.memory import MemoryStore
from tests.build.compute import DirectCompute
from tests.build.dicom import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ct_slice,
    make_data_set,
    make_file,
    native_frames,
    to_file,
    uid,
)
from tests.build.lake import open_lake, store_files
from tests.build.studio import greys, look_at
from tests.build.web import Told, ask

GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
CT = ct_slice(series="ct", instance="ct", rows=40, columns=60)
IMPLICIT = ct_slice(series="ct", instance="implicit", rows=40, columns=60, transfer_syntax=IMPLICIT_LITTLE)
CINE = native_frames(5, series="us", instance="cine", rows=16, columns=16)
REPORT = make_file(series="sr", instance="sr", Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11")
PDF = make_file(
    series="doc",
    instance="pdf",
    SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
    MIMETypeOfEncapsulatedDocument="application/pdf",
    EncapsulatedDocument=b"%PDF-1.4" + b"x" * 2000,
)


def presentation_state(instance: str, image: str, *, inverse: bool) -> bytes:
    """A presentation state with a window over the whole range of 16 bits, turned round or not."""
    reference = Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    reference.ReferencedSOPInstanceUID = uid(image)
    series = Dataset()
    series.SeriesInstanceUID = uid("ct")
    series.ReferencedImageSequence = [reference]
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [60, 40]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelAspectRatio = [1, 1]
    window = Dataset()
    window.WindowCenter, window.WindowWidth = "32768", "65536"
    data_set = make_data_set(
        series="pr",
        instance=instance,
        SOPClassUID=GSPS,
        Modality="PR",
        ContentLabel="TEST",
        PresentationLUTShape="INVERSE" if inverse else "IDENTITY",
    )
    data_set.ReferencedSeriesSequence = [series]
    data_set.DisplayedAreaSelectionSequence = [area]
    data_set.SoftcopyVOILUTSequence = [window]
    return to_file(data_set)


STATE = presentation_state("state", "ct", inverse=False)
INVERSE = presentation_state("inverse", "ct", inverse=True)
OF_ANOTHER = presentation_state("other", "implicit", inverse=False)
FILES = (CT, IMPLICIT, CINE, REPORT, PDF, STATE, INVERSE, OF_ANOTHER)


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(MemoryStore(), tmp_path) as opened:
        assert {receipt.outcome for receipt in await store_files(opened, *FILES)} == {Outcome.STORED}
        yield opened


@pytest.fixture
def handlers(archive: LakeArchive) -> Mapping[str, Handler]:
    compute = DirectCompute()
    studio = Studio(archive, compute, ByteCache(1 << 24))
    return WadoUri(studio, Retrieval(archive, compute).retrieve_instance).handlers()


class Client:
    """Asks for an instance by the names of the tests."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    async def get(self, query: str = "", *, series: str = "ct", instance: str = "ct", **headers: str) -> Told:
        path = f"/wado?requestType=WADO&studyUID={uid('study')}&seriesUID={uid(series)}&objectUID={uid(instance)}"
        return await self.raw(f"{path}&{query}", **headers)

    async def raw(self, url: str, **headers: str) -> Told:
        return await ask(self._handlers, url, **headers)


@pytest.fixture
def client(handlers: Mapping[str, Handler]) -> Client:
    return Client(handlers)


# 9.1.2.1: the instance


@pytest.mark.parametrize(
    "query",
    [
        f"requestType=WADO&objectUID={uid('ct')}",
        f"requestType=WADO&studyUID=&seriesUID=&objectUID={uid('ct')}",
        f"requestType=WADO&studyUID={uid('study')}&objectUID={uid('ct')}",
        f"requestType=WADO&seriesUID={uid('ct')}&objectUID={uid('ct')}",
        f"REQUESTTYPE=WADO&objectuid={uid('ct')}",
    ],
)
async def test_study_and_series_may_be_missing(client: Client, query: str) -> None:
    assert (await client.raw(f"/wado?{query}")).status == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("requestType=WADO", 400),
        (f"objectUID={uid('ct')}", 400),
        (f"requestType=MPR&objectUID={uid('ct')}", 400),
        ("requestType=WADO&objectUID=..%2F..", 400),
        (f"requestType=WADO&objectUID={uid('nobody')}", 404),
        (f"requestType=WADO&studyUID={uid('nobody')}&objectUID={uid('ct')}", 404),
        (f"requestType=WADO&studyUID={uid('study')}&seriesUID={uid('us')}&objectUID={uid('ct')}", 404),
    ],
)
async def test_what_is_not_named_or_not_there_is_told(client: Client, query: str, status: int) -> None:
    assert (await client.raw(f"/wado?{query}")).status == status


# 9.1.2.2.1: media types


@pytest.mark.parametrize(
    ("series", "instance", "media"),
    [
        ("ct", "ct", "image/jpeg"),
        ("us", "cine", "image/jpeg"),
        ("sr", "sr", "text/html; charset=utf-8"),
        ("doc", "pdf", "application/pdf"),
    ],
)
async def test_without_a_content_type_an_object_comes_as_what_it_is(
    client: Client, series: str, instance: str, media: str
) -> None:
    for query in ("", "contentType=", "contentType=*/*"):
        told = await client.get(query, series=series, instance=instance)
        assert (told.status, told.content_type) == (200, media)


@pytest.mark.parametrize(
    ("wanted", "media"),
    [
        ("image/jpeg", "image/jpeg"),
        ("image/png", "image/png"),
        ("image%2Fpng", "image/png"),
        ("image/gif", "image/gif"),
        ("image/x-what,image/png", "image/png"),
        ("image/png;q=0.2,image/jpeg;q=0.9", "image/jpeg"),
    ],
)
async def test_the_content_type_is_one_of_those_named(client: Client, wanted: str, media: str) -> None:
    told = await client.get(f"contentType={wanted}", accept="image/gif")
    assert (told.status, told.content_type) == (200, media)


async def test_the_accept_field_decides_where_no_content_type_does(client: Client) -> None:
    assert (await client.get(accept="image/png")).content_type == "image/png"


async def test_many_frames_are_a_moving_picture_where_that_is_asked_for(client: Client) -> None:
    told = await client.get("contentType=image/gif", series="us", instance="cine")
    assert getattr(look_at(told.body), "n_frames", 1) == 5


async def test_what_cannot_be_sent_is_406(client: Client) -> None:
    told = await client.get("contentType=video/mp4", accept="*/*")
    assert (told.status, b"image/jpeg" in told.body) == (406, True)


# 9.4: DICOM files


async def test_a_file_comes_in_the_default_transfer_syntax(client: Client) -> None:
    told = await client.get("contentType=application/dicom", instance="implicit", accept="image/png")
    assert told.content_type == f"application/dicom; transfer-syntax={EXPLICIT_LITTLE}"
    found = pydicom.dcmread(io.BytesIO(told.body))
    assert (found.SOPInstanceUID, found.file_meta.TransferSyntaxUID) == (uid("implicit"), EXPLICIT_LITTLE)


@pytest.mark.parametrize("syntax", ["*", IMPLICIT_LITTLE])
async def test_a_file_comes_in_the_transfer_syntax_that_is_named(client: Client, syntax: str) -> None:
    query = f"contentType=application/dicom&transferSyntax={syntax}"
    assert (await client.get(query, instance="implicit")).body == IMPLICIT


async def test_a_transfer_syntax_that_cannot_be_made_is_406(client: Client) -> None:
    query = "contentType=application/dicom&transferSyntax=1.2.840.10008.1.2.4.94"
    told = await client.get(query)
    assert told.status == 406
    assert b"multipart" not in told.body
    assert b"zip" not in told.body
    assert b"application/dicom with transfer-syntax" in told.body


async def test_parameters_that_mean_nothing_are_named_in_a_warning(client: Client) -> None:
    for kind in ("image/png", "application/dicom"):
        told = await client.get(f"contentType={kind}&windowCentre=40")
        assert told.status == 200
        assert "windowCentre" in told.headers["warning"]


async def test_ranges_and_conditions_hold_for_files_too(client: Client) -> None:
    query = "contentType=application/dicom&transferSyntax=*"
    whole = await client.get(query)
    assert (await client.get(query, if_none_match=whole.headers["etag"])).status == 304
    assert (await client.get(query, range="bytes=128-131")).body == b"DICM"


@pytest.mark.parametrize("media", ["application/dicom", "image/jpeg"])
async def test_nothing_is_sent_with_identity_where_it_must_be_without(client: Client, media: str) -> None:
    told = await client.get(f"contentType={media}&anonymize=yes")
    assert (told.status, b"not supported" in told.body) == (400, True)


# 9.5: rendered


async def test_rows_and_columns_are_the_box_a_picture_fits_into(client: Client) -> None:
    assert look_at((await client.get("rows=200&columns=120")).body).size == (120, 80)
    assert look_at((await client.get("columns=30")).body).size == (30, 20)


async def test_a_region_is_cut_out_first(client: Client) -> None:
    whole = greys((await client.get("contentType=image/png")).body)
    part = greys((await client.get("contentType=image/png&region=0.5,0.25,1,0.75")).body)
    assert np.array_equal(part, whole[10:30, 30:60])


async def test_a_window_changes_what_is_seen(client: Client) -> None:
    bright = greys((await client.get("contentType=image/png&windowCenter=-900&windowWidth=10")).body)
    dark = greys((await client.get("contentType=image/png&windowCenter=64000&windowWidth=10")).body)
    assert bright.mean() > 250 > 5 > dark.mean()


async def test_one_frame_is_shown(client: Client) -> None:
    pictures = [
        (await client.get(f"contentType=image/png&frameNumber={n}", series="us", instance="cine")).body
        for n in (1, 2, 3)
    ]
    assert len(set(pictures)) == 3
    whole = await client.get("contentType=image/png", series="us", instance="cine")
    assert whole.body == pictures[2], "the middle one stands for all"


@pytest.mark.parametrize("frame", ["0", "6", "-1", "1,2", "x"])
async def test_a_frame_that_is_not_there_is_400(client: Client, frame: str) -> None:
    """9.5.2, unlike the frames of other resources, which are 404."""
    assert (await client.get(f"frameNumber={frame}", series="us", instance="cine")).status == 400


async def test_quality_counts(client: Client) -> None:
    coarse, fine = [(await client.get(f"imageQuality={quality}")).body for quality in (5, 95)]
    assert len(coarse) < len(fine)


async def test_a_presentation_state_is_applied(client: Client) -> None:
    ask_for = "contentType=image/png&presentationSeriesUID=" + uid("pr") + "&presentationUID="
    plain = greys((await client.get(ask_for + uid("state"))).body).astype(int)
    inverse = greys((await client.get(ask_for + uid("inverse"))).body).astype(int)
    assert np.abs(plain + inverse - 255).max() <= 1
    without_series = await client.get(f"contentType=image/png&presentationUID={uid('state')}")
    assert np.array_equal(greys(without_series.body), plain)


async def test_a_presentation_state_itself_is_its_image_as_it_wants_it(client: Client) -> None:
    query = f"contentType=image/png&presentationSeriesUID={uid('pr')}&presentationUID={uid('inverse')}"
    state = await client.get("contentType=image/png", series="pr", instance="inverse")
    assert state.body == (await client.get(query)).body


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"presentationSeriesUID={uid('pr')}&presentationUID={uid('other')}", 400),
        (f"presentationSeriesUID={uid('ct')}&presentationUID={uid('ct')}", 400),
        (f"presentationSeriesUID={uid('pr')}&presentationUID={uid('nobody')}", 404),
        (f"presentationSeriesUID={uid('pr')}&presentationUID={uid('state')}&windowCenter=1&windowWidth=2", 400),
        ("windowCenter=1", 400),
        ("region=0,0,2,2", 400),
        ("rows=a", 400),
        ("imageQuality=0", 400),
    ],
)
async def test_what_has_no_meaning_is_refused(client: Client, query: str, status: int) -> None:
    assert (await client.get(query)).status == status


async def test_a_presentation_state_that_is_not_stored_is_what_is_missing(client: Client) -> None:
    for series in (f"&presentationSeriesUID={uid('pr')}", ""):
        told = await client.get(f"contentType=image/png&presentationUID={uid('nobody')}{series}")
        assert told.status == 404
        assert b"the presentation state that presentationUID names is not stored" in told.body


async def test_a_report_is_text(client: Client) -> None:
    told = await client.get("contentType=text/plain&charset=iso-8859-1", series="sr", instance="sr")
    assert told.content_type == "text/plain; charset=iso-8859-1"


async def test_weasis_may_write_its_ampersand_where_it_likes(client: Client) -> None:
    told = await client.raw(f"/wado?&requestType=WADO&objectUID={uid('ct')}&&contentType=image/jpeg")
    assert told.status == 200
