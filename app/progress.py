"""How far a long command is: one line that changes on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

_TERMINAL_SECONDS = 0.2
_PLAIN_SECONDS = 10.0


class Progress:
    """Writes the newest state, but not too often."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._every = _TERMINAL_SECONDS if self._terminal else _PLAIN_SECONDS
        self._started = self._written = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._started

    def show(self, text: str, *, now: bool = False) -> None:
        """Write `text` if it is time to, or `now`."""
        moment = time.monotonic()
        if not now and moment - self._written < self._every:
            return
        self._written = moment
        # back to the line's start, and clear what an earlier, longer one left
        self._out.write(f"\r{text}\x1b[K" if self._terminal else text + "\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()


def readable_bytes(count: float) -> str:
    """`1.5 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
