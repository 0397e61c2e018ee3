"""Labels of studies, series and instances: told, put on and taken off. Resources of our own, in JSON.

    GET    /studies/{study}/labels              ["teaching", "urgent"]; likewise of a series or an instance
    PUT    /studies/{study}/labels/urgent       201 if it was put on, 200 if it was there; all it bears now
    DELETE /studies/{study}/labels/urgent       204, also if it was not there
    GET    /labels                              [{"label": "urgent", "studies": 3, "series": 0, "instances": 0}]

Searches find by `label=urgent` (see `qido_query`). A label is no place for what tells of a patient: it is part of
URLs, which are logged on their way, and of the list of all labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import orjson

from dicomweb.model.labels import parse_label
from dicomweb.ports import Archive
from dicomweb.services.conditional import caching, not_modified, see_commits
from dicomweb.services.handler import Handler
from dicomweb.services.qido_attributes import BadParameter
from dicomweb.services.removal import REVISION
from dicomweb.wire.conditional import etag
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.paths import scope_of

_JSON = ("Content-Type", "application/json")


class LabelReading:
    """Tells which labels there are, now or at a revision: whatever the archive is of."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        of = dict.fromkeys(("labels_study", "labels_series", "labels_instance"), self._labels)
        return {**of, "labels": self._all}

    async def _labels(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """Those of one study, series or instance; 404 (NotStored), 410 (Gone)."""
        scope = scope_of(variables)
        tag, known = await self._known(request)
        if known is not None:
            return known
        return _told(await self._archive.labels(scope), tag)

    async def _all(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """Those in use, and how much bears each."""
        tag, known = await self._known(request)
        if known is not None:
            return known
        return _told([asdict(one) for one in await self._archive.label_counts()], tag)

    async def _known(self, request: Request) -> tuple[str, Answer | None]:
        """The ETag, taken before anything is asked, so that it is never newer; and 304 if the client has it."""
        for name, _ in request.query:
            raise BadParameter(name, "labels are told without parameters but asof")
        await see_commits(self._archive, request)
        tag = etag(self._archive.epoch, self._archive.revision, "labels", weak=True)
        return tag, not_modified(request, tag)


def _told(value: object, tag: str) -> Answer:
    return Answer(200, (_JSON, *caching(tag)), orjson.dumps(value), compressible=True)


class Labelling:
    """Puts labels on, and takes them off."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        put = dict.fromkeys(("label_study", "label_series", "label_instance"), self._put)
        return put | dict.fromkeys(("unlabel_study", "unlabel_series", "unlabel_instance"), self._drop)

    async def _put(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """404 (NotStored), 410 (Gone), 409 (NotUpgraded); 400 for what is no label."""
        scope, label = scope_of(variables), parse_label(variables["label"])
        done = await self._archive.add_label(scope, label, door="dicomweb", peer=request.peer)
        headers = (_JSON, (REVISION, str(done.revision)))
        return Answer(201 if done.changed else 200, headers, orjson.dumps(done.labels))

    async def _drop(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """The same."""
        scope, label = scope_of(variables), parse_label(variables["label"])
        done = await self._archive.drop_label(scope, label, door="dicomweb", peer=request.peer)
        return Answer(204, ((REVISION, str(done.revision)),))
