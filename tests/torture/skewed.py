"""`dicomlake` with a clock that is wrong: `python -m tests.torture.skewed SECONDS serve ...`.

The clock of the whole process is put on before anything of the product is imported; the monotonic clock, by which
processes wait, stays as it is.
"""

from __future__ import annotations

import datetime
import sys
import time
from typing import Any

_REAL = datetime.datetime


def put_on(seconds: float) -> None:
    """Let this process take the time for so much later; earlier if negative."""
    real_time, real_nanoseconds = time.time, time.time_ns
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_nanoseconds() + int(seconds * 1_000_000_000)

    class Kind(type):
        """What comes from libraries is a datetime as well."""

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, _REAL)

    class Shifted(_REAL, metaclass=Kind):
        """Tells the same wrong time. As large as the real one, which compiled libraries insist on."""

        __slots__ = ()

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return _REAL.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return _REAL.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    datetime.datetime = Shifted  # type: ignore[misc]  # for whoever imports it from now on


if __name__ == "__main__":
    put_on(float(sys.argv.pop(1)))
    from app.cli import main

    sys.exit(main())
