"""One stored object to what the log said of it: its header by ranges, pixels passed over.

    object   |== first range ==|- - pixel data - -|===|
                                 not read            elements behind it, if there are any

Pixel data whose fragments are small are read through, since a request costs more than the bytes it would spare;
so is a deflated data set. Of what was read through the digest is known, else it stays open (`log.unread`).
"""

from __future__ import annotations

import asyncio

from dicomweb.encoding.head import HeadLimits
from dicomweb.model.frames import EncapsulatedFrames, FrameIndex
from dicomweb.model.ranges import ByteRange
from storage.archive.inspect import Inspected, Inspector, inspect_whole
from storage.layout import ObjectName
from storage.objects.contract import ObjectInfo, ObjectStore

FIRST = 128 << 10
"""Bytes of the first read: the header of nearly everything, the whole of many objects."""
_NEXT = 64 << 10
"""Bytes of the read behind something passed over."""
_MOST = 4 << 20
"""Bytes of a read when many follow one another."""
_WORTH_A_REQUEST = 1 << 20
"""Bytes from which on passing over is cheaper than reading, if something has to be read behind them."""
_NATIVE = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"))


class Misplaced(Exception):
    """The object holds another instance than its key says."""

    def __init__(self) -> None:
        super().__init__("it holds another instance than its name says")


async def inspect_object(
    store: ObjectStore, info: ObjectInfo, name: ObjectName, *, limits: HeadLimits, digest: bool, small_bytes: int
) -> Inspected:
    """What there is to know of a stored object; with `digest` all of it is read.

    Raises Unreadable, Unidentified, Misplaced, ObjectMissing and the store's other errors.
    """
    inspector = Inspector(limits, whole=info.size <= FIRST)
    position, step, block = 0, FIRST, b""
    while position < info.size:
        block = await store.get(info.key, ByteRange(position, min(info.size, position + step)))
        if not block:
            break
        await asyncio.to_thread(inspector.feed, block)
        position += len(block)
        step = min(_MOST, 2 * step)
        spared = 0 if digest else min(inspector.needless, info.size - position)
        if spared and (spared >= _WORTH_A_REQUEST or position + spared == info.size):
            inspector.pass_over(spared)
            position, step = position + spared, _NEXT
    found = await asyncio.to_thread(inspector.finish, name.version, block if info.size <= FIRST else b"")
    if info.size <= small_bytes and _is_mislabelled(found):
        # intake, which had all of it in memory, found out what the fragments are
        data = await store.get(info.key)
        found = await asyncio.to_thread(inspect_whole, data, name.version, limits)
    if found.version.key != name.key:
        raise Misplaced
    return found


def _is_mislabelled(found: Inspected) -> bool:
    """Whether fragments are said to be in a syntax that has none."""
    stored = found.version
    if stored.transfer_syntax not in _NATIVE or not stored.frames:
        return False
    return isinstance(FrameIndex.from_bytes(stored.frames).layout, EncapsulatedFrames)
