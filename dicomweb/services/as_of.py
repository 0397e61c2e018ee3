"""Time travel: any search or retrieval as the archive would have answered it at an earlier revision.

    GET /studies?PatientName=...&asof=1234             a query parameter of every resource that is read
    GET /studies/{study}/metadata?asof=2026-03-01T08:00:00Z
    GET /asof/1234/studies?PatientName=...             a DICOMweb root of the past, for viewers

The value is a revision, which every write answers in X-Dicomlake-Revision, or a time: then the last revision at or
before it is meant. A revision may bear the epoch of its log before it (`<epoch>-1234`, as in ETags); one of
another epoch is refused. URLs in an answer lead below `/asof/`: whoever follows them stays at that revision. The
ETag of a body with URLs in it is made of them, so it is never that of an answer about now. The revision is told in
X-Dicomlake-Revision.

The services themselves know nothing of it: they are made once more over the archive as it was. A request without
`asof` passes a look at its query parameters.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dicomweb.ports import Archive, NoSuchRevision, TimeTravel
from dicomweb.services.as_of_time import moment
from dicomweb.services.handler import Handler
from dicomweb.services.qido_attributes import BadParameter
from dicomweb.services.removal import REVISION
from dicomweb.wire.exchange import Answer, Request, WebError
from dicomweb.wire.paths import AS_OF, ROUTES, Route
from dicomweb.wire.routing import RouteTree

PARAMETER = "asof"
_OF_NOW = frozenset(["capabilities", "history", "asof"])
"""What is read but has no past."""
_KEPT = 4
"""Revisions for which services are kept: a viewer asks for many things of one."""
_REVISION = re.compile(r"\d{1,12}", re.ASCII)
"""A number of fourteen digits is a time."""
_EPOCH = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)

Services = Callable[[Archive], Mapping[str, Handler]]
"""Makes the services that read, by operation."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A revision that is asked for."""

    revision: int
    name: str
    """As it stands in URLs."""


class AsOf:
    """Answers requests for the past."""

    def __init__(self, archive: Archive, past: TimeTravel, services: Services) -> None:
        """`archive` and `past` are the same archive."""
        self._archive = archive
        self._past = past
        self._services = services
        self._made: OrderedDict[tuple[int, int], Mapping[str, Handler]] = OrderedDict()
        self._operations = {route.operation for route in ROUTES if has_past(route)}
        self._tree = RouteTree(route for route in ROUTES if has_past(route))

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {"asof": self.below}

    def around(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """The same handlers, which leave requests with `asof` to this one."""
        return {operation: self._around(operation, handler) for operation, handler in handlers.items()}

    def _around(self, operation: str, handler: Handler) -> Handler:
        def answer(request: Request, variables: Mapping[str, str]) -> Awaitable[Answer]:
            if request.query and any(name.lower() == PARAMETER for name, _ in request.query):
                return self._with_parameter(operation, request, variables)
            return handler(request, variables)

        return answer

    async def _with_parameter(self, operation: str, request: Request, variables: Mapping[str, str]) -> Answer:
        if operation not in self._operations:
            raise BadParameter(PARAMETER, "the past can be searched and retrieved, nothing else")
        text = _value_of(request.query)
        rest = tuple(one for one in request.query if one[0] != PARAMETER)
        return await self._answer(operation, replace(request, query=rest), variables, await self._asked(text))

    async def below(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """What stands below the root of the past."""
        path = "/" + variables["path"]
        routes, found = self._tree.find(path)
        if "GET" not in routes:
            raise WebError(404, "below /asof/{revision} are the resources that are searched and retrieved")
        if any(name.lower() == PARAMETER for name, _ in request.query):
            raise BadParameter(PARAMETER, "the path names a revision already")
        asked = await self._asked(variables["revision"])
        return await self._answer(routes["GET"].operation, replace(request, path=path), found, asked)

    async def _answer(
        self, operation: str, request: Request, variables: Mapping[str, str], asked: _Asked
    ) -> Answer:
        handlers = await self._handlers(asked.revision)
        there = replace(request, root=f"{request.root}{AS_OF}/{asked.name}")
        answer = await handlers[operation](there, variables)
        return replace(answer, headers=(*answer.headers, (REVISION, str(asked.revision))))

    async def _handlers(self, revision: int) -> Mapping[str, Handler]:
        """The services of a revision. Raises BadParameter.

        They are made anew when something was committed: what they remember may have been erased.
        """
        key = (revision, self._archive.revision)
        handlers = self._made.pop(key, None)
        if handlers is None:
            try:
                handlers = self._services(await self._past.as_of(revision))
            except NoSuchRevision as error:
                raise BadParameter(PARAMETER, str(error)) from error
        self._made[key] = handlers
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return handlers

    async def _asked(self, text: str) -> _Asked:
        """The revision that the text names. Raises BadParameter."""
        time = moment(text)
        if time is None:
            return self._named(text)
        now = datetime.now(UTC)
        if time > now:
            raise BadParameter(PARAMETER, f"the time has not come yet, it is {now.isoformat(timespec='seconds')}")
        revision = await self._past.revision_at(time)
        return _Asked(revision, str(revision))

    def _named(self, text: str) -> _Asked:
        """The revision that is named itself, perhaps with its epoch."""
        epoch, dash, number = text.rpartition("-")
        if dash and _EPOCH.fullmatch(epoch) and epoch != self._archive.epoch:
            raise BadParameter(PARAMETER, "the revision is of another epoch: the archive has been rebuilt since")
        if (dash and epoch != self._archive.epoch) or not _REVISION.fullmatch(number):
            expected = "expected a revision, or a time as 2026-03-01T08:00:00Z or 20260301080000"
            raise BadParameter(PARAMETER, expected)
        return _Asked(int(number), text)


def has_past(route: Route) -> bool:
    """Whether what the route leads to can be asked for as of an earlier revision."""
    return route.method == "GET" and route.operation.partition("_")[0] not in _OF_NOW


def _value_of(query: Sequence[tuple[str, str]]) -> str:
    """The value of the parameter. Raises BadParameter."""
    given: Iterable[tuple[str, str]] = (one for one in query if one[0].lower() == PARAMETER)
    (name, value), *others = given
    if others:
        raise BadParameter(PARAMETER, "stands twice")
    if name != PARAMETER:
        raise BadParameter(name, f"parameters are written in lower case: {PARAMETER}")
    return value.strip()
