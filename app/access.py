"""A line for every request, without patient data.

Neither query strings nor paths are written: both carry identifiers. UIDs only if the setting says so. Lines are
gathered and written a few times a second, since a write for each costs more than many an answer.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TextIO

_FLUSH_SECONDS = 0.25
_FLUSH_LINES = 500


@dataclass(frozen=True, slots=True)
class Served:
    """What is told of a request."""

    id: str
    method: str
    operation: str
    status: int
    received: int
    """Bytes of its body."""
    sent: int
    """Bytes of the answer's body."""
    seconds: float
    peer: str
    user: str
    scope: str
    """UIDs, empty unless they may be named."""


class AccessLog:
    """Writes the lines; made and closed within a running event loop."""

    def __init__(self, out: TextIO, *, as_json: bool, worker: int = 0) -> None:
        """`worker` is named in every line, unless it is 0."""
        self._out = out
        self._worker = worker
        self._format = _as_json if as_json else _as_text
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = 0
        self._stamp = ""

    def write(self, served: Served) -> None:
        """Add a line."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._second))
        self._lines.append(self._format(self._stamp, served, self._worker))
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what has gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            try:
                self._out.write("".join(lines))
                self._out.flush()
            except (OSError, ValueError):
                # the reader of our output has gone; requests are served nevertheless
                return


def _as_text(stamp: str, served: Served, worker: int) -> str:
    by = f" worker={worker}" if worker else ""
    user = f" user={served.user}" if served.user else ""
    scope = f" {served.scope}" if served.scope else ""
    return (
        f"{stamp} {served.id} {served.peer} {served.method} {served.operation}{scope} {served.status}"
        f" in={served.received} out={served.sent} {served.seconds * 1000:.1f}ms{user}{by}\n"
    )


def _as_json(stamp: str, served: Served, worker: int) -> str:
    told: dict[str, object] = {
        "time": stamp,
        "level": "info",
        "request_id": served.id,
        "peer": served.peer,
        "method": served.method,
        "operation": served.operation,
        "status": served.status,
        "bytes_in": served.received,
        "bytes_out": served.sent,
        "ms": round(served.seconds * 1000, 1),
    }
    if worker:
        told["worker"] = worker
    if served.user:
        told["user"] = served.user
    if served.scope:
        told["scope"] = served.scope
    return json.dumps(told) + "\n"
