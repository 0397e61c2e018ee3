"""Time-ordered random ids: versions of objects, events, commits."""

from __future__ import annotations

import secrets
import time


def fresh_id() -> str:
    """28 hexadecimal digits, never given twice: milliseconds since 1970 (12), then random (16)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def id_time(identifier: str) -> float:
    """When an id was made, in seconds since 1970 by the clock of the node that made it."""
    return int(identifier[:12], 16) / 1000
