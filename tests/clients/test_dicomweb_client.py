"""python `dicomweb-client`, which research code uses: everything it can ask of this version of the server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from requests import HTTPError, Response

from tests.build.dicom import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    ct_slice,
    make_data_set,
    multi_frame,
    pixels,
    to_file,
    uid,
)
from tests.clients.servers import Server

AS_STORED = (("application/dicom", "*"),)


@pytest.fixture
def client(archive: Server) -> DICOMwebClient:
    """A client that sends whatever is over 2000 bytes chunked."""
    return DICOMwebClient(archive.dicomweb, chunk_size=2000)


def read(data: bytes) -> Dataset:
    """The data set of a file."""
    return pydicom.dcmread(BytesIO(data))


def slices(study: str, count: int = 3, **attributes: Any) -> list[bytes]:
    """CT slices of one series, each larger than a chunk of the client."""
    return [
        ct_slice(
            rows=40,
            columns=40,
            seed=number,
            study=study,
            series=f"{study} series",
            instance=f"{study} {number}",
            InstanceNumber=number,
            **attributes,
        )
        for number in range(1, count + 1)
    ]


def store(client: DICOMwebClient, *files: bytes) -> Dataset:
    """Store files; the client's view of the answer."""
    return client.store_instances([read(data) for data in files])


def bytes_of(found: Dataset) -> bytes:
    """A data set that came as it is stored, as the file it came as."""
    return to_file(found, found.file_meta.TransferSyntaxUID)


def pixels_of(found: list[Dataset]) -> dict[str, bytes]:
    """Pixel data by SOP Instance UID."""
    return {one.SOPInstanceUID: one.PixelData for one in found}


def values(found: dict[str, Any], tag: str) -> list[Any]:
    """The values of an attribute in DICOM JSON."""
    return list(found.get(tag, {}).get("Value", []))


def answer_of(caught: pytest.ExceptionInfo[HTTPError]) -> Response:
    """The answer that made the client raise."""
    assert caught.value.response is not None
    return caught.value.response


def test_chunked_store_is_told_instance_by_instance(client: DICOMwebClient) -> None:
    files = slices("chunked", 3)
    assert sum(map(len, files)) > 2000

    told = store(client, *files)

    assert [item.ReferencedSOPInstanceUID for item in told.ReferencedSOPSequence] == [
        uid(f"chunked {number}") for number in (1, 2, 3)
    ]
    assert "FailedSOPSequence" not in told
    assert told.RetrieveURL.endswith(f"/studies/{uid('chunked')}")


# the sentence of Error Comment is longer than an LO may be (see stow_answer)
@pytest.mark.filterwarnings("ignore:The value length")
def test_store_into_a_study_refuses_what_belongs_elsewhere(
    client: DICOMwebClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(HTTPError) as caught, caplog.at_level(logging.CRITICAL):
        client.store_instances([read(slices("elsewhere", 1)[0])], study_instance_uid=uid("another study"))
    assert answer_of(caught).status_code == 409
    failed = Dataset.from_json(answer_of(caught).json()).FailedSOPSequence
    assert [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in failed] == [
        (uid("elsewhere 1"), 0xA900)
    ]


def test_searches_page_by_page_to_the_end(client: DICOMwebClient) -> None:
    for number in range(7):
        store(client, ct_slice(study=f"paged {number}", instance=f"paged {number}", PatientID="PAGED"))
    keys = {"PatientID": "PAGED"}

    pages = [client.search_for_studies(limit=3, offset=offset, search_filters=keys) for offset in (0, 3, 6, 9)]
    every = client.search_for_studies(limit=2, search_filters=keys, get_remaining=True)

    uids = [values(study, "0020000D")[0] for page in pages for study in page]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert sorted(uids) == sorted(uid(f"paged {number}") for number in range(7))
    assert [values(study, "0020000D")[0] for study in every] == uids


def test_a_fuzzy_search_finds_the_beginning_of_any_name_component(client: DICOMwebClient) -> None:
    store(client, ct_slice(study="fuzzy", instance="fuzzy", PatientName="Müller-Lüdenscheidt^Hans Otto"))

    def found(name: str, *, fuzzy: bool) -> bool:
        keys = {"PatientName": name, "StudyInstanceUID": uid("fuzzy")}
        return bool(client.search_for_studies(fuzzymatching=fuzzy, search_filters=keys))

    assert found("otto", fuzzy=True)
    assert found("mull", fuzzy=True)
    assert not found("otto", fuzzy=False)
    assert found("muller*", fuzzy=False)
    assert not found("schmidt", fuzzy=True)


def test_fields_add_to_what_a_search_tells(client: DICOMwebClient) -> None:
    store(client, *slices("fields", 2, StudyDescription="Head", BodyPartExamined="HEAD"))
    study = uid("fields")

    (plain,) = client.search_for_studies(search_filters={"StudyInstanceUID": study})
    (asked,) = client.search_for_studies(fields=["StudyDescription"], search_filters={"StudyInstanceUID": study})
    (series,) = client.search_for_series(study, fields=["BodyPartExamined"])
    instances = client.search_for_instances(study, uid("fields series"), fields=["all"])

    assert "00081030" not in plain
    assert values(asked, "00081030") == ["Head"]
    assert values(asked, "00201208") == [2]
    assert values(series, "00180015") == ["HEAD"]
    assert values(series, "00201209") == [2]
    assert [values(one, "00180050") for one in instances] == [[1.25], [1.25]]


def test_all_levels_are_searched_from_the_root_too(client: DICOMwebClient) -> None:
    store(client, *slices("levels", 2))
    keys = {"StudyInstanceUID": uid("levels")}

    assert len(client.search_for_series(search_filters=keys)) == 1
    assert len(client.search_for_instances(search_filters=keys)) == 2
    assert len(client.search_for_instances(uid("levels"))) == 2
    assert client.search_for_studies(search_filters={"StudyInstanceUID": uid("never stored")}) == []


def test_instances_come_back_whole_one_by_one_and_in_studies_and_series(client: DICOMwebClient) -> None:
    files = slices("retrieved", 3)
    store(client, *files)
    study, series = uid("retrieved"), uid("retrieved series")
    expected = pixels_of([read(data) for data in files])

    assert pixels_of(client.retrieve_study(study)) == expected
    assert pixels_of(client.retrieve_series(study, series)) == expected
    assert pixels_of(list(client.iter_study(study))) == expected
    assert pixels_of(list(client.iter_series(study, series))) == expected
    for number, data in enumerate(files, 1):
        found = client.retrieve_instance(study, series, uid(f"retrieved {number}"))
        assert found == read(data)


def test_as_stored_is_bit_for_bit(client: DICOMwebClient) -> None:
    data = ct_slice(
        rows=40, columns=40, study="bits", series="bits", instance="bits", transfer_syntax=IMPLICIT_LITTLE
    )
    store(client, data)
    where = uid("bits"), uid("bits"), uid("bits")

    kept = client.retrieve_instance(*where, media_types=AS_STORED)
    plain = client.retrieve_instance(*where, media_types=("application/dicom",))

    assert kept.file_meta.TransferSyntaxUID == IMPLICIT_LITTLE
    assert bytes_of(kept) == data
    assert plain.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert plain.PixelData == kept.PixelData


def test_frames_come_by_list_in_the_order_of_the_list(client: DICOMwebClient) -> None:
    tiles = [[pixels(30 + 2 * number, seed=number)] for number in range(9)]
    data = multi_frame(tiles, study="frames", series="frames", instance="frames")
    store(client, data)
    where = uid("frames"), uid("frames"), uid("frames")
    wanted = [7, 1, 2, 3, 9]
    expected = [tiles[number - 1][0] for number in wanted]

    assert client.retrieve_instance_frames(*where, wanted, media_types=("image/jpeg",)) == expected
    assert (
        client.retrieve_instance_frames(*where, wanted, media_types=(("image/jpeg", JPEG_BASELINE),)) == expected
    )
    assert client.retrieve_instance_frames(*where, wanted) == expected
    assert (
        list(client.iter_instance_frames(*where, wanted, media_types=(("application/octet-stream", "*"),)))
        == expected
    )


def test_a_native_frame_is_the_pixel_data(client: DICOMwebClient) -> None:
    (data,) = slices("native", 1)
    store(client, data)

    frames = client.retrieve_instance_frames(uid("native"), uid("native series"), uid("native 1"), [1])

    assert frames == [read(data).PixelData]


def test_metadata_are_the_data_set_without_its_pixels(client: DICOMwebClient) -> None:
    files = slices("metadata", 2)
    store(client, *files)
    study, series = uid("metadata"), uid("metadata series")

    def bare(data: bytes) -> Dataset:
        data_set = read(data)
        del data_set.PixelData
        return data_set

    def parsed(found: list[dict[str, Any]]) -> list[Dataset]:
        # pixel data are a reference, and Available Transfer Syntax UID is the archive's word
        added = ("7FE00010", "00083002")
        sets = [Dataset.from_json({tag: one[tag] for tag in one if tag not in added}) for one in found]
        return sorted(sets, key=lambda one: one.InstanceNumber)

    expected = [bare(data) for data in files]
    assert parsed(client.retrieve_study_metadata(study)) == expected
    assert parsed(client.retrieve_series_metadata(study, series)) == expected
    assert parsed([client.retrieve_instance_metadata(study, series, uid("metadata 1"))]) == expected[:1]


def test_bulk_data_come_by_the_uri_that_metadata_give(client: DICOMwebClient) -> None:
    profile = pixels(5000, seed=3)
    optical_path = Dataset()
    optical_path.OpticalPathIdentifier = "1"
    optical_path.ICCProfile = profile
    data_set = make_data_set(study="bulk", series="bulk", instance="bulk", OpticalPathSequence=[optical_path])
    data_set.add_new(0x00420011, "OB", b"%PDF" + bytes(2000))
    store(client, to_file(data_set))

    found = client.retrieve_instance_metadata(uid("bulk"), uid("bulk"), uid("bulk"))
    document = found["00420011"]["BulkDataURI"]
    nested = found["00480105"]["Value"][0]["00282000"]["BulkDataURI"]

    assert client.retrieve_bulkdata(document) == [b"%PDF" + bytes(2000)]
    assert list(client.iter_bulkdata(document)) == [b"%PDF" + bytes(2000)]
    assert client.retrieve_bulkdata(nested) == [profile]
    assert client.retrieve_bulkdata(nested, media_types=("application/octet-stream",)) == [profile]
    # Range on multipart is ignored: this client asks for multipart always
    assert client.retrieve_bulkdata(nested, byte_range=(10, 19)) == [profile]


@pytest.fixture
def deleted(client: DICOMwebClient) -> Iterator[tuple[str, str]]:
    """A study of two series of two instances."""
    for series in ("a", "b"):
        store(
            client,
            *(
                ct_slice(study="deleted", series=f"deleted {series}", instance=f"deleted {series} {number}")
                for number in (1, 2)
            ),
        )
    yield uid("deleted"), uid("deleted a")
    if client.search_for_instances(search_filters={"StudyInstanceUID": uid("deleted")}):
        client.delete_study(uid("deleted"))


def test_what_is_deleted_is_gone_at_once(client: DICOMwebClient, deleted: tuple[str, str]) -> None:
    study, series = deleted

    def left() -> int:
        return len(client.search_for_instances(search_filters={"StudyInstanceUID": study}))

    client.delete_instance(study, series, uid("deleted a 1"))
    assert left() == 3
    client.delete_series(study, series)
    assert left() == 2
    client.delete_study(study)
    assert left() == 0
    for again in (
        lambda: client.retrieve_study(study),
        lambda: client.retrieve_instance_metadata(study, series, uid("deleted a 1")),
        lambda: client.delete_study(study),
    ):
        with pytest.raises(HTTPError) as caught:
            again()
        assert answer_of(caught).status_code == 410
