"""Retrieve rendered resources (PS3.18 10.4.1.1.3): studies, series, instances, frames as pictures for people.

    frames     each frame listed: one picture, parts, or an animation of them in their order
    instance   an image: the frame that stands for it, an animation, or all frames as parts; a video, document,
               report, segmentation, ...: whatever it can be shown as
    series,    all images, a part a frame (10.4.3.3); the picture that stands for them where the client accepts a
    study      single part only

A presentation state shows the image it is for as it wants it to be seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from dicomweb.model.instance import Instance
from dicomweb.services.conditional import see_commits
from dicomweb.services.drawing import ANIMATIONS, Order
from dicomweb.services.frames import parse_frame_list
from dicomweb.services.handler import Handler
from dicomweb.services.limits import Limits
from dicomweb.services.rendered_answer import answer_one, answer_parts, choose_media, heeded
from dicomweb.services.rendered_parameters import Look, read_look
from dicomweb.services.representative import rank
from dicomweb.services.sights import PICTURES, VIDEO, Sight
from dicomweb.services.studio import Studio, check_state
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.negotiation import accept_texts
from dicomweb.wire.paths import instance_key_of, scope_of


class Rendered:
    """`/rendered` of studies, series, instances and frames."""

    def __init__(self, studio: Studio, limits: Limits | None = None) -> None:
        self._studio = studio
        self._limits = limits or Limits()

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {
            "rendered_study": self.scope,
            "rendered_series": self.scope,
            "rendered_instance": self.instance,
            "rendered_frames": self.frames,
        }

    async def frames(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """The frames of the list."""
        numbers = parse_frame_list(variables["frames"], self._limits.frame_list)
        look = read_look(request.query, self._studio.limits)
        await see_commits(self._studio.archive, request)
        instance = await self._studio.archive.find_instance(instance_key_of(variables))
        sight = await self._studio.sights.of(instance)
        if len(numbers) == 1:
            single: tuple[str, ...] = PICTURES
        else:
            single = () if sight.special else tuple(sorted(ANIMATIONS))
        texts = accept_texts(request)
        chosen = choose_media(*texts, single, PICTURES, len(numbers) > 1)
        look = heeded(look, *texts, chosen)
        order = Order(instance, look, chosen.media, tuple(numbers), root=request.root)
        self._studio.drawing.check(order, sight)
        if not chosen.multipart:
            return await answer_one(self._studio, request, order, sight)
        return await answer_parts(
            self._studio,
            request,
            _each_frame(replace(order, animated=False), sight, numbers),
            media=chosen.media,
            revision=instance.revision,
            named=order.key,
            extra=look.fields(),
        )

    async def instance(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """One instance."""
        look = read_look(request.query, self._studio.limits)
        await see_commits(self._studio.archive, request)
        instance = await self._studio.archive.find_instance(instance_key_of(variables))
        return await self._instance(request, instance, look)

    async def _instance(self, request: Request, instance: Instance, look: Look) -> Answer:
        subject, state, frame = await self._studio.subject_of(instance)
        sight = await self._studio.sights.of(subject)
        texts = accept_texts(request)
        chosen = choose_media(*texts, sight.media, sight.media, False)
        look = heeded(look, *texts, chosen)
        frames = (frame,) if frame else ()
        moment = self._studio.moment(chosen.media)
        order = Order(subject, look, chosen.media, frames, state, root=request.root, moment=moment)
        check_state(order)
        if not chosen.multipart:
            return await answer_one(self._studio, request, order, sight)
        return await answer_parts(
            self._studio,
            request,
            _each_part(replace(order, card=True), sight),
            media=chosen.media,
            revision=instance.revision,
            named=order.key,
            extra=look.fields(),
        )

    async def scope(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """All images of a study or series, or the one that stands for them."""
        scope = scope_of(variables)
        look = read_look(request.query, self._studio.limits)
        archive = self._studio.archive
        await see_commits(archive, request)
        representative = await self._studio.representatives.of(scope)
        sight = await self._studio.sights.of(representative)
        parts = PICTURES if sight.special else (*PICTURES, VIDEO)
        texts = accept_texts(request)
        chosen = choose_media(*texts, sight.media, parts, True)
        if not chosen.multipart:
            return await self._instance(request, representative, look)
        look = heeded(look, *texts, chosen)
        revision = await archive.series_revision(scope)
        instances = shown(await archive.find_instances(scope))
        named = f"{look.text()} {scope}"
        orders = self._each_of(instances, Order(representative, look, chosen.media, root=request.root, card=True))
        return await answer_parts(
            self._studio,
            request,
            orders,
            media=chosen.media,
            revision=revision,
            named=named,
            extra=look.fields(),
        )

    async def _each_of(self, instances: Sequence[Instance], pattern: Order) -> AsyncIterator[tuple[Order, Sight]]:
        for instance in instances:
            sight = await self._studio.sights.of(instance)
            if pattern.media in sight.media:
                async for part in _each_part(replace(pattern, instance=instance), sight):
                    yield part


def shown(instances: Sequence[Instance]) -> list[Instance]:
    """Of the instances of a study or series those that are shown as parts: those with pixels, if any has some."""
    best = min(map(rank, instances))
    return [one for one in instances if rank(one) < 2 or best == 2]


async def _each_part(order: Order, sight: Sight) -> AsyncIterator[tuple[Order, Sight]]:
    """The parts of one instance: each frame, but one part of what shows all of them or has none."""
    if sight.special or not sight.frames or order.media in ANIMATIONS or order.frames:
        yield order, sight
        return
    async for part in _each_frame(order, sight, range(1, sight.frames + 1)):
        yield part


async def _each_frame(order: Order, sight: Sight, numbers: Sequence[int]) -> AsyncIterator[tuple[Order, Sight]]:
    for number in numbers:
        yield replace(order, frames=(number,)), sight
