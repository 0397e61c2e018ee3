"""Derived bytes on disk: after a restart, after a crash, on a full disk, among files that are not ours."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from storage.derived import disk
from storage.derived.disk import DiskCache

LIMIT = 1 << 20


async def fill(folder: Path, entries: dict[str, bytes], limit: int = LIMIT) -> None:
    """A process that writes entries and ends."""
    cache = DiskCache(folder, limit)
    cache.open()
    for key, data in entries.items():
        cache.put(key, data)
    await cache.close()


async def read(folder: Path, *keys: str, limit: int = LIMIT) -> list[bytes | None]:
    """What a process that begins now finds."""
    cache = DiskCache(folder, limit)
    cache.open()
    try:
        await cache.settled()
        return [await cache.get(key) for key in keys]
    finally:
        await cache.close()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def open_files() -> int:
    """File descriptors of this process."""
    return len([*Path("/proc/self/fd").iterdir()])


async def test_entries_are_there_after_a_restart(tmp_path: Path) -> None:
    await fill(tmp_path, {"a": b"one", "b": b"", "c": bytes(100_000)})

    assert await read(tmp_path, "a", "b", "c", "d") == [b"one", b"", bytes(100_000), None]


async def test_an_entry_can_be_read_while_it_waits_to_be_written(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, LIMIT)
    cache.open()
    cache.put("a", b"one")

    assert await cache.get("a") == b"one"
    await cache.close()


async def test_an_entry_is_found_before_the_folder_was_looked_through(tmp_path: Path) -> None:
    await fill(tmp_path, {"a": b"one"})
    cache = DiskCache(tmp_path, LIMIT)

    assert await cache.get("a") == b"one"
    await cache.close()


async def test_no_key_can_be_read_from_a_file_name(tmp_path: Path) -> None:
    await fill(tmp_path, {"1.2.840.113619/../../etc/passwd": b"one"})

    (file,) = files(tmp_path)
    name = "".join(file.relative_to(tmp_path).parts)
    assert len(name) == 64
    assert set(name) <= set("0123456789abcdef")


@pytest.mark.parametrize("kept", [0, 7, 51, 52, 100])
async def test_a_torn_file_counts_as_absent(tmp_path: Path, kept: int) -> None:
    await fill(tmp_path, {"a": bytes(1000), "b": b"whole"})
    torn = next(path for path in files(tmp_path) if path.stat().st_size > 1000)
    os.truncate(torn, kept)

    assert await read(tmp_path, "a", "b") == [None, b"whole"]


async def test_a_file_with_damaged_content_counts_as_absent(tmp_path: Path) -> None:
    await fill(tmp_path, {"a": b"content"})
    (file,) = files(tmp_path)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)

    assert await read(tmp_path, "a") == [None]


async def test_what_follows_a_content_that_is_too_long_makes_it_absent(tmp_path: Path) -> None:
    await fill(tmp_path, {"a": b"content"})
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes() + b"!")

    assert await read(tmp_path, "a") == [None]


async def test_an_entry_under_the_name_of_another_counts_as_absent(tmp_path: Path) -> None:
    await fill(tmp_path, {"a": b"one"})
    (one,) = files(tmp_path)
    await fill(tmp_path, {"b": b"two"})
    other = next(path for path in files(tmp_path) if path != one)
    other.replace(one)

    assert await read(tmp_path, "a") == [None]


async def test_a_damaged_entry_is_written_anew(tmp_path: Path) -> None:
    await fill(tmp_path, {"a": b"one"})
    os.truncate(files(tmp_path)[0], 10)

    await fill(tmp_path, {"a": b"two"})

    assert await read(tmp_path, "a") == [b"two"]


async def test_files_that_are_not_ours_are_left_alone_and_an_interrupted_write_is_cleared_away(
    tmp_path: Path,
) -> None:
    await fill(tmp_path, {"a": b"one"})
    (ours,) = files(tmp_path)
    foreign = [tmp_path / "notes.txt", ours.parent / "readme", tmp_path / "zz" / "file"]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("not ours", encoding="ascii")
    interrupted = ours.with_name(ours.name + ".part")
    interrupted.write_bytes(b"half")

    assert await read(tmp_path, "a") == [b"one"]

    assert all(path.read_text(encoding="ascii") == "not ours" for path in foreign)
    assert not interrupted.exists()


async def test_the_folder_stays_within_its_bound_and_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, LIMIT)
    cache.open()
    cache.put("dear", bytes(40_000))
    for number in range(100):
        cache.put(f"key {number}", bytes(40_000))
        await cache.settled()
        assert await cache.get("dear") is not None
    await cache.close()

    assert sum(path.stat().st_size for path in files(tmp_path)) <= LIMIT
    assert await read(tmp_path, "dear", "key 99") == [bytes(40_000), bytes(40_000)]


async def test_the_order_of_use_outlives_a_restart(tmp_path: Path) -> None:
    await fill(tmp_path, {"old": bytes(200_000), "new": bytes(200_000)})
    for age, path in enumerate(files(tmp_path)):
        os.utime(path, (1000 + age, 1000 + age))
    await read(tmp_path, "old")

    await fill(tmp_path, {f"more {number}": bytes(200_000) for number in range(4)})

    assert await read(tmp_path, "old", "new") == [bytes(200_000), None]


async def test_a_smaller_bound_at_the_next_start_is_heeded(tmp_path: Path) -> None:
    await fill(tmp_path, {f"key {number}": bytes(40_000) for number in range(20)})

    await read(tmp_path, limit=LIMIT // 4)

    assert sum(path.stat().st_size for path in files(tmp_path)) <= LIMIT // 4


async def test_an_entry_too_large_for_the_folder_is_not_written(tmp_path: Path) -> None:
    await fill(tmp_path, {"a": bytes(LIMIT // 2), "b": b"small"})

    assert await read(tmp_path, "a", "b") == [None, b"small"]


async def test_a_full_disk_is_told_once_and_things_go_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = DiskCache(tmp_path, LIMIT)
    cache.open()
    await cache.settled()
    monkeypatch.setattr(Path, "replace", full)
    for number in range(5):
        cache.put(f"key {number}", bytes(1000))
        await cache.settled()

    assert await cache.get("key 0") is None
    assert files(tmp_path) == []
    assert [record.message for record in caplog.records].count(
        "derived pictures cannot be kept on disk for now: No space left on device"
    ) == 1

    monkeypatch.undo()
    monkeypatch.setattr(disk, "_PAUSE_SECONDS", 0.0)
    cache._paused_until = 0.0
    cache.put("later", b"there is room again")
    await cache.close()
    assert await read(tmp_path, "later") == [b"there is room again"]


async def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "derived").write_text("a file where the folder would be", encoding="ascii")
    cache = DiskCache(tmp_path / "derived", LIMIT)
    cache.open()
    cache.put("a", b"one")
    await cache.settled()

    assert await cache.get("a") is None
    await cache.close()


async def test_opening_and_closing_leaves_no_thread_or_file_behind(tmp_path: Path) -> None:
    await fill(tmp_path, {"a": b"one"})
    await read(tmp_path, "a")
    before = open_files(), len(asyncio.all_tasks())

    for _ in range(20):
        await read(tmp_path, "a")

    assert (open_files(), len(asyncio.all_tasks())) == before
