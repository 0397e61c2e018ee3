"""OHIF, opened below a prefix as behind a proxy, really draws what the archive holds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.browser.viewer_house import House, Picture, Tab, grey, share, viewer_house
from tests.build.scenes import CINE_STUDY, CT_STUDY, PDF_STUDY, PET_STUDY, SLIDE_STUDY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(400)]

VIEWPORT = '[data-cy="viewport-pane"]'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A server with the viewers, and a browser."""
    async with viewer_house(tmp_path_factory.mktemp("ohif") / "store") as house:
        yield house


def shows_water(picture: Picture) -> bool:
    """The cylinder of water, at half of the window."""
    return grey(picture, 90, 150) > 0.2


def shows_spheres(picture: Picture) -> bool:
    """The dark sphere left of the bright one, in water."""
    columns = picture.shape[1] // 2
    bright, dark = grey(picture[:, columns:], 245, 255), grey(picture[:, :columns], 30, 75)
    return shows_water(picture) and bright > 0.01 and dark > 0.01


def shows_segment(picture: Picture) -> bool:
    """Something in the segment's colour."""
    return share(picture, (220, 255), (60, 190), (20, 160)) > 0.0005


def shows_contour(picture: Picture) -> bool:
    """A line in the contour's magenta."""
    return share(picture, (140, 255), (0, 70), (140, 255)) > 0.0001


async def wait_for_rows(tab: Tab, count: int) -> list[str]:
    """The rows of the study list once there are so many."""
    rows = tab.page.locator("tbody tr", has_text="29-Feb-2024")
    await rows.nth(count - 1).wait_for()
    await tab.page.wait_for_timeout(300)
    return [text for text in await rows.all_inner_texts()]


async def test_the_studies_are_listed_and_filtered_by_a_name_in_lower_case(house: House) -> None:
    async with house.opened("/ohif/") as tab:
        every = await wait_for_rows(tab, 5)
        await tab.page.locator("tbody input").first.fill("slide")
        await tab.page.locator("tbody tr", has_text="Volume").first.wait_for(state="detached")
        found = await wait_for_rows(tab, 1)

    assert len(every) == 5
    assert len(found) == 1
    assert "Slide" in found[0]


async def test_a_stack_is_drawn_and_scrolled_by_twenty_slices(house: House) -> None:
    async with house.opened(f"/ohif/viewer?StudyInstanceUIDs={CT_STUDY}") as tab:
        await tab.until(VIEWPORT, shows_water, "the first slice")
        overlay = tab.page.locator('[data-cy="viewport-overlay-bottom-right"]').first
        assert "(1/40)" in await overlay.inner_text()
        await tab.page.locator(VIEWPORT).first.hover()
        for number in range(2, 22):
            await tab.page.mouse.wheel(0, 100)
            await overlay.get_by_text(f"({number}/40)").wait_for()
        await tab.until(VIEWPORT, shows_spheres, "the slice through the middle")


async def test_segments_and_structures_lie_over_the_slices(house: House) -> None:
    async with house.opened(f"/ohif/viewer?StudyInstanceUIDs={CT_STUDY}") as tab:
        await tab.until(VIEWPORT, shows_water, "the first slice")
        await tab.page.get_by_text("Bright sphere").dblclick()
        seen = await tab.until(VIEWPORT, shows_segment, "the segment")
        assert not shows_contour(seen)
        await tab.page.get_by_text("Dark sphere").dblclick()
        await tab.until(VIEWPORT, shows_contour, "the contour")


async def test_a_volume_is_cut_in_three_directions(house: House) -> None:
    async with house.opened(f"/ohif/viewer?StudyInstanceUIDs={CT_STUDY}&hangingprotocolId=mpr") as tab:
        await tab.page.locator(VIEWPORT).nth(2).wait_for()
        assert await tab.page.locator(VIEWPORT).count() == 3
        for number in range(3):
            cut = f"{VIEWPORT} >> nth={number}"
            await tab.until(cut, lambda seen: grey(seen, 80, 160) > 0.08, f"cut {number}")
        # the spheres lie side by side, so the axial and the coronal cut show both
        await tab.until(f"{VIEWPORT} >> nth=0", lambda seen: grey(seen, 245, 255) > 0.003, "the bright sphere")


async def test_pet_and_ct_are_shown_beside_and_over_one_another(house: House) -> None:
    async with house.opened(f"/ohif/tmtv?StudyInstanceUIDs={PET_STUDY}") as tab:
        await tab.page.locator(VIEWPORT).nth(9).wait_for()
        assert await tab.page.locator(VIEWPORT).count() == 10
        grid = '[data-cy="viewport-grid"]'
        await tab.until(grid, lambda seen: grey(seen, 90, 150) > 0.03, "the CT")
        await tab.until(grid, lambda seen: grey(seen, 235, 255) > 0.1, "the PET, dark on white")
        await tab.until(grid, lambda seen: share(seen, (120, 255), (60, 180), (60, 180)) > 0.02, "both in one")


async def test_the_segmentation_mode_opens_a_volume(house: House) -> None:
    async with house.opened(f"/ohif/segmentation?StudyInstanceUIDs={CT_STUDY}") as tab:
        await tab.until(VIEWPORT, shows_water, "the first slice")
        await tab.page.get_by_text("Add segmentation").first.wait_for()


async def test_a_moving_ultrasound_plays(house: House) -> None:
    async with house.opened(f"/ohif/viewer?StudyInstanceUIDs={CINE_STUDY}") as tab:
        first = await tab.until(VIEWPORT, _shows_disc, "the disc")
        overlay = tab.page.locator('[data-cy="viewport-overlay-bottom-right"]').first
        assert "(1/12)" in await overlay.inner_text()
        await tab.page.locator(VIEWPORT).first.hover()
        for number in range(2, 6):
            await tab.page.mouse.wheel(0, 100)
            await overlay.get_by_text(f"({number}/12)").wait_for()
        await tab.until(VIEWPORT, lambda seen: _shows_disc(seen) and _moved(seen, first), "the disc elsewhere")


def _shows_disc(picture: Picture) -> bool:
    return share(picture, (225, 255), (185, 215), (95, 145)) > 0.01


def _moved(now: Picture, then: Picture) -> bool:
    return now.shape == then.shape and float((abs(now.astype(int) - then) > 60).any(axis=2).mean()) > 0.01


async def test_a_pdf_is_shown_page_by_page(house: House) -> None:
    async with house.opened(f"/ohif/viewer?StudyInstanceUIDs={PDF_STUDY}") as tab:
        await tab.until(VIEWPORT, lambda seen: share(seen, (35, 70), (85, 120), (215, 245)) > 0.02, "the page")


async def test_a_slide_is_shown_in_the_microscopy_mode(house: House) -> None:
    async with house.opened(f"/ohif/microscopy?StudyInstanceUIDs={SLIDE_STUDY}") as tab:
        await tab.until(VIEWPORT, _shows_slide, "the slide")


def _shows_slide(picture: Picture) -> bool:
    pink = share(picture, (200, 230), (105, 135), (155, 185))
    purple = share(picture, (75, 105), (35, 65), (125, 155))
    return pink > 0.1 and purple > 0.01
