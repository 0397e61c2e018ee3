"""Spans of bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """Bytes `start` to `end` of a stored object: absolute, half-open."""

    start: int
    """First byte, counted from 0."""
    end: int
    """The byte after the last one."""

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start
