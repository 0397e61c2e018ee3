"""Several workers on one port: as one server to its clients, whatever happens to one of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.app.archives import RELATED, related
from tests.app.processes import Running, server
from tests.build.dicom import ct_slice, uid

JSON = {"Accept": "application/dicom+json"}
STORED = {"Accept": "multipart/related; type=application/dicom; transfer-syntax=*"}


@contextlib.asynccontextmanager
async def lines_to(running: Running, workers: int) -> AsyncIterator[list[aiohttp.ClientSession]]:
    """A client with one connection to each worker, by number."""
    async with contextlib.AsyncExitStack() as stack:
        found: dict[int, aiohttp.ClientSession] = {}
        for _ in range(8 * workers):
            connector = aiohttp.TCPConnector(limit=1, keepalive_timeout=60)
            client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            found.setdefault(await worker_of(client, running), client)
            if len(found) == workers:
                break
        yield [found[number] for number in range(1, workers + 1)]


async def worker_of(client: aiohttp.ClientSession, running: Running) -> int:
    """Number of the worker that answers."""
    async with client.get(running.url + "/health/ready") as answer:
        assert answer.status == 200
        return int((await answer.json())["worker"])


async def store(client: aiohttp.ClientSession, running: Running, *instances: bytes) -> int:
    """Store in one request; the status."""
    data, headers = related(instances), {"Content-Type": RELATED, **JSON}
    async with client.post(running.dicomweb + "/studies", data=data, headers=headers) as answer:
        await answer.read()
        return answer.status


async def found(client: aiohttp.ClientSession, running: Running, path: str) -> list[dict[str, object]]:
    """The matches of a search."""
    async with client.get(running.dicomweb + path, headers=JSON) as answer:
        assert answer.status in (200, 204)
        matches: list[dict[str, object]] = await answer.json() if answer.status == 200 else []
        return matches


def instance(name: str, **other: Any) -> tuple[bytes, str]:
    """One in a study of its own, and the path of the study."""
    study, series = uid(f"study {name}"), uid(f"series {name}")
    data = ct_slice(StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=uid(name), **other)
    return data, f"/studies/{study}"


async def test_what_one_worker_stores_every_other_has_at_once(tmp_path: Path) -> None:
    async with server(tmp_path / "store", "--workers", "3") as running, lines_to(running, 3) as lines:
        for turn in range(200):
            writer, searcher, reader = lines[turn % 3 :] + lines[: turn % 3]
            data, path = instance("replaced", PatientID=f"P{turn}")
            assert await store(writer, running, data) == 200

            # of what is known: a worker that does not find a UID looks at the log in any case
            (header,), whole = await asyncio.gather(
                found(searcher, running, path + "/metadata"), reader.get(running.dicomweb + path, headers=STORED)
            )

            assert header["00100020"] == {"vr": "LO", "Value": [f"P{turn}"]}, turn
            assert data in await whole.read(), turn
            if turn % 10 == 0:
                assert len(await found(searcher, running, f"/studies?PatientID=P{turn}")) == 1, turn
                async with reader.delete(running.dicomweb + path) as removed:
                    assert removed.status == 204
                async with searcher.get(running.dicomweb + path + "/metadata", headers=JSON) as gone:
                    assert gone.status == 410, turn
        assert [len(await found(line, running, "/studies")) for line in lines] == [1] * 3
