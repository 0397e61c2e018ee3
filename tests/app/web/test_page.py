"""What a browser is shown at the server's address."""

from __future__ import annotations

from tests.app.serving import serving

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_is_sent_to_the_explorer_and_a_program_gets_json() -> None:
    async with serving() as server:
        async with server.client.get(
            server.url + "/", headers={"Accept": BROWSER}, allow_redirects=False
        ) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, server.url + "/ui/")
            assert answer.headers["Vary"] == "Accept"
        for accept in ("*/*", "application/json"):
            async with server.client.get(server.url + "/", headers={"Accept": accept}) as answer:
                assert (await answer.json())["dicomweb"] == server.dicomweb
        async with server.client.get(server.url + "/favicon.ico") as answer:
            assert answer.status == 204
