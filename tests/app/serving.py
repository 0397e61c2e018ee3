"""Web servers for the tests of the house: the real front on a real port, with services made for the occasion."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from aiohttp import ClientSession

from app.access import AccessLog
from app.compute import ThreadCompute
from app.config import Settings
from app.sources import read_settings
from app.telemetry import Telemetry
from app.web.doors import Ending, SystemDoor
from app.web.front import Front
from app.web.mount import make_doors, make_front, make_proxies, mounted
from app.web.server import Bound, listening
from dicomweb.services.handler import Handler
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.paths import ROUTES


@dataclass
class Health:
    """Health that a test sets."""

    ready: bool = True
    reason: str = "ok"


@dataclass
class Served:
    """A running server and a client of it."""

    bound: Bound
    client: ClientSession
    front: Front
    telemetry: Telemetry
    health: Health
    asked: list[Request]
    """What the services were asked, unless they were given by the test."""

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return self.bound.url

    @property
    def dicomweb(self) -> str:
        """The DICOMweb root."""
        return self.bound.url + "/dicom-web"


def settings_of(
    values: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings with a free port, no DIMSE, and these values by their dotted names."""
    given = {"http_port": "0", "dicom_port": "0", **(values or {})}
    return read_settings(given, environment or {}).settings


@contextlib.asynccontextmanager
async def serving(
    handlers: Mapping[str, Handler] | None = None,
    values: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    access: AccessLog | None = None,
) -> AsyncIterator[Served]:
    """A server whose operations are these handlers; the others answer 200 with the operation's root as body."""
    settings = settings_of(values, environment)
    asked: list[Request] = []
    health, telemetry = Health(), Telemetry()
    fronts: list[Front] = []

    async def tell_root(request: Request, variables: Mapping[str, str]) -> Answer:
        asked.append(request)
        return Answer(200, (("Content-Type", "text/plain"),), request.root.encode())

    every = {route.operation: tell_root for route in ROUTES} | dict(handlers or {})
    application = mounted(lambda: fronts[0])
    async with ThreadCompute(2) as compute:
        ending = Ending()
        system = SystemDoor(health=lambda: health, telemetry=telemetry, about={}, ending=ending)
        doors = make_doors(every, system)
        fronts.append(make_front(settings, doors, ending, make_proxies(settings), compute, telemetry, access))
        async with listening(application, settings, lambda: fronts[0]) as bound, ClientSession() as client:
            yield Served(bound, client, fronts[0], telemetry, health, asked)
