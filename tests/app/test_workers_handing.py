"""Connections from one process to another: none is lost, and the least busy gets the next."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from app import workers_handing
from app.config import Settings
from app.listeners import CannotListen, open_listeners
from app.sources import read_settings
from app.workers_handing import Handed, Post, Spreader, channel


@dataclass
class Worker:
    """A worker's end that keeps what it is handed."""

    post: Post
    handed: Handed
    connections: list[socket.socket] = field(default_factory=list)

    async def serve(self, connection: socket.socket) -> None:
        self.connections.append(connection)

    def start(self) -> None:
        self.handed.start(self.serve, lambda: len(self.connections))


@dataclass
class Server:
    """A listening socket and what spreads its connections."""

    spreader: Spreader
    port: int
    workers: list[Worker]
    clients: list[socket.socket] = field(default_factory=list)

    async def come(self, number: int) -> None:
        """So many clients connect."""
        for _ in range(number):
            client = socket.socket()
            client.setblocking(False)
            self.clients.append(client)
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", self.port))
        await asyncio.sleep(0.1)

    @property
    def shares(self) -> list[int]:
        """Connections of each worker."""
        return [len(worker.connections) for worker in self.workers]


def settings() -> Settings:
    return read_settings({"http_port": "0"}, {}).settings


@contextlib.asynccontextmanager
async def serving(workers: int) -> AsyncIterator[Server]:
    """A server whose workers have not started yet."""
    (listener,) = open_listeners(settings())
    spreader = Spreader([listener])
    made = []
    for _ in range(workers):
        ours, theirs = channel()
        made.append(Worker(Post(ours), Handed(theirs)))
        made[-1].post.watch()
    server = Server(spreader, listener.getsockname()[1], made)
    try:
        yield server
    finally:
        spreader.close()
        for worker in made:
            await worker.handed.close()
            worker.post.close()
            for connection in worker.connections:
                connection.close()
        for client in server.clients:
            client.close()


async def test_connections_wait_until_there_is_a_worker() -> None:
    async with serving(1) as server:
        await server.come(5)
        (worker,) = server.workers
        worker.start()
        server.spreader.add(worker.post)
        await asyncio.sleep(0.1)
        assert server.shares == [5]


async def test_the_worker_with_the_fewest_connections_gets_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_handing, "_REPORT_SECONDS", 0.02)
    async with serving(2) as server:
        one, two = server.workers
        for worker in (one, two):
            worker.start()
            server.spreader.add(worker.post)
        await server.come(7)
        assert sorted(server.shares) == [3, 4]
        server.spreader.remove(two.post)
        await server.come(4)
        server.spreader.add(two.post)
        one.connections, kept = one.connections[:1], one.connections[1:]
        before = sum(server.shares)
        await asyncio.sleep(0.1)
        await server.come(3)
        assert sum(server.shares) - before == 3
        assert abs(len(one.connections) - len(two.connections)) <= 1
        for connection in kept:
            connection.close()


async def test_what_a_worker_had_no_room_for_goes_to_another_or_waits() -> None:
    async with serving(2) as server:
        busy, free = server.workers
        server.spreader.add(busy.post)
        # it takes none, so its queue fills; clients are not refused
        await server.come(400)
        server.spreader.add(free.post)
        free.start()
        busy.start()
        async with asyncio.timeout(5):
            while sum(server.shares) < 400:  # noqa: ASYNC110  # nothing else tells of it
                await asyncio.sleep(0.02)
        assert free.connections


async def test_a_worker_that_stands_still_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_handing, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(workers_handing, "_REPORT_SECONDS", 0.02)
    async with serving(2) as server:
        still, awake = server.workers
        awake.start()
        for worker in (still, awake):
            server.spreader.add(worker.post)
        await asyncio.sleep(0.2)
        await server.come(6)
        assert server.shares == [0, 6]


async def test_a_worker_is_known_to_have_finished_with_its_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_handing, "_REPORT_SECONDS", 0.02)
    async with serving(1) as server:
        (worker,) = server.workers
        worker.start()
        server.spreader.add(worker.post)
        await server.come(2)
        assert not worker.post.cleared.is_set()
        for connection in worker.connections:
            connection.close()
        worker.connections.clear()
        await asyncio.wait_for(worker.post.cleared.wait(), 2)


async def test_a_port_in_use_is_said() -> None:
    (listener,) = open_listeners(settings())
    with listener, pytest.raises(CannotListen, match=r"cannot listen on 127\.0\.0\.1"):
        open_listeners(read_settings({"http_port": str(listener.getsockname()[1])}, {}).settings)
