"""What pixels cost a real server: conversions on both cores, single frames of long objects, transcoding at intake.

    python -m tests.benchmarks.pixel_costs [--slices 300] [--frames 500]

CPU is that of the server process. The images are phantoms with noise, since codecs find noise alone and flatness
alone both untypical.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from pydicom.encaps import encapsulate

from dicomweb.wire.transfer_syntaxes import EXPLICIT_LITTLE
from tests.build.dicom import CT_IMAGE, image_attributes, make_data_set, to_file, uid
from tests.clients.servers import Server, serving_folder

_SIDE = 512
_CLIENTS = 12
_HTJ2K = 'multipart/related; type="image/jphc"; transfer-syntax=1.2.840.10008.1.2.4.201'
_PLAIN = f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT_LITTLE}'
_JPEG_2000 = "1.2.840.10008.1.2.4.90"
_SERIES = f"/studies/{uid('study')}/series/{uid('series')}/instances"


def phantom(number: int, side: int = _SIDE) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """(side, side) int16: a body with organs, and the noise of a CT."""
    rows, columns = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    image = np.full((side, side), -1000.0)
    for radius, value in ((0.85, 40.0), (0.5, 60.0 + number % 7), (0.2, 300.0)):
        image[(rows / 0.75) ** 2 + columns**2 < radius**2] = value
    noise = np.random.default_rng(number).normal(0, 12, (side, side))
    return np.where(image > -1000, image + noise, -1000 + noise / 3).astype(np.int16)


def slice_file(number: int) -> bytes:
    """A CT slice as a DICOM file."""
    attributes = image_attributes(_SIDE, _SIDE) | {"PixelRepresentation": 1}
    names = {"SOPClassUID": CT_IMAGE, "Modality": "CT", "SOPInstanceUID": uid(f"slice {number}")}
    data_set = make_data_set(**names, **attributes, InstanceNumber=number)
    data_set.add_new(0x7FE00010, "OW", phantom(number).tobytes())
    return to_file(data_set, EXPLICIT_LITTLE)


def long_file(frames: int, side: int = 256) -> bytes:
    """One object of many JPEG 2000 frames."""
    import imagecodecs

    made = [imagecodecs.jpeg2k_encode(phantom(n, side), reversible=True, codecformat="J2K") for n in range(8)]
    data_set = make_data_set(
        **{"SOPClassUID": CT_IMAGE, "Modality": "CT", "SOPInstanceUID": uid("long")},
        **(image_attributes(side, side, frames=frames) | {"PixelRepresentation": 1}),
    )
    data_set.add_new(0x7FE00010, "OB", encapsulate([made[n % 8] for n in range(frames)]))
    data_set["PixelData"].is_undefined_length = True
    return to_file(data_set, _JPEG_2000)


def store(server: Server, files: Sequence[bytes], clients: int) -> float:
    """Store each in a request of its own; the seconds it took."""

    def send(part: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection(*server.address)
        for data in part:
            connection.request("POST", "/dicom-web/studies", data, {"Content-Type": "application/dicom"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, [files[n::clients] for n in range(clients)]))
    return time.perf_counter() - begin


def read(server: Server, paths: Sequence[str], accept: str, clients: int = 1) -> tuple[float, float, int]:
    """Ask for each; CPU milliseconds of the server for one, seconds in all, bytes in all."""

    def take(part: Sequence[str]) -> int:
        connection = http.client.HTTPConnection(*server.address)
        total = 0
        for path in part:
            connection.request("GET", "/dicom-web" + path, headers={"Accept": accept})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            total += len(body)
        return total

    spent, begin = server.cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        total = sum(pool.map(take, [paths[n::clients] for n in range(clients)]))
    taken = time.perf_counter() - begin
    return (server.cpu_seconds() - spent) * 1000 / len(paths), taken, total


def latencies(server: Server, work: Callable[[], object]) -> list[float]:
    """Milliseconds that `/health/live` takes again and again while `work` runs."""
    found: list[float] = []
    done = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection(*server.address)
        while not done.wait(0.01):
            begin = time.perf_counter()
            connection.request("GET", "/health/live")
            connection.getresponse().read()
            found.append((time.perf_counter() - begin) * 1000)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        work()
    finally:
        done.set()
        asking.join()
    return sorted(found)


def conversions(folder: Path, slices: int) -> None:
    """A series stored uncompressed, asked for as HTJ2K."""
    with serving_folder(folder) as server:
        store(server, [slice_file(n) for n in range(slices)], 4)
        paths = [f"{_SERIES}/{uid(f'slice {n}')}/frames/1" for n in range(slices)]
        read(server, paths[:4], _HTJ2K)  # what is loaded once
        results: list[tuple[float, float, int]] = []
        waits = latencies(server, lambda: results.append(read(server, paths[4:], _HTJ2K, _CLIENTS)))
        each, seconds, total = results[0]
        busy = each * (slices - 4) / 1000 / seconds
        print(
            f"CT frame as HTJ2K, {_CLIENTS} at a time: {each:.2f} ms CPU, {(slices - 4) / seconds:.0f} frames/s, "
            f"{busy:.2f} cores, {total / (slices - 4) / (2 * _SIDE * _SIDE):.2f} of the size; "
            f"/health/live meanwhile: median {statistics.median(waits):.1f} ms, "
            f"p95 {waits[int(len(waits) * 0.95)]:.1f}, longest {waits[-1]:.1f}"
        )
        each, seconds, _ = read(server, paths[4:], _HTJ2K, _CLIENTS)
        print(f"the same again: {each:.2f} ms CPU, {(slices - 4) / seconds:.0f} frames/s")


def single_frames(folder: Path, frames: int) -> None:
    """Frames of a long compressed object, one by one."""
    with serving_folder(folder) as server:
        for count in (40, frames):
            data = long_file(count)
            store(server, [data], 1)
            path = f"{_SERIES}/{uid('long')}/frames/"
            numbers = [1 + n * 7919 % count for n in range(40)]
            read(server, [f"{path}1"], _PLAIN)
            each, _, _ = read(server, [f"{path}{number}" for number in dict.fromkeys(numbers[1:])], _PLAIN)
            print(f"a JPEG 2000 frame (256x256) of {count}, uncompressed: {each:.2f} ms CPU")


def intake(folder: Path, slices: int) -> None:
    """Storing with and without a policy."""
    files = [slice_file(n) for n in range(slices)]
    for policy in ("", "CT=htj2k-lossless"):
        extra = {"DICOMLAKE_INTAKE_TRANSCODING": policy} if policy else {}
        with serving_folder(folder / (policy or "keep"), extra=extra) as server:
            store(server, files[:8], 8)
            spent = server.cpu_seconds()
            seconds = store(server, files[8:], 8)
            count = slices - 8
            assert isinstance(server.store, Path)
            size = sum(path.stat().st_size for path in (server.store / "dicom").rglob("*.dcm"))
            print(
                f"intake of CT, 8 clients, {policy or 'keep'}: {count / seconds:.0f} instances/s, "
                f"{(server.cpu_seconds() - spent) * 1000 / count:.2f} ms CPU, "
                f"stored {size / sum(map(len, files)):.3f} of what came"
            )


def main() -> None:
    """See the module header."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--frames", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        conversions(Path(folder) / "a", given.slices)
        single_frames(Path(folder) / "b", given.frames)
        intake(Path(folder) / "c", given.slices)


if __name__ == "__main__":
    main()
