"""A stored object as a file in another transfer syntax, as a stream, its pixel data left to the caller.

    feed(chunk) ─▶ prefix relabelled │ elements before Pixel Data │ None: here they belong │ elements behind

Elements of the top level are replaced on the way, and the tables that say where compressed frames lay go. What is
stored may be in any transfer syntax; what is written is in the coding that the target gives to all but Pixel Data:
Explicit VR Little Endian, without VRs for Implicit, as one deflated stream for Deflated (PS3.5 A.1 to A.5). Pixel
Data in icons stay as they are.

The pixel data are the caller's: whatever it puts in their place goes through `pass_through`, since in a deflated
data set they are deflated with the rest.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from dicomweb.encoding.explicit_little import ElementsToExplicitLittle
from dicomweb.encoding.inflate import Inflater
from dicomweb.encoding.reencode import DEFLATED, IMPLICIT_LITTLE, Prefix
from dicomweb.encoding.writer import EXPLICIT_LITTLE, element_header, implicit_header
from dicomweb.model.query import JsonAttributes

_TABLES: Mapping[int, bytes] = {0x7FE00001: b"", 0x7FE00002: b"", 0x7FE00003: b""}
"""Extended Offset Table, its lengths, and the length of the encapsulated value (PS3.3 C.7.6.3.1.8)."""


class Rewriter:
    """A file in one transfer syntax in, a file in another one without its pixel data out."""

    def __init__(
        self,
        data_set: JsonAttributes,
        *,
        source: str,
        target: str,
        data_set_offset: int,
        changes: Mapping[int, bytes],
        without_pixels: bool,
        sop_instance: str = "",
    ) -> None:
        """`data_set` is the header as it is stored, `changes` are encoded elements by tag (empty: left out).

        `without_pixels` leaves the pixel data to the caller. `sop_instance` is the new SOP Instance UID, empty if
        the instance stays what it is.
        """
        implicit = target == IMPLICIT_LITTLE
        self._prefix = Prefix(data_set, data_set_offset, target, sop_instance)
        self._inflater = Inflater() if source == DEFLATED else None
        self._elements = ElementsToExplicitLittle(
            data_set,
            transfer_syntax=EXPLICIT_LITTLE if source == DEFLATED else source,
            offset=data_set_offset,
            changes={**_TABLES, **changes} if without_pixels else changes,
            without_pixels=without_pixels,
            header=implicit_header if implicit else element_header,
        )
        self._deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS) if target == DEFLATED else None
        self._given = 0

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        """What can be written after these bytes, None where the pixel data belong; to be used up before the next
        call. Raises Unreadable."""
        prefix, rest = self._prefix.take(chunk)
        if prefix:
            yield prefix
        if not rest:
            return
        for plain in self._inflater.feed(rest) if self._inflater else (rest,):
            yield from self._with_gap(self._elements.feed(plain))

    def finish(self) -> Iterator[bytes | None]:
        """The end: what was held back. Raises Truncated if the stored bytes broke off."""
        for plain in self._inflater.finish() if self._inflater else ():
            yield from self._with_gap(self._elements.feed(plain))
        yield from self._with_gap(self._elements.finish())
        yield from self.end()

    def end(self) -> Iterator[bytes]:
        """What ends the file where nothing is stored behind the pixel data: instead of `finish`."""
        if self._deflater:
            rest = self._deflater.flush()
            self._given += len(rest)
            yield rest + b"\0" * (self._given % 2)  # PS3.5 A.5: even length

    @property
    def deflates(self) -> bool:
        """Whether `pass_through` computes."""
        return self._deflater is not None

    def pass_through(self, piece: bytes) -> bytes:
        """A piece of the data set as it is to be written."""
        if self._deflater is None:
            return piece
        packed = self._deflater.compress(piece)
        self._given += len(packed)
        return packed

    def _with_gap(self, pieces: list[bytes]) -> Iterator[bytes | None]:
        gap = self._elements.pixels_at
        for at, piece in enumerate(pieces):
            if at == gap:
                yield None
            yield self.pass_through(piece)
        if gap == len(pieces):
            yield None
