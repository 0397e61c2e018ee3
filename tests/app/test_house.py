"""The house as a whole: it never blocks its event loop, and leaves nothing behind when it is closed."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.samples import STUDY, sample_files
from tests.app.archives import House, open_house
from tests.build.dicom import ct_slice, uid

BLOCKED_SECONDS = 0.1
"""CPU time that the loop's thread may spend between two turns of a task that only wants to be woken."""
BLOCKING = ("fsync", "fdatasync", "link", "replace", "rename")
"""Calls that wait for the disk."""


@asynccontextmanager
async def watched() -> AsyncIterator[list[float]]:
    """Measures, by the loop thread's own CPU time, how long other tasks kept a watcher from its turn.

    CPU time and not wall time, so that a busy machine does not fail the test.
    """
    spent: list[float] = []

    async def watch() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            spent.append(now - last)
            last = now

    task = asyncio.create_task(watch())
    try:
        yield spent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def forbid_blocking(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes every call that waits for the disk or the clock on this thread."""
    loop_thread, noted = threading.get_ident(), []

    def guard(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            if threading.get_ident() == loop_thread:
                noted.append(name)
            return call(*arguments, **options)

        return guarded

    for name in BLOCKING:
        monkeypatch.setattr(os, name, guard(f"os.{name}", getattr(os, name)))
    monkeypatch.setattr(time, "sleep", guard("time.sleep", time.sleep))
    return noted


def series(count: int) -> list[bytes]:
    """Slices of one series, 128 kB each."""
    same = {"StudyInstanceUID": uid("load study"), "SeriesInstanceUID": uid("load series")}
    return [
        ct_slice(
            rows=256, columns=256, seed=number, SOPInstanceUID=uid(f"load {number}"), InstanceNumber=number, **same
        )
        for number in range(count)
    ]


async def load(house: House) -> None:
    """Everything at once, as viewers and modalities do it."""
    study = f"/studies/{uid('load study')}"
    slices = series(120)
    large = ct_slice(rows=2048, columns=2048, SOPInstanceUID=uid("large"), StudyInstanceUID=uid("load study"))
    statuses = await asyncio.gather(
        *(house.store(slices[start : start + 30]) for start in range(0, 120, 30)),
        house.store([large]),
        house.store(list(sample_files())),
    )
    assert set(statuses) == {200}
    reads = [
        "/studies?limit=101&fuzzymatching=true&PatientName=phantom",
        f"{study}/metadata",
        study,
        f"{study}/instances?includefield=all",
        f"/studies/{STUDY}/metadata",
        *(
            f"{study}/series/{uid('load series')}/instances/{uid(f'load {number}')}/frames/1"
            for number in range(20)
        ),
    ]
    answers = await asyncio.gather(*(house.get(path) for path in reads))
    assert {status for status, _ in answers} == {200}
    assert (await house.get(study, "application/zip"))[0] == 200
    async with house.client.delete(house.dicomweb + study) as answer:
        assert answer.status == 204


async def test_nothing_blocks_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = forbid_blocking(monkeypatch)
    async with open_house(tmp_path / "store") as house:
        # first use imports and compiles what is imported late; the guard is for what every request does
        await house.store([ct_slice(SOPInstanceUID=uid("warm"))])
        await house.get("/studies")
        noted.clear()
        async with watched() as spent:
            await load(house)

        assert max(spent) < BLOCKED_SECONDS
        assert noted == []


async def test_the_guard_itself_notices_what_blocks() -> None:
    async with watched() as spent:
        await asyncio.sleep(0)
        until = time.thread_time() + 2 * BLOCKED_SECONDS
        while time.thread_time() < until:
            pass
        await asyncio.sleep(0)

    assert max(spent) > BLOCKED_SECONDS


async def test_opening_and_closing_fifty_times_leaks_nothing(tmp_path: Path) -> None:
    async def once() -> None:
        async with open_house(tmp_path / "store") as house:
            assert (await house.get("/studies?limit=1"))[0] == 200

    async with open_house(tmp_path / "store") as house:
        await house.store([ct_slice()])
    for _ in range(3):
        await once()
    before = held()

    for _ in range(50):
        await once()

    after = held()
    assert after["files"] <= before["files"] + 1
    assert after["threads"] <= before["threads"] + 1
    assert after["tasks"] == before["tasks"]


def held() -> dict[str, int]:
    """What this process holds."""
    gc.collect()
    return {
        "files": len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,  # noqa: PTH112, PTH208  # counting descriptors, one of which listing opens
        # the loop's own pool grows with chance up to its bound, and belongs to no house
        "threads": sum(not one.name.startswith("asyncio_") for one in threading.enumerate()),
        "tasks": len(asyncio.all_tasks()),
    }
