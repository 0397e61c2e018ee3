"""Nodes of one machine: what one has told, all know; they commit in turns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.outcome import Outcome
from dicomweb.model.query import Query
from dicomweb.ports import Gone
from storage.archive import archive as archive_module
from storage.archive.archive import LakeArchive
from storage.archive.settings import ArchiveSettings
from storage.archive.siblings import CELLS, Board, shared_memory
from storage.objects.counting import CountingStore
from storage.objects.memory import MemoryStore
from tests.build.dicom import ct_slice, uid
from tests.build.lake import store_files

KEY = InstanceKey(uid("study"), uid("series"), uid("sop"))


class Machine:
    """Siblings within one process: a board, and turns to commit."""

    def __init__(self, board: Board, turn: asyncio.Lock, folder: Path | None) -> None:
        self._board = board
        self._turn = turn
        self.folder = folder

    def tell(self, revision: int) -> None:
        self._board.tell(revision)

    @property
    def latest(self) -> int:
        return self._board.latest

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._turn:
            yield


@contextlib.asynccontextmanager
async def machine(
    store: CountingStore, folder: Path, nodes: int, *, shelf: Path | None = None
) -> AsyncIterator[list[LakeArchive]]:
    """Nodes that hear of each other by the board alone, and only when they are asked."""
    async with AsyncExitStack() as stack:
        board, turn = stack.enter_context(shared_memory()), asyncio.Lock()
        settings = ArchiveSettings(poll_seconds=0)
        yield [
            await stack.enter_async_context(
                LakeArchive(
                    store,
                    node=f"node-{number}",
                    node_dir=folder / str(number),
                    settings=settings,
                    siblings=Machine(Board(board, number, nodes=nodes), turn, shelf),
                )
            )
            for number in range(nodes)
        ]


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingStore]:
    monkeypatch.setattr(archive_module, "_HEAR_SECONDS", 3600.0)
    async with CountingStore(MemoryStore()) as opened:
        yield opened


def slice_of(number: int, name: str = "sop") -> bytes:
    return ct_slice(study="study", series="series", instance=name, seed=number, PatientID=f"P{number}")


async def patients(archive: LakeArchive) -> list[str]:
    found = await archive.search(Query(Level.STUDY))
    return [one["00100020"]["Value"][0] async for batch in found.batches for one in batch]


def test_a_board_tells_the_greatest_of_all_cells() -> None:
    with shared_memory() as file:
        boards = [Board(file, cell, nodes=CELLS) for cell in (0, 5, CELLS - 1)]
        assert [board.latest for board in boards] == [0, 0, 0]
        for revision, board in zip((3, 1 << 60, 9), boards, strict=True):
            board.tell(revision)
        assert {board.latest for board in boards} == {1 << 60}


async def test_what_one_node_stored_replaced_or_removed_every_other_tells_at_once(
    store: CountingStore, tmp_path: Path
) -> None:
    async with machine(store, tmp_path, 3) as nodes:
        for number in range(6):
            writer, searcher, finder = nodes[number % 3 :] + nodes[: number % 3]
            await store_files(writer, slice_of(number))
            assert await patients(searcher) == [f"P{number}"]
            assert (await finder.find_instance(KEY)).revision == writer.revision
            assert await finder.series_revision(Scope(KEY.study, KEY.series)) == writer.revision
        await nodes[0].remove(KEY.scope, door="web", peer="")
        for node in nodes[1:]:
            with pytest.raises(Gone):
                await node.find_instance(KEY)


async def test_reading_costs_nothing_while_nobody_commits(store: CountingStore, tmp_path: Path) -> None:
    async with machine(store, tmp_path, 2) as (one, other):
        await store_files(one, slice_of(1))
        await other.find_instance(KEY)
        store.counts.clear()
        for _ in range(10):
            await other.find_instance(KEY)
            await other.find_instances(Scope(KEY.study))
        assert store.counts.of() == 0


async def test_what_others_committed_is_read_once_and_without_looking_for_more(
    store: CountingStore, tmp_path: Path
) -> None:
    async with machine(store, tmp_path, 2) as (one, other):
        for number in range(20):
            await store_files(one, slice_of(number))
        store.counts.clear()
        assert (await other.find_instance(KEY)).revision == 20
        assert store.counts.of("get", under="log") == 20
        assert store.counts.of("list") == 0


async def test_what_a_sibling_wrote_just_now_costs_no_request(store: CountingStore, tmp_path: Path) -> None:
    async with machine(store, tmp_path, 2, shelf=tmp_path / "shelf") as (one, other):
        for number in range(4):
            await store_files(one, slice_of(number))
        store.counts.clear()
        assert await patients(other) == ["P3"]
        assert store.counts.of() == 0

        await store_files(one, slice_of(4))
        (tmp_path / "shelf" / "5.arrow").write_bytes(f"{one.epoch} 5\nnothing of an entry".encode())
        await store_files(one, slice_of(5))
        (tmp_path / "shelf" / "6.arrow").unlink()
        assert await patients(other) == ["P5"]
        assert store.counts.of("get", under="log") == 2


async def test_nodes_that_store_at_once_lose_no_number_to_each_other(store: CountingStore, tmp_path: Path) -> None:
    async with machine(store, tmp_path, 3) as nodes:

        async def send(node: LakeArchive, name: str) -> None:
            for number in range(8):
                (receipt,) = await store_files(node, slice_of(number, f"{name} {number}"))
                assert receipt.outcome is Outcome.STORED

        await asyncio.gather(*(send(node, str(at)) for at, node in enumerate(nodes)))

        assert store.counts.failures.get("ObjectExists", 0) == 0
        for node in nodes:
            assert len(await node.find_instances(Scope(KEY.study))) == 24


async def test_what_came_while_others_had_their_turn_is_committed_together(
    store: CountingStore, tmp_path: Path
) -> None:
    async with machine(store, tmp_path, 2) as (one, _):
        turn = one._siblings._turn  # type: ignore[attr-defined]  # the test's own Machine
        async with turn:
            storing = [asyncio.create_task(store_files(one, slice_of(n, f"sop {n}"))) for n in range(5)]
            await asyncio.sleep(0.2)
        receipts = [receipt for (receipt,) in await asyncio.gather(*storing)]
        assert {receipt.revision for receipt in receipts} == {1}
