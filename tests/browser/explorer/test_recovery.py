"""Pages that stay open while things change: what they show is deleted, their server restarts."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.app.processes import server
from tests.browser.explorer.driving import Explorer, doe, instance, series, store, study
from tests.browser.explorer.test_upload import free_port
from tests.build.dicom import make_file, uid

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", [study("doe"), series("doe", "thin"), instance("doe", "thin", "thin 2")])
async def test_what_is_deleted_while_it_is_shown_says_so_and_can_be_brought_back(
    explorer: Explorer, path: str
) -> None:
    async with explorer.page(path) as page, ClientSession() as client:
        await page.locator(".page-head").wait_for()
        await page.wait_for_timeout(300)
        async with client.delete(f"{explorer.server.dicomweb}/studies/{uid('doe')}") as answer:
            assert answer.status == 204
        await page.evaluate("() => { dispatchEvent(new Event('focus')) }")
        await page.get_by_role("heading", name="was deleted").wait_for()
        await page.get_by_role("button", name="Bring back").click()
        await page.locator(".page-head").wait_for()


async def test_pages_wait_for_a_server_that_restarts(explorer: Explorer, tmp_path: Path) -> None:
    port = ("--http-port", str(free_port()))
    async with server(tmp_path / "store", *port) as first:
        await store(first, doe())
        opened = Explorer(first, explorer.browser)
        context = opened.page()
        page = await context.__aenter__()
        await page.locator(".total", has_text="1 study").wait_for()
        first.process.kill()
        await first.process.wait()
        # typing finds nobody there; so does opening a page
        await page.locator("#search").fill("doe")
        await page.get_by_text("The server does not answer. Trying again").wait_for()
        await page.get_by_role("link", name="Doe, Jane").click()
        await (
            page.get_by_role("heading", name="The server does not answer")
            .or_(page.locator(".rows .row").first)
            .first.wait_for()
        )
    async with server(tmp_path / "store", *port) as second:
        await page.get_by_role("heading", name="Doe, Jane").wait_for()
        await store(second, [make_file(study="later", series="later", instance="later", PatientName="Later^One")])
        await page.go_back()
        await page.locator(".total", has_text="1 study").wait_for()
        await page.locator("#search").fill("")
        await page.locator(".total", has_text="2 studies").wait_for()
        await context.__aexit__(None, None, None)
