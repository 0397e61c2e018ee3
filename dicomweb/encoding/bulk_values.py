"""Reading values of the bulk VRs: short ones into the header, long ones and pixel data as a span to skip."""

from __future__ import annotations

from collections.abc import Callable

from dicomweb.encoding.bounds import Bounds
from dicomweb.encoding.element import Coding, Element
from dicomweb.encoding.fragments import read_fragments
from dicomweb.encoding.head import BulkValue, HeadLimits, OverLimit, Truncated, Unreadable
from dicomweb.encoding.values import inline_binary
from dicomweb.encoding.window import Steps, Window
from dicomweb.model.query import JsonAttributes
from dicomweb.model.ranges import ByteRange

PIXEL_KEYS = frozenset(("7FE00008", "7FE00009", "7FE00010"))
"""Float, Double Float and plain Pixel Data (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25)."""
EXTENDED_OFFSETS = "7FE00001"
EXTENDED_LENGTHS = "7FE00002"
_EXTENDED_KEYS = frozenset((EXTENDED_OFFSETS, EXTENDED_LENGTHS))
_NUMBER_OF_FRAMES = "00280008"


class BulkReader:
    """Collects the bulk values of a data set."""

    def __init__(self, window: Window, bounds: Bounds, limits: HeadLimits, warn: Callable[[str], None]) -> None:
        self.values: list[BulkValue] = []
        self.extended: dict[str, bytes] = {}
        """Values of Extended Offset Table and its Lengths, by key."""
        self._window = window
        self._bounds = bounds
        self._limits = limits
        self._warn = warn

    def encapsulated(
        self, into: JsonAttributes, element: Element, vr: str, coding: Coding, path: tuple[str, ...]
    ) -> Steps:
        """Read the encapsulated value (PS3.5 A.4) at the window's position; `path` leads to the element.

        At the end of the file its delimiter may be missing, if there is a fragment for each frame.
        """
        window = self._window
        open_end = len(path) == 1
        fragments, delimited = yield from read_fragments(window, coding, self._limits, open_end=open_end)
        if not delimited:
            frames = (into.get(_NUMBER_OF_FRAMES, {}).get("Value") or [1])[0]
            if len(fragments.starts) < (frames if isinstance(frames, int) else 1):
                raise Truncated("the file ends within Pixel Data", window.position)
            self._warn("Pixel Data ends without a delimiter")
        self._bounds.skip(fragments.span.length)
        self._keep(into, BulkValue(path, vr, fragments))

    def native(
        self, into: JsonAttributes, element: Element, vr: str, coding: Coding, path: tuple[str, ...], end: int
    ) -> Steps:
        """Read or skip the value at the window's position, which is to lie in an item that ends at `end`."""
        if element.end > end:
            raise Unreadable("an element reaches beyond the item it is in", element.start)
        top = len(path) == 1
        if top and element.key in _EXTENDED_KEYS:
            yield from self._keep_extended(element, end)
        if not element.length:
            into[element.key] = {"vr": vr}
        elif element.length > self._limits.inline_bytes or (top and element.key in PIXEL_KEYS):
            self._bounds.skip(element.length)
            self._keep(into, BulkValue(path, vr, ByteRange(element.start, element.end)))
        else:
            yield from self._bounds.reach(element.end, end)
            at = element.start - self._window.base
            value = self._window.data[at : at + element.length]
            into[element.key] = {"vr": vr, "InlineBinary": inline_binary(value, vr, big_endian=coding.order.big)}
        self._window.position = element.end

    def _keep_extended(self, element: Element, end: int) -> Steps:
        """Keep a table that says where frames lie (PS3.3 C.7.6.3.1.8), however long it is."""
        if element.length > 8 * self._limits.fragments:
            raise OverLimit(f"a table of more than {self._limits.fragments} frames", element.start)
        self._bounds.skip(element.length)
        yield from self._bounds.reach(element.end, end)
        at = element.start - self._window.base
        self.extended[element.key] = self._window.data[at : at + element.length]

    def _keep(self, into: JsonAttributes, value: BulkValue) -> None:
        self.values.append(value)
        into[value.path[-1]] = {"vr": value.vr, "BulkDataURI": "/".join(value.path)}
