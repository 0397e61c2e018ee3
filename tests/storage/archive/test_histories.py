"""Random histories of several nodes on one store that is slow and fails, held against a model of a few lines.

The log says what happened; the model plays it through the plainest way. What
must hold: every acknowledgement is in the log, every node shows what the model shows, every object that the log
names is there, and no version exists twice. What was answered with an error is whole or absent.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from dicomweb.encoding.head import HeadLimits
from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.labels import LabelCondition
from dicomweb.model.outcome import Outcome
from dicomweb.model.query import Query
from dicomweb.ports import ArchiveError, Gone, NotStored, Unavailable
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.inspect import inspect_whole
from storage.archive.settings import ArchiveSettings, Duplicates
from storage.log.events import Entry, Event, Kind
from storage.log.journal import Journal
from storage.objects.contract import StoreError, StoreUnavailable
from storage.objects.memory import MemoryStore
from storage.upkeep.retention import expire
from storage.upkeep.sweep import sweep
from tests.build.dicom import ct_slice, uid
from tests.build.lake import open_lake, read_whole, store_files
from tests.doubles import Around

STEPS = 60
AT_ONCE = 4
TROUBLE = 0.02
"""How often an operation of the store fails before it is done, and how often after."""
STORM = 0.3
"""Seconds for which now and then nearly nothing is answered: longer than an append has patience."""

KEYS = [
    InstanceKey(uid(f"study {study}"), uid(f"series {series}"), uid(f"sop {sop}"))
    for study, series, sop in ((1, 1, 1), (1, 1, 2), (1, 2, 3), (2, 3, 1))
]
NAMES = [("study 1", "series 1", "sop 1"), ("study 1", "series 1", "sop 2"), ("study 1", "series 2", "sop 3"),
         ("study 2", "series 3", "sop 1")]  # fmt: skip
FILES = {
    (key, content): ct_slice(study=study, series=series, instance=sop, seed=content, InstanceNumber=content)
    for key, (study, series, sop) in zip(KEYS, NAMES, strict=True)
    for content in range(3)
}
DIGESTS = {one: inspect_whole(data, "", HeadLimits()).version.digest for one, data in FILES.items()}
SCOPES = [
    scope
    for key in KEYS
    for scope in (key.scope, Scope(key.study, key.series), Scope(key.study))
]  # fmt: skip


class Weather(Around):
    """Operations take turns at random; some fail before they are done, some after."""

    def __init__(self, store: MemoryStore, chance: random.Random) -> None:
        super().__init__(store)
        self.chance = chance
        self.trouble = 0.0
        self.storm_until = 0.0

    async def before(self, kind: str, key: str, size: int) -> None:
        await self._pass(key)

    async def after(self, kind: str, key: str) -> None:
        await self._pass(key)

    async def _pass(self, key: str) -> None:
        self.touched.clear()
        for _ in range(self.chance.choice((0, 0, 1, 3, 9))):
            await asyncio.sleep(0)
        trouble = 0.6 if self.trouble and time.monotonic() < self.storm_until else self.trouble
        if self.chance.random() < trouble:
            raise StoreUnavailable(key, "as it happens")


@dataclass
class Stored:
    """A version in the model."""

    place: tuple[int, int]
    version: str
    digest: bytes
    leading: bool
    purged: bool = False


@dataclass
class Model:
    """What the entries played so far come to."""

    versions: dict[InstanceKey, list[Stored]] = field(default_factory=dict)
    removals: list[tuple[tuple[int, int], Scope]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    condemned: set[str] = field(default_factory=set)
    labels: list[tuple[tuple[int, int], Scope, str]] = field(default_factory=list)
    """Those that were not taken off."""

    def play(self, entry: Entry) -> None:
        for ordinal, event in enumerate(entry.events):
            self._play((entry.number, ordinal), event)

    def _play(self, place: tuple[int, int], event: Event) -> None:
        if event.stored is not None:
            stored = event.stored
            assert stored.version not in self.seen, "a version exists twice"
            assert layout.object_key(stored.key, stored.version) not in self.condemned
            self.seen.add(stored.version)
            new = Stored(place, stored.version, stored.digest, event.current)
            self.versions.setdefault(stored.key, []).append(new)
        elif event.kind is Kind.REMOVED and event.scope:
            self.removals.append((place, event.scope))
        elif event.kind is Kind.RESTORED:
            self.removals = [one for one in self.removals if one[0][0] != event.target]
        elif event.kind is Kind.PURGED and event.scope:
            for one in (one for versions in self.versions.values() for one in versions):
                one.purged = one.purged or one.version == event.version
        elif event.kind is Kind.LABELLED and event.scope:
            assert event.label not in self.borne(event.scope), "a label was put on twice"
            self.labels.append((place, event.scope, event.label))
        elif event.kind is Kind.UNLABELLED and event.scope:
            assert event.label in self.borne(event.scope), "a label was taken off that was not there"
            self.labels = [one for one in self.labels if one[1:] != (event.scope, event.label)]
        elif event.kind is Kind.CONDEMNED:
            self.condemned.add(event.object_key)

    def current(self, key: InstanceKey) -> Stored | None:
        alive = [
            one
            for one in self.versions.get(key, [])
            if not one.purged
            and not any(place > one.place and scope.covers(key) for place, scope in self.removals)
        ]
        leading = [one for one in alive if one.leading]
        return (leading or alive or [None])[-1]  # type: ignore[list-item]  # None stands for nothing visible

    def borne(self, scope: Scope) -> set[str]:
        return {
            label
            for at, of, label in self.labels
            if of == scope and not any(place > at and removed.covers(of) for place, removed in self.removals)
        }

    def shown(self, scope: Scope) -> bool:
        return any(scope.covers(key) and self.current(key) for key in self.versions)

    def named(self) -> Iterable[str]:
        for key, versions in self.versions.items():
            yield from (layout.object_key(key, one.version) for one in versions if not one.purged)


@dataclass
class Ack:
    """Something a node has answered for."""

    revision: int
    check: Callable[[Entry | None, Model], bool]
    what: str


class History:
    """Some nodes, and what they have answered."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.truth = MemoryStore()
        self.store = Weather(self.truth, self.chance)
        self.policy = self.chance.choice((Duplicates.REPLACE, Duplicates.REPLACE, Duplicates.KEEP))
        self.nodes: list[LakeArchive] = []
        self.stacks: list[AsyncExitStack] = []
        self.closed: set[LakeArchive] = set()
        self.acks: list[Ack] = []
        self.removed: list[int] = []
        self.opened = 0
        self.errors: list[str] = []

    async def open(self, place: int, *, empty: bool) -> None:
        """Begin a node; `place` among the nodes, whose folder it takes over unless it is to be empty."""
        stack = AsyncExitStack()
        self.opened += 1
        folder = self.folder / (f"empty {self.opened}" if empty else f"{place}")
        settings = ArchiveSettings(duplicates=self.policy, poll_seconds=0.01)
        while True:
            try:
                node = await stack.enter_async_context(
                    open_lake(self.store, folder, node=f"n{self.opened}", settings=settings)
                )
                break
            except (StoreError, ArchiveError):
                continue
        node.journal._patience = 0.15
        self.nodes[place : place + 1], self.stacks[place : place + 1] = [node], [stack]

    async def run(self) -> None:
        for place in range(3):
            await self.open(place, empty=True)
        self.store.trouble = TROUBLE
        turns = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with turns:
                await self.step()

        await asyncio.gather(*(one() for _ in range(STEPS)))
        self.store.trouble = 0.0

    async def step(self) -> None:
        node = self.chance.choice(self.nodes)
        if self.chance.random() < 0.04:
            self.store.storm_until = time.monotonic() + STORM
        work = self.chance.choices(
            (self.keep, self.label, self.remove, self.restore, self.look, self.clean, self.restart),
            (12, 6, 4, 3, 4, 2, 1),
        )[0]
        try:
            await work(node)
        except (Unavailable, NotStored, Gone) as error:
            self.errors.append(f"{work.__name__}: {error}")
        except StoreError as error:
            assert work == self.clean, "an error of the store goes no further than the archive"
            self.errors.append(f"{work.__name__}: {error}")
        except Exception as error:
            if node not in self.closed:
                raise
            self.errors.append(f"{work.__name__}: {error}")

    async def keep(self, node: LakeArchive) -> None:
        sent = [self.chance.choice(list(FILES)) for _ in range(self.chance.choice((1, 1, 2, 4)))]
        receipts = await store_files(node, *(FILES[one] for one in sent))
        for (key, content), receipt in zip(sent, receipts, strict=True):
            digest = DIGESTS[key, content]
            if receipt.outcome in (Outcome.STORED, Outcome.REPLACED, Outcome.KEPT):
                self.acks.append(Ack(receipt.revision, stores(key, digest), f"{receipt.outcome} {content}"))
            elif receipt.outcome is Outcome.DUPLICATE:
                self.acks.append(Ack(receipt.revision, holds(key, digest), f"duplicate {content}"))
        if len({key for key, _ in sent}) == len(sent) and receipts[0].outcome is not Outcome.REFUSED:
            # read your write, on the node that took it, unless something came after
            before = node.revision
            found = await node.catalog.find(sent[0][0])
            if before == node.revision == receipts[0].revision:
                assert found is not None

    async def label(self, node: LakeArchive) -> None:
        scope, label, on = self.chance.choice(SCOPES), self.chance.choice("ab"), self.chance.random() < 0.7
        done = await (node.add_label if on else node.drop_label)(scope, label, door="", peer="")
        assert (label in done.labels) is on
        self.acks.append(Ack(done.revision, labels(scope, label, on=on, changed=done.changed), f"label {on}"))

    async def remove(self, node: LakeArchive) -> None:
        scope = self.chance.choice(SCOPES)
        removal = await node.remove(scope, door="", peer="")
        self.removed.append(removal.revision)
        self.acks.append(Ack(removal.revision, removes(scope), "removal"))

    async def restore(self, node: LakeArchive) -> None:
        if self.removed:
            target = self.chance.choice(self.removed)
            restored = await node.restore(target, door="", peer="")
            self.acks.append(Ack(restored.revision, restores(target), "undelete"))

    async def look(self, node: LakeArchive) -> None:
        scope = self.chance.choice(SCOPES)
        await node.catch_up()
        for instance in await node.find_instances(scope):
            data = await read_whole(node, instance)
            assert data in FILES.values()
        await node.search(Query(Level.STUDY, ()))

    async def clean(self, node: LakeArchive) -> None:
        if self.chance.random() < 0.5:
            await expire(node, timedelta(0))
        else:
            await sweep(node, age_seconds=-60, grace_seconds=0)

    async def restart(self, node: LakeArchive) -> None:
        if node in self.closed or node not in self.nodes:
            return
        self.closed.add(node)
        place = self.nodes.index(node)
        await self.stacks[place].aclose()
        await self.open(place, empty=self.chance.random() < 0.5)

    async def check(self) -> None:
        """Hold everything against the log, then against a node that begins with nothing."""
        await self.open(len(self.nodes), empty=True)
        for node in self.nodes:
            await node.catch_up()
        model = await self.played()
        objects = {info.key: await self.truth.get(info.key) async for info in self.truth.list(layout.DICOM)}
        assert set(model.named()) <= set(objects), "an object that the log names is missing"
        for node in self.nodes:
            await self.compare(node, model)
        last = self.nodes[-1]
        await sweep(last, age_seconds=-60, grace_seconds=0)
        notes = " ".join([info.key async for info in self.truth.list(layout.REMOVED)])
        in_force = {place[0] for place, _ in model.removals}
        for revision in in_force & set(self.removed):
            assert f"~{revision:020d}~" in notes, "an acknowledged removal has no note for a rebuild"
        left = {info.key async for info in self.truth.list(layout.DICOM)}
        assert set(model.named()) <= left
        await self.compare(last, model)

    async def played(self) -> Model:
        """The model of the whole log; every acknowledgement is looked at when its entry has been played."""
        journal = await Journal.open(self.truth, node="model")
        model = Model()
        acks: dict[int, list[Ack]] = {}
        for ack in self.acks:
            acks.setdefault(ack.revision, []).append(ack)
        assert all(ack.check(None, model) for ack in acks.pop(0, []))
        async for entry in journal.follow(0):
            model.play(entry)
            for ack in acks.pop(entry.number, []):
                assert ack.check(entry, model), f"{ack.what} was acknowledged by entry {entry.number}"
        assert not acks
        return model

    async def compare(self, node: LakeArchive, model: Model) -> None:
        visible = 0
        for key in KEYS:
            expected = model.current(key)
            if expected is None:
                with pytest.raises(Gone if key in model.versions else NotStored):
                    await node.find_instance(key)
                continue
            visible += 1
            found = await node.find_instance(key)
            assert found.version == expected.version
            data = await read_whole(node, found)
            assert hashlib.sha256(data[found.data_set_offset :]).digest() == expected.digest == found.digest
        assert (await node.search(Query(Level.INSTANCE, ()))).total == visible
        for scope in filter(model.shown, SCOPES):
            assert await node.labels(scope) == sorted(model.borne(scope))
        for one in "ab":
            result = await node.search(Query(Level.SERIES, labels=LabelCondition((one,))))
            bearing = {scope for scope in SCOPES if scope.level is Level.SERIES and one in model.borne(scope)}
            assert result.total == len(set(filter(model.shown, bearing)))


def stores(key: InstanceKey, digest: bytes) -> Callable[[Entry | None, Model], bool]:
    return lambda entry, _: (
        entry is not None
        and any(
            event.stored and event.stored.key == key and event.stored.digest == digest for event in entry.events
        )
    )


def holds(key: InstanceKey, digest: bytes) -> Callable[[Entry | None, Model], bool]:
    return lambda _, model: any(one.digest == digest and not one.purged for one in model.versions.get(key, []))


def removes(scope: Scope) -> Callable[[Entry | None, Model], bool]:
    return lambda entry, _: (
        entry is not None and any(event.kind is Kind.REMOVED and event.scope == scope for event in entry.events)
    )


def restores(target: int) -> Callable[[Entry | None, Model], bool]:
    return lambda entry, _: (
        entry is not None and any(event.kind is Kind.RESTORED and event.target == target for event in entry.events)
    )


def labels(scope: Scope, label: str, *, on: bool, changed: bool) -> Callable[[Entry | None, Model], bool]:
    kind = Kind.LABELLED if on else Kind.UNLABELLED

    def holds(entry: Entry | None, model: Model) -> bool:
        written = entry is not None and any(
            (event.kind, event.scope, event.label) == (kind, scope, label) for event in entry.events
        )
        return (written or not changed) and (label in model.borne(scope)) is on

    return holds


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_what_was_acknowledged_is_there_and_all_nodes_agree(
    seed: int, tmp_path: Path
) -> None:
    history = History(seed, tmp_path)
    try:
        async with asyncio.timeout(30):
            await history.run()
            await history.check()
    finally:
        for stack in history.stacks:
            await stack.aclose()
