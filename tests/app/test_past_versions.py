"""Searches as of an earlier revision that would look at more versions than the settings allow."""

from __future__ import annotations

from pathlib import Path

from aiohttp import ClientSession

from app.assembly import FRONT, build_application
from app.web.server import listening
from tests.app.archives import RELATED, related
from tests.app.serving import settings_of
from tests.build.dicom import make_file


async def test_a_search_of_the_past_over_its_budget_is_told_so(tmp_path: Path) -> None:
    settings = settings_of({"store": str(tmp_path), "log.access": False, "limits.past_versions": "2"})
    files = [make_file(study="s", instance=str(n)) for n in range(4)]
    application = build_application(settings)
    async with listening(application, settings, lambda: application[FRONT]) as server, ClientSession() as client:
        root = server.url + "/dicom-web"
        for file in files:
            data = related([file])
            stored = await client.post(root + "/studies", data=data, headers={"Content-Type": RELATED})
            assert stored.status == 200
        past = await client.get(root + "/studies?asof=1")
        now = await client.get(root + "/studies")

    assert past.status == 413
    assert now.status == 200
