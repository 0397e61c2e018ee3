"""Many senders where there is little memory for instances on their way in: all are served, none waits for ever."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.build.dicom import native_frames
from tests.clients.raw import ask, head_of
from tests.clients.servers import Server, serving_folder
from tests.faults.checks import AS_STORED, DICOM, fresh, path_of

STALL_SECONDS = 2


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with room for 2 MB of instances being stored, that drops clients which fall silent."""
    arguments = ("--cache-intake-bytes", "2 MB", "--limits-stall-seconds", str(STALL_SECONDS))
    with serving_folder(tmp_path_factory.mktemp("narrow"), *arguments) as server:
        yield server
        assert server.complaints() == []


def megabytes(size: int) -> tuple[str, bytes]:
    """An instance of so many megabytes and the name of its UIDs."""
    name, _ = fresh()
    return name, native_frames(size, rows=1024, columns=1024, study=name, series=name, instance=name)


def store(server: Server, data: bytes) -> int:
    """The status of a store request of one instance."""
    return ask(server, "/studies", DICOM, method="POST", body=data).status


@pytest.mark.parametrize("size", [1, 10], ids=["taken whole", "streamed"])
def test_more_senders_at_once_than_there_is_room_for(narrow: Server, size: int) -> None:
    instances = [megabytes(size) for _ in range(12)]
    with ThreadPoolExecutor(len(instances)) as threads:
        statuses = list(threads.map(lambda one: store(narrow, one[1]), instances))
    assert statuses == [200] * len(instances)
    for name, data in instances[::4]:
        assert ask(narrow, path_of(name), AS_STORED).body == data


def test_small_and_large_ones_mixed(narrow: Server) -> None:
    instances = [megabytes(size) for size in (9, 1, 1, 12, 1, 1, 9, 1)] + [fresh(60) for _ in range(20)]
    with ThreadPoolExecutor(len(instances)) as threads:
        statuses = list(threads.map(lambda one: store(narrow, one[1]), instances))
    assert statuses == [200] * len(instances)


def test_senders_that_fall_silent_with_all_of_the_room_in_their_hands(narrow: Server) -> None:
    """They are dropped after `limits.stall_seconds`; who waited meanwhile is served then."""
    _, data = megabytes(1)
    silent = [socket.create_connection(narrow.address, 30) for _ in range(4)]
    try:
        for connection in silent:
            connection.sendall(head_of(narrow, "POST", "/studies", {**DICOM, "Content-Length": str(len(data))}))
            connection.sendall(data[:900_000])
        name, small = fresh(100)
        assert store(narrow, small) == 200
        assert ask(narrow, path_of(name), AS_STORED).body == small
    finally:
        for connection in silent:
            connection.close()
