"""Time-ordered random ids: versions of objects, events, commits."""

from __future__ import annotations

import secrets
import threading
import time

_RANDOM_BITS = 64
_lock = threading.Lock()
_last = 0


def fresh_id() -> str:
    """28 hexadecimal digits, never given twice: milliseconds since 1970 (12), then random (16, the first below 8).

    Those that one process makes ascend, also within a millisecond and when the clock is set back: two versions of
    an instance that come in one request can be told apart in order when nothing but objects is left.
    """
    global _last  # what was given last, in this process
    with _lock:
        fresh = (time.time_ns() // 1_000_000 << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS - 1)
        _last = fresh if fresh > _last else _last + 1 + (fresh & 0xFFFFFFFF)
        # the first random digit stays below 8
        _last += _last & 1 << (_RANDOM_BITS - 1)
        return f"{_last:028x}"


def later_id(identifier: str, latest: str, *, leap: float = 0.0) -> str:
    """`identifier` if it comes after `latest`, else a fresh id that does: whoever replaces a version names its
    own so that the order of ids is that of the log, whatever the clocks of two nodes say.

    `leap`: seconds by which it is to come after both. Other ids of this process do not follow it: one wrong clock
    must not put all to come on.
    """
    if identifier > latest and not leap:
        return identifier
    milliseconds = int(max(identifier, latest)[:12], 16) + 1 + int(1000 * leap)
    return f"{milliseconds:012x}{secrets.randbits(_RANDOM_BITS - 1):016x}"


def converted_id(identifier: str) -> str:
    """The id of a version that is stored otherwise than it came: its first random digit is 8 or more.

    It comes after the id that was given, and is all that a rebuild finds of the conversion: neither the bytes
    around the pixel data nor group 0002 tell of it, since they stay as they came.
    """
    return f"{identifier[:12]}{int(identifier[12:], 16) | 1 << (_RANDOM_BITS - 1):016x}"


def is_converted(identifier: str) -> bool:
    """Whether `converted_id` made the id."""
    return identifier[12:13] >= "8"


def id_time(identifier: str) -> float:
    """When an id was made, in seconds since 1970 by the clock of the node that made it."""
    return int(identifier[:12], 16) / 1000
