"""The part of a file that a parser has before it, while chunks come in.

A parser is a generator. It reads `data`, in which the byte at the absolute offset `base + n` is `data[n]`, says in
`position` how far it got, and yields when it needs the bytes up to `wanted`. What lies before `position` is
dropped, also what has not come yet: a parser skips a bulk value by moving `position` behind it.

    file   ======|===================|----------------->
                 base            received     position (skipping) or wanted
"""

from __future__ import annotations

from collections.abc import Generator

Steps = Generator[None, None, None]
"""A parser under way: it yields whenever the window has to reach `wanted`, or the file has to end."""

NOWHERE = 1 << 62
"""An offset behind every file."""


class Window:
    """Bytes from `base` on."""

    __slots__ = ("_pending", "_pending_base", "base", "data", "ended", "position", "received", "wanted")

    def __init__(self, base: int = 0) -> None:
        self.data = b""
        self.base = base
        self.position = base
        self.received = base
        """Absolute offset of the end of what came in."""
        self.wanted = base
        self.ended = False
        """Whether nothing more will come."""
        self._pending: bytes | bytearray = b""
        self._pending_base = base

    def feed(self, chunk: bytes | memoryview) -> bool:
        """Take a chunk; True if the parser can go on."""
        before = self.received
        self.received = received = before + len(chunk)
        if received <= self.position:
            return False
        if not self._pending:
            self._pending_base = before
            self._pending = chunk if isinstance(chunk, bytes) else bytes(chunk)
        else:
            if isinstance(self._pending, bytes):
                self._pending = bytearray(self._pending)
            self._pending += chunk
        if received < self.wanted:
            return False
        self._gather()
        return True

    def end(self) -> None:
        """Nothing more will come: let the parser see what has come in."""
        self.ended = True
        self._gather()

    def reach(self, offset: int) -> Steps:
        """For parsers: wait until what comes before the absolute offset is there, or the file has ended."""
        while self.received < offset and not self.ended:
            self.wanted = offset
            yield

    def rest(self) -> bytes:
        """What has come in from `position` on."""
        self._gather()
        return self.data

    def _gather(self) -> None:
        """Let `data` begin at `position` and hold all that has come in."""
        skipped = self.position - self._pending_base
        if skipped < 0:
            kept = self.data[self.position - self.base :]
            self.data = kept + self._pending if self._pending else kept
        else:
            # bytes that nothing is to be taken off are not copied: the usual case is a file in one chunk
            self.data = bytes(self._pending[skipped:] if skipped else self._pending)
        self._pending = b""
        self._pending_base = self.received
        self.base = self.position
