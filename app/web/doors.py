"""What stands behind the front: the DICOMweb services, and the pages about the server itself.

A door answers every request below its mount. It raises what its error table knows; the front turns that into an
answer.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson

from app.telemetry import Telemetry
from app.web.exchange import Call, decode_path, read_parameters
from app.web.page import wants_page
from dicomweb.services.handler import Handler
from dicomweb.wire.exchange import Answer, Request, WebError
from dicomweb.wire.paths import ROUTES, WADO_PATH, Route
from dicomweb.wire.routing import RouteTree, allowed_methods

_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_TEXT = (("Content-Type", "text/plain; version=0.0.4; charset=utf-8"), ("Cache-Control", "no-store"))
_BROWSERS = (("Cache-Control", "no-store"), ("Vary", "Accept"))
_NO_ICON = (("Cache-Control", "max-age=86400"),)
_DICOMWEB_MOUNT = "/dicom-web"
_PRINTABLE = re.compile(r"[0-9A-Za-z._-]{1,64}")


class Door(Protocol):
    """Answers what lies below a mount."""

    async def answer(self, call: Call, mount: str, below: str) -> Answer:
        """`mount` is `/dicom-web`, `below` what follows it in the path, percent-encoded."""


class DicomwebDoor:
    """The DICOMweb services under their routes (PS3.18 8.1)."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        missing = {route.operation for route in ROUTES} - set(handlers)
        if missing:
            raise ValueError(f"no service handles {', '.join(sorted(missing))}")
        self._handlers = handlers
        self._tree = RouteTree(ROUTES)

    async def answer(self, call: Call, mount: str, below: str) -> Answer:
        """The answer of the service whose route fits."""
        path = decode_path(below)
        routes, variables = self._tree.find(path or "/")
        route = routes.get("GET" if call.method == "HEAD" else call.method)
        if route is None:
            return self._elsewise(call, mount, routes)
        call.operation = route.operation
        call.scope = "/".join(
            variables[name]
            for name in ("study", "series", "instance")
            if _PRINTABLE.fullmatch(variables.get(name, ""))
        )
        request = Request(
            method=route.method,
            path=path,
            root=call.approach.base + mount,
            query=read_parameters(call.query),
            headers=call.headers,
            body=call.body(),
            peer=call.approach.peer,
        )
        return await self._handlers[route.operation](request, variables)

    def _elsewise(self, call: Call, mount: str, routes: Mapping[str, Route]) -> Answer:
        """OPTIONS of a resource that only names its methods; 404; 405."""
        if not routes:
            raise WebError(404, f"DICOMweb has no such resource; OPTIONS {call.approach.base}{mount}/ lists them")
        allowed = ", ".join(allowed_methods(routes))
        allow = (("Allow", allowed),)
        if call.method == "OPTIONS":
            call.operation = "options"
            return Answer(204, allow)
        raise WebError(405, f"this resource knows {allowed}, not {call.method}", allow)


class WadoDoor:
    """WADO-URI at the root of the server, where its clients look for it (PS3.18 9): `/wado?requestType=WADO...`.

    The same as below the DICOMweb root, to which the URLs in its answers lead.
    """

    def __init__(self, dicomweb: DicomwebDoor) -> None:
        self._dicomweb = dicomweb

    async def answer(self, call: Call, mount: str, below: str) -> Answer:
        """The instance that the query names."""
        if below.strip("/"):
            raise WebError(404, "below /wado there is nothing; the instance is named in the query")
        return await self._dicomweb.answer(call, _DICOMWEB_MOUNT, WADO_PATH)


class Ready(Protocol):
    """Whether the archive can do its work."""

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""

    @property
    def reason(self) -> str:
        """Why not, in a few words; `ok` if they can."""


@dataclass(slots=True)
class Ending:
    """Whether the server has been told to end: it still answers then, but wants no new work."""

    begun: bool = False
    retiring: bool = False
    """Whether clients are to come again by another connection, which leads to another worker: after a restart of
    the workers one by one. There is nothing wrong with the server then."""


class SystemDoor:
    """`/health/live`, `/health/ready`, `/metrics`, and `/`, which says where to go and sends browsers there."""

    def __init__(
        self,
        *,
        health: Callable[[], Ready],
        telemetry: Telemetry,
        about: Mapping[str, str],
        ending: Ending,
        metrics: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        """`metrics` tells those of all workers, where there are several; else the telemetry is all there is."""
        self._metrics = metrics
        self._health = health
        self._telemetry = telemetry
        self._about = about
        self._ending = ending

    async def answer(self, call: Call, mount: str, below: str) -> Answer:
        """The page of that name."""
        if call.method not in ("GET", "HEAD"):
            raise WebError(405, f"this page knows GET and HEAD, not {call.method}", (("Allow", "GET, HEAD"),))
        match (mount + below).rstrip("/"):
            case "/health/live":
                call.operation = "health_live"
                return Answer(200, _JSON, b'{"live":true}')
            case "/health/ready":
                call.operation = "health_ready"
                return self._ready()
            case "/metrics":
                call.operation = "metrics"
                text = await self._metrics() if self._metrics else self._telemetry.text()
                return Answer(200, _TEXT, text.encode(), compressible=True)
            case "/favicon.ico":
                call.operation = "favicon"
                return Answer(204, _NO_ICON)
            case "":
                call.operation = "about"
                if wants_page(call.headers.get("accept", "")):
                    return Answer(302, (("Location", call.approach.base + "/ui/"), *_BROWSERS))
                return Answer(200, _JSON, orjson.dumps(self._told(call.approach.base), option=orjson.OPT_INDENT_2))
        raise WebError(404, f"there is nothing here; the DICOMweb root is {call.approach.base}/dicom-web")

    def _state(self) -> tuple[bool, str]:
        """Whether work is welcome, and `ok` or why not."""
        if self._ending.begun:
            return False, "the server is ending"
        health = self._health()
        return health.ready, health.reason

    def _ready(self) -> Answer:
        ready, reason = self._state()
        told: dict[str, object] = {"ready": ready, "reason": reason}
        if worker := self._about.get("worker"):
            told["worker"] = worker
        return Answer(200 if ready else 503, _JSON, orjson.dumps(told))

    def _told(self, base: str) -> dict[str, str]:
        links = {"dicomweb": "/dicom-web", "ready": "/health/ready", "live": "/health/live", "metrics": "/metrics"}
        return {**self._about, **{name: base + path for name, path in links.items()}}
