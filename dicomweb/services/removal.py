"""Deleting studies, series and instances: `DELETE` on their resources, as archives have it in common.

The standard has no transaction for it in the Studies Service; status codes are those of PS3.18 8.5. What is
deleted is hidden at once and can be brought back by the revision in the answer until retention ends.
"""

from __future__ import annotations

from collections.abc import Mapping

from dicomweb.ports import Archive
from dicomweb.services.handler import Handler
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.paths import scope_of

REVISION = "X-Dicomlake-Revision"
"""Header of every write: the number of its log entry. For a removal it is what `undelete` names."""


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
