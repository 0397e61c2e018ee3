"""VolView opens a series of the archive and renders it as a volume."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest
import pytest_asyncio

from tests.browser.viewer_house import House, Picture, grey, viewer_house
from tests.build.dicom import uid
from tests.build.scenes import CT_STUDY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(400)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A server with the viewers, and a browser."""
    async with viewer_house(
        tmp_path_factory.mktemp("volview") / "store", CT_STUDY, width=800, height=560
    ) as house:
        yield house


async def test_a_series_is_cut_in_three_directions_and_rendered_as_a_volume(house: House) -> None:
    series = uid("scene ct CT")
    async with house.opened(f"/volview/?StudyInstanceUIDs={CT_STUDY}&SeriesInstanceUIDs={series}") as tab:
        await tab.until("body", _shows_cuts_and_volume, "three cuts and the bright sphere")
        assert "dicomweb=/pacs/dicom-web/studies/" in unquote(tab.page.url)


async def test_its_icons_come_from_this_server(house: House) -> None:
    async with house.opened("/volview/") as tab:
        await tab.page.locator(".mdi-folder-open").first.wait_for()
        drawn = await tab.page.evaluate(
            "document.fonts.load('24px \"Material Design Icons\"').then(found => found.length)"
        )

    assert drawn == 1


def _shows_cuts_and_volume(picture: Picture) -> bool:
    rows, columns = picture.shape[0] // 2, picture.shape[1]
    # the last of its four views is the volume; the bright sphere is what its preset for CT shows of this one
    volume = picture[rows + 40 : -60, int(columns * 0.72) : -10].astype(int)
    rendered = float((volume.max(axis=2) > 60).mean())
    return grey(picture, 90, 150) > 0.1 and grey(picture, 245, 255) > 0.005 and rendered > 0.005
