"""Connections that end midway, as networks end them: complete parts may be stored, a truncated one never is."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from tests.build.dicom import native_frames
from tests.clients.raw import ask, connected, drop, head_of, read_answer
from tests.clients.servers import Server, stored_keys
from tests.faults.checks import (
    AS_STORED,
    DICOM,
    RELATED,
    assert_alive,
    fresh,
    leaves_nothing,
    part,
    path_of,
    related,
    until,
)

Ending = Callable[[socket.socket], None]


def close(connection: socket.socket) -> None:
    """End a connection in order, but too early."""
    connection.shutdown(socket.SHUT_WR)
    connection.close()


ENDINGS = pytest.mark.parametrize("ending", [drop, close], ids=["reset", "closed"])


def large(name: str, megabytes: int) -> bytes:
    """An instance that streams into the store: over 8 MB."""
    side = 1024
    return native_frames(megabytes, rows=side, columns=side, study=name, series=name, instance=name)


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def break_off(
    archive: Server, headers: dict[str, str], sent: bytes, ending: Ending, *, pause: float = 0.0
) -> None:
    """Send the beginning of a store request, end the connection, wait until the server has noticed."""
    before = archive.answered("store")
    with connected(archive) as connection:
        connection.sendall(head_of(archive, "POST", "/studies", headers) + sent)
        time.sleep(pause)
        ending(connection)
    until(lambda: archive.answered("store") > before)
    assert archive.answered("store") == before + 1


@ENDINGS
@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.5, 0.99])
def test_a_single_instance_with_its_length_told(archive: Server, ending: Ending, fraction: float) -> None:
    name, data = fresh(200)
    with leaves_nothing(archive):
        headers = {**DICOM, "Content-Length": str(len(data))}
        break_off(archive, headers, data[: int(len(data) * fraction)], ending)
        assert ask(archive, path_of(name)).status == 404


@ENDINGS
@pytest.mark.parametrize("missing", ["half of the data", "the last chunk"])
def test_a_single_instance_in_chunks(archive: Server, ending: Ending, missing: str) -> None:
    """Without the last chunk a body is not complete, though all its bytes are there (RFC 9112 8)."""
    name, data = fresh(100)
    sent = data if missing == "the last chunk" else data[: len(data) // 2]
    with leaves_nothing(archive):
        break_off(archive, {**DICOM, "Transfer-Encoding": "chunked"}, chunk(sent), ending)
        assert ask(archive, path_of(name)).status == 404


@ENDINGS
def test_before_any_part_is_complete(archive: Server, ending: Ending) -> None:
    name, data = fresh(100)
    body = related(data)
    with leaves_nothing(archive):
        break_off(archive, {**RELATED, "Content-Length": str(len(body))}, body[: len(body) // 2], ending)
        assert ask(archive, path_of(name)).status == 404


@ENDINGS
def test_after_complete_parts_those_are_stored_whole_or_not_at_all(archive: Server, ending: Ending) -> None:
    whole = [fresh(60) for _ in range(5)]
    cut, data = fresh(60)
    sent = b"".join(part(one) for _, one in whole) + part(data)[:-500]

    break_off(archive, {**RELATED, "Transfer-Encoding": "chunked"}, chunk(sent), ending, pause=0.2)

    for name, one in whole:
        answer = ask(archive, path_of(name), AS_STORED)
        assert answer.status == 404 or answer.body == one
    assert ask(archive, path_of(cut), AS_STORED).status == 404
    keys = stored_keys(archive)
    assert not [key for key in keys if key.startswith(".tmp/")]
    stored = [name for name, _ in whole if ask(archive, path_of(name)).status == 200]
    objects = [
        key for key in keys for name, _ in [*whole, (cut, b"")] if f"/{path_of(name).split('/')[2]}/" in key
    ]
    assert len(objects) == len(stored)
    assert_alive(archive)


@ENDINGS
@pytest.mark.parametrize("told", [True, False], ids=["length", "chunked"])
def test_a_large_instance_midway_in_its_upload(archive: Server, ending: Ending, told: bool) -> None:
    name, _ = fresh()
    data = large(name, 14)
    half = data[: len(data) - 2_000_000]
    headers = {**DICOM, **({"Content-Length": str(len(data))} if told else {"Transfer-Encoding": "chunked"})}
    with leaves_nothing(archive):
        break_off(archive, headers, half if told else chunk(half), ending, pause=0.2)
        assert ask(archive, path_of(name)).status == 404


@ENDINGS
def test_a_zip_midway(archive: Server, ending: Ending) -> None:
    with leaves_nothing(archive):
        headers = {"Content-Type": "application/zip", "Content-Length": "100000"}
        break_off(archive, headers, b"PK\x03\x04" + bytes(1000), ending)


def test_a_chunk_whose_size_is_no_number_is_400(archive: Server) -> None:
    name, data = fresh()
    with leaves_nothing(archive), connected(archive) as connection:
        headers = {**DICOM, "Transfer-Encoding": "chunked"}
        connection.sendall(head_of(archive, "POST", "/studies", headers) + b"zz\r\n" + data + b"\r\n0\r\n\r\n")
        assert read_answer(connection).status == 400
    assert ask(archive, path_of(name)).status == 404


def test_a_request_that_is_none_is_refused(archive: Server) -> None:
    """The second is one of HTTP/0.9, which knows no Host."""
    tls_hello = b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"
    with leaves_nothing(archive):
        for request, status in ((b"nonsense\r\n\r\n", 400), (b"GET /studies\r\n\r\n", 421), (tls_hello, 400)):
            with connected(archive) as connection:
                connection.sendall(request)
                assert read_answer(connection).status == status


@ENDINGS
def test_a_reader_that_leaves_midway_disturbs_nobody(archive: Server, ending: Ending) -> None:
    name, _ = fresh()
    data = large(name, 20)
    assert ask(archive, "/studies", DICOM, method="POST", body=data).status == 200
    before = archive.answered("retrieve_instance")
    for _ in range(5):
        with connected(archive) as connection:
            connection.sendall(head_of(archive, "GET", path_of(name), AS_STORED))
            connection.recv(1000)
            ending(connection)
    until(lambda: archive.answered("retrieve_instance") == before + 5)
    assert archive.answered("retrieve_instance") == before + 5
    assert ask(archive, path_of(name), AS_STORED).body == data


def test_many_that_drop_at_once_leave_the_server_whole(archive: Server) -> None:
    data = large(fresh()[0], 9)
    with leaves_nothing(archive):
        before = archive.answered("store")
        opened = [socket.create_connection(archive.address, 30) for _ in range(20)]
        for connection in opened:
            headers = {**DICOM, "Content-Length": str(len(data))}
            connection.sendall(head_of(archive, "POST", "/studies", headers) + data[:100_000])
        for connection in opened:
            drop(connection)
        until(lambda: archive.answered("store") == before + 20)
        assert archive.answered("store") == before + 20
