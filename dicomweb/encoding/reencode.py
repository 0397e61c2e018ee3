"""A stored object in a native transfer syntax as a file in Explicit VR Little Endian, as a stream.

    feed(chunk) ─▶ prefix: file meta information relabelled │ data set: elements re-encoded, or inflated ─▶ bytes

Implicit VR Little Endian and Explicit VR Big Endian go through `explicit_little`. Deflated data sets are Explicit
VR Little Endian once inflated (PS3.5 A.5).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator

from dicomweb.encoding.explicit_little import ElementsToExplicitLittle
from dicomweb.encoding.inflate import Inflater
from dicomweb.encoding.writer import EXPLICIT_LITTLE, file_prefix, relabelled_prefix
from dicomweb.model.query import JsonAttributes

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
REENCODED = frozenset((IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED))
"""Transfer syntaxes whose instances are given as Explicit VR Little Endian where no syntax is asked for."""


def reencoder(data_set: JsonAttributes, *, transfer_syntax: str, data_set_offset: int) -> ToExplicitLittle:
    """The transformer for a stored object of one of the `REENCODED` syntaxes, given its header."""
    return ToExplicitLittle(data_set, transfer_syntax=transfer_syntax, data_set_offset=data_set_offset)


async def explicit_little(
    chunks: AsyncIterable[bytes], data_set: JsonAttributes, *, transfer_syntax: str, data_set_offset: int
) -> AsyncIterator[bytes]:
    """A stored object, given in chunks, as a file in Explicit VR Little Endian. Raises Unreadable."""
    work = reencoder(data_set, transfer_syntax=transfer_syntax, data_set_offset=data_set_offset)
    async for chunk in chunks:
        for piece in work.feed(chunk):
            yield piece
    for piece in work.finish():
        yield piece


class ToExplicitLittle:
    """A file in one of the `REENCODED` syntaxes in, a file in Explicit VR Little Endian out."""

    def __init__(self, data_set: JsonAttributes, *, transfer_syntax: str, data_set_offset: int) -> None:
        self._prefix = Prefix(data_set, data_set_offset, EXPLICIT_LITTLE)
        self._body: Inflater | ElementsToExplicitLittle
        if transfer_syntax == DEFLATED:
            self._body = Inflater()
        else:
            self._body = ElementsToExplicitLittle(
                data_set, transfer_syntax=transfer_syntax, offset=data_set_offset
            )

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What can be written after these bytes; to be used up before the next call. Raises Unreadable."""
        prefix, rest = self._prefix.take(chunk)
        if prefix:
            yield prefix
        if rest:
            yield from self._body.feed(rest)

    def finish(self) -> Iterator[bytes]:
        """The end: what was held back. Raises Truncated if the stored bytes broke off."""
        yield from self._body.finish()


class Prefix:
    """Gathers what stands before the data set and gives it back for another transfer syntax."""

    def __init__(
        self, data_set: JsonAttributes, data_set_offset: int, transfer_syntax: str, sop_instance: str = ""
    ) -> None:
        """`sop_instance` is the UID of what follows if it is another than before."""
        self._data_set = data_set
        self._transfer_syntax = transfer_syntax
        self._sop_instance = sop_instance
        self._missing = data_set_offset
        self._held: list[bytes] = []
        self._told = False

    def take(self, chunk: bytes) -> tuple[bytes, bytes]:
        """What is to be written, and the part of the chunk that belongs to the data set."""
        if self._told:
            return b"", chunk
        self._held.append(chunk[: self._missing])
        rest = chunk[self._missing :]
        self._missing -= len(chunk) - len(rest)
        if self._missing:
            return b"", b""
        self._told = True
        prefix = relabelled_prefix(b"".join(self._held), self._transfer_syntax, self._sop_instance)
        if not prefix:
            named = self._sop_instance or self._uid("00080018")
            prefix = file_prefix(self._uid("00080016"), named, self._transfer_syntax)
        return prefix, rest

    def _uid(self, tag: str) -> str:
        values = self._data_set.get(tag, {}).get("Value") or [""]
        return str(values[0])
