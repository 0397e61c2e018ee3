"""Retrieve instances (PS3.18 10.4.1.1.1): a study, a series or an instance as DICOM files.

As multipart/related with a part an instance, as one application/dicom where there is one instance, or as a zip.
The stored bytes go out as they are where that is what the client takes; else they are re-encoded, or their pixel
data are converted: to what is asked for, or to the default where no syntax is named (see `wire.offers`). All is
checked against the catalog before the first byte; an object that fails midway breaks the connection off, so that
no client takes a part for the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

from dicomweb.model.instance import Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.ports import Archive, Compute
from dicomweb.services.archive_zip import ZipEntry, write_zip
from dicomweb.services.choosing import choose_lazily, explaining
from dicomweb.services.conditional import caching, not_modified, see_commits, single_part
from dicomweb.services.conversions import Kind, kind_of, made_of_instances
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.handler import Handler
from dicomweb.services.instance_conversion import converted_bytes
from dicomweb.services.instance_reading import Form, read_instances
from dicomweb.services.streams import begun
from dicomweb.wire.conditional import etag
from dicomweb.wire.exchange import Answer, Request
from dicomweb.wire.multipart import closing, new_boundary, part_head, related_type
from dicomweb.wire.negotiation import (
    DICOM,
    ZIP,
    Accepted,
    NotAcceptable,
    Offers,
    Representation,
    accepted_by,
)
from dicomweb.wire.offers import Made, instance_offers
from dicomweb.wire.paths import instance_key_of, scope_of

_HEAD_AND_DATA = 2
"""Chunks read before the answer begins: the head of the first part, and something of the first object."""


class Retrieval:
    """Studies, series and instances as files."""

    def __init__(
        self,
        archive: Archive,
        compute: Compute,
        *,
        converter: FrameConverter | None = None,
        as_stored: bool = False,
    ) -> None:
        """`as_stored` is what clients get that name no transfer syntax (`default_transfer_syntax`)."""
        self._archive = archive
        self._compute = compute
        self._converter = converter or FrameConverter(archive, compute)
        self._as_stored = as_stored

    def handlers(self) -> Mapping[str, Handler]:
        """By operation."""
        return {
            "retrieve_study": self.retrieve,
            "retrieve_series": self.retrieve,
            "retrieve_instance": self.retrieve_instance,
        }

    async def retrieve_instance(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """One instance."""
        key = instance_key_of(variables)
        await see_commits(self._archive, request)
        instance = await self._archive.find_instance(key)
        return await self._answer(request, key.scope, (instance,), instance.revision)

    async def retrieve(self, request: Request, variables: Mapping[str, str]) -> Answer:
        """All instances of a study or series."""
        scope = scope_of(variables)
        await see_commits(self._archive, request)
        # Read before the instances: an ETag may be older than what it comes with, never newer.
        revision = await self._archive.series_revision(scope)
        return await self._answer(request, scope, await self._archive.find_instances(scope), revision)

    async def _answer(
        self, request: Request, scope: Scope, instances: Sequence[Instance], revision: int
    ) -> Answer:
        counts = Counter(map(kind_of, instances))
        single = len(instances) == 1
        with explaining(counts):
            form = choose_form(accepted_by(request), tuple(counts), single_part=single, as_stored=self._as_stored)
        packaging = next(iter(form.values()))
        named = " ".join(map(str, form.values()))
        tag = etag(self._archive.epoch, revision, named, weak=packaging.multipart)
        unchanged = not_modified(request, tag)
        if unchanged is not None:
            return unchanged
        if packaging.media == ZIP:
            return await self._zip(scope, instances, form, tag)
        if packaging.multipart:
            return await self._multipart(instances, form, counts, tag)
        return await self._single(request, instances[0], packaging, tag)

    async def _single(self, request: Request, instance: Instance, chosen: Representation, tag: str) -> Answer:
        """One file as the body; ranges of it where it is sent as stored."""
        if chosen.stored:
            read = partial(self._archive.read, instance)
            return single_part(request, chosen.content_type, tag, instance.size, read)
        body = await begun(_payloads(self._parts((instance,), {kind_of(instance): chosen})), chunks=1)
        return Answer(200, (("Content-Type", chosen.content_type), *caching(tag)), body)

    async def _multipart(
        self, instances: Sequence[Instance], form: Form, counts: Mapping[Kind, int], tag: str
    ) -> Answer:
        boundary = new_boundary()
        # The first head is written like the others and loses its line end: the body begins with the boundary.
        heads = {kind: part_head(boundary, chosen.content_type) for kind, chosen in form.items()}
        tail = closing(boundary)
        length = None
        if all(chosen.stored for chosen in form.values()):
            framing = sum(len(heads[kind]) * count for kind, count in counts.items()) - 2
            length = framing + sum(instance.size for instance in instances) + len(tail)
        body = await begun(_join(self._parts(instances, form), heads, tail), chunks=_HEAD_AND_DATA)
        return Answer(200, (("Content-Type", related_type(boundary, DICOM)), *caching(tag)), body, length)

    async def _zip(self, scope: Scope, instances: Sequence[Instance], form: Form, tag: str) -> Answer:
        headers = (
            ("Content-Type", ZIP),
            ("Content-Disposition", f'attachment; filename="{scope.instance or scope.series or scope.study}.zip"'),
            *caching(tag),
        )
        body = write_zip(_entries(self._parts(instances, form), form))
        return Answer(200, headers, await begun(body, chunks=_HEAD_AND_DATA))

    def _parts(
        self, instances: Sequence[Instance], form: Form
    ) -> AsyncIterator[tuple[Instance, AsyncIterator[bytes]]]:
        return read_instances(self._archive, self._compute, self._converter, instances, form)


def choose_form(accepted: Accepted, kinds: Sequence[Kind], *, single_part: bool, as_stored: bool = False) -> Form:
    """For each kind of instance what is sent of it, all in one packaging. Raises NotAcceptable.

    Usually each is chosen by itself (PS3.18 8.7.8.1) and all agree. Where they do not, the first packaging in
    which everything can be sent is taken.
    """

    def pick(kind: Kind, wanted: tuple[str, bool] | None = None) -> Representation:
        def offers(made: Made) -> Offers:
            found = instance_offers(kind[0], single_part=single_part, made=made, as_stored=as_stored)
            return [offer for offer in found if wanted is None or _packaging(offer) == wanted]

        return choose_lazily(accepted, offers, partial(made_of_instances, kind))

    form = {kind: pick(kind) for kind in kinds}
    packagings = dict.fromkeys(map(_packaging, form.values()))
    if len(packagings) == 1:
        return form
    refused: list[Representation] = []
    for wanted in packagings:
        try:
            return {kind: pick(kind, wanted) for kind in kinds}
        except NotAcceptable as error:
            refused += error.offers
    raise NotAcceptable(refused, (*accepted.parameter, *accepted.header))


def _packaging(chosen: Representation) -> tuple[str, bool]:
    return chosen.media, chosen.multipart


async def _join(
    parts: AsyncIterator[tuple[Instance, AsyncIterator[bytes]]], heads: Mapping[Kind, bytes], tail: bytes
) -> AsyncIterator[bytes]:
    first = True
    async for instance, chunks in parts:
        head = heads[kind_of(instance)]
        yield head[2:] if first else head
        first = False
        async for chunk in chunks:
            yield chunk
    yield tail


async def _payloads(parts: AsyncIterator[tuple[Instance, AsyncIterator[bytes]]]) -> AsyncIterator[bytes]:
    async for _, chunks in parts:
        async for chunk in chunks:
            yield chunk


async def _entries(
    parts: AsyncIterator[tuple[Instance, AsyncIterator[bytes]]], form: Form
) -> AsyncIterator[ZipEntry]:
    async for instance, chunks in parts:
        chosen = form[kind_of(instance)]
        size = converted_bytes(instance, chosen.transfer_syntax) if chosen.converted else instance.size
        yield ZipEntry(zip_name(instance.key), size, chunks)


def zip_name(key: InstanceKey) -> str:
    """Name of the instance's file in a zip."""
    return f"{key.study}/{key.series}/{key.instance}.dcm"
