"""The last entry after a power cut: a file whose bytes never reached the disk.

A folder may show the name of the entry that was being written when the power went, with no bytes in it or zeros
at its end. Nobody was told of it: it is durable before anyone is answered, and before another entry is built on
it. So it counts as an entry without events. That it does is written beside it, once and for all nodes, in an
object of its own; the torn file stays as it is. An entry that is damaged in any other way, or is not the last, is
not touched: that would be silent loss.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

from storage import layout
from storage.log.codec import decode_entry, encode_entry
from storage.log.errors import DamagedEntry
from storage.log.events import Entry
from storage.log.following import looks_torn
from storage.log.journal import Journal
from storage.objects.contract import ObjectExists

_LOG = logging.getLogger(__name__)


async def set_aside_torn_tail(journal: Journal, after: int) -> int:
    """Let the last entry count as empty if a crash tore it; its number, 0 if it is whole or there is none.

    `after`: an entry known to be whole. To be called when a node starts. Raises the store's errors.
    """
    try:
        number = await journal.tail(after)
    except DamagedEntry:
        return 0
    data = await journal.fetch_bytes(number) if number > after else None
    if data is None or not looks_torn(data):
        return 0
    try:
        decode_entry(data, number=number, epoch=journal.epoch)
    except DamagedEntry:
        pass
    else:
        return 0
    empty = Entry(number, journal.epoch, f"torn-{uuid4()}", journal.node, datetime.now(UTC))
    key = layout.torn_key(journal.epoch, number)
    with suppress(ObjectExists):
        await journal.store.put(key, [encode_entry(empty)], create=True)
    await journal.store.settle([key])
    _LOG.warning("log entry %d was torn by a crash before anyone was told of it; it counts as empty", number)
    return number
