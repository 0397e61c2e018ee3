"""Deleting studies, series and instances, by `DELETE` on them as archives have it in common; and undoing it.

The standard has no transaction for it in the Studies Service; status codes are those of PS3.18 8.5. What is
deleted is hidden at once and can be brought back by the revision in the answer until retention ends:
`POST .../undelete?revision=...` below what was deleted, or a study or series that holds it.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from dicomweb.model.keys import Scope
from dicomweb.ports import Archive, NotStored, TimeTravel
from dicomweb.services.handler import Handler
from dicomweb.services.qido_attributes import BadParameter
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.paths import scope_of, undelete_url

REVISION = "X-Dicomlake-Revision"
"""Header of every write: the number of its log entry. For a removal it is what `undelete` names."""
_DIGITS = 18


class Removals:
    """Deletes studies, series and instances."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by the operation of `wire.paths.ROUTES`."""
        return dict.fromkeys(("delete_study", "delete_series", "delete_instance"), self._remove)

    async def _remove(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """204, then 410 (Gone) for the same again, 404 (NotStored) for what never was."""
        removal = await self._archive.remove(scope_of(variables), door="dicomweb", peer=request.peer)
        return Answer(204, ((REVISION, str(removal.revision)),))


class Undeletes:
    """Undoes deletions."""

    def __init__(self, archive: Archive, past: TimeTravel) -> None:
        """Both are the same archive."""
        self._archive = archive
        self._past = past

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return dict.fromkeys(("undelete_study", "undelete_series", "undelete_instance"), self._restore)

    async def _restore(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """200 with how many instances came back; 404 (NotStored) for what is no deletion, or undone already."""
        scope, revision = scope_of(variables), _revision(request)
        removed = await self._past.removed_scope(revision)
        if not _holds(scope, removed):
            level = removed.level.name.lower()
            elsewhere = f": POST {undelete_url(request.root, removed, revision)}" if _holds(removed, scope) else ""
            raise NotStored(f"revision {revision} deleted a {level} that is not within this resource{elsewhere}")
        done = await self._archive.restore(revision, door="dicomweb", peer=request.peer)
        body = orjson.dumps({"revision": done.revision, "instances": done.instances, "undid": revision})
        return Answer(200, (("Content-Type", "application/json"), (REVISION, str(done.revision))), body)


def _holds(outer: Scope, inner: Scope) -> bool:
    """Whether all of a scope lies within another."""
    return (
        outer.study == inner.study
        and outer.series in (None, inner.series)
        and outer.instance in (None, inner.instance)
    )


def _revision(request: Request) -> int:
    """The parameter `revision`. Raises BadParameter."""
    given = [value for name, value in request.query if name == "revision"]
    others = [name for name, _ in request.query if name != "revision"]
    if others:
        raise BadParameter(others[0], "an undelete takes revision")
    if len(given) != 1 or not (given[0].isascii() and given[0].isdigit() and len(given[0]) <= _DIGITS):
        raise BadParameter("revision", f"expected that of the deletion: {REVISION} of its answer, or see /history")
    return int(given[0])
