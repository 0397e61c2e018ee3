"""Retrieve thumbnails (PS3.18 10.4.1.1.4, Supplement 203): a small picture of a study, series, instance, frame.

Always a single part and never an animation. Without a viewport it fits into a small box and is never larger than
the image; with one it is what a rendered resource of that viewport would be. What has no decoder, or no picture of
its own, gets a card that says what it is: a list of thumbnails has no use for an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dicomweb.model.instance import Instance
from dicomweb.ports import NoSuchFrame
from dicomweb.services.conditional import see_commits
from dicomweb.services.drawing import Order
from dicomweb.services.frames import parse_frame_list
from dicomweb.services.handler import Handler
from dicomweb.services.limits import Limits
from dicomweb.services.rendered_answer import answer_one, choose_media, heeded
from dicomweb.services.rendered_parameters import read_look
from dicomweb.services.sights import PICTURES
from dicomweb.services.studio import Studio, check_state
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.negotiation import accept_texts
from dicomweb.wire.paths import instance_key_of, scope_of


class Thumbnails:
    """`/thumbnail` of studies, series, instances and frames."""

    def __init__(self, studio: Studio, limits: Limits | None = None) -> None:
        self._studio = studio
        self._limits = limits or Limits()

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {
            "thumbnail_study": self.scope,
            "thumbnail_series": self.scope,
            "thumbnail_instance": self.instance,
            "thumbnail_frames": self.frames,
        }

    async def scope(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """Of a study or series: of the image that stands for it."""
        scope = scope_of(variables)
        await see_commits(self._studio.archive, request)
        return await self._answer(request, await self._studio.representatives.of(scope), ())

    async def instance(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """Of an instance: of the frame that stands for it."""
        key = instance_key_of(variables)
        await see_commits(self._studio.archive, request)
        return await self._answer(request, await self._studio.archive.find_instance(key), ())

    async def frames(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """Of a list of frames: of the first one, if all of them are there."""
        key = instance_key_of(variables)
        numbers = parse_frame_list(variables["frames"], self._limits.frame_list)
        await see_commits(self._studio.archive, request)
        instance = await self._studio.archive.find_instance(key)
        await self._check_others(instance, numbers)
        return await self._answer(request, instance, (numbers[0],))

    async def _check_others(self, instance: Instance, numbers: Sequence[int]) -> None:
        """Raises NoSuchFrame."""
        sight = await self._studio.sights.of(instance)
        for number in numbers:
            if not 1 <= number <= sight.frames:
                raise NoSuchFrame(number, sight.frames)

    async def _answer(self, request: Request, instance: Instance, frames: tuple[int, ...]) -> Answer:
        look = read_look(request.query, self._studio.limits, thumbnail=True)
        texts = accept_texts(request)
        chosen = choose_media(*texts, PICTURES, (), False)
        look = heeded(look, *texts, chosen)
        subject, state, frame = (instance, None, 0) if frames else await self._studio.subject_of(instance)
        sight = await self._studio.sights.of(subject)
        frames = frames or ((frame,) if frame else ())
        order = Order(subject, look, chosen.media, frames, state, animated=False, card=True)
        check_state(order)
        return await answer_one(self._studio, request, order, sight)
