"""Reading stored bytes: whole objects, spans, frames, bulk values.

Catalog row, index, one range: a frame costs one ranged read. A deflated data set has no ranges; its offsets count
in an inflated copy that the node keeps.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from dicomweb.encoding.beginning import DEFLATED
from dicomweb.encoding.bulk_index import BulkIndex, StoredBulk
from dicomweb.model.frames import FrameIndex
from dicomweb.model.instance import Instance
from dicomweb.model.packing import DamagedIndex
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Damaged, NoSuchBulkData, NoSuchFrame, Unavailable
from storage import layout
from storage.archive.settings import ArchiveSettings
from storage.archive.weighted_cache import WeightedCache
from storage.catalog.catalog import Catalog
from storage.frames.divide import divided
from storage.frames.inflated import InflatedCopies
from storage.frames.reads import Spans, read_frame, read_frames, read_joined
from storage.objects.contract import ObjectMissing, ObjectStore, StoreError


class Reader:
    """Reads what the catalog names."""

    def __init__(
        self, store: ObjectStore, catalog: Catalog, inflated: InflatedCopies, settings: ArchiveSettings
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._inflated = inflated
        self._indexes: WeightedCache[FrameIndex] = WeightedCache(
            settings.frame_index_bytes, lambda index: index.memory_bytes
        )

    async def frame_count(self, instance: Instance) -> int:
        """See `Archive.frame_count`."""
        index = await self._index(instance)
        return index.count if index else 0

    async def frames(self, instance: Instance, numbers: Sequence[int]) -> AsyncGenerator[bytes, None]:
        """See `Archive.frames`."""
        index = await self._index(instance)
        if index is None:
            raise NoSuchFrame(numbers[0], 0)
        source, key = self._source(instance), _object_key(instance)
        try:
            if len(numbers) == 1:
                yield await read_frame(source, key, index, numbers[0])
                return
            async for frame in read_frames(source, key, index, numbers):
                yield frame
        except StoreError as error:
            raise Unavailable("the object store cannot be reached") from error

    async def read(self, instance: Instance, span: ByteRange | None) -> AsyncGenerator[bytes, None]:
        """See `Archive.read`."""
        key, size = _object_key(instance), span.length if span else instance.size
        given = 0
        try:
            async for chunk in self._store.stream(key, span):
                given += len(chunk)
                yield chunk
        except ObjectMissing as error:
            raise Damaged("a stored object is missing") from error
        except StoreError as error:
            raise Unavailable("the object store cannot be reached") from error
        if given != size:
            raise Damaged(f"a stored object gave {given} bytes, {size} were expected")

    async def find_bulk(self, instance: Instance, path: Sequence[str]) -> ByteRange | None:
        """See `Archive.find_bulk`."""
        value = (await self._bulk_value(instance, path)).value
        return value if isinstance(value, ByteRange) else None

    async def bulk(
        self, instance: Instance, path: Sequence[str], span: ByteRange | None
    ) -> AsyncGenerator[bytes, None]:
        """See `Archive.bulk`."""
        stored = await self._bulk_value(instance, path)
        try:
            fragments = stored.fragments(await self._index(instance))
        except DamagedIndex as error:
            raise Damaged("the bulk index of an instance cannot be read") from error
        if fragments is not None:
            spans = [fragments.span(position) for position in range(len(fragments))]
        else:
            assert isinstance(stored.value, ByteRange)
            spans = [stored.value]
        if span is not None:
            spans = _within(spans, span)
        try:
            async for chunk in read_joined(self._source(instance), _object_key(instance), spans):
                yield chunk
        except StoreError as error:
            raise Unavailable("the object store cannot be reached") from error

    async def bulk_paths(self, instance: Instance) -> Sequence[tuple[tuple[str, ...], str, int]]:
        """See `Archive.bulk_paths`."""
        return (await self._bulk_index(instance)).paths()

    async def _bulk_value(self, instance: Instance, path: Sequence[str]) -> StoredBulk:
        found = (await self._bulk_index(instance)).find(path)
        if found is None:
            raise NoSuchBulkData("the instance has no bulk data at this path")
        return found

    async def _bulk_index(self, instance: Instance) -> BulkIndex:
        try:
            return BulkIndex.from_bytes(await self._catalog.bulk_bytes(instance))
        except DamagedIndex as error:
            raise Damaged("the bulk index of an instance cannot be read") from error

    async def _index(self, instance: Instance) -> FrameIndex | None:
        if not instance.pixel_vr:
            return None
        return self._indexes.get(instance.version) or await self._load_index(instance)

    async def _load_index(self, instance: Instance) -> FrameIndex | None:
        packed = await self._catalog.frame_bytes(instance)
        if not packed:
            return None

        async def load() -> FrameIndex:
            try:
                index = FrameIndex.from_bytes(packed)
            except DamagedIndex as error:
                raise Damaged("the frame index of an instance cannot be read") from error
            if not index.undivided:
                return index
            try:
                return await divided(self._source(instance), _object_key(instance), index)
            except StoreError as error:
                raise Unavailable("the object store cannot be reached") from error

        return await self._indexes.load(instance.version, load)

    def _source(self, instance: Instance) -> Spans:
        if instance.transfer_syntax not in DEFLATED:
            return self._store
        return self._inflated.view(instance.data_set_offset)


def _object_key(instance: Instance) -> str:
    return layout.object_key(instance.key, instance.version)


def _within(spans: Sequence[ByteRange], wanted: ByteRange) -> list[ByteRange]:
    """The part of joined spans that `wanted` names, counted from the first byte of the joined value."""
    found, position = [], 0
    for span in spans:
        start = max(wanted.start - position, 0)
        end = min(wanted.end - position, span.length)
        if start < end:
            found.append(ByteRange(span.start + start, span.start + end))
        position += span.length
    return found
