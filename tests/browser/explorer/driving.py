"""A server with studies on it and a browser before it, for the tests of the explorer.

Each test opens pages of its own; one server and one browser serve all tests of a module. Whatever a page reports
as an error is held against the test, unless it says that it expects some.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from tests.app.archives import RELATED, related
from tests.app.processes import Running, server
from tests.browser.chromium import chromium
from tests.build.dicom import ct_slice, make_file, native_frames, uid

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 720}
MANY = 160
"""Studies that make the list longer than a screen."""


@dataclass(slots=True)
class Explorer:
    """What the tests of a module share."""

    server: Running
    browser: Any
    faults: list[str] = field(default_factory=list)
    """What pages reported as errors."""

    @property
    def url(self) -> str:
        """The explorer's address."""
        return self.server.url + "/ui/"

    @contextlib.asynccontextmanager
    async def page(self, path: str = "", **context: Any) -> AsyncIterator[Any]:
        """A page of its own, at an address below the explorer's; closed at the end."""
        given = {"viewport": DESKTOP, "locale": "en-US", "timezone_id": "UTC", "accept_downloads": True, **context}
        opened = await self.browser.new_context(**given)
        try:
            page = await opened.new_page()
            page.on("pageerror", lambda error: self.faults.append(str(error)))
            page.on("console", lambda message: self._heard(message.type, message.text))
            await page.goto(self.url + path)
            yield page
        finally:
            await opened.close()

    def _heard(self, kind: str, text: str) -> None:
        if kind == "error":
            self.faults.append(text)

    async def store(self, *instances: bytes) -> None:
        """Store instances in one request."""
        await store(self.server, instances)


async def store(server: Running, instances: Iterable[bytes]) -> None:
    """Store instances in one request."""
    headers = {"Content-Type": RELATED, "Accept": "application/dicom+json"}
    async with (
        ClientSession() as client,
        client.post(server.dicomweb + "/studies", data=related(instances), headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()


@contextlib.asynccontextmanager
async def explorer_on(folder: Path, *instances: bytes, arguments: tuple[str, ...] = ()) -> AsyncIterator[Explorer]:
    """A server on a new archive with these instances, and a browser."""
    async with server(folder / "store", *arguments, log=folder / "log") as running, chromium() as browser:
        if instances:
            await store(running, instances)
        yield Explorer(running, browser)


def doe() -> list[bytes]:
    """A patient with a CT of two series, three slices and one, with a window and a sequence."""
    shared: dict[str, Any] = {
        "study": "doe",
        "StudyDescription": "CT Abdomen",
        "AccessionNumber": "ACC-100",
        "rows": 48,
        "columns": 48,
        "WindowCenter": 40,
        "WindowWidth": 400,
    }
    thin = [
        ct_slice(series="thin", instance=f"thin {n}", SeriesDescription="Thin", InstanceNumber=n, seed=n, **shared)
        for n in (1, 2, 3)
    ]
    scout = {"series": "scout", "instance": "scout", "SeriesDescription": "Scout", "SeriesNumber": 2}
    return [*thin, ct_slice(seed=9, **{**shared, **scout})]


def others() -> list[bytes]:
    """Studies of other modalities and dates; names that are markup, and names that run from right to left."""
    return [
        native_frames(
            12,
            rows=32,
            columns=32,
            study="echo",
            series="echo",
            instance="echo",
            Modality="US",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1",
            PatientName="Frames^Twelve",
            PatientID="US-1",
            StudyDate="20230105",
            StudyDescription="Echo",
        ),
        make_file(
            study="markup",
            series="markup",
            instance="markup",
            Modality="MR",
            PatientName="<b>Bold</b>^\"Quo'te&amp;",
            PatientID="<img src=x onerror=alert(1)>",
            StudyDescription="<script>alert(2)</script>",
            StudyDate="20220303",
        ),
        make_file(
            study="hebrew",
            series="hebrew",
            instance="hebrew",
            Modality="MR",
            SpecificCharacterSet="ISO_IR 192",
            PatientName="כהן^דוד",
            PatientID="IL-7",
            StudyDate="20210303",
        ),
    ]


def many() -> list[bytes]:
    """A long list of small studies, older than the others."""
    return [
        make_file(
            study=f"many {n}",
            series=f"many {n}",
            instance=f"many {n}",
            PatientName=f"Many^Number{n:04}",
            PatientID=f"M{n:04}",
            StudyDate="20010101",
            StudyTime=f"{n // 60:02}{n % 60:02}00",
        )
        for n in range(MANY)
    ]


def study(name: str) -> str:
    """Address of a study below the explorer's."""
    return f"studies/{uid(name)}"


def series(name: str, series_name: str) -> str:
    """Address of a series."""
    return f"{study(name)}/series/{uid(series_name)}"


def instance(name: str, series_name: str, instance_name: str) -> str:
    """Address of an instance."""
    return f"{series(name, series_name)}/instances/{uid(instance_name)}"
