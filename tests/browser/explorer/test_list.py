"""The list of studies: searching, filtering, sorting, scrolling, keys, addresses."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.explorer.driving import MANY, Explorer, study

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("faultless")]

ROWS = ".rows .row:not(.waiting)"
ALL = MANY + 4


async def names(page: Any) -> list[str]:
    """The patients in sight, in their order."""
    found: list[str] = await page.evaluate(
        """() => [...document.querySelectorAll('.rows .row:not(.waiting)')]
            .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
            .map((row) => row.querySelector('a bdi').textContent)"""
    )
    return found


async def total(page: Any, text: str) -> None:
    """Wait until so many studies are told."""
    await page.locator(".total", has_text=text).wait_for()


def asked(page: Any) -> dict[str, list[str]]:
    """What stands in the address."""
    return parse_qs(urlsplit(page.url).query)


async def test_the_address_of_the_server_leads_to_the_newest_studies(explorer: Explorer) -> None:
    async with explorer.page() as page:
        await page.goto(explorer.server.url)
        await total(page, f"{ALL} studies")

        assert page.url == explorer.url
        assert (await names(page))[:2] == ["Doe, Jane", "Frames, Twelve"]
        first = page.locator(ROWS).first
        for text in ("P-1", "CT Abdomen", "ACC-100", "CT", "Feb 29, 2024", "4 images", "2 series"):
            assert text in await first.inner_text()


async def test_what_is_typed_is_looked_for_in_names_ids_numbers_and_descriptions(explorer: Explorer) -> None:
    async with explorer.page() as page:
        for words in ("jane d", "acc-1", "abdomen", "p-1", "ABDO doe"):
            await total(page, f"{ALL} studies")
            await page.locator("#search").press_sequentially(words, delay=20)
            await page.wait_for_function("words => new URL(location).searchParams.get('q') === words", arg=words)
            await total(page, "1 study")
            assert await names(page) == ["Doe, Jane"]
            await page.locator("#search").fill("")


async def test_modalities_and_dates_narrow_the_list_and_stand_in_the_address(explorer: Explorer) -> None:
    async with explorer.page() as page:
        await page.get_by_role("button", name="Modality").click()
        await page.get_by_role("checkbox", name="CT", exact=False).first.check()
        await total(page, "1 study")
        await page.get_by_role("checkbox", name="MR", exact=False).first.check()
        await total(page, "3 studies")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Study date").click()
        await page.get_by_label("From").fill("2022-01-01")
        await page.get_by_role("button", name="Apply").click()
        await total(page, "2 studies")
        assert asked(page) == {"modality": ["CT,MR"], "date": ["20220101-"]}

        await page.reload()
        await total(page, "2 studies")
        await page.go_back()
        await total(page, "3 studies")
        await page.get_by_role("button", name="Study date").click()
        await page.get_by_role("menuitemradio", name="Last 7 days").click()
        await page.get_by_text("No study matches").wait_for()
        await page.locator(".empty").get_by_role("button", name="Clear").click()
        await total(page, f"{ALL} studies")


async def test_columns_sort_one_way_and_the_other(explorer: Explorer) -> None:
    async with explorer.page("?modality=CT,MR,US") as page:
        await total(page, "4 studies")
        await page.get_by_role("button", name="Patient").click()
        await page.wait_for_function("() => document.querySelector('.head .who').ariaSort === 'ascending'")
        await page.wait_for_function(
            "() => document.querySelector('.rows [aria-rowindex=\"2\"] bdi').textContent[0] === '<'"
        )
        assert (await names(page))[:3] == ["<b>Bold</b>, \"Quo'te&amp;", "Doe, Jane", "Frames, Twelve"]
        await page.get_by_role("button", name="Patient").click()
        await page.wait_for_function(
            "() => document.querySelector('.rows [aria-rowindex=\"5\"] bdi').textContent[0] === '<'"
        )
        await page.get_by_role("button", name="Images").click()
        await page.wait_for_function(
            "() => document.querySelector('.rows [aria-rowindex=\"2\"] bdi').textContent[0] === 'D'"
        )
        assert asked(page)["sort"] == ["-images"]


async def test_a_long_list_is_scrolled_with_few_elements(explorer: Explorer) -> None:
    async with explorer.page() as page:
        await total(page, f"{ALL} studies")
        await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        last = page.locator(f'.rows [aria-rowindex="{ALL + 1}"]:not(.waiting)')
        await last.wait_for()

        assert "Many, Number0000" in await last.inner_text()
        assert await page.locator(".rows .row").count() < 50
        # a study opened from there leads back to the same place
        await last.locator("a").click()
        await page.locator(".page-head").wait_for()
        await page.go_back()
        await last.wait_for()


async def test_keys_search_move_open_and_go_back(explorer: Explorer) -> None:
    async with explorer.page() as page:
        await total(page, f"{ALL} studies")
        await page.keyboard.press("/")
        await page.keyboard.type("mber")
        await total(page, f"{MANY} studies")
        await page.keyboard.press("ArrowDown")
        for key in ("j", "ArrowDown", "k"):
            await page.keyboard.press(key)
        assert await page.evaluate("document.activeElement.closest('.row').ariaRowIndex") == "3"
        await page.keyboard.press("Enter")
        await page.locator("h1", has_text="Many").wait_for()
        assert page.url == explorer.url + study(f"many {MANY - 2}")
        await page.keyboard.press("Escape")
        await total(page, f"{MANY} studies")
        assert asked(page) == {"q": ["mber"]}
        await page.keyboard.press("Escape")
        await page.wait_for_url(explorer.url)
        await page.keyboard.press("?")
        await page.get_by_role("heading", name="Keys").wait_for()


async def test_names_are_text_whatever_they_say(explorer: Explorer) -> None:
    async with explorer.page() as page:
        await page.locator("#search").fill("bold")
        await total(page, "1 study")
        row = page.locator(ROWS).first
        assert "<b>Bold</b>, \"Quo'te&amp;" in await row.inner_text()
        assert "<script>alert(2)</script>" in await row.inner_text()
        assert await row.locator("b, img, script").count() == 0
        await page.locator("#search").fill("IL-7")
        await page.locator(ROWS, has_text="IL-7").wait_for()
        name = page.locator(f"{ROWS} a bdi")
        assert await name.inner_text() == "כהן, דוד"
        assert await name.evaluate("element => getComputedStyle(element).unicodeBidi") == "isolate"


async def test_answers_to_what_is_no_longer_asked_are_given_up(explorer: Explorer) -> None:
    async with explorer.page() as page:
        await total(page, f"{ALL} studies")
        held = []

        async def hold(route: Any) -> None:
            held.append(route)

        await page.route("**/studies?search=slow*", hold)
        await page.locator("#search").fill("slow")
        await page.wait_for_timeout(200)
        async with page.expect_event("requestfailed", lambda request: "search=slow" in request.url):
            await page.locator("#search").fill("doe")
        await total(page, "1 study")
        assert len(held) == 1
        assert await names(page) == ["Doe, Jane"]


async def test_new_studies_appear_while_the_list_is_open(explorer: Explorer) -> None:
    from tests.build.dicom import make_file

    async with explorer.page("?q=late") as page:
        await page.get_by_text("No study matches").wait_for()
        await explorer.store(make_file(study="late", series="late", instance="late", PatientName="Late^Comer"))
        await page.evaluate("dispatchEvent(new Event('dicomlake:changed'))")
        await total(page, "1 study")


async def test_languages_and_appearance_are_chosen_and_kept(explorer: Explorer) -> None:
    async with explorer.page(locale="de-AT", color_scheme="light") as page:
        await page.get_by_role("link", name="Studien").wait_for()
        await page.get_by_role("button", name="Einstellungen").click()
        await page.get_by_role("menuitemradio", name="Dunkel").click()
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        assert await page.evaluate(ground) == "rgb(14, 20, 25)"
        await page.get_by_role("button", name="Einstellungen").click()
        await page.get_by_role("menuitemradio", name="Français").click()
        await page.get_by_role("link", name="Études").wait_for()
        assert await page.evaluate(ground) == "rgb(14, 20, 25)"
        assert await page.evaluate("document.documentElement.lang") == "fr"
