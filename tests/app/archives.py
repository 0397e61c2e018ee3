"""The whole application in this process: real archive, real front, real port."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from aiohttp import ClientSession, web

from app.assembly import FRONT, build_application
from app.web.server import listening
from tests.app.serving import settings_of
from tests.build.asking import multipart
from tests.build.asking import related as content_type

RELATED = content_type("application/dicom")


@dataclass(slots=True)
class House:
    """A running archive and a client of it."""

    application: web.Application
    client: ClientSession
    dicomweb: str
    """The DICOMweb root."""

    async def store(self, instances: Iterable[bytes]) -> int:
        """Store instances in one request; the status."""
        headers = {"Content-Type": RELATED, "Accept": "application/dicom+json"}
        async with self.client.post(
            self.dicomweb + "/studies", data=BytesIO(related(instances)), headers=headers
        ) as answer:
            await answer.read()
            return answer.status

    async def get(self, path: str, accept: str = "*/*") -> tuple[int, bytes]:
        """Status and body of a resource."""
        async with self.client.get(self.dicomweb + path, headers={"Accept": accept}) as answer:
            return answer.status, await answer.read()


def related(instances: Iterable[bytes]) -> bytes:
    """A multipart body of instances, of the type RELATED."""
    return multipart(*(({"Content-Type": "application/dicom"}, one) for one in instances))


@contextlib.asynccontextmanager
async def open_house(store: Path) -> AsyncIterator[House]:
    """An archive on this folder, served."""
    settings = settings_of({"store": str(store), "log.access": False})
    application = build_application(settings)
    async with (
        listening(application, settings, lambda: application[FRONT]) as bound,
        ClientSession() as client,
    ):
        yield House(application, client, bound.url + "/dicom-web")
