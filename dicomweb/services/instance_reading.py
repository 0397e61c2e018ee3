"""Whole instances in the transfer syntax a representation promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial

import orjson

from dicomweb.encoding.reencode import reencoder
from dicomweb.model.instance import Header, Instance
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Archive, Compute
from dicomweb.services.conversions import Kind, kind_of
from dicomweb.services.frame_conversion import FrameConverter
from dicomweb.services.instance_conversion import convert_instance
from dicomweb.services.stepping import stepwise
from dicomweb.wire.negotiation import Representation

Form = Mapping[Kind, Representation]
"""The representation chosen for each kind of instance."""


async def read_instances(
    archive: Archive, compute: Compute, converter: FrameConverter, instances: Sequence[Instance], form: Form
) -> AsyncIterator[tuple[Instance, AsyncIterator[bytes]]]:
    """Each instance and its bytes, in order; the bytes of one are to be read before the next.

    Headers are fetched only where something must be re-encoded.
    """
    changed = [instance for instance in instances if not form[kind_of(instance)].stored]
    headers = _one_by_one(archive, changed)
    for instance in instances:
        chosen = form[kind_of(instance)]
        if chosen.stored:
            yield instance, archive.read(instance)
            continue
        header = await anext(headers)
        if chosen.converted:
            yield instance, convert_instance(archive, compute, converter, header, chosen.transfer_syntax)
        else:
            yield instance, reencoded(archive, compute, header)


async def _one_by_one(archive: Archive, instances: Sequence[Instance]) -> AsyncIterator[Header]:
    if instances:
        async for batch in archive.headers(instances):
            for header in batch:
                yield header


async def reencoded(archive: Archive, compute: Compute, header: Header) -> AsyncIterator[bytes]:
    """The stored object as Explicit VR Little Endian. Raises Damaged, Unreadable."""
    instance = header.instance
    attributes: JsonAttributes = await compute.run(partial(orjson.loads, header.json))
    work = reencoder(
        attributes, transfer_syntax=instance.transfer_syntax, data_set_offset=instance.data_set_offset
    )
    async for chunk in archive.read(instance):
        async for piece in stepwise(compute, partial(_iterate, work.feed, chunk)):
            assert piece is not None
            yield piece
    async for piece in stepwise(compute, lambda: iter(work.finish())):
        assert piece is not None
        yield piece


def _iterate(feed: Callable[[bytes], Sequence[bytes] | Iterator[bytes]], chunk: bytes) -> Iterator[bytes]:
    return iter(feed(chunk))
