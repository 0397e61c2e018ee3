"""A read that finds no bytes because the log has gone on: they were erased, and this node had not heard of it yet.

So it goes where a node stood still for longer than retention has, or reads within the second after an erasure by
another. Whoever is about to say that an object is missing reads the log to its tail first.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from dicomweb.model.instance import Instance
from dicomweb.ports import Damaged, Gone, Unavailable
from storage.catalog.catalog import Catalog
from storage.objects.contract import ObjectMissing


async def unless_overtaken(
    chunks: AsyncGenerator[bytes, None],
    instance: Instance,
    catalog: Catalog,
    catch_up: Callable[[], Awaitable[None]],
) -> AsyncIterator[bytes]:
    """The same chunks. Raises Gone or Unavailable, not Damaged, if it is the log that took the bytes away."""
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk
    except Damaged as error:
        if not isinstance(error.__cause__, ObjectMissing):
            raise
        await catch_up()
        visible = (await catalog.known({instance.key}))[instance.key].visible
        if any(one.version == instance.version for one in visible):
            raise
        if visible:
            raise Unavailable("the instance was replaced while it was read; ask again", 1) from error
        raise Gone("the instance was removed while it was read") from error
