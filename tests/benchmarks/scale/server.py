"""The server under measurement: `dicomlake serve` in a process of its own, its CPU time, memory and connection."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.app.processes import environment


@dataclass(frozen=True, slots=True)
class Started:
    """What a start took."""

    seconds: float
    """From the command to an answer of /health/ready that says so."""
    cpu_seconds: float
    resident_mb: float
    peak_mb: float


class Server:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.host, _, port = url.partition("://")[2].rpartition(":")
        self.port = int(port)

    @property
    def pids(self) -> list[int]:
        """The process and its workers; those that fold come and go and are not among them."""
        own = self._process.pid
        text = Path(f"/proc/{own}/task/{own}/children").read_text()
        return [own, *(pid for pid in map(int, text.split()) if b"storage.log.fold" not in _command_line(pid))]

    def cpu_seconds(self) -> float:
        """CPU time of all threads so far, to the microsecond (Linux, /proc/PID/task/TID/schedstat)."""
        return sum(_cpu_nanoseconds(pid) for pid in self.pids) / 1e9

    def folding_cpu_seconds(self) -> float:
        """CPU time of the processes that have folded and ended."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, *, peak: bool = False) -> float:
        """Resident memory of all its processes."""
        return sum(_status(pid, "VmHWM" if peak else "VmRSS") for pid in self.pids)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A connection to it."""
        client = Client(self.host, self.port)
        try:
            yield client
        finally:
            client.close()


class Client:
    """One connection, kept alive."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=600)

    def get(self, path: str, accept: str = "application/dicom+json") -> bytes:
        """The body of an answer that is well."""
        self._connection.request("GET", path, headers={"Accept": accept})
        return self._answer(path)

    def store(self, data: bytes, content_type: str) -> bytes:
        """Store instances."""
        path = "/dicom-web/studies"
        headers = {"Content-Type": content_type, "Accept": "application/dicom+json"}
        self._connection.request("POST", path, data, headers)
        return self._answer(path)

    def _answer(self, path: str) -> bytes:
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 204):
            raise RuntimeError(f"{path} was answered with {answer.status}: {content[:500]!r}")
        return content

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def serving(
    store: Path, node: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> Iterator[tuple[Server, Started]]:
    """A server on a folder, and what its start took; ended afterwards as an administrator would."""
    command = [sys.executable, "-m", "app.cli", "serve", "--store", str(store), "--node-dir", str(node)]
    command += ["--http-port", "0", "--dicom-port", "0", "--no-log-access", *arguments]
    begun = time.perf_counter()
    log = node.with_name(node.name + ".log")
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment(extra))
    try:
        server = Server(process, _url(process, log))
        with server.client() as client:
            client.get("/health/ready", "application/json")
        seconds = time.perf_counter() - begun
        started = Started(seconds, server.cpu_seconds(), server.memory_mb(), server.memory_mb(peak=True))
        yield server, started
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it serves; it says so when it is ready."""
    assert process.stdout
    told, url = b"", ""
    for line in process.stdout:
        told += line
        if found := re.search(rb"DICOMweb +(\S+)/dicom-web", line):
            url = found[1].decode()
        if b"metrics" in line:
            return url
    raise RuntimeError(f"the server did not start: {told.decode()} {log.read_text()[-2000:]}")


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"storage.log.fold"  # it has ended, as only those do


def _cpu_nanoseconds(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue  # the thread has ended
    return total


def _status(pid: int, name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
