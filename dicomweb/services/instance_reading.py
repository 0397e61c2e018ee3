"""Whole instances in the transfer syntax a representation promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial

import orjson

from dicomweb.encoding.reencode import reencoder
from dicomweb.model.instance import Header, Instance
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Archive, Compute
from dicomweb.wire.negotiation import Representation

_STEP_BYTES = 256 << 10
"""Re-encoded bytes gathered before they are handed on."""

Form = Mapping[str, Representation]
"""The representation chosen for each transfer syntax that is stored."""


async def read_instances(
    archive: Archive, compute: Compute, instances: Sequence[Instance], form: Form
) -> AsyncIterator[tuple[Instance, AsyncIterator[bytes]]]:
    """Each instance and its bytes, in order; the bytes of one are to be read before the next.

    Headers are fetched only where something must be re-encoded.
    """
    changed = [instance for instance in instances if not form[instance.transfer_syntax].stored]
    headers = _one_by_one(archive, changed)
    for instance in instances:
        if form[instance.transfer_syntax].stored:
            yield instance, archive.read(instance)
        else:
            header = await anext(headers)
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
        async for piece in _steps(compute, partial(_iterate, work.feed, chunk)):
            yield piece
    async for piece in _steps(compute, lambda: iter(work.finish())):
        yield piece


def _iterate(feed: Callable[[bytes], Sequence[bytes] | Iterator[bytes]], chunk: bytes) -> Iterator[bytes]:
    return iter(feed(chunk))


async def _steps(compute: Compute, begin: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
    """What `begin` gives, computed off the loop and gathered to chunks of a size worth sending: a deflated chunk
    may become hundreds of times its size, and headers come in many small pieces."""
    pieces: Iterator[bytes] | None = None

    def step() -> bytes:
        nonlocal pieces
        pieces = begin() if pieces is None else pieces
        gathered, size = [], 0
        for piece in pieces:
            gathered.append(piece)
            size += len(piece)
            if size >= _STEP_BYTES:
                break
        return b"".join(gathered)

    more = True
    while more:
        data = await compute.run(step)
        more = len(data) >= _STEP_BYTES
        if data:
            yield data
