"""What the server counts, and how Prometheus reads it (text format 0.0.4).

Counting a request costs a microsecond: plain numbers in dictionaries, added up on the event loop's thread.
Everything that can be read when somebody asks (CPU time, memory, caches) is read then, by sources that register
here.
"""

from __future__ import annotations

import bisect
import os
import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the histogram of durations, in seconds."""

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One number as a source tells it."""

    name: str
    """Without the prefix `dicomlake_`; a counter's ends with `_total`."""
    value: float
    help: str
    labels: Labels = ()


Source = Callable[[], Iterable[Sample]]


@dataclass(slots=True)
class _Duration:
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class Telemetry:
    """The registry of one process."""

    def __init__(self, labels: Labels = ()) -> None:
        """`labels` go to everything that it tells."""
        self._labels = labels
        self._started = time.time()
        self._requests: dict[tuple[str, str, int], int] = {}
        self._durations: dict[str, _Duration] = {}
        self._received: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._sources: list[Source] = [process_samples]

    def add_source(self, source: Source) -> None:
        """Ask `source` for more samples at each reading."""
        self._sources.append(source)

    def count_request(
        self, *, operation: str, method: str, status: int, seconds: float, received: int, sent: int
    ) -> None:
        """Add one request that has been answered."""
        key = (operation, method, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        duration = self._durations.get(operation)
        if duration is None:
            duration = self._durations[operation] = _Duration()
        duration.buckets[bisect.bisect_left(BUCKETS, seconds)] += 1
        duration.seconds += seconds
        if received:
            self._received[operation] = self._received.get(operation, 0) + received
        if sent:
            self._sent[operation] = self._sent.get(operation, 0) + sent

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        lines = [*self._request_lines(), *self._duration_lines()]
        samples = [Sample("start_time_seconds", self._started, "When the process started, in Unix seconds")]
        for source in self._sources:
            samples += source()
        lines += self._sample_lines(samples)
        return "\n".join(lines) + "\n"

    def _request_lines(self) -> Iterable[str]:
        yield from _head("requests_total", "counter", "Requests answered")
        for (operation, method, status), count in sorted(self._requests.items()):
            labels = (("operation", operation), ("method", method), ("status", str(status)))
            yield self._line("requests_total", labels, count)
        for name, help, counts in (
            ("request_body_bytes_total", "Bytes of request bodies", self._received),
            ("response_body_bytes_total", "Bytes of answers, their header fields apart", self._sent),
        ):
            yield from _head(name, "counter", help)
            for operation, count in sorted(counts.items()):
                yield self._line(name, (("operation", operation),), count)

    def _duration_lines(self) -> Iterable[str]:
        name = "request_duration_seconds"
        yield from _head(name, "histogram", "From the request's head to the last byte of the answer")
        for operation, duration in sorted(self._durations.items()):
            label, count = ("operation", operation), 0
            for end, inside in zip([*map(str, BUCKETS), "+Inf"], duration.buckets, strict=True):
                count += inside
                yield self._line(f"{name}_bucket", (label, ("le", end)), count)
            yield self._line(f"{name}_sum", (label,), duration.seconds)
            yield self._line(f"{name}_count", (label,), count)

    def _sample_lines(self, samples: Iterable[Sample]) -> Iterable[str]:
        families: dict[str, list[Sample]] = {}
        for sample in samples:
            families.setdefault(sample.name, []).append(sample)
        for name, family in families.items():
            yield from _head(name, "counter" if name.endswith("_total") else "gauge", family[0].help)
            for sample in family:
                yield self._line(name, sample.labels, sample.value)

    def _line(self, name: str, labels: Labels, value: float) -> str:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in (*labels, *self._labels))
        return f"dicomlake_{name}{{{inner}}} {value}" if inner else f"dicomlake_{name} {value}"


def merged(texts: Iterable[str]) -> str:
    """The metrics of several processes as one text: each family once, as Prometheus wants it."""
    families: dict[str, list[str]] = {}
    heads: dict[str, list[str]] = {}
    name = ""
    for line in (line for text in texts for line in text.splitlines()):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
        if line.startswith("#"):
            if line not in heads.setdefault(name, []):
                heads[name].append(line)
        elif line:
            families.setdefault(name, []).append(line)
    return "".join(f"{line}\n" for name, head in heads.items() for line in (*head, *families.get(name, ())))


def process_samples() -> Iterable[Sample]:
    """CPU time, memory and open files of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield Sample("process_cpu_seconds_total", usage.ru_utime + usage.ru_stime, "User and system CPU time")
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        yield Sample("process_resident_memory_bytes", pages * os.sysconf("SC_PAGE_SIZE"), "Resident memory")
        yield Sample("process_open_fds", sum(1 for _ in Path("/proc/self/fd").iterdir()), "Open file descriptors")
    except OSError:
        # no /proc: macOS tells only the peak, in bytes
        yield Sample("process_peak_memory_bytes", usage.ru_maxrss, "Largest resident memory so far")


def _head(name: str, kind: str, help: str) -> Iterable[str]:
    yield f"# HELP dicomlake_{name} {help}"
    yield f"# TYPE dicomlake_{name} {kind}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
