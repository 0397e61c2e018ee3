"""Several workers on one port: as one server to its clients, whatever happens to one of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from tests.app.archives import RELATED, related
from tests.app.processes import Running, run, server
from tests.build.dicom import ct_slice, uid

JSON = {"Accept": "application/dicom+json"}
STORED = {"Accept": "multipart/related; type=application/dicom; transfer-syntax=*"}


@contextlib.asynccontextmanager
async def lines_to(running: Running, workers: int) -> AsyncIterator[list[aiohttp.ClientSession]]:
    """A client with one connection to each worker, by number."""
    async with contextlib.AsyncExitStack() as stack:
        found: dict[int, aiohttp.ClientSession] = {}
        async with asyncio.timeout(30):
            while len(found) < workers:
                connector = aiohttp.TCPConnector(limit=1, keepalive_timeout=60)
                client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
                found.setdefault(await worker_of(client, running), client)
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


async def found(client: aiohttp.ClientSession, running: Running, path: str) -> list[dict[str, Any]]:
    """The matches of a search."""
    async with client.get(running.dicomweb + path, headers=JSON) as answer:
        assert answer.status in (200, 204)
        matches: list[dict[str, Any]] = await answer.json() if answer.status == 200 else []
        return matches


def instance(name: str, **other: Any) -> tuple[bytes, str]:
    """One in a study of its own, and the path of the study."""
    study, series = uid(f"study {name}"), uid(f"series {name}")
    data = ct_slice(StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=uid(name), **other)
    return data, f"/studies/{study}"


async def test_what_one_worker_stores_every_other_has_at_once(tmp_path: Path) -> None:
    async with server(tmp_path / "store", "--workers", "3") as running, lines_to(running, 3) as lines:

        async def replace_often(name: str, turns: int) -> None:
            for turn in range(turns):
                writer, searcher, reader = lines[turn % 3 :] + lines[: turn % 3]
                data, path = instance(name, PatientID=f"{name}{turn}")
                assert await store(writer, running, data) == 200

                # of what is known: a worker that does not find a UID looks at the log in any case
                (header,), whole = await asyncio.gather(
                    found(searcher, running, path + "/metadata"),
                    reader.get(running.dicomweb + path, headers=STORED),
                )

                assert header["00100020"] == {"vr": "LO", "Value": [f"{name}{turn}"]}, turn
                assert data in await whole.read(), turn
                if turn % 10 == 0:
                    assert len(await found(searcher, running, f"/studies?PatientID={name}{turn}")) == 1, turn
                    async with reader.delete(running.dicomweb + path) as removed:
                        assert removed.status == 204
                    async with searcher.get(running.dicomweb + path + "/metadata", headers=JSON) as gone:
                        assert gone.status == 410, turn

        await asyncio.gather(*(replace_often(name, 50) for name in "ABCD"))
        assert [len(await found(line, running, "/studies")) for line in lines] == [4] * 3


async def test_connections_are_spread_evenly_also_when_they_come_all_at_once(tmp_path: Path) -> None:
    async with server(tmp_path / "store", "--workers", "2") as running, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(aiohttp.ClientSession()) for _ in range(8)]

        numbers = await asyncio.gather(*(worker_of(client, running) for client in clients))

        assert sorted(numbers) == [1, 1, 1, 1, 2, 2, 2, 2]
        async with clients[0].get(running.url + "/metrics") as answer:
            metrics = await answer.text()
        for worker in ("1", "2"):
            assert f'dicomlake_ready{{worker="{worker}"}} 1' in metrics
            assert f'operation="health_ready",method="GET",status="200",worker="{worker}"}} 4\n' in metrics
        assert 'dicomlake_process_resident_memory_bytes{worker="parent"}' in metrics
        assert metrics.count("# TYPE dicomlake_ready gauge") == 1


async def test_a_worker_killed_while_it_stores_loses_nothing_it_acknowledged_and_is_started_again(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    async with (
        server(tmp_path / "store", "--workers", "2", log=log) as running,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client,
    ):
        acknowledged: dict[str, bytes] = {}
        going = True

        async def send(name: int) -> None:
            turn = 0
            while going:
                data, path = instance(f"kill {name} {turn}")
                turn += 1
                # sent again until it is acknowledged, as a modality would
                await until(lambda data=data: acknowledges(client, running, data))  # type: ignore[misc]  # of a lambda
                acknowledged[path] = data

        sending = [asyncio.create_task(send(name)) for name in range(6)]
        for _ in range(3):
            await asyncio.sleep(1.0)
            os.kill(children(running)[0], signal.SIGKILL)
        await asyncio.sleep(1.5)
        going = False
        await asyncio.gather(*sending)

        assert len(acknowledged) > 20
        async with lines_to(running, 2) as lines:
            for line in lines:
                studies = await found(line, running, "/studies?limit=5000&includefield=00201208")
                one = {str(study["0020000D"]["Value"][0]): study["00201208"]["Value"] for study in studies}
                assert {path[9:] for path in acknowledged} <= set(one)
                assert all(count == [1] for count in one.values())
            for path, data in list(acknowledged.items())[::7]:
                async with lines[0].get(running.dicomweb + path, headers=STORED) as whole:
                    assert data in await whole.read()
        assert await running.end() == 0
    told = log.read_text()
    assert len(re.findall(r"worker [12] \(process \d+\) was killed by SIGKILL; starting it again in", told)) == 3
    assert re.search(r" store 200 .* worker=[12]$", told, re.MULTILINE)


async def test_workers_restarted_one_by_one_leave_no_request_unanswered(tmp_path: Path) -> None:
    async with server(tmp_path / "store", "--workers", "2") as running, aiohttp.ClientSession() as client:
        before = children(running)
        stored = 0
        going = True

        async def work(name: int) -> None:
            nonlocal stored
            async with aiohttp.ClientSession() as mine:
                while going:
                    data, path = instance(f"rolling {name} {stored}")
                    assert await store(mine, running, data) == 200
                    stored += 1
                    assert len(await found(mine, running, path + "/metadata")) == 1

        async def knock() -> None:
            """Each time by a new connection."""
            while going:
                async with aiohttp.ClientSession() as mine:
                    await worker_of(mine, running)
                await asyncio.sleep(0.02)

        working = [asyncio.create_task(one) for one in (work(0), work(1), work(2), knock())]
        await asyncio.sleep(0.5)
        running.process.send_signal(signal.SIGHUP)
        await until(lambda: all_new(running, before))
        going = False
        await asyncio.gather(*working)

        assert len(await found(client, running, "/studies?limit=5000")) == stored
        assert await running.end() == 0


async def test_told_to_end_all_workers_finish_what_is_at_work_in_time(tmp_path: Path) -> None:
    body = related([instance("in flight")[0]])
    sent = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:300]
        sent.set()
        await asyncio.sleep(1.0)
        yield body[300:]

    async with server(tmp_path / "store", "--workers", "2") as running, aiohttp.ClientSession() as client:
        pids = children(running)
        storing = asyncio.create_task(
            client.post(running.dicomweb + "/studies", data=slowly(), headers={"Content-Type": RELATED})
        )
        await sent.wait()
        await asyncio.sleep(0.2)
        began = time.monotonic()
        ending = asyncio.create_task(running.end())
        async with await storing as answer:
            assert answer.status == 200
        assert await ending == 0
        assert time.monotonic() - began < 10
        assert not any(map(runs, pids))


async def test_without_their_parent_workers_end(tmp_path: Path) -> None:
    async with server(tmp_path / "store", "--workers", "2") as running:
        pids = children(running)
        await running.end(signal.SIGKILL)
        await until(lambda: none_of(pids))


async def test_what_keeps_workers_from_starting_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    refused = await asyncio.gather(
        run("serve", "--workers", "2", "--store", str(tmp_path / "file"), "--http-port", "0"),
        run("serve", "--workers", "2", "--store", "memory://", "--http-port", "0"),
        run("serve", "--workers", "2", "--store", str(tmp_path / "a"), "--host", "0.0.0.0", "--http-port", "0"),
    )
    assert [one.status for one in refused] == [2, 2, 2]
    for one, words in zip(refused, ("file", "memory of one process", "can be reached from"), strict=True):
        assert words in one.err
        assert "Traceback" not in one.err


def children(running: Running) -> list[int]:
    """Processes of the workers."""
    pid = running.process.pid
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


async def until(happened: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Ask again and again until it has happened."""
    async with asyncio.timeout(seconds):
        while not await happened():  # noqa: ASYNC110  # nothing else tells of it
            await asyncio.sleep(0.05)


async def acknowledges(client: aiohttp.ClientSession, running: Running, data: bytes) -> bool:
    """Whether an instance was stored; the server may break off."""
    try:
        return await store(client, running, data) == 200
    except aiohttp.ClientError:
        return False


async def all_new(running: Running, before: Sequence[int]) -> bool:
    """Whether two workers serve that were not there before."""
    if set(before) & set(now := children(running)) or len(now) != 2:
        return False
    return len(set(await asyncio.gather(*(fresh_worker(running) for _ in range(8))))) == 2


async def none_of(pids: Sequence[int]) -> bool:
    """Whether none of the processes runs any more."""
    return not any(map(runs, pids))


async def fresh_worker(running: Running) -> int:
    """Number of the worker that a new connection leads to."""
    async with aiohttp.ClientSession() as client:
        return await worker_of(client, running)
