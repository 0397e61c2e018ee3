"""What a browser is shown at the server's address."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import ClientSession

from app.assembly import ARCHIVE, FRONT, build_application
from app.samples import store_samples
from app.web.server import listening
from tests.app.serving import serving, settings_of
from tests.build.readme import README

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_gets_a_page_and_a_program_gets_json() -> None:
    async with serving() as server:
        async with server.client.get(server.url + "/", headers={"Accept": BROWSER}) as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (200, "text/html")
            assert "1,234" in text
            assert f"{server.url}/dicom-web" in text
        for accept in ("*/*", "application/json"):
            async with server.client.get(server.url + "/", headers={"Accept": accept}) as answer:
                assert (await answer.json())["dicomweb"] == server.dicomweb
        async with server.client.get(server.url + "/favicon.ico") as answer:
            assert answer.status == 204


async def test_the_page_runs_nothing_and_fetches_nothing() -> None:
    async with serving() as server, server.client.get(server.url, headers={"Accept": BROWSER}) as answer:
        text = await answer.text()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not re.search(r"<script|<link|<img|\bsrc=|@import|url\(", text)
    assert "color-scheme: light dark" in text


async def test_what_a_client_calls_the_server_is_text_on_the_page() -> None:
    headers = {"Accept": BROWSER, "Host": "a<b>&"}
    async with (
        serving(values={"web.allowed_hosts": "*"}) as server,
        server.client.get(server.url, headers=headers) as answer,
    ):
        assert "a<b>" not in await answer.text()


async def test_every_link_of_the_page_leads_somewhere(tmp_path: Path) -> None:
    settings = settings_of({"store": str(tmp_path / "store"), "log.access": False})
    application = build_application(settings)
    async with (
        listening(application, settings, lambda: application[FRONT]) as bound,
        ClientSession(headers={"Accept": BROWSER}) as client,
    ):
        await store_samples(application[ARCHIVE])
        async with client.get(bound.url) as answer:
            text = await answer.text()
        assert "<dt>Studies</dt><dd>7</dd>" in text
        links = re.findall(r'href="([^"]+)"', text)
        assert len(links) == 4
        for link in links:
            async with client.get(link.replace("&amp;", "&")) as answer:
                assert answer.status == 200, link
                # what browsers show, and do not offer to save
                assert answer.content_type in ("application/json", "text/plain"), link


async def test_its_first_upload_is_that_of_the_readme() -> None:
    async with serving() as server, server.client.get(server.url, headers={"Accept": BROWSER}) as answer:
        text = (await answer.text()).replace(server.url, "http://127.0.0.1:8042").replace("&#x27;", "'")
    command = re.search(r"^curl .*\n.*image\.dcm.*", README.read_text(encoding="utf-8"), re.MULTILINE)

    assert command
    assert command[0] in text
