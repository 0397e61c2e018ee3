"""The Search transaction, all six resources (PS3.18 10.6; QIDO-RS).

    Request ──► Query (qido_query) ──► Archive.search ──► Answer (qido_answer)

A client that holds an answer of the same revision of the archive is told 304 without a search. `Cache-Control:
no-cache` makes the search a strong read: it sees whatever any node has committed before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from dicomweb.model.keys import Level, Scope
from dicomweb.ports import Archive
from dicomweb.services.conditional import caching, not_modified, see_commits
from dicomweb.services.handler import Handler
from dicomweb.services.limits import Limits
from dicomweb.services.qido_answer import OFFERS, answer_found
from dicomweb.services.qido_attributes import BadParameter
from dicomweb.services.qido_query import INSTANCE_UID, SERIES_UID, STUDY_UID, parse_query
from dicomweb.wire.conditional import etag
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.negotiation import Representation, accepted_by, choose
from dicomweb.wire.paths import scope_of

_RESOURCES = {
    "search_studies": Level.STUDY,
    "search_study_series": Level.SERIES,
    "search_study_instances": Level.INSTANCE,
    "search_series_instances": Level.INSTANCE,
    "search_series": Level.SERIES,
    "search_instances": Level.INSTANCE,
}
_UTF8 = frozenset(["utf-8", "utf8", "*"])


class Search:
    """Answers searches for studies, series and instances."""

    def __init__(self, archive: Archive, limits: Limits) -> None:
        self._archive = archive
        self._limits = limits

    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by the operation of `wire.paths.ROUTES`."""
        return {operation: partial(self._search, level) for operation, level in _RESOURCES.items()}

    async def _search(self, level: Level, request: Request, variables: Mapping[str, str]) -> Answer:
        query = parse_query(level, parents_of(variables), request.query, self._limits)
        _check_charset(request)
        form = choose(accepted_by(request), OFFERS)
        await see_commits(self._archive, request)
        # Taken before the search, so that it is never newer than what is told under it.
        tag = self._tag(form, request)
        known = not_modified(request, tag)
        if known is not None:
            return known
        found = await self._archive.search(query)
        return await answer_found(found, query, form, root=request.root, headers=caching(tag))

    def _tag(self, form: Representation, request: Request) -> str:
        """Weak, since the boundary of XML differs each time; the root is part of every RetrieveURL."""
        return etag(self._archive.epoch, self._archive.revision, f"{form} {request.root}", weak=True)


def parents_of(variables: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Tags and UIDs of the study and series that the URL names. Raises IllegalUid."""
    if "study" not in variables:
        return ()
    scope: Scope = scope_of(variables)
    given = ((STUDY_UID, scope.study), (SERIES_UID, scope.series), (INSTANCE_UID, scope.instance))
    return tuple((tag, uid) for tag, uid in given if uid is not None)


def _check_charset(request: Request) -> None:
    """The answer is UTF-8 (PS3.18 8.3.3.2 leaves other character sets to the server)."""
    for name, value in request.query:
        if name == "charset" and not any(
            one.partition(";")[0].strip().lower() in _UTF8 for one in value.split(",")
        ):
            raise BadParameter(name, "answers are in utf-8")
