"""How far a reader may go: to the end of an item, of the file, of what the limits allow for a header."""

from __future__ import annotations

from dicomweb.encoding.head import HeadLimits, OverLimit, Truncated, Unreadable
from dicomweb.encoding.window import Steps, Window


class Bounds:
    """The bounds of one data set, counted down while it is read."""

    def __init__(self, window: Window, limits: HeadLimits) -> None:
        self._window = window
        self._limits = limits
        self.header_end = window.position + limits.header_bytes
        """Absolute offset at which the header is too long."""
        self.elements_left = limits.elements

    def skip(self, length: int) -> None:
        """Leave so many bytes out of the header: a bulk value."""
        self.header_end += length

    def count_item(self) -> None:
        """Items count as elements do. Raises OverLimit."""
        self.elements_left -= 1
        if self.elements_left < 0:
            raise self.too_many_elements(self._window.position)

    def too_many_elements(self, offset: int) -> OverLimit:
        """What to raise."""
        return OverLimit(f"more than {self._limits.elements} elements and items", offset)

    def check_header(self, stop: int) -> None:
        """Raise OverLimit if a header up to the absolute offset is too long."""
        if stop > self.header_end:
            raise OverLimit(f"a header of more than {self._limits.header_bytes} bytes", self._window.position)

    def has(self, stop: int, end: int) -> bool:
        """Whether there is nothing to wait for: `reach` would return at once."""
        return stop <= self._window.received and stop <= end and stop <= self.header_end

    def reach(self, stop: int, end: int) -> Steps:
        """Wait until the bytes up to `stop` are there, which are to lie in an item that ends at `end`.

        Raises Unreadable, Truncated, OverLimit.
        """
        window = self._window
        if stop > end:
            raise Unreadable("an element reaches beyond the item it is in", window.position)
        if not window.ended:
            self.check_header(stop)
            yield from window.reach(stop)
        if stop > window.received:
            raise Truncated(f"an element reaches {stop - window.received} bytes beyond the file", window.position)
        self.check_header(stop)
