"""Bulk data and pixel data (PS3.18 10.4.1.1.5, 10.4.1.1.6)."""

from __future__ import annotations

import json

import pytest
from pydicom.dataset import Dataset

from dicomweb.model.keys import InstanceKey
from dicomweb.services.bulkdata import BulkData, parse_bulk_path
from dicomweb.services.metadata import Metadata
from dicomweb.wire.exchange import WebError
from tests.build.asking import ROOT
from tests.build.compute import DirectCompute
from tests.build.dicom import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_BASELINE,
    ct_slice,
    make_file,
    multi_frame,
    native_frames,
    pixels,
    uid,
)
from tests.build.memory_archive import MemoryArchive
from tests.build.web import Told, ask

STUDY = f"/studies/{uid('study')}"
SERIES = f"{STUDY}/series/{uid('series')}"
INSTANCE = f"{SERIES}/instances/{uid('instance')}"
KEY = InstanceKey(uid("study"), uid("series"), uid("instance"))
RELATED = 'multipart/related; type="application/octet-stream"'
PROFILE = bytes(range(250)) * 8
ICC = "/bulkdata/00480105/1/00282000"


async def get(archive: MemoryArchive, path: str, accept: str = "*/*", **headers: str) -> Told:
    return await ask(BulkData(archive, DirectCompute()).handlers(), path, accept=accept, **headers)


def slide(transfer_syntax: str = JPEG_BASELINE) -> bytes:
    """Two compressed tiles, and an ICC profile within a sequence."""
    path = Dataset()
    path.OpticalPathIdentifier = "1"
    path.ICCProfile = PROFILE
    return multi_frame(
        [[b"tile 1"], [b"tile", b"2 "]], OpticalPathSequence=[path], transfer_syntax=transfer_syntax
    )


async def test_every_bulk_data_uri_of_the_metadata_leads_to_its_value() -> None:
    archive = MemoryArchive([slide()])
    told = await ask(Metadata(archive, DirectCompute()).handlers(), INSTANCE + "/metadata")
    uri = json.loads(told.body)[0]["00480105"]["Value"][0]["00282000"]["BulkDataURI"]
    value = await get(archive, uri.removeprefix(ROOT))
    assert (value.status, value.body) == (200, PROFILE)


@pytest.mark.parametrize(
    "accept", ["*/*", "application/octet-stream", "application/octet-stream; transfer-syntax=*", ""]
)
async def test_a_value_comes_as_a_single_part_with_its_length(accept: str) -> None:
    told = await get(MemoryArchive([ct_slice(rows=400)]), INSTANCE + "/bulkdata/7FE00010", accept)
    assert told.content_type == f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE}"
    assert told.body == pixels(3200)


async def test_a_value_comes_as_multipart_on_demand_and_says_where_it_is() -> None:
    (part,) = (await get(MemoryArchive([slide()]), INSTANCE + ICC, RELATED)).parts()
    assert part.data == PROFILE
    assert part.headers["content-location"] == ROOT + INSTANCE + ICC


async def test_values_beside_compressed_pixel_data_are_not_labelled_as_compressed() -> None:
    told = await get(MemoryArchive([slide()]), INSTANCE + ICC)
    assert told.content_type == f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE}"


@pytest.mark.parametrize(
    ("field", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=5-5", 5, 6), ("bytes=1990-", 1990, None), ("bytes=-3", -3, None)],
)
@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, EXPLICIT_BIG])
async def test_a_range_of_a_value_is_206_with_the_total(
    syntax: str, field: str, start: int, end: int | None
) -> None:
    archive = MemoryArchive([ct_slice(rows=400, transfer_syntax=syntax)])
    told = await get(archive, INSTANCE + "/bulkdata/7FE00010", range=field)
    assert (told.status, told.body) == (206, pixels(3200)[start:end])
    assert told.headers["content-range"].endswith("/3200")


async def test_a_range_outside_the_value_is_416_and_one_of_multipart_ignored() -> None:
    archive = MemoryArchive([slide()])
    assert (await get(archive, INSTANCE + ICC, range="bytes=2000-")).status == 416
    assert (await get(archive, INSTANCE + ICC, RELATED, range="bytes=0-9")).status == 200


async def test_big_endian_values_are_swapped_unless_asked_for_as_stored() -> None:
    archive = MemoryArchive([ct_slice(rows=401, transfer_syntax=EXPLICIT_BIG)])
    path = INSTANCE + "/bulkdata/7FE00010"
    assert (await get(archive, path)).body == pixels(3208)
    stored = await get(archive, path, "application/octet-stream; transfer-syntax=*")
    assert stored.body == b"".join(pixels(3208)[n : n + 2][::-1] for n in range(0, 3208, 2))
    assert stored.content_type.endswith(EXPLICIT_BIG)


async def test_compressed_pixel_data_of_one_frame_are_a_single_part() -> None:
    archive = MemoryArchive([multi_frame([[b"frag", b"ment"]])])
    told = await get(archive, INSTANCE + "/bulkdata/7FE00010")
    assert (told.content_type, told.body) == (f"image/jpeg; transfer-syntax={JPEG_BASELINE}", b"fragment")


async def test_compressed_pixel_data_of_several_frames_are_a_part_each() -> None:
    archive = MemoryArchive([slide()])
    parts = (await get(archive, INSTANCE + "/bulkdata/7FE00010")).parts()
    assert [part.data for part in parts] == [b"tile 1", b"tile2 "]
    assert [part.headers["content-location"] for part in parts] == [f"{ROOT}{INSTANCE}/frames/{n}" for n in (1, 2)]
    assert (await get(archive, INSTANCE + "/bulkdata/7FE00010", "application/octet-stream")).status == 406


@pytest.mark.parametrize(
    "path", ["/bulkdata/00100010", "/bulkdata/00480105/2/00282000", "/bulkdata/00480105/1/00282001"]
)
async def test_a_path_without_a_bulk_value_is_404(path: str) -> None:
    assert (await get(MemoryArchive([slide()]), INSTANCE + path)).status == 404


@pytest.mark.parametrize(
    "text", ["PixelData", "7FE0001", "00480105/0/00282000", "00480105/00282000", "00480105/1", "../x"]
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(WebError) as refused:
        parse_bulk_path(text)
    assert refused.value.status == 400


def test_tags_may_be_written_small() -> None:
    assert parse_bulk_path("7fe00010") == ("7FE00010",)


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
async def test_all_bulk_values_come_with_their_places(path: str) -> None:
    parts = (await get(MemoryArchive([slide()]), path + "/bulkdata", f"{RELATED}; transfer-syntax=*")).parts()
    assert [(part.headers["content-location"].removeprefix(ROOT + INSTANCE), part.data) for part in parts] == [
        (ICC, PROFILE),
        ("/frames/1", b"tile 1"),
        ("/frames/2", b"tile2 "),
    ]


async def test_all_pixel_data_come_and_nothing_else() -> None:
    archive = MemoryArchive([slide(), ct_slice(instance="ct"), make_file(instance="report")])
    parts = (await get(archive, STUDY + "/pixeldata")).parts()
    assert [part.data for part in parts] == [b"tile 1", b"tile2 ", pixels(32)]
    assert [part.content_type.partition(";")[0] for part in parts] == [
        "image/jpeg", "image/jpeg", "application/octet-stream",
    ]  # fmt: skip
    assert parts[2].headers["content-location"].endswith(f"{uid('ct')}/bulkdata/7FE00010")


async def test_native_frames_are_one_value() -> None:
    (part,) = (await get(MemoryArchive([native_frames(3)]), INSTANCE + "/pixeldata")).parts()
    assert part.data == pixels(48)


async def test_big_endian_values_are_swapped_in_sets_too() -> None:
    archive = MemoryArchive(
        [ct_slice(transfer_syntax=EXPLICIT_BIG), ct_slice(transfer_syntax=IMPLICIT_LITTLE, instance="b")]
    )
    parts = (await get(archive, STUDY + "/pixeldata", RELATED)).parts()
    assert [part.data for part in parts] == [pixels(32)] * 2
    assert {part.content_type for part in parts} == {
        f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE}"
    }


@pytest.mark.parametrize("resource", ["/bulkdata", "/pixeldata"])
async def test_a_set_without_bulk_data_is_404(resource: str) -> None:
    assert (await get(MemoryArchive([make_file()]), INSTANCE + resource)).status == 404


async def test_a_set_that_cannot_be_sent_is_406() -> None:
    archive = MemoryArchive([slide()])
    assert (await get(archive, STUDY + "/pixeldata", 'multipart/related; type="image/png"')).status == 406
    assert (await get(archive, STUDY + "/bulkdata", 'multipart/related; type="image/jpeg"')).status == 406
    assert (await get(archive, STUDY + "/pixeldata", 'multipart/related; type="image/jpeg"')).status == 200
    assert (await get(archive, STUDY + "/pixeldata", "image/jpeg")).status == 406


@pytest.mark.parametrize(
    "path", [INSTANCE + ICC, STUDY + "/bulkdata", INSTANCE + "/bulkdata/7FE00010", SERIES + "/pixeldata"]
)
async def test_a_client_that_holds_it_gets_304(path: str) -> None:
    archive = MemoryArchive([slide()])
    tag = (await get(archive, path)).headers["etag"]
    assert (await get(archive, path, if_none_match=tag)).status == 304
    archive.put(slide())
    assert (await get(archive, path, if_none_match=tag)).status == 200


@pytest.mark.parametrize("path", [INSTANCE + ICC, STUDY + "/bulkdata", SERIES + "/pixeldata"])
async def test_what_was_never_there_is_404_and_what_was_deleted_410(path: str) -> None:
    archive = MemoryArchive([slide()])
    assert (await get(MemoryArchive(), path)).status == 404
    await archive.remove(KEY.scope, door="test", peer="")
    assert (await get(archive, path)).status == 410
