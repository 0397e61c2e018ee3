"""Studies, series and instances: pictures, attributes, where bytes lie, history, downloads, deletion."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.browser.explorer.driving import Explorer, doe, instance, series, study
from tests.build.dicom import make_data_set, to_file, uid

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("faultless")]

THIN = ("doe", "thin", "thin 2")


async def shown(page: Any, selector: str) -> int:
    """Width of a picture once it is there."""
    await page.locator(f"{selector}[src]").first.wait_for()
    await page.wait_for_function(
        "selector => { const one = document.querySelector(selector); return one.complete && one.naturalWidth }",
        arg=selector,
    )
    width: int = await page.locator(selector).first.evaluate("image => image.naturalWidth")
    return width


def forget_missing(explorer: Explorer) -> None:
    """A browser calls it an error when a page asks for what is not there, however well the page takes it."""
    explorer.faults[:] = [fault for fault in explorer.faults if "404" not in fault and "410" not in fault]


def stored(path: str) -> bytes:
    """What lies in a file of the archive."""
    return Path(path).read_bytes()


async def test_from_the_list_to_the_picture_by_clicks(explorer: Explorer) -> None:
    async with explorer.page() as page:
        await page.get_by_role("link", name="Doe, Jane").click()
        await page.get_by_role("heading", name="Doe, Jane").wait_for()
        for text in ("P-1", "Jan 31, 1970 (54 years)", "female", "ACC-100", uid("doe")):
            assert text in await page.locator("main").inner_text()
        assert await shown(page, ".card img") > 0
        await page.get_by_role("link", name="Thin").click()
        await page.wait_for_function("() => document.querySelectorAll('.card').length === 3")
        await page.get_by_role("link", name="Image 2").click()
        assert await shown(page, ".picture") == 1024
        assert "2 of 3" in await page.locator("main").inner_text()
        await page.keyboard.press("j")
        await page.get_by_text("3 of 3").wait_for()
        await page.get_by_role("link", name="Previous image").click()
        await page.get_by_text("2 of 3").wait_for()


async def test_a_series_of_one_image_shows_that_image(explorer: Explorer) -> None:
    async with explorer.page(study("doe")) as page:
        await page.get_by_role("link", name="Scout").click()
        await page.wait_for_url(explorer.url + instance("doe", "scout", "scout"))
        await page.go_back()
        await page.wait_for_url(explorer.url + study("doe"))


async def test_windows_change_the_picture_and_frames_slide(explorer: Explorer) -> None:
    async with explorer.page(instance(*THIN)) as page:
        await shown(page, ".picture")
        before = await page.locator(".picture").get_attribute("src")
        await page.get_by_label("Window", exact=True).select_option(label="Lung")
        await page.wait_for_function("before => document.querySelector('.picture').src !== before", arg=before)
        assert "window=-600%2C1500%2Clinear" in await page.locator(".picture").get_attribute("src")
        assert await page.get_by_label("Window width").input_value() == "1500"
        await page.get_by_label("Window width").fill("900")
        await page.wait_for_function("() => document.querySelector('.picture').src.includes('%2C900%2C')")
    async with explorer.page(instance("echo", "echo", "echo")) as page:
        await shown(page, ".picture")
        await page.get_by_role("slider", name="Frame").fill("7")
        await page.wait_for_function("() => document.querySelector('.picture').src.includes('/frames/7/rendered')")
        await page.get_by_text("Frame 7 of 12").wait_for()


async def test_attributes_are_searched_by_tag_name_and_value(explorer: Explorer) -> None:
    data_set = make_data_set(study="nested", series="nested", instance="nested", PatientName="Nested^One")
    inner = make_data_set()
    code = type(inner)()
    code.CodeValue, code.CodeMeaning = "T-D1100", "Head & <b>neck</b>"
    data_set.ProcedureCodeSequence = [code]
    data_set.ImageComments = "remarkable " * 60
    await explorer.store(to_file(data_set))
    async with explorer.page(instance("nested", "nested", "nested")) as page:
        search = page.get_by_label("Search tag, name or value")
        for words, expected in (
            ("0010,0010", "Nested^One"),
            ("patientname", "Nested^One"),
            ("patient's name", "Nested^One"),
            ("t-d1100", "T-D1100"),
            ("neck", "Head & <b>neck</b>"),
            ("sop class", "Secondary Capture Image Storage"),
        ):
            await search.fill(words)
            await page.locator(".attributes .tag-value:visible", has_text=expected).wait_for()
        assert await page.locator(".attributes b").count() == 0
        await search.fill("")
        await page.locator("summary", has_text="Procedure Code Sequence").click()
        await page.locator(".attribute:visible", has_text="T-D1100").wait_for()
        await page.get_by_role("button", name="more").click()
        assert ("remarkable " * 60).strip() in await page.locator(".attributes").inner_text()


async def test_where_the_bytes_lie_and_what_happened(explorer: Explorer) -> None:
    async with explorer.page(instance(*THIN)) as page:
        await page.get_by_role("tab", name="Storage").click()
        storage = page.locator(".version")
        await storage.wait_for()
        told = await storage.inner_text()
        assert "Explicit VR Little Endian" in told
        assert "CT Image Storage" in told
        assert f"({len(doe()[1]):,} bytes)" in told
        lines = told.splitlines()
        path = next(line for line in lines if line.endswith(".dcm"))
        assert stored(path) == doe()[1]
        digest = next(line for line in lines if len(line) == 64)
        assert any(hashlib.sha256(doe()[1][skip:]).hexdigest() == digest for skip in range(200, 400))
        await page.get_by_role("tab", name="History").click()
        await page.get_by_text("1 image stored").wait_for()


async def test_studies_come_as_zip_and_instances_as_they_were_stored(explorer: Explorer, tmp_path: Path) -> None:
    async with explorer.page(study("doe")) as page:
        async with page.expect_download() as coming:
            await page.get_by_role("link", name="Download").click()
        await (await coming.value).save_as(tmp_path / "study.zip")
        await page.goto(explorer.url + instance(*THIN))
        async with page.expect_download() as coming:
            await page.get_by_role("link", name="Download").click()
        await (await coming.value).save_as(tmp_path / "instance.dcm")
    with zipfile.ZipFile(tmp_path / "study.zip") as packed:
        assert sorted(packed.read(name) for name in packed.namelist()) == sorted(doe())
    assert (tmp_path / "instance.dcm").read_bytes() == doe()[1]


async def test_what_is_deleted_is_brought_back_from_the_notice_the_page_or_the_list(explorer: Explorer) -> None:
    async def delete(page: Any) -> None:
        await page.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_text("4 images will be hidden").wait_for()
        await dialog.get_by_role("button", name="Delete").click()
        await page.get_by_text("4 images deleted.").wait_for()

    async with explorer.page(study("doe")) as page:
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("button", name="Cancel").click()
        await delete(page)
        await page.wait_for_url(explorer.url)
        assert await page.get_by_role("link", name="Doe, Jane").count() == 0
        await page.get_by_role("button", name="Undo").click()
        await page.get_by_role("link", name="Doe, Jane").click()
        await delete(page)
        await page.goto(explorer.url + study("doe"))
        await page.get_by_role("heading", name="This study was deleted").wait_for()
        await page.get_by_role("button", name="Bring back").click()
        await page.get_by_role("tab", name="History").click()
        await page.get_by_text("4 images brought back").first.wait_for()
        await delete(page)
        await page.get_by_role("link", name="Deleted").click()
        await page.get_by_text("Study, 4 images").wait_for()
        await page.get_by_role("button", name="Bring back").click()
        await page.get_by_role("heading", name="Nothing is deleted").wait_for()
    forget_missing(explorer)


async def test_one_of_several_images_is_deleted(explorer: Explorer) -> None:
    async with explorer.page(instance("doe", "thin", "thin 3")) as page:
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await page.wait_for_url(explorer.url + series("doe", "thin"))
        await page.wait_for_function("() => document.querySelectorAll('.card').length === 2")
        await page.get_by_role("button", name="Undo").click()
        await page.wait_for_function("() => document.querySelectorAll('.card').length === 3")


async def test_an_address_of_nothing_says_so(explorer: Explorer) -> None:
    async with explorer.page("studies/1.2.3.4") as page:
        await page.get_by_role("heading", name="There is no such study").wait_for()
        await page.goto(explorer.url + "nowhere/at/all")
        await page.get_by_role("heading", name="Nothing is here").wait_for()
        await page.get_by_role("main").get_by_role("link", name="Studies").click()
        await page.get_by_role("link", name="Doe, Jane").wait_for()
    forget_missing(explorer)
