"""One line that says how far a long step has come."""

from __future__ import annotations

import sys
import time


class Progress:
    """Told on standard error, at most each other second, and at the end."""

    def __init__(self, what: str, whole: int) -> None:
        self._what = what
        self._whole = whole
        self._done = 0
        self._begun = self._told = time.monotonic()

    def advance(self, more: int) -> None:
        """So much more is done."""
        self.reach(self._done + more)

    def reach(self, done: int) -> None:
        """So much is done."""
        self._done = done
        now = time.monotonic()
        if now - self._told < 2 and done < self._whole:
            return
        self._told, rate = now, done / max(now - self._begun, 1e-3)
        left = (self._whole - done) / rate if rate else 0.0
        line = f"  {self._what} {done:,} of {self._whole:,}, {rate:,.0f} a second, {left / 60:.1f} min left"
        print(line, end="\n" if done >= self._whole else "\r", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """A step begins."""
    print(text, file=sys.stderr, flush=True)
