"""Memory that a rush of requests leaves behind goes back to the system."""

from __future__ import annotations

import asyncio

import pytest

from app import memory


async def test_freed_memory_is_given_back_while_the_server_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    resident = iter([memory._AT_WORK + 1, 100, 100, 100, 100, 100, 100, 100])

    class Library:
        @staticmethod
        def malloc_trim(pad: int) -> None:
            trimmed.append(pad)

    monkeypatch.setattr(memory, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(memory, "resident_bytes", lambda: next(resident, 100))
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Library)
    async with memory.kept_lean():
        await asyncio.sleep(0.1)
    assert trimmed == [0]


def test_resident_bytes_are_those_of_this_process() -> None:
    assert memory.resident_bytes() > 10 << 20
