"""An archive as it was at an earlier revision, to be read from (fulfils `dicomweb.ports.Archive`).

Every version has bytes of its own, so what was current then can be read as long as retention and erasures leave
it. What they took is Gone, with the reason: an answer about a study of which something is missing would be wrong
without anybody noticing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NoReturn

from dicomweb.model.instance import Header, Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.labels import LabelCount, Labelled
from dicomweb.model.outcome import Removal
from dicomweb.model.query import Found, Query
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Archive, Damaged, Gone, NotStored, Submission, Unavailable
from storage.catalog.as_of_catalog import PastCatalog, ScopeThen
from storage.catalog.label_catalog import LabelCatalog


class PastIsFixed(TypeError):
    """Something was to be changed in the past: a fault of whoever asked for it."""


class PastArchive:
    """What `archive` was after the entry `revision`, which has been applied."""

    def __init__(self, archive: Archive, past: PastCatalog, labels: LabelCatalog, revision: int) -> None:
        self.revision = revision
        self._labels = labels
        self._archive = archive
        self._past = past

    @property
    def epoch(self) -> str:
        return self._archive.epoch

    async def catch_up(self) -> None:
        await self._archive.catch_up()

    async def search(self, query: Query) -> Found:
        return await self._past.search(query, self.revision)

    async def find_instance(self, key: InstanceKey) -> Instance:
        return self._readable(await self._past.find(key, self.revision), key.scope).instances[0]

    async def find_instances(self, scope: Scope) -> Sequence[Instance]:
        return self._readable(await self._past.within(scope, self.revision), scope).instances

    async def series_revision(self, scope: Scope) -> int:
        return self._readable(await self._past.within(scope, self.revision), scope).revision

    def _readable(self, then: ScopeThen, scope: Scope) -> ScopeThen:
        """The same, if all of it can still be read. Raises NotStored, Gone."""
        level = self._there(then, scope)
        if then.purged:
            number = f"revision {then.purged[-1]}" + (" and before" if then.purged[1:] else "")
            what = "the instance" if level == "instance" else f"some of the {level}"
            raise Gone(
                f"{what} as it was at revision {self.revision} is there no more: its bytes were taken by "
                f"retention or an erasure ({number})"
            )
        return then

    def _there(self, then: ScopeThen, scope: Scope) -> str:
        """What it was, a word for the level. Raises NotStored, Gone."""
        level = scope.level.name.lower()
        if not then.instances:
            if then.ever:
                raise Gone(f"the {level} had been removed by revision {self.revision}")
            raise NotStored(f"no such {level} was stored at revision {self.revision}")
        return level

    def headers(self, instances: Sequence[Instance]) -> AsyncIterator[Sequence[Header]]:
        return self._archive.headers(instances)

    async def frame_count(self, instance: Instance) -> int:
        return await self._archive.frame_count(instance)

    def frames(self, instance: Instance, numbers: Sequence[int]) -> AsyncIterator[bytes]:
        return self._while_there(instance, self._archive.frames(instance, numbers))

    def read(self, instance: Instance, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        return self._while_there(instance, self._archive.read(instance, span))

    async def find_bulk(self, instance: Instance, path: Sequence[str]) -> ByteRange | None:
        return await self._archive.find_bulk(instance, path)

    def bulk(self, instance: Instance, path: Sequence[str], span: ByteRange | None = None) -> AsyncIterator[bytes]:
        return self._while_there(instance, self._archive.bulk(instance, path, span))

    async def bulk_paths(self, instance: Instance) -> Sequence[tuple[tuple[str, ...], str, int]]:
        return await self._archive.bulk_paths(instance)

    async def _while_there(self, instance: Instance, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. An object that another node has just taken is gone, whatever that looks like now."""
        try:
            async for chunk in chunks:
                yield chunk
        except (Damaged, Gone, Unavailable):
            await self._archive.catch_up()
            await self.find_instance(instance.key)
            raise

    def submit(self, *, door: str, peer: str, expect: Scope | None) -> Submission:
        self._refuse()

    async def remove(self, scope: Scope, *, door: str, peer: str) -> Removal:
        self._refuse()

    async def restore(self, revision: int, *, door: str, peer: str) -> Removal:
        self._refuse()

    async def labels(self, scope: Scope) -> Sequence[str]:
        # what was erased since may have borne labels all the same
        self._there(await self._past.within(scope, self.revision), scope)
        return await self._labels.of_past(scope, self.revision)

    async def label_counts(self) -> Sequence[LabelCount]:
        return await self._labels.counts_past(self.revision)

    async def add_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        self._refuse()

    async def drop_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise PastIsFixed(f"the archive as of revision {self.revision} cannot be changed")
