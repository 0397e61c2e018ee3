"""The quick viewer: stacks in order, windows to the grey level, tools, links that show the same, documents."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pytest_asyncio

from tests.browser.explorer.driving import PHONE, Explorer, explorer_on
from tests.build.dicom import CT_IMAGE, image_attributes, make_data_set, multi_frame, to_file, uid
from tests.build.scenes import CINE_STUDY, PDF_STUDY, cine, pdf

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("faultless")]

SLICES = 24
SIDE = 40
STACK = f"view/{uid('stack')}"


def flat(number: int) -> bytes:
    """A slice all of one value, ten times its number in Hounsfield units; numbered against its place."""
    data_set = make_data_set(
        **{
            **image_attributes(SIDE, SIDE),
            "SOPClassUID": CT_IMAGE,
            "Modality": "CT",
            "study": "stack",
            "series": "stack",
            "instance": f"flat {number}",
            "InstanceNumber": number,
            "ImagePositionPatient": [0, 0, 3.0 * number],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [0.5, 0.5],
            "RescaleIntercept": -1024,
            "RescaleSlope": 1,
            "WindowCenter": 120,
            "WindowWidth": 241,
            "StudyDescription": "Flat slices",
        }
    )
    data_set.add_new(0x7FE00010, "OW", array("H", [1024 + 10 * number] * SIDE * SIDE).tobytes())
    return to_file(data_set)


def photograph() -> bytes:
    """An 8-bit grey JPEG of two frames, which a browser reads by itself."""
    frames = [[imagecodecs.jpeg8_encode(np.full((16, 16), grey, np.uint8), level=95)] for grey in (60, 180)]
    return multi_frame(
        frames, study="jpeg", series="jpeg", instance="jpeg", **image_attributes(16, 16, bits=8, frames=2)
    )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def explorer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Explorer]:
    """An archive of one of each."""
    instances = (*(flat(n) for n in range(1, SLICES + 1)), photograph(), cine(), pdf())
    async with explorer_on(tmp_path_factory.mktemp("viewer"), *instances) as opened:
        yield opened


async def drawn(page: Any, name: str = "") -> None:
    """Wait until a picture is on the canvas: that instance's, if one is named."""
    await page.wait_for_function(
        """wanted => {
          const shown = document.querySelector(".view-canvas")?.dataset.shown ?? "";
          return wanted ? shown.startsWith(`${wanted}/`) : shown !== "";
        }""",
        arg=uid(name) if name else "",
    )


async def grey(page: Any) -> int:
    """Red of the pixel in the middle of the canvas."""
    found: int = await page.evaluate(
        """() => {
          const canvas = document.querySelector(".view-canvas");
          return canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[0];
        }"""
    )
    return found


async def middle(page: Any) -> tuple[float, float]:
    """Where the middle of the picture is on the page."""
    box = await page.locator(".view-canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def level(number: int, center: float = 120, width: float = 241) -> int:
    """The grey that PS3.3 C.11.2.1.2.1 gives a slice."""
    value = ((10 * number - (center - 0.5)) / (width - 1) + 0.5) * 255
    return round(min(255, max(0, value)))


async def test_a_stack_is_drawn_to_the_grey_level_and_scrolled_by_wheel_and_keys(explorer: Explorer) -> None:
    async with explorer.page(STACK) as page:
        await drawn(page, "flat 1")
        assert abs(await grey(page) - level(1)) <= 1
        x, y = await middle(page)
        await page.mouse.move(x, y)
        for _ in range(20):
            await page.mouse.wheel(0, 100)
        await drawn(page, "flat 21")
        assert abs(await grey(page) - level(21)) <= 1
        assert "21 / 24" in await page.locator(".view-stage").inner_text()
        assert "210 HU" in await page.locator(".view-stage").inner_text()
        await page.keyboard.press("End")
        await drawn(page, "flat 24")
        await page.keyboard.press("ArrowUp")
        await drawn(page, "flat 23")


async def test_a_drag_sets_the_window_and_the_menu_offers_usual_ones(explorer: Explorer) -> None:
    async with explorer.page(STACK + "?slice=12") as page:
        await drawn(page, "flat 12")
        before = await grey(page)
        await page.get_by_role("button", name="Windows").click()
        await page.get_by_role("menuitemradio", name="Bone").click()
        await page.wait_for_url("**center=480*")
        await drawn(page, "flat 12")
        assert abs(await grey(page) - level(12, 480, 2500)) <= 1 < abs(await grey(page) - before)
        await page.keyboard.press("i")
        await page.wait_for_url("**invert=*")
        assert abs(await grey(page) - (255 - level(12, 480, 2500))) <= 1


async def test_lengths_and_angles_tell_millimetres_and_degrees_and_stay_in_the_link(explorer: Explorer) -> None:
    async with explorer.page(STACK) as page:
        await drawn(page)
        x, y = await middle(page)
        await page.keyboard.press("l")
        await page.mouse.move(x - 100, y)
        await page.mouse.down()
        await page.mouse.move(x + 100, y, steps=4)
        await page.mouse.up()
        await page.keyboard.press("a")
        await page.mouse.move(x - 100, y + 60)
        await page.mouse.down()
        await page.mouse.move(x, y + 60, steps=4)
        await page.mouse.up()
        await page.mouse.move(x, y + 60)
        await page.mouse.down()
        await page.mouse.move(x, y + 160, steps=4)
        await page.mouse.up()
        await page.wait_for_url("**measures=length*angle*")
        link = page.url
        kind, slide, *points = link.split("measures=")[1].replace("%2C", ",").split("%3B")[0].split(",")
        height = (await page.locator(".view-canvas").bounding_box())["height"]
        pixels = 200 / (height / SIDE)
        assert (kind, slide) == ("length", "0")
        assert float(points[2]) - float(points[0]) == pytest.approx(pixels, abs=0.2)
        pictured = await page.screenshot()
    async with explorer.page(link.removeprefix(explorer.url)) as page:
        await drawn(page)
        assert len(pictured) > 5000
        await page.keyboard.press("Delete")
        await page.keyboard.press("Delete")
        await page.wait_for_function("() => !location.search.includes('measures')")


async def test_zooming_moving_turning_and_fitting_stand_in_the_address(explorer: Explorer) -> None:
    async with explorer.page(STACK) as page:
        await drawn(page)
        x, y = await middle(page)
        await page.mouse.move(x + 50, y + 50)
        await page.keyboard.down("Control")
        await page.mouse.wheel(0, -300)
        await page.keyboard.up("Control")
        await page.wait_for_url("**zoom=2.7*")
        await page.keyboard.press("r")
        await page.keyboard.press("h")
        await page.wait_for_url("**turn=90**flip=*")
        await page.keyboard.press("f")
        await page.wait_for_function("() => !location.search.includes('zoom')")


async def test_a_stack_plays_and_stops(explorer: Explorer) -> None:
    async with explorer.page(f"view/{CINE_STUDY}") as page:
        await drawn(page)
        await page.get_by_role("button", name="Play").click()
        await page.wait_for_function("() => Number(new URL(location).searchParams.get('slice')) >= 1")
        first = await page.locator(".view-corner.bottom.left").inner_text()
        await page.wait_for_function(
            "first => document.querySelector('.view-corner.bottom.left').innerText !== first", arg=first
        )
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_role("button", name="Play").wait_for()


async def test_a_grey_jpeg_is_read_by_the_browser(explorer: Explorer) -> None:
    asked: list[str] = []

    def heard(request: Any) -> None:
        if "/frames/" in request.url:
            asked.append(request.headers["accept"])

    async with explorer.page() as page:
        page.on("request", heard)
        await page.goto(explorer.url + f"view/{uid('jpeg')}?slice=2&center=128&width=256")
        await drawn(page, "jpeg")
        assert abs(await grey(page) - 180) <= 3
        assert asked
        assert all("1.2.840.10008.1.2.4.50" in accept for accept in asked)


async def test_a_document_is_offered_to_be_opened(explorer: Explorer) -> None:
    async with explorer.page(f"view/{PDF_STUDY}") as page:
        link = page.get_by_role("link", name="Open the document")
        await link.wait_for()
        answer = await page.request.get(
            await link.get_attribute("href"), headers={"Accept": "text/html,*/*;q=0.8"}
        )
        assert answer.headers["content-type"] == "application/pdf"


async def test_attributes_stand_beside_the_picture(explorer: Explorer) -> None:
    async with explorer.page(STACK) as page:
        await drawn(page)
        await page.keyboard.press("t")
        await page.locator(".view-tags").get_by_text("Flat slices").wait_for()


async def test_on_a_phone_a_finger_sets_the_window_and_two_zoom(explorer: Explorer) -> None:
    async with explorer.page(STACK, viewport=PHONE, has_touch=True) as page:
        await drawn(page)
        canvas = page.locator(".view-canvas")
        x, y = await middle(page)
        session = await page.context.new_cdp_session(page)

        async def touch(kind: str, *points: tuple[float, float]) -> None:
            places = [{"x": a, "y": b, "id": at} for at, (a, b) in enumerate(points)]
            await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        await touch("touchStart", (x - 20, y), (x + 20, y))
        for spread in (30, 40, 60):
            await touch("touchMove", (x - spread, y), (x + spread, y))
        await touch("touchEnd")
        await page.wait_for_url("**zoom=*")
        assert await canvas.is_visible()


async def test_a_study_that_is_not_there_is_told_in_words(explorer: Explorer) -> None:
    async with explorer.page("view/1.2.3.4.5") as page:
        await page.get_by_text("There is nothing to show").wait_for()
