"""Puts the web side together from the settings: guards, doors, front, and the one route that leads to it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from aiohttp import web

from app.access import AccessLog
from app.config import Settings
from app.telemetry import Sample, Telemetry
from app.values import ConfigError
from app.web.cors import Cors
from app.web.credentials import Credentials
from app.web.doors import DicomwebDoor, Door, Ending, SystemDoor, WadoDoor
from app.web.front import Front, Guards
from app.web.hosts import Hosts, is_loopback
from app.web.proxy import Proxies, parse_networks
from app.web.sql import Questions, SqlDoor
from app.web.sql_page import Described
from dicomweb.ports import Compute
from dicomweb.services.handler import Handler


def mounted(front: Callable[[], Front]) -> web.Application:
    """An application that leaves every request to the front, which need not exist before it is started."""
    application = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await front().handle(request)

    # with (?s), since a decoded path may hold a line feed, which `.` alone leaves to the framework's own 404
    application.router.add_route("*", "/{tail:(?s:.*)}", answer, expect_handler=_no_hurry)
    return application


async def _no_hurry(request: web.Request) -> web.StreamResponse | None:
    """Leave `Expect: 100-continue` to whoever reads the body, so that what is refused is not sent."""
    return None


def make_doors(
    handlers: Mapping[str, Handler], system: SystemDoor, more: Mapping[str, Door] | None = None
) -> dict[str, Door]:
    """The doors by the first segment of their paths, with `more` beside DICOMweb and what tells of the server."""
    dicomweb = DicomwebDoor(handlers)
    doors: dict[str, Door] = {"dicom-web": dicomweb, "dicomweb": dicomweb, "wado": WadoDoor(dicomweb), "": system}
    return {**doors, **(more or {})}


def make_sql_door(settings: Settings, questions: Questions, views: Sequence[Described]) -> SqlDoor:
    """The door of SQL, open to whom the settings say."""
    auth = settings.auth
    behind = bool(settings.trusted_proxies or settings.public_url)
    unnamed = settings.sql and is_loopback(settings.host) and not behind and not (auth.users or auth.tokens)
    return SqlDoor(questions, views, admins=frozenset(auth.admins), unnamed=unnamed)


def make_proxies(settings: Settings) -> Proxies:
    """What finds the URL by which a client came. Raises ConfigError."""
    try:
        trusted = parse_networks(settings.trusted_proxies)
    except ValueError as error:
        raise ConfigError(f"trusted_proxies: {error}") from error
    return Proxies(trusted=trusted, public_url=settings.public_url, prefix=settings.url_prefix)


@contextlib.asynccontextmanager
async def access_log(settings: Settings, worker: int = 0) -> AsyncIterator[AccessLog | None]:
    """The request lines, None if they are switched off; leaving writes what has gathered.

    They name the `worker`, if there are several.
    """
    if not settings.log.access:
        yield None
        return
    access = AccessLog(sys.stderr, as_json=settings.log.format == "json", worker=worker)
    try:
        yield access
    finally:
        access.flush()


def make_front(
    settings: Settings,
    doors: Mapping[str, Door],
    ending: Ending,
    proxies: Proxies,
    compute: Compute,
    telemetry: Telemetry,
    access: AccessLog | None,
) -> Front:
    """The front as the settings want it."""
    guards = Guards(
        hosts=Hosts(bound=settings.host, public_url=settings.public_url, allowed=settings.web.allowed_hosts),
        cors=Cors(readers=settings.web.cors_origins, writers=settings.web.cors_write_origins),
        credentials=Credentials(settings.auth.users, settings.auth.tokens, compute),
        proxies=proxies,
    )
    front = Front(
        doors=doors,
        guards=guards,
        ending=ending,
        compute=compute,
        telemetry=telemetry,
        access=access,
        limits=settings.limits,
        prefix=settings.url_prefix,
        scheme="https" if settings.web.tls_certificate else "http",
        compression=settings.web.compression,
        name_uids=settings.log.uids,
    )
    telemetry.add_source(
        lambda: [
            Sample("requests_at_work", front.stalls.at_work, "Requests between their head and their last byte")
        ]
    )
    return front
