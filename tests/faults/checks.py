"""What must hold whatever was sent: nothing half stored, and the next request fine."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from tests.build.dicom import ct_slice, uid
from tests.clients.raw import RawAnswer, ask
from tests.clients.servers import Server, stored_keys

DICOM = {"Content-Type": "application/dicom"}
RELATED = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*"}
_numbers = itertools.count()


def fresh(size: int = 20) -> tuple[str, bytes]:
    """An instance that was never stored: the name of its UIDs, and its bytes."""
    name = f"fault {next(_numbers)}"
    return name, ct_slice(rows=size, columns=size, study=name, series=name, instance=name)


def path_of(name: str) -> str:
    """The instance whose three UIDs are made from one name."""
    return f"/studies/{uid(name)}/series/{uid(name)}/instances/{uid(name)}"


def part(data: bytes, content_type: str = "application/dicom") -> bytes:
    """A part of a multipart body of boundary `b`."""
    return b"--b\r\nContent-Type: " + content_type.encode() + b"\r\n\r\n" + data + b"\r\n"


def related(*files: bytes) -> bytes:
    """A multipart body."""
    return b"".join(map(part, files)) + b"--b--\r\n"


def failures(answer: RawAnswer) -> list[int]:
    """The failure reasons of a store answer, each with a sentence for a reader."""
    module: dict[str, Any] = orjson.loads(answer.body)
    items = [item for tag in ("00081198", "0008119A") for item in module.get(tag, {}).get("Value", [])]
    assert all(len(item["00000902"]["Value"][0]) > 10 for item in items)
    return [item["00081197"]["Value"][0] for item in items]


def assert_alive(server: Server) -> None:
    """The next requests are fine: one stores, one reads back."""
    name, data = fresh()
    assert ask(server, "/studies", DICOM, method="POST", body=data).status == 200
    assert ask(server, path_of(name), AS_STORED).body == data


@contextlib.contextmanager
def leaves_nothing(server: Server) -> Iterator[None]:
    """The store holds afterwards what it held before, and the server goes on."""
    before = stored_keys(server)
    yield
    until(lambda: stored_keys(server) == before)
    assert stored_keys(server) == before
    assert_alive(server)


def until(happens: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something, but not for long; whoever calls asserts it."""
    end = time.monotonic() + seconds
    while not happens() and time.monotonic() < end:
        time.sleep(0.02)
