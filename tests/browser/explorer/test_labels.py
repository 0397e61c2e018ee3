"""Labels on the pages: put on, taken off, seen in the list, filtered by; with the mouse and with keys alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests.browser.explorer.driving import Explorer, instance, series, study
from tests.browser.explorer.test_list import names, total

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("faultless", "unlabelled")]

ON_PAGE = ".label-line .labels .label"
IN_ROW = ".rows .row:not(.waiting) .label"


@pytest_asyncio.fixture(loop_scope="module")
async def unlabelled(explorer: Explorer) -> AsyncIterator[None]:
    """No study bears a label when the test has ended."""
    yield
    async with ClientSession() as client:
        for name in ("doe", "echo", "markup"):
            path = f"{explorer.server.dicomweb}/{study(name)}/labels"
            async with client.get(path) as answer:
                borne = await answer.json()
            for label in borne:
                await client.delete(f"{path}/{label}")


async def put(explorer: Explorer, name: str, *labels: str) -> None:
    async with ClientSession() as client:
        for label in labels:
            async with client.put(f"{explorer.server.dicomweb}/{study(name)}/labels/{label}") as answer:
                assert answer.status == 201


async def add(page: Any, label: str) -> None:
    await page.get_by_label("Add a label").fill(label)
    await page.get_by_label("Add a label").press("Enter")


async def labels(page: Any, count: int) -> list[str]:
    """The labels on a page, once there are so many."""
    await page.wait_for_function(
        "([selector, count]) => document.querySelectorAll(selector).length === count", arg=[ON_PAGE, count]
    )
    found: list[str] = await page.locator(ON_PAGE).all_inner_texts()
    return found


async def test_a_label_is_put_on_and_taken_off_and_stays_so(explorer: Explorer) -> None:
    async with explorer.page(study("doe")) as page:
        await add(page, "urgent")
        assert await labels(page, 1) == ["urgent"]
        await add(page, "Follow-up_1")
        assert await labels(page, 2) == ["Follow-up_1", "urgent"]
        assert await page.get_by_label("Add a label").input_value() == ""
        await page.reload()
        assert await labels(page, 2) == ["Follow-up_1", "urgent"]
        await page.get_by_role("button", name="Take off urgent").click()
        assert await labels(page, 1) == ["Follow-up_1"]
        await page.get_by_role("tab", name="History").click()
        for text in ("Label urgent put on", "Label Follow-up_1 put on", "Label urgent taken off"):
            await page.get_by_text(text).wait_for()


async def test_what_is_no_label_is_not_sent(explorer: Explorer) -> None:
    async with explorer.page(study("doe")) as page:
        await add(page, "two words")
        message = await page.get_by_label("Add a label").evaluate("field => field.validationMessage")
        assert "1 to 64 letters" in message
        assert await labels(page, 0) == []
        await add(page, "fits")
        assert await labels(page, 1) == ["fits"]


async def test_labels_in_use_are_offered(explorer: Explorer) -> None:
    await put(explorer, "echo", "teaching")
    async with explorer.page(study("doe")) as page:
        await page.get_by_label("Add a label").focus()
        await page.locator("#labels-in-use option[value=teaching]").wait_for(state="attached")


async def test_the_list_shows_labels_and_filters_by_them_with_the_state_in_the_address(explorer: Explorer) -> None:
    await put(explorer, "doe", "urgent", "teaching")
    await put(explorer, "echo", "teaching")
    async with explorer.page() as page:
        await page.locator(IN_ROW, has_text="urgent").wait_for()
        assert await page.locator(IN_ROW).count() == 3
        await page.get_by_role("button", name="Labels").click()
        await page.get_by_role("checkbox", name="teaching").check()
        await total(page, "2 studies")
        await page.get_by_label("Find a label").fill("urg")
        await page.get_by_role("checkbox", name="urgent").check()
        await total(page, "1 study")
        assert await names(page) == ["Doe, Jane"]
        assert parse_qs(urlsplit(page.url).query) == {"label": ["teaching,urgent"]}
        await page.reload()
        await total(page, "1 study")
        await page.go_back()
        await total(page, "2 studies")
        await page.get_by_role("button", name="Clear").click()
        await total(page, "studies")
        assert await page.get_by_role("button", name="Labels").count() == 1


async def test_a_label_on_a_page_leads_to_all_that_bear_it(explorer: Explorer) -> None:
    await put(explorer, "doe", "teaching")
    await put(explorer, "echo", "teaching")
    async with explorer.page(study("doe")) as page:
        await page.get_by_role("link", name="teaching").click()
        await total(page, "2 studies")


async def test_keys_alone_filter_add_and_remove(explorer: Explorer) -> None:
    await put(explorer, "echo", "teaching")
    async with explorer.page() as page:
        await total(page, "studies")
        await page.get_by_role("button", name="Labels").focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("checkbox", name="teaching").wait_for()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Space")
        await total(page, "1 study")
        await page.keyboard.press("Escape")
        assert await page.evaluate("() => document.activeElement.className.includes('chip')")
    async with explorer.page(study("doe")) as page:
        await page.get_by_label("Add a label").focus()
        await page.keyboard.type("keyed")
        await page.keyboard.press("Enter")
        assert await labels(page, 1) == ["keyed"]
        await page.get_by_role("button", name="Take off keyed").focus()
        await page.keyboard.press("Space")
        assert await labels(page, 0) == []
        assert await page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Add a label"


async def test_series_and_images_bear_labels_of_their_own(explorer: Explorer) -> None:
    for path, label in ((series("doe", "thin"), "of-series"), (instance("doe", "thin", "thin 2"), "of-image")):
        async with explorer.page(path) as page:
            assert await labels(page, 0) == []
            await add(page, label)
            assert await labels(page, 1) == [label]
            await page.get_by_role("button", name=f"Take off {label}").click()
            assert await labels(page, 0) == []


async def test_what_another_puts_on_comes_into_sight(explorer: Explorer) -> None:
    async with explorer.page(study("doe")) as page:
        assert await labels(page, 0) == []
        await put(explorer, "doe", "elsewhere")
        await page.evaluate("() => dispatchEvent(new Event('focus'))")
        assert await labels(page, 1) == ["elsewhere"]
