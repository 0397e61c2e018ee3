"""What every request passes, in and out, in one function: this order is the server's security.

    request id → Host → preflight → who asks → may this page write → room for one more → door
    → content encoding → header fields every answer has → wire → numbers and the access line

One function and no chain of middlewares, since a viewer asks for thousands of frames and each layer would cost
every one of them. Around a handler it takes less than 0.1 ms.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from app.access import AccessLog, Served
from app.config import LimitSettings
from app.telemetry import Telemetry
from app.web.compression import compressed
from app.web.cors import SAFE, Cors
from app.web.credentials import Credentials
from app.web.doors import Door, Ending
from app.web.exchange import Call, ClientGone, request_ids
from app.web.hosts import Hosts
from app.web.proxy import Proxies, completed
from app.web.sending import Broken, send
from app.web.stalls import Stalls, abort
from dicomweb.ports import Compute
from dicomweb.wire.content_coding import IDENTITY, choose_coding
from dicomweb.wire.errors import answer_error, error_body
from dicomweb.wire.exchange import Answer, HeaderFields, WebError

_LOG = logging.getLogger(__name__)
_METHODS = frozenset(["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"])
_ALWAYS: HeaderFields = (("Server", "dicomlake"), ("X-Content-Type-Options", "nosniff"))
_ERROR: HeaderFields = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
"""Browsers keep a 410 for ever if it does not say otherwise, and what is gone may be brought back."""
_RETRY: HeaderFields = (("Retry-After", "1"),)
_UNKNOWN_NAME = (
    "this server does not go by the name in the Host header, or by the one a proxy forwarded; "
    "name both in the setting web.allowed_hosts"
)
_RETIRING_IDLE_SECONDS = 1.0
"""A client that asks again by then is told to come by another connection, one that does not is dropped."""
GONE = 499
"""What stands for a status where the client left before there was one (as nginx writes it)."""
ABORTED = 500
"""The same where we ended the connection."""


@dataclass(frozen=True, slots=True)
class Guards:
    """Who decides whether a request may be answered."""

    hosts: Hosts
    cors: Cors
    credentials: Credentials
    proxies: Proxies


class Front:
    """Answers all requests of the web server."""

    def __init__(
        self,
        *,
        doors: Mapping[str, Door],
        guards: Guards,
        ending: Ending,
        compute: Compute,
        telemetry: Telemetry,
        access: AccessLog | None,
        limits: LimitSettings,
        prefix: str,
        scheme: str,
        compression: bool,
        name_uids: bool,
    ) -> None:
        """`doors` by the first segment of their path, the one under the empty name takes the rest."""
        self.stalls = Stalls(idle_seconds=limits.idle_seconds, stall_seconds=limits.stall_seconds)
        self.ending = ending
        self._doors = doors
        self._guards = guards
        self._compute = compute
        self.telemetry = telemetry
        self._access = access
        self._limits = limits
        self._prefix = prefix
        self._scheme = scheme
        self._compression = compression
        self._name_uids = name_uids
        self._identify = request_ids()

    def retire(self) -> None:
        """Have every client finish its request and go, the idle ones at once: others serve them from now on."""
        self.ending.retiring = True
        self.stalls.idle_seconds = min(self.stalls.idle_seconds, _RETIRING_IDLE_SECONDS)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, whatever happens."""
        started = time.perf_counter()
        watch = self.stalls.begin(request.protocol)
        call = Call(request, watch, limit=self._limits.body_bytes)
        call.id = self._identify(call.headers.get("x-request-id", ""))
        status = GONE
        try:
            response = await self._respond(call)
            status = response.status
        except ClientGone:
            abort(request.transport)
            response = web.Response(status=GONE)
        except Broken as broken:
            _log_broken(call, broken.__cause__)
            status, response = ABORTED, broken.response
        finally:
            self.stalls.end(watch)
            self._note(call, status, time.perf_counter() - started)
        return response

    async def _respond(self, call: Call) -> web.StreamResponse:
        try:
            answer = await self._answer(call)
        except ClientGone:
            raise
        except Exception as error:
            answer = self._told(call, error)
        try:
            return await send(call, answer, self._fields(call, answer))
        except (ClientGone, Broken):
            raise
        except Exception as error:
            # a stream that failed before its first byte
            answer = self._told(call, error)
            return await send(call, answer, self._fields(call, answer))

    async def _answer(self, call: Call) -> Answer:
        headers, guards = call.headers, self._guards
        host = headers.get("host", "")
        if (":" not in host or host.endswith("]")) and call.request.transport is not None:
            host = completed(host, call.request.transport.get_extra_info("sockname"))
        call.approach = guards.proxies.approach(
            headers, scheme=self._scheme, host=host, peer=call.request.remote or ""
        )
        mount, below, door = self._find_door(call.path)
        if mount != "/health":
            preflight = self._check_names(call)
            if preflight is not None:
                return preflight
            await self._check_rights(call)
            if self.stalls.at_work > self._limits.parallel_requests:
                raise WebError(503, "too many requests are at work (setting limits.parallel_requests)", _RETRY)
        answer = await door.answer(call, mount, below)
        if answer.compressible and self._compression and call.method != "HEAD":
            coding = choose_coding(headers.get("accept-encoding", ""))
            if coding != IDENTITY:
                answer = await compressed(answer, coding, self._compute)
        return answer

    def _find_door(self, path: str) -> tuple[str, str, Door]:
        if self._prefix and path.startswith(self._prefix + "/"):
            path = path[len(self._prefix) :]
        end = path.find("/", 1)
        name = path[1:] if end < 0 else path[1:end]
        return path[: len(name) + 1], path[len(name) + 1 :], self._doors.get(name) or self._doors[""]

    def _check_names(self, call: Call) -> Answer | None:
        """Host and preflight: the answer to a preflight, None to go on. Raises WebError."""
        guards = self._guards
        # behind a proxy it is the credentials that a rebound page lacks; without any, all names have to pass
        if not (call.approach.proxied and guards.credentials.required):
            for name in {call.headers.get("host", ""), call.approach.host}:
                if not guards.hosts.allows(name):
                    raise WebError(421, _UNKNOWN_NAME)
        origin = call.headers.get("origin")
        if origin and call.method == "OPTIONS" and "access-control-request-method" in call.headers:
            call.operation = "preflight"
            return Answer(204, guards.cors.preflight(origin))
        return None

    async def _check_rights(self, call: Call) -> None:
        """Who asks, and whether the page that asks may. Raises WebError."""
        credentials = self._guards.credentials
        if credentials.required:
            authorization = call.headers.get("authorization", "")
            user = await credentials.authenticate(authorization)
            if user is None:
                raise WebError(401, credentials.refusal(authorization), credentials.challenge)
            call.user = user.name
        origin = call.headers.get("origin")
        if origin and call.method not in SAFE and not self._may_write(call, origin):
            raise WebError(
                403,
                "pages of this origin may not store or delete here; list it in the setting web.cors_write_origins",
            )

    def _may_write(self, call: Call, origin: str) -> bool:
        """Whether a page of that origin may store and delete.

        Our own origin is that of the request's URL. A forwarded name counts for that only if the settings know it:
        the page might have written the header itself.
        """
        approach, hosts = call.approach, self._guards.hosts
        forwarded = approach.host != call.headers.get("host", "")
        known = hosts.is_ours(approach.host) if forwarded and approach.proxied else hosts.allows(approach.host)
        return self._guards.cors.may_write(origin, approach.origin if known else "")

    def _fields(self, call: Call, answer: Answer) -> HeaderFields:
        """The header fields that every answer has."""
        fields: HeaderFields = (*_ALWAYS, ("X-Request-Id", call.id))
        if "origin" in call.headers and call.operation != "preflight":
            fields += self._guards.cors.headers(call.headers["origin"])
        if answer.compressible:
            fields += (("Vary", "Accept-Encoding"),)
        if "expect" in call.headers or self.ending.begun or self.ending.retiring:
            # a client that still waits to be told to send its body: the next bytes might be that
            fields += (("Connection", "close"),)
        return fields

    def _told(self, call: Call, error: Exception) -> Answer:
        """The answer that tells of an error; faults of ours go to the log."""
        told = answer_error(error)
        if told.status == 500:
            _LOG.error("request %s (%s) failed", call.id, call.operation, exc_info=error)
        elif told.status == 503:
            _LOG.warning("request %s (%s): %s", call.id, call.operation, told.message)
        body = error_body(told.status, told.message, call.method, call.path, {"RequestId": call.id})
        return Answer(told.status, (*told.headers, *_ERROR), body)

    def _note(self, call: Call, status: int, seconds: float) -> None:
        method = call.method if call.method in _METHODS else "OTHER"
        self.telemetry.count_request(
            operation=call.operation,
            method=method,
            status=status,
            seconds=seconds,
            received=call.received,
            sent=call.sent,
        )
        if self._access is not None:
            scope = call.scope if self._name_uids else ""
            self._access.write(
                Served(
                    id=call.id,
                    method=method,
                    operation=call.operation,
                    status=status,
                    received=call.received,
                    sent=call.sent,
                    seconds=seconds,
                    peer=call.approach.peer,
                    user=call.user,
                    scope=scope,
                )
            )


def _log_broken(call: Call, cause: BaseException | None) -> None:
    """A frame in the middle that cannot be decoded is the object's fault, and no error of ours."""
    told = answer_error(cause) if isinstance(cause, Exception) else None
    if told is None or told.status == 500:
        _LOG.error("request %s (%s) broke off", call.id, call.operation, exc_info=cause)
    else:
        _LOG.warning("request %s (%s) broke off: %s", call.id, call.operation, told.message)
