"""A server whose archive was rebuilt opens the new log by itself: to the one that has ended nobody can write."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.app.processes import Running, run, server
from tests.app.test_workers import found, instance, store


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_server_goes_on_with_the_new_log_when_a_rebuild_is_done(tmp_path: Path, workers: str) -> None:
    port = str(_free_port())
    async with (
        server(tmp_path / "store", "--workers", workers, "--http-port", port) as running,
        aiohttp.ClientSession() as client,
    ):
        before, path = instance("before")
        assert await store(client, running, before) == 200
        number = running.process.pid

        rebuilt = await run("rebuild", "--force", "--nodes-stopped", "--store", str(tmp_path / "store"))
        assert rebuilt.status == 0, rebuilt.err

        async with asyncio.timeout(60):
            while not await _writes(client, running):  # noqa: ASYNC110 - another process, which tells of nothing
                await asyncio.sleep(0.3)
        assert len(await found(client, running, path + "/instances")) == 1
        assert (running.process.pid, running.process.returncode) == (number, None)


async def _writes(client: aiohttp.ClientSession, running: Running) -> bool:
    try:
        return await store(client, running, instance("after")[0]) == 200
    except aiohttp.ClientError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
