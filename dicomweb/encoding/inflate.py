"""Deflated data sets inflated piece by piece (PS3.5 A.5), with a bound for those made to burst.

A data set is deflated raw (RFC 1951), without the header and checksum of zlib or gzip.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from dicomweb.encoding.head import OverLimit, Truncated, Unreadable

PIECE = 1 << 20
"""Most bytes that come out at once."""
_FREE = 16 << 20
"""Inflated bytes that no ratio is asked of (as in HeadLimits)."""


class Inflater:
    """Raw deflate in, plain bytes out."""

    def __init__(self, ratio: int | None = None) -> None:
        """`ratio` bounds inflated bytes to deflated ones beyond the first 16 MiB; None where the data are known
        to keep it, having been read once."""
        self._ratio = ratio
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._taken = 0
        self._given = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The bytes these inflate to, in pieces of at most 1 MiB; to be used up before the next call.

        Raises Unreadable, OverLimit.
        """
        self._taken += len(chunk)
        pending = chunk
        # what follows the end of the deflated stream is its padding to even length
        while pending and not self._stream.eof:
            try:
                piece = self._stream.decompress(pending, PIECE)
            except zlib.error as error:
                raise Unreadable(f"the deflated data set cannot be inflated: {error}", self._taken) from error
            pending = self._stream.unconsumed_tail
            self._given += len(piece)
            if self._ratio is not None and self._given > _FREE + self._ratio * self._taken:
                raise OverLimit(f"the data set inflates to over {self._ratio} times its size", self._taken)
            if piece:
                yield piece
            elif not pending:
                return

    def finish(self) -> Iterator[bytes]:
        """What is left. Raises Truncated if the deflated stream has not ended."""
        rest = self._stream.flush()
        if rest:
            yield rest
        if self._taken and not self._stream.eof:
            raise Truncated("the deflated data set ends too early", self._taken)
