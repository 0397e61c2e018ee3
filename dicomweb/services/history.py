"""The history of a study, series or instance: who stored, replaced, deleted and restored what, and when.

A resource of our own, in JSON, the last first:

    GET /studies/{study}/history?limit=50&before=1234
    {"study": "1.2", "revision": 1300, "history": [
        {"revision": 1233, "event": "deleted", "time": "2026-03-01T08:00:00Z", "door": "dicomweb",
         "peer": "10.0.0.7", "node": "a", "instances": 120, "series": ["1.2.3"], "level": "study",
         "undelete": "https://.../studies/1.2/undelete?revision=1233"}, ...],
     "next": "https://.../studies/1.2/history?limit=50&before=1201"}

`asof` of an event is the resource as it was just after it. It tells of UIDs, times and addresses, never of what
the instances say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import orjson

from dicomweb.model.history import Deed, Happening
from dicomweb.model.keys import Scope
from dicomweb.ports import Archive, TimeTravel
from dicomweb.services.conditional import caching, not_modified, see_commits
from dicomweb.services.handler import Handler
from dicomweb.services.qido_attributes import BadParameter
from dicomweb.wire.conditional import etag
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.paths import AS_OF, scope_of, scope_path, undelete_url

_PAGE = 50
_LARGEST_PAGE = 500
"""Revisions on a page: each is an entry of the log that is read."""
_LISTED = 100
"""Series that are named of one event."""
_DIGITS = 18


class History:
    """`/history` of studies, series and instances."""

    def __init__(self, archive: Archive, past: TimeTravel) -> None:
        """Both are the same archive."""
        self._archive = archive
        self._past = past

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return dict.fromkeys(("history_study", "history_series", "history_instance"), self.history)

    async def history(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """A page of the history: `limit` revisions, those below `before`."""
        scope = scope_of(variables)
        limit, before = _parameters(request)
        await see_commits(self._archive, request)
        revision = self._archive.revision
        tag = etag(self._archive.epoch, revision, f"history {request.root}", weak=True)
        unchanged = not_modified(request, tag)
        if unchanged is not None:
            return unchanged
        page = await self._past.history(scope, before=before, limit=limit)
        told: dict[str, Any] = {
            name: uid
            for name, uid in (("study", scope.study), ("series", scope.series), ("instance", scope.instance))
            if uid
        }
        told |= {"revision": revision, "history": [_told(one, scope, request.root) for one in page.happenings]}
        if page.before is not None:
            url = f"{request.root}{scope_path(scope)}/history"
            told["next"] = f"{url}?limit={limit}&before={page.before}"
        headers = (("Content-Type", "application/json"), *caching(tag))
        return Answer(200, headers, orjson.dumps(told), compressible=True)


def _parameters(request: Request) -> tuple[int, int | None]:
    """`limit` and `before`. Raises BadParameter."""
    given: dict[str, int] = {}
    for name, value in request.query:
        if name not in ("limit", "before"):
            raise BadParameter(name, "a history takes limit and before")
        if name in given or not (value.isascii() and value.isdigit() and len(value) <= _DIGITS and int(value)):
            raise BadParameter(name, "expected a number from 1 on, once")
        given[name] = int(value)
    return min(given.get("limit", _PAGE), _LARGEST_PAGE), given.get("before")


def _told(one: Happening, scope: Scope, root: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "revision": one.revision,
        "event": one.deed,
        "asof": f"{root}{AS_OF}/{one.revision}{scope_path(scope)}",
    }
    if one.deed is Deed.UNREADABLE:
        return found
    assert one.time is not None
    found |= {
        "time": one.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "door": one.door,
        "peer": one.peer,
        "node": one.node,
        "instances": one.instances,
        "series": one.series[:_LISTED],
    }
    if len(one.series) > _LISTED:
        found["seriesCount"] = len(one.series)
    if one.instance:
        found["instance"] = one.instance
    if one.scope is not None:
        found["level"] = one.scope.level.name.lower()
    if one.undoes:
        found["undoes"] = one.undoes
    if one.scope is not None and one.undoable:
        found["undelete"] = undelete_url(root, one.scope, one.revision)
    if one.label:
        found["label"] = one.label
    if one.detail:
        found["detail"] = one.detail
    return found
