"""The server as other programs meet it: `dicomlake serve` in a process of its own, started, measured and ended.

Blocking, unlike `tests/app/processes.py`, since the clients of these tests block as well.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from tests.app.processes import START_SECONDS, environment

S3_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
}
"""What a server needs of its environment to use the tests' S3."""


@dataclass
class Server:
    """A server process."""

    process: subprocess.Popen[bytes]
    url: str
    """Without a slash at the end."""
    store: Path | str
    """The folder or the address of the bucket."""
    log: Path
    """What it writes to stderr."""
    ended: bool = field(default=False)

    @property
    def dicomweb(self) -> str:
        """The DICOMweb root."""
        return self.url + "/dicom-web"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.partition("://")[2].rpartition(":")
        return host, int(port)

    def kill(self) -> None:
        """As `kill -9` does, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As `kill` does; the exit status."""
        self._end(signal.SIGTERM)
        return self.process.returncode

    def _end(self, number: signal.Signals) -> None:
        if not self.ended:
            self.process.send_signal(number)
            self.process.wait(15)
            if self.process.stdout:
                self.process.stdout.close()
            self.ended = True

    def memory_mb(self) -> float:
        """Resident memory now."""
        return self._status("VmRSS")

    def peak_memory_mb(self) -> float:
        """The most resident memory since the start, or since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        """Begin a new peak (Linux, proc(5): 5 in clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", text)
        assert found, text
        return int(found[1]) / 1024

    def cpu_seconds(self) -> float:
        """User and system CPU time so far (proc(5): fields 14 and 15 of stat)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def answered(self, operation: str) -> int:
        """How many requests of an operation have come to their end, with an answer or without."""
        with urlopen(self.url + "/metrics", timeout=10) as answer:
            text = answer.read().decode()
        pattern = rf'^dicomlake_requests_total\{{operation="{operation}",.*\}} (\d+)'
        return sum(map(int, re.findall(pattern, text, re.MULTILINE)))

    def complaints(self) -> list[str]:
        """Lines of the log that tell of a fault of the server's own."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return [line for line in text.splitlines() if "Traceback" in line or " ERROR " in line]


def start_server(
    store: Path | str,
    folder: Path,
    *arguments: str,
    extra: Mapping[str, str] | None = None,
    port: int = 0,
) -> Server:
    """Start a server on the store; `folder` takes its log and, for a bucket, its node folder.

    The same `folder` given again is the same node, after a crash for instance.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    command = _command(store, folder, port, arguments)
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment(extra))
    try:
        told = _told(process, log)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    found = re.search(r"DICOMweb +(\S+)/dicom-web", told)
    assert found, told
    return Server(process, found[1], store, log)


def _command(store: Path | str, folder: Path, port: int, arguments: Sequence[str]) -> list[str]:
    place = ("--node-dir", str(folder / "node"))
    ports = ("--http-port", str(port), "--dicom-port", "0")
    return [sys.executable, "-m", "app.cli", "serve", "--store", str(store), *place, *ports, *arguments]


def _told(process: subprocess.Popen[bytes], log: Path) -> str:
    """What the server prints until it is ready."""
    assert process.stdout
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        told = ""
        while "metrics" not in told:
            line = process.stdout.readline()
            assert line, f"the server did not get ready: {told}\n{log.read_text()[-2000:]}"
            told += line.decode()
        return told
    finally:
        watchdog.cancel()


@contextlib.contextmanager
def serving_folder(folder: Path, *arguments: str, extra: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server on a local folder below `folder`."""
    server = start_server(folder / "store", folder, *arguments, extra=extra)
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def serving_bucket(
    endpoint: str, bucket: str, folder: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server on a bucket of the tests' S3."""
    server = start_server(
        f"s3://{bucket}/archive",
        folder,
        *("--s3-endpoint", endpoint),
        *arguments,
        extra={**S3_CREDENTIALS, **(extra or {})},
    )
    try:
        yield server
    finally:
        server.kill()


def stored_keys(server: Server) -> list[str]:
    """What lies in a folder store of DICOM objects, log entries, removals and unfinished writes."""
    assert isinstance(server.store, Path)
    tops = (server.store / name for name in ("dicom", "log", "removed", ".tmp"))
    return sorted(str(path.relative_to(server.store)) for top in tops for path in _files(top))


def _files(top: Path) -> list[Path]:
    return [Path(folder) / name for folder, _, names in os.walk(top) for name in names]
