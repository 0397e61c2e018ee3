"""While the application starts, its port says that it lives, is not ready, and why."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientConnectionError, ClientSession

from app.web.starting import Starting, answering


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def reach(client: ClientSession, url: str) -> tuple[int, dict[str, object]]:
    for _ in range(500):
        try:
            async with client.get(url) as answer:
                return answer.status, await answer.json()
        except ClientConnectionError:
            await asyncio.sleep(0.01)
    raise AssertionError("nothing answers")


async def test_health_tells_that_it_lives_and_how_far_it_is(client: ClientSession, port: int) -> None:
    starting, root = Starting(), f"http://127.0.0.1:{port}"
    async with answering(starting, "127.0.0.1", port, None, patience=0):
        assert await reach(client, f"{root}/health/live") == (200, {"live": True})
        assert await reach(client, f"{root}/health/ready") == (503, {"ready": False, "reason": "starting"})

        starting.say("catching up: 1 000 of 2 000 instances")

        _, told = await reach(client, f"{root}/health/ready")
        assert told["reason"] == "catching up: 1 000 of 2 000 instances"


async def test_anything_else_is_to_be_asked_again_later(client: ClientSession, port: int) -> None:
    async with answering(Starting(), "127.0.0.1", port, None, patience=0):
        url = f"http://127.0.0.1:{port}/dicom-web/studies"
        status, told = await reach(client, url)
        async with client.get(url) as answer:
            assert answer.headers["Retry-After"]

    assert status == 503
    assert "not ready yet" in str(told["Message"])


async def test_the_port_is_free_as_soon_as_the_application_wants_it(client: ClientSession, port: int) -> None:
    async with answering(Starting(), "127.0.0.1", port, None, patience=0):
        await reach(client, f"http://127.0.0.1:{port}/health/live")

    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", port)
    server.close()


async def test_a_short_start_and_a_port_that_is_taken_change_nothing(port: int) -> None:
    taken = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", port)
    async with answering(Starting(), "127.0.0.1", port, None, patience=0):
        await asyncio.sleep(0.05)
    taken.close()
    await taken.wait_closed()

    async with answering(Starting(), "127.0.0.1", port, None):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
