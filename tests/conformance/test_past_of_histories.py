"""Random histories: whatever was answered at a revision is answered again when that revision is asked for later.

By two nodes in turn, with restarts; later by a node on an empty disk that begins with the checkpoint table. All
that is searched, and metadata, at three levels, of the real services over a real archive.
"""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.assembly import service_handlers
from app.compute import ThreadCompute
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.ports import ArchiveError, Gone, NotStored
from dicomweb.services.handler import Handler
from dicomweb.wire.exchange import Answer
from dicomweb.wire.paths import scope_path
from storage.archive.archive import LakeArchive
from storage.archive.settings import ArchiveSettings, Duplicates
from storage.log.checkpoint import Checkpoint
from storage.objects.address import Folder
from storage.objects.local import LocalStore
from storage.upkeep.purge import purge
from tests.app.serving import settings_of
from tests.build.asking import ROOT, ask, field_of, whole_body
from tests.build.dicom import ct_slice, uid
from tests.build.lake import store_files

NAMES = [("1", "1", "1"), ("1", "1", "2"), ("1", "2", "3"), ("2", "3", "4")]
"""Numbers of study, series and instance."""
KEYS = [InstanceKey(uid(f"study {a}"), uid(f"series {b}"), uid(f"sop {c}")) for a, b, c in NAMES]
SCOPES = sorted(
    {scope for key in KEYS for scope in (Scope(key.study), Scope(key.study, key.series), key.scope)},
    key=scope_path,
)
SEARCHES = (
    "/studies",
    "/studies?PatientName=Name%20*&includefield=all&orderby=-PatientName",
    "/studies?KVP=120&includefield=KVP,NumberOfPatientRelatedInstances",
    "/series?includefield=SeriesDescription",
    f"/studies/{KEYS[0].study}/series",
    "/instances?limit=2&offset=1",
    f"/studies/{KEYS[0].study}/instances?includefield=KVP",
    f"/studies/{KEYS[0].study}/series/{KEYS[0].series}/instances?includefield=all",
)
RESOURCES = (*SEARCHES, *(scope_path(scope) + "/metadata" for scope in SCOPES))
STEPS = 10

Said = tuple[int, bytes, str | None]
"""Status, body, total."""


def file_of(place: int, content: int) -> bytes:
    study, series, sop = NAMES[place]
    return ct_slice(
        study=f"study {study}",
        series=f"series {series}",
        instance=f"sop {sop}",
        seed=content,
        InstanceNumber=content % 3,
        PatientName=f"Name {content}",
        SeriesDescription=f"Description {content}",
        KVP=str((120, 80, 100)[content % 3]),
    )


async def said(handlers: dict[str, Handler], resource: str, revision: int | None = None) -> Said:
    """What is answered, by the parameter or by the root of the past in turn; URLs without the root of the past."""
    url = resource
    if revision is not None:
        mark = "&" if "?" in resource else "?"
        url = f"{resource}{mark}asof={revision}" if revision % 2 else f"/asof/{revision}{resource}"
    try:
        answer: Answer = await ask(handlers, "GET", url)
    except (NotStored, Gone) as error:
        return (404 if isinstance(error, NotStored) else 410), b"", None
    body = await whole_body(answer)
    return (
        answer.status,
        body.replace(f"{ROOT}/asof/{revision}/".encode(), f"{ROOT}/".encode()),
        field_of(answer, "X-Total-Count"),
    )


@dataclass
class Story:
    """What happens to an archive, and what it said meanwhile."""

    folder: Path
    chance: random.Random
    stack: AsyncExitStack
    compute: ThreadCompute
    opened: int = 0
    contents: int = 0
    removed: list[int] = field(default_factory=list)
    said: dict[int, list[Said]] = field(default_factory=dict)

    async def begin(self) -> None:
        root = self.folder / "store"
        self.store = await self.stack.enter_async_context(LocalStore(root))
        self.checkpoint = Checkpoint(self.store, Folder(root))
        self.policy = self.chance.choice((Duplicates.REPLACE, Duplicates.REPLACE, Duplicates.KEEP))
        self.nodes = [await self.open(), await self.open()]

    async def open(self) -> tuple[LakeArchive, dict[str, Handler]]:
        """A node on an empty disk."""
        self.opened += 1
        name = f"node {self.opened}"
        archive = await self.stack.enter_async_context(
            LakeArchive(
                self.store,
                node=name,
                node_dir=self.folder / name,
                settings=ArchiveSettings(poll_seconds=0, short_log=2, duplicates=self.policy),
                checkpoint=self.checkpoint,
            )
        )
        return archive, service_handlers(archive, self.compute, settings_of({"store": str(self.folder)}))

    async def listen(self) -> None:
        """Remember what a node says now."""
        archive, handlers = self.chance.choice(self.nodes)
        await archive.catch_up()
        self.said[archive.revision] = [await said(handlers, one) for one in RESOURCES]

    async def step(self) -> None:
        archive, _ = self.chance.choice(self.nodes)
        await archive.catch_up()
        work = self.chance.choices((self.keep, self.remove, self.restore, self.fold), (6, 3, 3, 1))[0]
        with suppress(ArchiveError):  # what is not there cannot be deleted, nor brought back
            await work(archive)
        await self.listen()

    async def keep(self, archive: LakeArchive) -> None:
        self.contents += 1
        places = self.chance.sample(range(len(KEYS)), self.chance.choice((1, 1, 2, 4)))
        await store_files(archive, *(file_of(place, self.contents) for place in places))

    async def remove(self, archive: LakeArchive) -> None:
        self.removed.append((await archive.remove(self.chance.choice(SCOPES), door="", peer="")).revision)

    async def restore(self, archive: LakeArchive) -> None:
        if self.removed:
            await archive.restore(self.chance.choice(self.removed), door="", peer="")

    async def fold(self, archive: LakeArchive) -> None:
        await self.checkpoint.fold()


@pytest.mark.parametrize("seed", range(2))
async def test_what_was_answered_then_is_answered_again(seed: int, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, ThreadCompute(2) as compute:
        story = Story(tmp_path, random.Random(seed), stack, compute)
        await story.begin()
        await story.listen()
        for _ in range(STEPS):
            await story.step()
        await story.checkpoint.fold()
        for _, handlers in (story.nodes[0], await story.open()):
            for revision, then in story.said.items():
                for place in story.chance.sample(range(len(RESOURCES)), len(RESOURCES) // 2):
                    now = await said(handlers, RESOURCES[place], revision)
                    assert now == then[place], (revision, RESOURCES[place])
        assert len(story.said) > 4


async def test_what_was_erased_leaves_the_rest_of_the_past_as_it_was(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, ThreadCompute(2) as compute:
        story = Story(tmp_path, random.Random(1), stack, compute)
        await story.begin()
        for _ in range(STEPS):
            await story.step()
        archive, handlers = story.nodes[0]
        await archive.catch_up()
        await purge(archive, Scope(KEYS[0].study))
        for revision, then in story.said.items():
            for resource, before in zip(RESOURCES, then, strict=True):
                status, body, total = await said(handlers, resource, revision)
                if KEYS[3].study in resource:
                    assert (status, body, total) == before
                elif resource.endswith("/metadata"):
                    assert (status, body) == ({200: 410}.get(before[0], before[0]), b"")
                elif resource in ("/studies", "/instances?limit=2&offset=1"):
                    assert total == before[2], "how many there were is still known"
