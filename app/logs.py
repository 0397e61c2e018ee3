"""How messages are written: a line each, as text or as JSON, on the standard error stream."""

from __future__ import annotations

import json
import logging
import sys
import time

from app.config import LogSettings


def configure_logging(settings: LogSettings, worker: int = 0) -> None:
    """Set up the root logger of this process; its messages name the `worker`, unless it is 0."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(worker) if settings.format == "json" else TextFormatter(worker))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for noisy in ("botocore", "boto3", "aiobotocore", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("aiohttp.server").addFilter(is_ours)


def is_ours(record: logging.LogRecord) -> bool:
    """Leaves out what aiohttp logs as an error though it is the client's: bytes that are no HTTP."""
    from aiohttp.http_exceptions import HttpProcessingError

    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | ConnectionError)


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00Z WARNING storage.log: message`, a traceback below it."""

    def __init__(self, worker: int = 0) -> None:
        by = f" worker {worker}" if worker else ""
        super().__init__(f"%(asctime)s %(levelname)s{by} %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime


class JsonFormatter(logging.Formatter):
    """One JSON object a message."""

    def __init__(self, worker: int = 0) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._worker:
            told["worker"] = self._worker
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told)
