"""Work that gives many small pieces, done off the event loop in steps of a size worth handing on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator

from dicomweb.ports import Compute

_STEP_BYTES = 256 << 10
"""Bytes gathered before they are handed on."""


async def stepwise(
    compute: Compute, begin: Callable[[], Iterator[bytes | None]]
) -> AsyncGenerator[bytes | None, None]:
    """What `begin` gives, pieces joined; each None comes by itself, and what follows it is not begun before.

    A deflated chunk may become hundreds of times its size, and headers come in many small pieces.
    """
    pieces: Iterator[bytes | None] | None = None

    def step() -> tuple[bytes, bool, bool]:
        nonlocal pieces
        pieces = begin() if pieces is None else pieces
        gathered: list[bytes] = []
        size = 0
        for piece in pieces:
            if piece is None:
                return b"".join(gathered), True, True
            gathered.append(piece)
            size += len(piece)
            if size >= _STEP_BYTES:
                return b"".join(gathered), False, True
        return b"".join(gathered), False, False

    more = True
    while more:
        data, gap, more = await compute.run(step)
        if data:
            yield data
        if gap:
            yield None
