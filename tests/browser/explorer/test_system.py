"""The system page, credentials, and what holds for all pages: bytes, policy, contrast, names, width of a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.app.processes import server
from tests.browser.explorer.driving import MANY, PHONE, Explorer, doe, instance, series, study

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADDRESSES = [
    "",
    study("doe"),
    series("doe", "thin"),
    instance("doe", "thin", "thin 2"),
    instance("echo", "echo", "echo"),
    "deleted",
    "system",
]

CONTRAST = """() => {
    const luminance = (rgb) => {
        const [r, g, b] = rgb.map((one) => one / 255).map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const found = numbers(getComputedStyle(at).backgroundColor);
            if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const low = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        if (element.closest("[aria-disabled=true], .skip, option, .veil")) continue;
        const [a, b] = [luminance(numbers(getComputedStyle(element).color).slice(0, 3)), luminance(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) low.push(`${element.className || element.tagName}: ${walker.currentNode.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
    }
    return low;
}"""  # noqa: E501  # a script of its own

UNNAMED = """() => [...document.querySelectorAll("a, button, input, select, [role=tab], [role=grid]")]
    .filter((one) => one.checkVisibility() && !one.closest("[aria-hidden=true]"))
    .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length || one.placeholder))
    .map((one) => one.outerHTML.slice(0, 120))"""


async def settled(page: Any) -> None:
    """Wait until a page shows what it is about."""
    await page.locator(".page-head, .rows .row a").first.wait_for()
    await page.wait_for_function("() => !document.querySelector('.arriving')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_can_be_read_and_everything_on_it_has_a_name(explorer: Explorer, scheme: str) -> None:
    explorer.faults.clear()
    async with explorer.page(color_scheme=scheme) as page:
        for address in ADDRESSES:
            await page.goto(explorer.url + address)
            await settled(page)
            assert await page.evaluate(CONTRAST) == [], address
            assert await page.evaluate(UNNAMED) == [], address
            assert await page.locator("h1").count() == 1, address
    assert explorer.faults == []


async def test_no_page_is_wider_than_a_phone(explorer: Explorer) -> None:
    async with explorer.page(viewport=PHONE, locale="es-ES") as page:
        for address in ADDRESSES:
            await page.goto(explorer.url + address)
            await settled(page)
            assert await page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"], address


async def test_little_is_fetched_before_the_first_study_shows(explorer: Explorer) -> None:
    async with explorer.page("deleted") as page:
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        sizes: list[int] = []
        session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        await page.goto(explorer.url)
        await page.locator(".total", has_text=f"{MANY + 4} studies").wait_for()
        assert 10_000 < sum(sizes) < 100_000
        await session.send("Network.setCacheDisabled", {"cacheDisabled": False})
        await page.reload()
        await page.locator(".total", has_text=f"{MANY + 4} studies").wait_for()
        sizes.clear()
        await page.reload()
        await page.locator(".total", has_text=f"{MANY + 4} studies").wait_for()
        assert sum(sizes) < 5_000


async def test_the_system_tells_what_it_holds_does_and_is_set_to(explorer: Explorer) -> None:
    async with explorer.page("system") as page:
        await page.get_by_text("All is well").wait_for()
        figures = await page.locator(".figures").inner_text()
        assert f"{MANY + 4}\nStudies" in figures
        await page.locator(".meter", has_text="/s").first.wait_for()
        await page.locator(".numbers", has_text="store").wait_for()
        await page.get_by_label("Search the settings").fill("retention")
        setting = page.locator(".setting")
        await page.wait_for_function("() => document.querySelectorAll('.setting').length < 10")
        assert "retention_days" in await setting.first.inner_text()
        assert "30 days" in await setting.first.inner_text()


async def test_with_credentials_the_pages_work_and_tell_no_secret(explorer: Explorer, tmp_path: Path) -> None:
    asking = {"DICOMLAKE_AUTH_USERS": "alice:open sesame", "DICOMLAKE_AUTH_TOKENS": "robot:0123456789abcdef"}
    async with server(tmp_path / "store", extra=asking) as running:
        opened = Explorer(running, explorer.browser)
        with_password: dict[str, Any] = {"http_credentials": {"username": "alice", "password": "open sesame"}}
        async with opened.page(**with_password) as page:
            await page.get_by_role("heading", name="Drop DICOM files here").wait_for()
            await page.keyboard.press("u")
            file = {"name": "one.dcm", "mimeType": "application/dicom", "buffer": doe()[0]}
            await page.set_input_files("input[data-upload=files]", [file])
            await page.locator(".upload-panel").get_by_role("link", name="Doe, Jane").click()
            await page.locator(".card img").first.wait_for()
            await page.goto(opened.url + "system")
            await page.get_by_label("Search the settings").fill("auth.")
            told = await page.locator("main").inner_text()
            assert "1 entry" in told
            answer = await page.request.get(opened.url + "data/system.json")
            assert "sesame" not in await answer.text()
            assert "0123456789abcdef" not in await answer.text()
        for path in ("", "data/system.json", "data/config.json"):
            async with ClientSession() as stranger, stranger.get(opened.url + path) as refused:
                assert refused.status == 401
