"""WADO-URI (PS3.18 9): one instance by its UIDs in the query, as a DICOM file or rendered.

Media types come from `contentType`, and where it is missing from the Accept field. `application/dicom` is given by
the service that retrieves instances, with everything it knows of transfer syntaxes; all other types by the same
studio that draws rendered resources. Study and series, which the standard wants, may be missing or empty, as many
clients leave them: the instance is then found by the archive's search.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from dicomweb.model.counting import counted
from dicomweb.model.instance import Instance
from dicomweb.model.keys import IllegalUid, InstanceKey, Level, parse_uid
from dicomweb.model.query import Match, OneOf, Query
from dicomweb.ports import Gone, NotStored
from dicomweb.services.conditional import see_commits
from dicomweb.services.drawing import Order
from dicomweb.services.handler import Handler
from dicomweb.services.rendered_answer import answer_one
from dicomweb.services.sights import Sight
from dicomweb.services.studio import Studio, is_presentation_state
from dicomweb.services.wado_uri_parameters import WadoQuery, read_wado
from dicomweb.wire.exchange import Answer, Request, WebError
from dicomweb.wire.negotiation import DICOM, NotAcceptable, Representation, choose, parse_accepted

_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"


class WadoUri:
    """`/wado`."""

    def __init__(self, studio: Studio, retrieve: Handler) -> None:
        """`retrieve` answers Retrieve Instance."""
        self._studio = studio
        self._retrieve = retrieve

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {"wado_uri": self.wado}

    async def wado(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """The instance, as the query wants it."""
        asked = read_wado(request.query, self._studio.limits)
        await see_commits(self._studio.archive, request)
        instance = await self._find(asked.study, asked.series, asked.instance)
        header = request.header("accept")
        if _only_dicom(asked.content_type, header):
            return await self._file(request, instance, asked)
        sight = await self._studio.sights.of(instance)
        media = _choose(asked.content_type, header, sight.media)
        if media == DICOM:
            return await self._file(request, instance, asked)
        return await self._picture(request, instance, sight, media, asked)

    async def _picture(
        self, request: Request, instance: Instance, sight: Sight, media: str, asked: WadoQuery
    ) -> Answer:
        frames = (asked.frame,) if asked.frame is not None and self._checked(asked.frame, sight) else ()
        subject, state = instance, None
        if asked.state:
            state = await self._state_for(instance, asked)
        elif not frames:
            subject, state, frame = await self._studio.subject_of(instance)
            frames = (frame,) if frame else ()
            sight = await self._studio.sights.of(subject)
        moment = self._studio.moment(media)
        order = Order(subject, asked.look, media, frames, state, root=request.root, moment=moment)
        return await answer_one(self._studio, request, order, sight)

    def _checked(self, frame: int, sight: Sight) -> bool:
        """A frame that is not there is 400 here, not 404 (PS3.18 9.5.2). False for the only one of an object that
        has a painter of its own and no frames."""
        if frame > max(sight.frames, 1):
            raise WebError(400, f"frameNumber {frame}: the instance has {counted(sight.frames, 'frame')}")
        return sight.frames > 0

    async def _state_for(self, instance: Instance, asked: WadoQuery) -> Instance:
        """The presentation state, which must be one for this image."""
        study = asked.study if asked.state_series else ""
        try:
            state = await self._find(study or instance.key.study, asked.state_series, asked.state)
        except (NotStored, Gone) as error:
            raise WebError(
                404, "the presentation state that presentationUID names is not stored in the study of the image"
            ) from error
        if not is_presentation_state(state.sop_class):
            raise WebError(400, "presentationUID does not name a presentation state")
        frame = asked.frame or 1
        references = await self._studio.state_images.references_of(state)
        if not any(one.covers(instance.key.instance, frame) for one in references):
            raise WebError(400, "the presentation state is not for this image")
        return state

    async def _file(self, request: Request, instance: Instance, asked: WadoQuery) -> Answer:
        """The DICOM file, in the transfer syntax that is named."""
        accept = f'{DICOM}; transfer-syntax="{asked.transfer_syntax}"' if asked.transfer_syntax else DICOM
        key = instance.key
        try:
            answer = await self._retrieve(
                replace(request, query=(), headers={**request.headers, "accept": accept}),
                {"study": key.study, "series": key.series, "instance": key.instance},
            )
        except NotAcceptable as error:
            sent = [offer for offer in error.offers if offer.media == DICOM and not offer.multipart]
            raise NotAcceptable(sent, error.asked, error.why) from error
        return replace(answer, headers=(*answer.headers, *asked.look.fields()))

    async def _find(self, study: str, series: str, sop: str) -> Instance:
        """The instance, by search where study or series are not named. Raises NotStored, Gone."""
        if study and series:
            return await self._studio.archive.find_instance(InstanceKey(study, series, sop))
        given = ((_INSTANCE, sop, "objectUID"), (_STUDY, study, "studyUID"), (_SERIES, series, "seriesUID"))
        matches = tuple(Match((tag,), "UI", OneOf((uid,)), name) for tag, uid, name in given if uid)
        found = await self._studio.archive.search(Query(Level.INSTANCE, matches, limit=1))
        async for batch in found.batches:
            for row in batch:
                key = _key_of(row, sop)
                if key is not None:
                    return await self._studio.archive.find_instance(key)
        raise NotStored("no such instance is stored")


def _key_of(row: Mapping[str, Mapping[str, Any]], sop: str) -> InstanceKey | None:
    """The key of an instance that was found."""
    try:
        study, series = (str(row[tag]["Value"][0]) for tag in (_STUDY, _SERIES))
        return InstanceKey(parse_uid(study), parse_uid(series), sop)
    except (KeyError, IndexError, IllegalUid):
        return None


def _only_dicom(content_type: str, accept: str) -> bool:
    """Whether nothing but a DICOM file is wanted, so that nothing else need be known of the instance."""
    return (content_type or accept).partition(";")[0].strip().lower() == DICOM


@lru_cache(maxsize=512)
def _choose(content_type: str, accept: str, rendered: tuple[str, ...]) -> str:
    """The media type to send: rendered ones first, since that is what WADO-URI means by nothing said."""
    offers = [Representation(media, False) for media in (*rendered, DICOM)]
    return choose(parse_accepted("", content_type or accept), offers).media
