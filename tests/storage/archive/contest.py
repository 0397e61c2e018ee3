"""Several committers on one log whose store takes its time for every request, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from storage.archive.committer import Committer
from storage.archive.follower import Follower
from storage.archive.judge import Candidate
from storage.archive.settings import Duplicates
from storage.archive.siblings import Alone
from storage.layout import LOG
from storage.log.events import Entry
from storage.log.journal import Journal
from storage.objects.contract import ObjectExists, ObjectInfo
from storage.objects.memory import MemoryStore
from tests.storage.log.make import key, stored

Result = TypeVar("Result")


class Far:
    """One node's way to the store; what it asks for happens somewhere within the time that it takes."""

    def __init__(self, store: MemoryStore, seconds: float, chance: random.Random) -> None:
        self.store = store
        self.seconds = seconds
        self.chance = chance
        self.requests: Counter[str] = Counter()
        self.most_lost_in_a_row = self._lost_in_a_row = 0

    async def _way(self, kind: str) -> float:
        self.requests[kind] += 1
        seconds = self.seconds * self.chance.uniform(0.8, 1.2)
        there = seconds * self.chance.uniform(0.3, 0.9)
        await asyncio.sleep(there)
        return seconds - there

    async def _both_ways(self, kind: str, work: Callable[[], Awaitable[Result]]) -> Result:
        back = await self._way(kind)
        try:
            return await work()
        finally:
            await asyncio.sleep(back)

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        try:
            await self._both_ways("create" if create else "put", lambda: self.store.put(key, data, create=create))
        except ObjectExists:
            self._lost_in_a_row += key.startswith(LOG) and key.endswith(".arrow")
            self.most_lost_in_a_row = max(self.most_lost_in_a_row, self._lost_in_a_row)
            raise
        if create:
            self._lost_in_a_row = 0

    async def get(self, key: str, span: Any = None) -> bytes:
        data: bytes = await self._both_ways("get", lambda: self.store.get(key, span))
        return data

    async def head(self, key: str) -> ObjectInfo:
        info: ObjectInfo = await self._both_ways("head", lambda: self.store.head(key))
        return info

    async def delete(self, key: str) -> None:
        await self._both_ways("delete", lambda: self.store.delete(key))

    async def settle(self, keys: Collection[str]) -> None:
        """A bucket has nothing to do."""

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        back = await self._way("list")
        async with aclosing(self.store.list(prefix, after=after)) as found:
            infos = [info async for info in found]
        await asyncio.sleep(back)
        for info in infos:
            yield info


class Applied:
    """What a committer needs of a catalog."""

    crowded = overfull = False
    problem = ""

    def __init__(self) -> None:
        self.applied = 0
        self.names: list[str] = []

    def apply(self, entry: Entry) -> None:
        assert entry.number == self.applied + 1
        self.applied = entry.number
        self.names += [event.stored.version for event in entry.events if event.stored]

    async def known(self, keys: Any) -> dict[Any, Any]:
        return {}


@dataclass
class Node:
    """One that stores for as long as it is told to."""

    store: Far
    catalog: Applied
    committer: Committer
    answers: list[float] = field(default_factory=list)
    """Seconds that each took."""


@dataclass
class Contest:
    """How it went."""

    nodes: list[Node]

    def share(self, part: float) -> float:
        """Seconds within which such a part of all was answered."""
        seconds = sorted(second for node in self.nodes for second in node.answers)
        return seconds[int(part * (len(seconds) - 1))]

    @property
    def most_lost_in_a_row(self) -> int:
        """By any of them."""
        return max(node.store.most_lost_in_a_row for node in self.nodes)


async def contest(requests: Sequence[float], *, seconds: float, clients: int = 2, seed: int = 1) -> Contest:
    """Have nodes, whose requests take so long each, commit one instance after the other."""
    truth, chance = MemoryStore(), random.Random(seed)
    nodes: list[Node] = []
    async with asyncio.TaskGroup() as tasks:
        running = []
        for number, took in enumerate(requests):
            store, catalog = Far(truth, took, chance), Applied()
            journal = await Journal.open(store, node=f"n{number}")  # type: ignore[arg-type]  # what it needs of a store
            follower = Follower(journal, catalog, Alone())  # type: ignore[arg-type]  # what they need of a catalog
            committer = Committer(
                journal,
                catalog,  # type: ignore[arg-type]  # the same
                follower,
                node=f"n{number}",
                policy=Duplicates.REPLACE,
                siblings=Alone(),
            )
            nodes.append(Node(store, catalog, committer))
            running.append(tasks.create_task(_run(committer)))
        until = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(_store(node, until) for node in nodes for _ in range(clients)))
        for task in running:
            task.cancel()
    return Contest(nodes)


async def _run(committer: Committer) -> None:
    await committer.run()


async def _store(node: Node, until: float) -> None:
    loop = asyncio.get_running_loop()
    while (begun := loop.time()) < until:
        await node.store.put(f"dicom/{begun}", [b"bytes"])
        version = stored(key(instance=random.randrange(1 << 60))).stored
        assert version is not None
        await node.committer.submit([Candidate(stored=version, door="stow", peer="")], by=node)
        node.answers.append(loop.time() - begun)
