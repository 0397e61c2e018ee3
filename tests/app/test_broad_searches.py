"""Searches that would read more headers than the settings allow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import ClientSession

from app.assembly import FRONT, build_application
from app.web.server import listening
from tests.app.archives import RELATED, related
from tests.app.serving import settings_of
from tests.build.dicom import make_file


@pytest.mark.parametrize("bound", ["limits.search_headers", "limits.search_seconds"])
async def test_a_search_over_its_budget_is_413_naming_the_keys_that_narrow_it(tmp_path: Path, bound: str) -> None:
    settings = settings_of(
        {"store": str(tmp_path), "log.access": False, bound: "0" if "seconds" in bound else "1"}
    )
    files = [make_file(study=name, instance=name, PatientID=name, ImageComments="rare") for name in ("one", "two")]
    application = build_application(settings)
    async with listening(application, settings, lambda: application[FRONT]) as server, ClientSession() as client:
        root = server.url + "/dicom-web"
        stored = await client.post(root + "/studies", data=related(files), headers={"Content-Type": RELATED})
        broad = await client.get(root + "/instances?ImageComments=rare")
        told = json.loads(await broad.text())
        narrow = await client.get(root + "/instances?ImageComments=rare&PatientID=one")
        with_column = await client.get(root + "/instances?PatientID=one")

    assert stored.status == 200
    assert broad.status == 413
    assert "ImageComments" in told["Message"]
    for key in ("StudyInstanceUID", "PatientID", "AccessionNumber", "StudyDate"):
        assert key in told["Message"]
    assert with_column.status == 200
    assert narrow.status == (413 if "seconds" in bound else 200)
