"""Reading a DICOM file to its `Head`: all attributes, and where the bulk values lie, in one pass.

`HeadReader` takes the file in chunks of any size and keeps only what it still needs: a chunk that lies within a
bulk value is counted and forgotten. `read_head` takes a file that is in memory and does not copy it.

    chunks -> find_data_set -> File Meta Information
                            -> [Inflater] -> ElementReader -> Head

The parsers are generators over a `Window`; this module drives them. The JSON equals pydicom's but for what
tests/dicomweb/encoding/differences.py lists.
"""

from __future__ import annotations

from collections.abc import Iterable

from dicomweb.encoding.beginning import (
    DEFLATED,
    EXPLICIT,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Beginning,
    data_set_coding,
    find_data_set,
    meta_coding,
)
from dicomweb.encoding.bulk_values import EXTENDED_LENGTHS, EXTENDED_OFFSETS, PIXEL_KEYS
from dicomweb.encoding.elements import ElementReader
from dicomweb.encoding.head import BulkValue, Head, HeadLimits, OverLimit, Unreadable
from dicomweb.encoding.inflate import Inflater
from dicomweb.encoding.window import Steps, Window
from dicomweb.model.query import JsonAttributes

DEFAULT_LIMITS = HeadLimits()

_TRANSFER_SYNTAX = "00020010"


def read_head(data: bytes, limits: HeadLimits = DEFAULT_LIMITS) -> Head:
    """Read a whole file. Raises Unreadable and its kinds."""
    reader = HeadReader(limits, whole=True)
    reader.feed(data)
    return reader.finish()


class HeadReader:
    """Reads a file from its chunks."""

    def __init__(self, limits: HeadLimits = DEFAULT_LIMITS, *, whole: bool = False) -> None:
        """`whole` says that the first chunk will be the whole file."""
        self._limits = limits
        self._window = Window()
        self._window.ended = whole
        self._inflater: Inflater | None = None
        self._deflated = b""
        """Deflated bytes that came in with the meta information."""
        self._beginning: Beginning | None = None
        self._file_meta: JsonAttributes = {}
        self._transfer_syntax = ""
        self._coding = EXPLICIT
        self._data_set: JsonAttributes = {}
        self._elements: ElementReader | None = None
        self._steps: Steps | None = self._read()
        self._failure: Unreadable | None = None

    @property
    def data_set_offset(self) -> int | None:
        """First byte of the data set; None until it is known."""
        return self._beginning.data_set_offset if self._beginning else None

    @property
    def transfer_syntax(self) -> str:
        """As declared; empty if it is not, or not known yet."""
        return self._transfer_syntax

    @property
    def found(self) -> JsonAttributes:
        """The elements of the data set read so far."""
        return self._data_set

    @property
    def needless(self) -> int:
        """How many of the next bytes nothing will be read of, so that `pass_over` may take their place.

        None of a deflated data set, which has to be inflated from its begin.
        """
        return 0 if self._inflater is not None else max(0, self._window.position - self._window.received)

    def pass_over(self, count: int) -> None:
        """Take the next bytes for fed, at most as many as are `needless`."""
        if not 0 <= count <= self.needless:
            raise ValueError(f"{count} bytes cannot be passed over, {self.needless} are needless")
        self._window.received += count

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes of the file. Raises Unreadable and its kinds as soon as they are known."""
        if self._failure is not None:
            raise self._failure
        try:
            if self._inflater is None:
                self._take((chunk,))
            else:
                self._take(self._inflater.feed(bytes(chunk)))
        except Unreadable as error:
            self._failure = error
            raise

    def finish(self) -> Head:
        """The head of the file, all of which was fed. Raises Unreadable and its kinds."""
        if self._failure is not None:
            raise self._failure
        if self._inflater is None:
            self._window.end()
            self._advance()
        if self._inflater is not None:  # perhaps only now: a file of less than 132 bytes has just been looked at
            self._take(self._inflater.finish())
            self._window.end()
            self._advance()
        return self._head()

    def _take(self, pieces: Iterable[bytes | memoryview]) -> None:
        for piece in pieces:
            if self._window.feed(piece):
                self._advance()

    def _advance(self) -> None:
        """Let the parser go on until it needs more bytes or is done."""
        if self._steps is None:
            return
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None
        except RecursionError as error:  # the depth is limited, but callers may be deep in the stack themselves
            raise OverLimit("sequences nested too deep for this program", self._window.position) from error
        if self._deflated and self._inflater is not None:
            deflated, self._deflated = self._deflated, b""
            self._take(self._inflater.feed(deflated))

    def _read(self) -> Steps:
        """Parse the file."""
        beginning = yield from find_data_set(self._window)
        self._read_meta(beginning)
        self._beginning = beginning
        offset = beginning.data_set_offset
        self._window.position = offset
        if self._transfer_syntax in DEFLATED:
            self._deflated = self._window.rest()
            self._window = Window(offset)
            self._inflater = Inflater(self._limits.inflate_ratio)
        self._elements = elements = ElementReader(self._window, self._limits)
        yield from self._window.reach(offset + 8)
        at = offset - self._window.base
        first = self._window.data[at : at + 8]
        self._coding, agrees = data_set_coding(first, self._transfer_syntax, beginning)
        if not beginning.marked:
            elements.warn("neither preamble nor meta information")
        elif not self._transfer_syntax:
            elements.warn("no transfer syntax is declared")
        elif not agrees:
            elements.warn("the data set is not in the transfer syntax that is declared")
        yield from elements.data_set(self._data_set, self._coding)

    def _read_meta(self, beginning: Beginning) -> None:
        window = Window(beginning.meta_offset)
        window.ended = True
        at = beginning.meta_offset - self._window.base
        if window.feed(self._window.data[at : beginning.data_set_offset - self._window.base]):
            for _ in ElementReader(window, self._limits).data_set(self._file_meta, meta_coding(window)):
                raise AssertionError("all bytes of the meta information were there")
        values = self._file_meta.get(_TRANSFER_SYNTAX, {}).get("Value")
        self._transfer_syntax = str(values[0]) if values else ""

    def _head(self) -> Head:
        if self._steps is not None or self._elements is None or self._beginning is None:
            raise AssertionError("a parser goes to its end when the file has ended")
        elements, coding = self._elements, self._coding
        found = EXPLICIT_BIG if coding.order.big else IMPLICIT_LITTLE if coding.implicit else EXPLICIT_LITTLE
        bulk = {value.path: value for value in elements.bulk.values}  # of duplicate elements the last one holds
        pixel: BulkValue | None = None
        for key in PIXEL_KEYS:
            pixel = bulk.get((key,), pixel)
        return Head(
            file_meta=self._file_meta,
            data_set=self._data_set,
            transfer_syntax=self._transfer_syntax or found,
            big_endian=coding.order.big,
            implicit=coding.implicit,
            inflated=self._inflater is not None,
            data_set_offset=self._beginning.data_set_offset,
            length=self._window.received,
            bulk=tuple(bulk.values()),
            pixel=pixel,
            extended_offsets=elements.bulk.extended.get(EXTENDED_OFFSETS, b""),
            extended_lengths=elements.bulk.extended.get(EXTENDED_LENGTHS, b""),
            warnings=tuple(elements.warnings),
            warned_tags=tuple(dict.fromkeys(filter(None, elements.warnings.values()))),
        )
