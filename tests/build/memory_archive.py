"""An archive in memory for the unit tests of the services: it keeps files and answers by pydicom.

It says nothing about how a real archive does its work, only what `dicomweb.ports` promises; so the services are
proved against answers that come from another reader than ours. `calls` counts what it was asked for.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from io import BytesIO
from typing import Any

import orjson
import pydicom
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, generate_frames

from dicomweb.encoding.image import image_spec, pixel_vr
from dicomweb.model.instance import Header, Instance
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.labels import LabelCount, Labelled
from dicomweb.model.outcome import Removal
from dicomweb.model.query import Found, Query
from dicomweb.model.ranges import ByteRange
from dicomweb.ports import Gone, NoSuchBulkData, NoSuchFrame, NotStored, Submission

BULK_VRS = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
INLINE_BYTES = 1024
CHUNK = 1000
"""Objects are read in chunks of this size, so that more than one comes of nearly every file."""


class _Stored:
    """One file, and what pydicom makes of it."""

    def __init__(self, data: bytes, revision: int) -> None:
        self.data = data
        data_set = pydicom.dcmread(BytesIO(data))
        self.syntax = str(data_set.file_meta.TransferSyntaxUID)
        self.bulk: dict[tuple[str, ...], tuple[str, bytes]] = {}
        self.frames: list[bytes] = []
        attributes = self._json(data_set, ())
        self.header = orjson.dumps(attributes)
        image = image_spec(attributes)
        if image is not None:
            self._divide(data_set, image.rows * image.columns * image.samples_per_pixel * image.bits_allocated)
        offset = 128 + 4 + 12 + 4 + data_set.file_meta.FileMetaInformationGroupLength - 4
        self.instance = Instance(
            key=InstanceKey(data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID),
            version=f"v{revision}",
            revision=revision,
            size=len(data),
            data_set_offset=offset,
            sop_class=str(data_set.SOPClassUID),
            transfer_syntax=self.syntax,
            digest=hashlib.sha256(data).digest(),
            image=image,
            pixel_vr=pixel_vr(attributes),
        )

    def _json(self, data_set: Dataset, path: tuple[str, ...]) -> dict[str, Any]:
        return {f"{e.tag:08X}": self._entry(e, (*path, f"{e.tag:08X}")) for e in data_set}

    def _entry(self, element: DataElement, path: tuple[str, ...]) -> dict[str, Any]:
        if element.VR == "SQ":
            items = [self._json(item, (*path, str(n))) for n, item in enumerate(element.value, 1)]
            return {"vr": "SQ", **({"Value": items} if items else {})}
        if element.VR in BULK_VRS:
            value = element.value or b""
            if len(value) > INLINE_BYTES or path == ("7FE00010",):
                self.bulk[path] = (element.VR, value)
                return {"vr": element.VR, "BulkDataURI": "/".join(path)}
            return {"vr": element.VR, **({"InlineBinary": base64.b64encode(value).decode()} if value else {})}
        return dict(element.to_json_dict(None, 0))

    def _divide(self, data_set: Dataset, bits: int) -> None:
        value = data_set.PixelData
        count = int(data_set.get("NumberOfFrames", 1) or 1)
        if data_set["PixelData"].is_undefined_length:
            self.frames = [bytes(f) for f in generate_frames(value, number_of_frames=count)]
            self.bulk["7FE00010",] = ("OB", b"".join(list(generate_fragments(value))[1:]))
        else:
            self.frames = [value[n * bits // 8 : (n + 1) * bits // 8] for n in range(count)]

    @property
    def encapsulated(self) -> bool:
        return self.syntax not in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99",
                                   "1.2.840.10008.1.2.2")  # fmt: skip


class MemoryArchive:
    """Fulfils `dicomweb.ports.Archive` for retrieval and removal; what it is not asked for raises."""

    def __init__(self, files: Iterable[bytes] = ()) -> None:
        self.epoch = "e1"
        self.revision = 0
        self.calls: Counter[str] = Counter()
        self.failing: dict[InstanceKey, Exception] = {}
        """Reading these instances raises in the middle of the object."""
        self._stored: dict[InstanceKey, _Stored] = {}
        self._gone: set[InstanceKey] = set()
        for data in files:
            self.put(data)

    def put(self, data: bytes) -> Instance:
        """Store a file, or replace it."""
        self.revision += 1
        stored = _Stored(data, self.revision)
        self._stored[stored.instance.key] = stored
        return stored.instance

    async def catch_up(self) -> None:
        self.calls["catch_up"] += 1

    def submit(self, *, door: str, peer: str, expect: Scope | None) -> Submission:
        raise NotImplementedError

    async def search(self, query: Query) -> Found:
        raise NotImplementedError

    async def find_instance(self, key: InstanceKey) -> Instance:
        self.calls["find_instance"] += 1
        if key in self._gone:
            raise Gone(key)
        if key not in self._stored:
            raise NotStored(key)
        return self._stored[key].instance

    async def find_instances(self, scope: Scope) -> Sequence[Instance]:
        self.calls["find_instances"] += 1
        return self._in(scope)

    def _in(self, scope: Scope) -> list[Instance]:
        found = [s.instance for key, s in self._stored.items() if scope.covers(key) and key not in self._gone]
        if not found:
            raise (Gone if any(map(scope.covers, self._gone)) else NotStored)(scope)
        return sorted(found, key=lambda instance: (instance.key.series, instance.revision))

    async def series_revision(self, scope: Scope) -> int:
        self.calls["series_revision"] += 1
        return max(instance.revision for instance in self._in(scope))

    async def headers(self, instances: Sequence[Instance]) -> AsyncIterator[Sequence[Header]]:
        self.calls["headers"] += 1
        for start in range(0, len(instances), 2):
            yield [Header(i, self._stored[i.key].header) for i in instances[start : start + 2]]

    async def frame_count(self, instance: Instance) -> int:
        return len(self._stored[instance.key].frames)

    async def frames(self, instance: Instance, numbers: Sequence[int]) -> AsyncIterator[bytes]:
        self.calls["frames"] += 1
        held = self._stored[instance.key].frames
        for number in numbers:
            if not 1 <= number <= len(held):
                raise NoSuchFrame(number, len(held))
        for number in numbers:
            yield held[number - 1]

    async def read(self, instance: Instance, span: ByteRange | None = None) -> AsyncIterator[bytes]:
        self.calls["read"] += 1
        data = self._stored[instance.key].data
        data = data if span is None else data[span.start : span.end]
        for start in range(0, len(data), CHUNK):
            if instance.key in self.failing and (start or span is not None):
                raise self.failing[instance.key]
            yield data[start : start + CHUNK]

    async def find_bulk(self, instance: Instance, path: Sequence[str]) -> ByteRange | None:
        stored = self._stored[instance.key]
        if tuple(path) not in stored.bulk:
            raise NoSuchBulkData("/".join(path))
        if tuple(path) == ("7FE00010",) and stored.encapsulated:
            return None
        return ByteRange(0, len(stored.bulk[tuple(path)][1]))

    async def bulk(
        self, instance: Instance, path: Sequence[str], span: ByteRange | None = None
    ) -> AsyncIterator[bytes]:
        self.calls["bulk"] += 1
        stored = self._stored[instance.key]
        if tuple(path) not in stored.bulk:
            raise NoSuchBulkData("/".join(path))
        value = stored.bulk[tuple(path)][1]
        value = value if span is None else value[span.start : span.end]
        for start in range(0, len(value), CHUNK):
            yield value[start : start + CHUNK]

    async def bulk_paths(self, instance: Instance) -> Sequence[tuple[tuple[str, ...], str, int]]:
        return [(path, vr, len(value)) for path, (vr, value) in self._stored[instance.key].bulk.items()]

    async def remove(self, scope: Scope, *, door: str, peer: str) -> Removal:
        found = self._in(scope)
        self._gone.update(instance.key for instance in found)
        self.revision += 1
        return Removal(self.revision, len(found))

    async def restore(self, revision: int, *, door: str, peer: str) -> Removal:
        raise NotImplementedError

    async def labels(self, scope: Scope) -> Sequence[str]:
        raise NotImplementedError

    async def label_counts(self) -> Sequence[LabelCount]:
        raise NotImplementedError

    async def add_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        raise NotImplementedError

    async def drop_label(self, scope: Scope, label: str, *, door: str, peer: str) -> Labelled:
        raise NotImplementedError
