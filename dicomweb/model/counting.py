"""How many of something, in messages: one frame, two frames."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """The number and what it counts: `1 frame`, `0 frames`, `2 frames`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
