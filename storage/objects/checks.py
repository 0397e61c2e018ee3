"""What a store must prove before an archive is trusted to it."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from uuid import uuid4

from storage.objects.contract import ObjectExists, ObjectStore, StoreDenied, StoreUnavailable
from storage.objects.local import LocalStore
from storage.objects.retry import retried

RACERS = 8
"""Creators of one key at a time."""
ROUNDS = 3
"""Keys raced for."""
FOLDER = "checks"
"""First name of the keys that are created and deleted again."""
_ATTEMPTS = 5
CONTESTED = 200
"""Keys that processes race for in a folder."""


async def check_conditional_writes(store: ObjectStore) -> bool:
    """Whether of several creators of one key exactly one succeeds, and its bytes stay.

    Without that two nodes could both believe to have written one entry of the log. Leaves nothing behind.
    Raises StoreError if the store cannot be written to or read at all.
    """
    for _ in range(ROUNDS):
        key = f"{FOLDER}/{uuid4().hex}"
        try:
            if not await _race(store, key):
                return False
        finally:
            await store.delete(key)
    return True


async def require_creates(store: ObjectStore, where: str) -> None:
    """See that a key that is taken is not created again; three requests, nothing is left behind.

    What `check_conditional_writes` tries out in earnest, cheap enough for every start. `where` names the store.
    Creates are sent once and no more, so one that goes unanswered is begun anew with another key: a store with a
    fault in every tenth answer is no reason not to start.
    Raises StoreDenied if it is, and the store's errors.
    """

    async def refuses() -> bool:
        key = f"{FOLDER}/{uuid4().hex}"
        try:
            await store.put(key, [b"first"], create=True)
            await store.put(key, [b"second"], create=True)
        except ObjectExists:
            return True
        finally:
            await store.delete(key)
        return False

    if await retried(refuses, attempts=_ATTEMPTS):
        return
    raise StoreDenied(
        where,
        "this store does not honour conditional writes (PUT with If-None-Match: *): it let an object that was "
        "there be written over. Two nodes could destroy each other's log that way, so no archive is kept on it. "
        "AWS S3 and MinIO honour them; a proxy before the store has to pass that header on",
    )


async def _race(store: ObjectStore, key: str) -> bool:
    async def create(number: int) -> bytes | None:
        data = b"creator %d" % number
        try:
            await store.put(key, [data], create=True)
        except ObjectExists:
            return None
        return data

    results = await asyncio.gather(*map(create, range(RACERS)), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    outcomes = [result for result in results if not isinstance(result, BaseException)]
    # and one that comes late, in case the store was so slow that none of them met
    outcomes.append(await create(RACERS))
    winners = [data for data in outcomes if data is not None]
    return len(winners) == 1 and await store.get(key) == winners[0]


async def check_shared_folder(root: Path, *, processes: int = 2) -> bool:
    """Whether of several processes racing for keys in a folder exactly one gets each.

    Some network file systems do not promise that, or not to two machines; run it on each of them at once for the
    whole truth. Leaves nothing behind. Raises StoreUnavailable if a process fails.
    """
    run = uuid4().hex
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "storage.objects.checks",
            str(root.absolute()),  # noqa: ASYNC240 - asks for the working directory, nothing that blocks
            run,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        await process.stdout.readline()  # it is ready; none starts before all are
    printed = await asyncio.gather(*(process.communicate(b"go\n") for process in running))
    if any(process.returncode for process in running):
        raise StoreUnavailable(FOLDER, "a racing process failed")
    won = Counter(number for out, _ in printed for number in out.split())
    async with LocalStore(root) as store:
        for key in _contested(run):
            await store.delete(key)
    return len(won) == CONTESTED and set(won.values()) == {1}


def _contested(run: str) -> list[str]:
    return [f"{FOLDER}/{run}/{number}" for number in range(CONTESTED)]


async def _compete(root: Path, run: str) -> None:
    """Try to create every contested key, and print the numbers of those that were got."""
    async with LocalStore(root) as store:
        for number, key in enumerate(_contested(run)):
            try:
                await store.put(key, [b"mine"], create=True)
            except ObjectExists:
                continue
            print(number)


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run(_compete(Path(sys.argv[1]), sys.argv[2]))
