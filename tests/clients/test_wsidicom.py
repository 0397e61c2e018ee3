"""`wsidicom`, which pathology software reads slides with: a pyramid opened by DICOMweb equals the files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.uid import UID, JPEGBaseline8Bit
from requests import Session

from tests.build.dicom import uid
from tests.build.samples import SAMPLES, sample_files
from tests.clients.servers import Server
from tests.clients.slides import TILE, picture, slide

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what its imports do, not of ours
    from wsidicom import WsiDicom, WsiDicomWebClient  # type: ignore[import-untyped]  # it has no types

# pydicom's word on a data set whose pixels are elsewhere
pytestmark = pytest.mark.filterwarnings("ignore:No bulk data URI handler")
STUDY = "wsidicom slide"
SIDE = 512


def send(archive: Server, *files: bytes) -> None:
    """Store files, each alone."""
    with Session() as session:
        for data in files:
            answer = session.post(
                archive.dicomweb + "/studies", data=data, headers={"Content-Type": "application/dicom"}
            )
            assert answer.status_code == 200, answer.text


def opened(archive: Server, study: str, series: str) -> WsiDicom:
    """The slide as wsidicom sees it over the web."""
    client = WsiDicomWebClient(DICOMwebClient(archive.dicomweb))
    return WsiDicom.open_web(client, UID(study), [UID(series)])


@pytest.fixture(scope="module")
def web_slide(archive: Server) -> Iterator[WsiDicom]:
    """A pyramid of three levels, opened from the archive."""
    send(archive, *slide(STUDY, side=SIDE))
    with opened(archive, uid(STUDY), uid(STUDY)) as found:
        yield found


@pytest.fixture(scope="module")
def file_slide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WsiDicom]:
    """The same pyramid, opened from files."""
    folder = tmp_path_factory.mktemp("slide")
    for number, data in enumerate(slide(STUDY, side=SIDE)):
        (folder / f"{number}.dcm").write_bytes(data)
    with WsiDicom.open(folder) as found:
        yield found


def test_all_levels_are_found_with_their_sizes(web_slide: WsiDicom) -> None:
    sizes = [(level.size.width, level.size.height) for level in web_slide.pyramid]
    assert sizes == [(512, 512), (256, 256), (128, 128)]
    assert web_slide.pyramid[0].tile_size.width == TILE


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_region_across_tiles_equals_the_files(web_slide: WsiDicom, file_slide: WsiDicom, level: int) -> None:
    place, size = (37 >> level, 51 >> level), (230 >> level, 199 >> level)
    found = np.asarray(web_slide.read_region(place, level, size))
    assert found.shape[:2] == (size[1], size[0])
    assert np.array_equal(found, np.asarray(file_slide.read_region(place, level, size)))


def test_a_region_shows_the_picture_that_was_stored(web_slide: WsiDicom) -> None:
    found = np.asarray(web_slide.read_region((100, 60), 0, (300, 200))).astype(int)[..., :3]
    original = np.asarray(picture(SIDE).crop((100, 60, 400, 260))).astype(int)
    assert np.abs(found - original).mean() < 3


def test_encoded_tiles_are_the_stored_frames(web_slide: WsiDicom, file_slide: WsiDicom) -> None:
    for tile in ((0, 0), (3, 5), (7, 7)):
        assert web_slide.read_encoded_tile(0, tile) == file_slide.read_encoded_tile(0, tile)


@pytest.mark.skipif(SAMPLES is None, reason="no sample data beside the checkout")
@pytest.mark.parametrize("name", ["jpeg.dcm", "jpeg2000.dcm"])
def test_a_sample_slide_reads_the_same_over_the_web(archive: Server, tmp_path: Path, name: str) -> None:
    (source,) = [path for path in sample_files("wsi/converter") if path.name == name]
    data_set = dcmread(source, stop_before_pixels=True)
    send(archive, source.read_bytes())

    with (
        opened(archive, data_set.StudyInstanceUID, data_set.SeriesInstanceUID) as web,
        WsiDicom.open(source) as files,
    ):
        size = (files.size.width, files.size.height)
        assert np.array_equal(web.read_region((0, 0), 0, size), files.read_region((0, 0), 0, size))
        assert web.pyramid[0].default_instance.image_data.transfer_syntax == data_set.file_meta.TransferSyntaxUID


def test_the_syntax_is_known_from_the_search_without_trying(archive: Server, web_slide: WsiDicom) -> None:
    found = DICOMwebClient(archive.dicomweb).search_for_instances(
        uid(STUDY), fields=["AvailableTransferSyntaxUID"], search_filters={"SeriesInstanceUID": [uid(STUDY)]}
    )
    assert {syntax for one in found for syntax in one["00083002"]["Value"]} >= {JPEGBaseline8Bit}
    assert web_slide
