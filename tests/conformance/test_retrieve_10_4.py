"""Retrieve transaction: PS3.18 10.4 by section, the services on a real archive in memory."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import pydicom
import pytest

from dicomweb.model.keys import Scope
from dicomweb.services.bulkdata import BulkData
from dicomweb.services.frames import Frames
from dicomweb.services.handler import Handler
from dicomweb.services.metadata import Metadata
from dicomweb.services.wado import Retrieval
from storage.archive.archive import LakeArchive
from storage.objects.memory import MemoryStore
from tests.build.asking import ROOT
from tests.build.compute import DirectCompute
from tests.build.dicom import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    ct_slice,
    make_file,
    multi_frame,
    pixels,
    segmentation,
    uid,
)
from tests.build.lake import open_lake, store_files
from tests.build.web import Told, ask

CT_1, CT_2 = (ct_slice(series="ct", instance=f"ct{n}", InstanceNumber=n, seed=n, rows=40) for n in (1, 2))
TILES = multi_frame([[b"tile 1"], [b"til", b"e2"], [b"tile 3"]], series="sm", instance="sm")
UNLISTED = multi_frame([[b"\xff\xd8\xff\xe0 1"], [b"\xff\xd8\xff\xe0 2", b"  "]], study="unlisted", offsets="none")
IMPLICIT = ct_slice(study="implicit", transfer_syntax=IMPLICIT_LITTLE, rows=40)
BIG = ct_slice(study="big", transfer_syntax=EXPLICIT_BIG, rows=40)
DEFLATED_CT = ct_slice(study="deflated", transfer_syntax=DEFLATED, rows=40)
REPORT = make_file(study="report", Modality="SR")
SEGMENTS = segmentation(3, study="seg")
FILES = (CT_1, CT_2, TILES, IMPLICIT, BIG, DEFLATED_CT, REPORT, SEGMENTS, UNLISTED)

STUDY = f"/studies/{uid('study')}"
SERIES = f"{STUDY}/series/{uid('ct')}"
INSTANCE = f"{SERIES}/instances/{uid('ct1')}"
SLIDE = f"{STUDY}/series/{uid('sm')}/instances/{uid('sm')}"
PLAIN = 'multipart/related; type="application/dicom"'
STORED = f"{PLAIN}; transfer-syntax=*"
OHIF = "multipart/related; type=application/octet-stream; transfer-syntax=*"


def instance_path(study: str) -> str:
    return f"/studies/{uid(study)}/series/{uid('series')}/instances/{uid('instance')}"


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[LakeArchive]:
    async with open_lake(MemoryStore(), tmp_path) as lake:
        await store_files(lake, *FILES)
        yield lake


@pytest.fixture
def handlers(archive: LakeArchive) -> Mapping[str, Handler]:
    return handlers_on(archive)


def handlers_on(archive: LakeArchive) -> Mapping[str, Handler]:
    compute = DirectCompute()
    services = (Frames(archive, compute), Retrieval(archive, compute), Metadata(archive, compute),
                BulkData(archive, compute))  # fmt: skip
    return {name: handler for service in services for name, handler in service.handlers().items()}


async def get(handlers: Mapping[str, Handler], path: str, accept: str = "", **headers: str) -> Told:
    return await ask(handlers, path, accept=accept, **headers)


async def test_10_4_1_1_1_study_series_and_instance_are_multipart_of_what_is_stored(
    handlers: Mapping[str, Handler],
) -> None:
    for path, files in ((STUDY, {CT_1, CT_2, TILES}), (SERIES, {CT_1, CT_2}), (INSTANCE, {CT_1})):
        told = await get(handlers, path, STORED)
        assert told.content_type.startswith('multipart/related; type="application/dicom"; boundary=')
        assert {part.data for part in told.parts()} == files


async def test_10_4_1_1_1_instances_of_a_series_come_in_their_order(handlers: Mapping[str, Handler]) -> None:
    assert [part.data for part in (await get(handlers, SERIES, STORED)).parts()] == [CT_1, CT_2]


async def test_10_4_1_1_1_an_instance_is_one_file_on_demand(handlers: Mapping[str, Handler]) -> None:
    told = await get(handlers, INSTANCE, "application/dicom")
    assert (told.status, told.content_type, told.body) == (
        200, f"application/dicom; transfer-syntax={EXPLICIT_LITTLE}", CT_1,
    )  # fmt: skip


async def test_10_4_1_1_1_a_study_is_a_zip_on_demand(handlers: Mapping[str, Handler]) -> None:
    told = await get(handlers, STUDY, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(told.body))
    assert archive.testzip() is None
    assert {archive.read(name) for name in archive.namelist()} == {CT_1, CT_2, TILES}


@pytest.mark.parametrize("study", ["implicit", "big", "deflated"])
async def test_8_7_3_5_native_instances_are_explicit_little_endian_where_no_syntax_is_named(
    handlers: Mapping[str, Handler], study: str
) -> None:
    (part,) = (await get(handlers, instance_path(study), PLAIN)).parts()
    data_set = pydicom.dcmread(io.BytesIO(part.data))
    assert part.content_type == f"application/dicom; transfer-syntax={EXPLICIT_LITTLE}"
    assert data_set.file_meta.TransferSyntaxUID == EXPLICIT_LITTLE
    assert data_set == pydicom.dcmread(io.BytesIO(ct_slice(study=study, rows=40)))


@pytest.mark.parametrize(("study", "file"), [("implicit", IMPLICIT), ("big", BIG), ("deflated", DEFLATED_CT)])
async def test_8_7_3_5_a_star_means_as_stored(handlers: Mapping[str, Handler], study: str, file: bytes) -> None:
    (part,) = (await get(handlers, instance_path(study), STORED)).parts()
    assert part.data == file


async def test_8_7_3_5_compressed_instances_are_as_stored_under_their_own_label(
    handlers: Mapping[str, Handler],
) -> None:
    (part,) = (await get(handlers, SLIDE, PLAIN)).parts()
    assert (part.content_type, part.data) == (f"application/dicom; transfer-syntax={JPEG_BASELINE}", TILES)


@pytest.mark.parametrize("syntax", [JPEG_BASELINE, EXPLICIT_BIG, "1.2.840.10008.1.2.4.100", "1.2.3"])
async def test_8_7_8_a_syntax_named_and_not_available_is_406_with_what_is_offered(
    handlers: Mapping[str, Handler], syntax: str
) -> None:
    told = await get(handlers, INSTANCE, f"{PLAIN}; transfer-syntax={syntax}")
    assert told.status == 406
    assert EXPLICIT_LITTLE.encode() in told.body


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
async def test_10_4_1_1_2_metadata_are_data_sets_without_bulk_data(
    handlers: Mapping[str, Handler], path: str
) -> None:
    told = await get(handlers, path + "/metadata", "application/dicom+json")
    data_sets = json.loads(told.body)
    assert all("InlineBinary" not in data_set.get("7FE00010", {}) for data_set in data_sets)
    found = next(data_set for data_set in data_sets if data_set["00080018"]["Value"] == [uid("ct1")])
    assert found["7FE00010"]["BulkDataURI"] == f"{ROOT}{INSTANCE}/bulkdata/7FE00010"
    assert found["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}


async def test_10_4_1_1_2_metadata_are_xml_on_demand(handlers: Mapping[str, Handler]) -> None:
    told = await get(handlers, SERIES + "/metadata", 'multipart/related; type="application/dicom+xml"')
    roots = [ElementTree.fromstring(part.data) for part in told.parts()]
    assert [root.findtext(".//*[@keyword='InstanceNumber']/{*}Value") for root in roots] == ["1", "2"]


async def test_10_4_1_1_2_ohif_with_a_frame_range_in_its_accept_gets_json(handlers: Mapping[str, Handler]) -> None:
    told = await get(handlers, SERIES + "/metadata", f"application/dicom+json, {OHIF}; transfer-syntax=*")
    assert (told.status, told.content_type) == (200, "application/dicom+json")


@pytest.mark.parametrize("accept", ["*/*", "application/octet-stream", ""])
async def test_10_4_1_1_5_a_bulk_value_is_a_single_part(handlers: Mapping[str, Handler], accept: str) -> None:
    told = await get(handlers, INSTANCE + "/bulkdata/7FE00010", accept)
    assert (told.status, told.body) == (200, pixels(320, seed=1))


@pytest.mark.parametrize("study", ["big", "deflated"])
async def test_10_4_1_1_5_ranges_of_a_bulk_value_are_206(handlers: Mapping[str, Handler], study: str) -> None:
    told = await get(handlers, instance_path(study) + "/bulkdata/7FE00010", range="bytes=11-20")
    assert (told.status, told.body) == (206, pixels(320)[11:21])
    assert told.headers["content-range"] == "bytes 11-20/320"


async def test_10_4_1_1_5_all_bulk_values_name_their_places(handlers: Mapping[str, Handler]) -> None:
    parts = (await get(handlers, SERIES + "/bulkdata", OHIF)).parts()
    assert [part.headers["content-location"] for part in parts] == [
        f"{ROOT}{SERIES}/instances/{uid(name)}/bulkdata/7FE00010" for name in ("ct1", "ct2")
    ]


async def test_10_4_1_1_6_pixel_data_of_a_study_are_values_and_frames(handlers: Mapping[str, Handler]) -> None:
    parts = (await get(handlers, STUDY + "/pixeldata")).parts()
    assert {part.data.rstrip(b"\0") for part in parts} == {
        pixels(320, seed=1), pixels(320, seed=2), b"tile 1", b"til\0e2", b"tile 3",
    }  # fmt: skip


async def test_10_4_1_1_6_frames_without_an_offset_table_are_divided(handlers: Mapping[str, Handler]) -> None:
    told = await get(handlers, instance_path("unlisted") + "/frames", OHIF)
    assert [part.data for part in told.parts()] == [b"\xff\xd8\xff\xe0 1", b"\xff\xd8\xff\xe0 2  "]


async def test_10_4_1_1_6_bits_of_a_segmentation_begin_with_the_frame(handlers: Mapping[str, Handler]) -> None:
    bits = int.from_bytes(pixels(10), "little")
    parts = (await get(handlers, instance_path("seg") + "/frames/1,2,3", OHIF)).parts()
    for number, part in enumerate(parts):
        assert int.from_bytes(part.data, "little") == bits >> 25 * number & (1 << 25) - 1


@pytest.mark.parametrize("study", ["implicit", "big", "deflated"])
async def test_10_4_1_1_6_native_frames_are_little_endian(handlers: Mapping[str, Handler], study: str) -> None:
    (part,) = (await get(handlers, instance_path(study) + "/frames/1", 'multipart/related; type="*/*"')).parts()
    assert part.data == pixels(320)
    assert part.content_type == f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE}"


@pytest.mark.parametrize(("frames", "status"), [("0", 404), ("2", 404), ("1,2", 404), ("x", 400), ("1,,1", 400)])
async def test_10_4_3_2_frames_that_do_not_exist_are_404_and_malformed_lists_400(
    handlers: Mapping[str, Handler], frames: str, status: int
) -> None:
    assert (await get(handlers, f"{INSTANCE}/frames/{frames}", OHIF)).status == status


async def test_10_4_3_2_a_report_has_no_frames(handlers: Mapping[str, Handler]) -> None:
    assert (await get(handlers, instance_path("report") + "/frames/1", OHIF)).status == 404
    assert (await get(handlers, instance_path("report") + "/pixeldata", OHIF)).status == 404


RESOURCES = ("", "/metadata", "/bulkdata", "/pixeldata")


@pytest.mark.parametrize("resource", RESOURCES)
async def test_10_4_3_2_what_was_never_there_is_404(handlers: Mapping[str, Handler], resource: str) -> None:
    for path in ("/studies/1.2.3", STUDY + "/series/1.2.3", SERIES + "/instances/1.2.3"):
        assert (await get(handlers, path + resource)).status == 404


async def test_10_4_3_2_what_was_deleted_is_410_and_its_neighbours_stay(
    archive: LakeArchive, handlers: Mapping[str, Handler]
) -> None:
    await archive.remove(Scope(uid("study"), uid("ct")), door="test", peer="")
    for path in (SERIES, INSTANCE):
        for resource in (*RESOURCES, "/frames/1") if path == INSTANCE else RESOURCES:
            assert (await get(handlers, path + resource)).status == 410, path + resource
    assert [part.data for part in (await get(handlers, STUDY, STORED)).parts()] == [TILES]


async def test_8_5_a_client_that_holds_what_is_there_gets_304_until_it_changes(
    archive: LakeArchive, handlers: Mapping[str, Handler]
) -> None:
    paths = [SERIES, SERIES + "/metadata", INSTANCE + "/frames/1", INSTANCE + "/bulkdata/7FE00010"]
    tags = [(await get(handlers, path)).headers["etag"] for path in paths]
    for path, tag in zip(paths, tags, strict=True):
        assert (await get(handlers, path, if_none_match=tag)).status == 304
    await store_files(archive, ct_slice(series="ct", instance="ct1", InstanceNumber=1, seed=9, rows=40))
    for path, tag in zip(paths, tags, strict=True):
        assert (await get(handlers, path, if_none_match=tag)).status == 200


@pytest.mark.parametrize(
    "path", [STUDY, SERIES + "/metadata", INSTANCE + "/frames/1", INSTANCE + "/bulkdata", INSTANCE]
)
async def test_a_strong_read_sees_what_another_node_committed(tmp_path: Path, path: str) -> None:
    store = MemoryStore()
    async with open_lake(store, tmp_path / "a") as ours, open_lake(store, tmp_path / "b", node="b") as other:
        await store_files(ours, CT_1)
        handlers = handlers_on(ours)
        before = (await get(handlers, path)).headers["etag"]
        await store_files(other, ct_slice(series="ct", instance="ct1", InstanceNumber=1, seed=9, rows=40))
        assert (await get(handlers, path, if_none_match=before)).status == 304
        assert (await get(handlers, path, if_none_match=before, cache_control="no-cache")).status == 200
