"""Clients that ask for much and take it slowly: what each costs the server in memory, and what of it stays.

    python -m tests.benchmarks.slow_readers [--readers 60] [--rounds 5] [--megabytes 60]

One line a round: resident memory with all readers waiting, and after they have left.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
import time
from pathlib import Path

from tests.build.dicom import native_frames
from tests.clients.raw import ask, drop, head_of
from tests.clients.servers import Server, serving_folder
from tests.faults.checks import AS_STORED, DICOM, path_of

_SETTLE_SECONDS = 1.0
_RESOURCES = {
    "instance": ("", AS_STORED),
    "frames": ("/frames", {}),
    "bulk data": ("/bulkdata/7FE00010", {}),
    "zip": ("", {"Accept": "application/zip"}),
}


def memory_of_round(server: Server, below: str, headers: dict[str, str], readers: int) -> tuple[float, float]:
    """Resident MB while the readers wait with the first bytes in their hands, and when they are gone."""
    path = path_of("slow") + below
    open_: list[socket.socket] = []
    for _ in range(readers):
        connection = socket.create_connection(server.address, 30)
        connection.sendall(head_of(server, "GET", path, headers))
        connection.recv(10)
        open_.append(connection)
    time.sleep(_SETTLE_SECONDS)
    during = server.memory_mb()
    for connection in open_:
        drop(connection)
    time.sleep(_SETTLE_SECONDS)
    return during, server.memory_mb()


def main() -> None:
    """Measure each kind of resource on a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=60)
    given = parser.parse_args()
    data = native_frames(given.megabytes, rows=1024, columns=1024, study="slow", series="slow", instance="slow")
    for name, (below, headers) in _RESOURCES.items():
        with tempfile.TemporaryDirectory() as folder, serving_folder(Path(folder)) as server:
            assert ask(server, "/studies", DICOM, method="POST", body=data).status == 200
            print(f"{name}: {server.memory_mb():.0f} MB before")
            for _ in range(given.rounds):
                during, after = memory_of_round(server, below, headers, given.readers)
                print(f"  {during:.0f} MB with {given.readers} readers, {after:.0f} MB without")


if __name__ == "__main__":
    main()
