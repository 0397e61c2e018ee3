"""A multi-frame instance of any size, made as it is sent: stored by chunked STOW, its frames and the whole read
back, and the server's memory watched. Nothing here holds more than one frame.

    python -m tests.benchmarks.large_instance --megabytes 6000 [--folder /big/disk] [--offsets extended] [--s3]

Pixel Data are encapsulated, since a value of defined length ends at 4 GB (PS3.5 7.1.1): one fragment a frame, with
an empty offset table or an Extended Offset Table (PS3.3 C.7.6.3.1.8; a basic one ends at 4 GB too).
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import random
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from requests import Session

from tests.build.dicom import element, encode, item, make_data_set, part10, pixels, sequence_end, uid
from tests.build.moto_server import moto_server
from tests.build.s3 import make_bucket
from tests.clients.servers import Server, serving_bucket, serving_folder

_JPEG = "1.2.840.10008.1.2.4.50"
_CLASS = "1.2.840.10008.5.1.4.1.1.7.2"
_BOUNDARY = b"large-instance"
_HEAD = struct.Struct("<2sQ")


@dataclass(frozen=True, slots=True)
class Large:
    """What is sent."""

    frames: int
    frame_bytes: int
    """Of each frame, even."""
    offsets: str = "empty"
    """Offset table: `empty` or `extended`."""
    name: str = "large"
    """Its UIDs are made from this."""

    @property
    def path(self) -> str:
        """The instance, below the DICOMweb root."""
        one = uid(self.name)
        return f"/studies/{one}/series/{one}/instances/{one}"

    def frame(self, number: int) -> bytes:
        """The bytes of a frame, counted from 1: told apart by its beginning and its end."""
        head = _HEAD.pack(b"\xff\xd8", number)
        filling = pixels(self.frame_bytes - 2 * len(head), seed=number % 64)
        return head + filling + head

    def chunks(self) -> Iterator[bytes]:
        """The file, some frames' worth at a time."""
        head = make_data_set(study=self.name, series=self.name, instance=self.name)
        head.SOPClassUID, head.NumberOfFrames = _CLASS, self.frames
        head.Rows, head.Columns, head.BitsAllocated, head.SamplesPerPixel = 1024, 1024, 8, 1
        head.BitsStored, head.HighBit, head.PixelRepresentation = 8, 7, 0
        head.PhotometricInterpretation = "MONOCHROME2"
        if self.offsets == "extended":
            step = self.frame_bytes + 8
            positions = range(0, self.frames * step, step)
            head.add_new(0x7FE00001, "OV", struct.pack(f"<{self.frames}Q", *positions))
            head.add_new(0x7FE00002, "OV", struct.pack(f"<{self.frames}Q", *([self.frame_bytes] * self.frames)))
        yield part10(encode(head), _JPEG, sop_class=_CLASS, sop_instance=uid(self.name))
        yield element(0x7FE00010, "OB", b"", length=0xFFFFFFFF) + item()
        for number in range(1, self.frames + 1):
            yield item(self.frame(number))
        yield sequence_end()


@dataclass(frozen=True, slots=True)
class Figures:
    """What it cost."""

    megabytes: float
    idle_mb: float
    """Resident memory of the server before the first request."""
    storing_mb: float
    """The most while it was stored."""
    reading_mb: float
    """The most while frames and the whole were read."""
    after_mb: float
    store_seconds: float
    store_cpu_seconds: float
    """Of the server."""
    frame_ms: float
    """Median time of a request of one frame at random, seen from the client."""
    frame_cpu_ms: float
    whole_seconds: float

    @property
    def above_idle_mb(self) -> float:
        """The most memory above idle."""
        return max(self.storing_mb, self.reading_mb) - self.idle_mb


def measure(server: Server, large: Large, *, reads: int = 50) -> Figures:
    """Store it, read frames at random, several, and the whole.

    Raises AssertionError if anything does not come back as it was sent.
    """
    idle = server.memory_mb()
    server.forget_peak()
    cpu, started = server.cpu_seconds(), time.monotonic()
    digest, size = _store(server, large)
    store_seconds, store_cpu = time.monotonic() - started, server.cpu_seconds() - cpu
    storing = server.peak_memory_mb()
    server.forget_peak()
    cpu = server.cpu_seconds()
    frame_seconds = _read_frames(server, large, reads)
    frame_cpu = server.cpu_seconds() - cpu
    started = time.monotonic()
    assert _read_whole(server, large) == digest
    whole_seconds = time.monotonic() - started
    return Figures(
        megabytes=size / 1e6,
        idle_mb=idle,
        storing_mb=storing,
        reading_mb=server.peak_memory_mb(),
        after_mb=server.memory_mb(),
        store_seconds=store_seconds,
        store_cpu_seconds=store_cpu,
        frame_ms=1000 * frame_seconds,
        frame_cpu_ms=1000 * frame_cpu / (reads + 3),
        whole_seconds=whole_seconds,
    )


def _store(server: Server, large: Large) -> tuple[str, int]:
    """Send it chunked; digest and size of the file."""
    digest, size = hashlib.sha256(), 0

    def body() -> Iterator[bytes]:
        nonlocal size
        yield b"--%s\r\nContent-Type: application/dicom\r\n\r\n" % _BOUNDARY
        for chunk in large.chunks():
            digest.update(chunk)
            size += len(chunk)
            yield chunk
        yield b"\r\n--%s--\r\n" % _BOUNDARY

    connection = http.client.HTTPConnection(*server.address, timeout=600)
    content_type = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY.decode()}'
    headers = {"Content-Type": content_type, "Transfer-Encoding": "chunked"}
    connection.request("POST", "/dicom-web/studies", body=body(), headers=headers, encode_chunked=True)
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    assert answer.status == 200, told
    return digest.hexdigest(), size


def _read_frames(server: Server, large: Large, reads: int) -> float:
    """First, last and others at random, one a request and in lists; the median seconds of one."""
    chance = random.Random(large.frames)
    numbers = [1, large.frames, *(chance.randint(1, large.frames) for _ in range(reads))]
    url, seconds = server.dicomweb + large.path, []
    with Session() as session:
        for number in numbers:
            started = time.perf_counter()
            answer = session.get(f"{url}/frames/{number}", headers={"Accept": "image/jpeg"})
            seconds.append(time.perf_counter() - started)
            assert answer.status_code == 200, answer.text
            assert answer.content == large.frame(number)
        listed = sorted(numbers)[:4]
        answer = session.get(f"{url}/frames/{','.join(map(str, listed))}")
        assert all(large.frame(number) in answer.content for number in listed)
    return sorted(seconds)[len(seconds) // 2]


def _read_whole(server: Server, large: Large) -> str:
    digest = hashlib.sha256()
    accept = {"Accept": "application/dicom; transfer-syntax=*"}
    with Session() as session, session.get(server.dicomweb + large.path, headers=accept, stream=True) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_content(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _serve(stack: ExitStack, folder: Path, *, s3: bool) -> AbstractContextManager[Server]:
    if not s3:
        return serving_folder(folder)
    endpoint = stack.enter_context(moto_server())
    return serving_bucket(endpoint, make_bucket(endpoint), folder)


def main() -> None:
    """Run it as told and print the figures; whatever was stored is deleted at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=6000)
    parser.add_argument("--frame-kilobytes", type=int, default=512)
    parser.add_argument("--offsets", choices=("empty", "extended"), default="empty")
    parser.add_argument("--folder", type=Path, help="where the store is made, for as long as this runs")
    parser.add_argument("--s3", action="store_true", help="on the S3 of the tests, which holds all in memory")
    given = parser.parse_args()
    frame_bytes = given.frame_kilobytes * 1000
    large = Large(given.megabytes * 1_000_000 // frame_bytes, frame_bytes, given.offsets)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.folder)))
        server = stack.enter_context(_serve(stack, folder, s3=given.s3))
        figures = measure(server, large)
    print(json.dumps({**asdict(large), **asdict(figures), "above_idle_mb": figures.above_idle_mb}, indent=2))


if __name__ == "__main__":
    main()
