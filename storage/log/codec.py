"""An entry to bytes and back.

    object      = one zstd frame with content checksum
    its content = Arrow IPC stream: schema (with the entry's facts as metadata), one record batch

The frame is put around the stream, not around each buffer within it as Arrow would: an entry has some 150
buffers, most of them tiny, and compressing each costs 2 ms whatever the number of rows. Around the whole it is
0.03 ms for one row and the headers of a series, which are nearly alike, become 20 times smaller. The checksum
makes truncation and damaged bits visible; number and epoch show an object that lies under a wrong key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from dicomweb.model.instance import ImageSpec, Original
from dicomweb.model.keys import InstanceKey, Scope
from storage.log.errors import DamagedEntry, NewerVersion, UnknownKind
from storage.log.events import Entry, Event, Kind, StoredVersion
from storage.log.format import FORMAT_VERSION, READERS, may_be_skipped, since
from storage.log.schema import IMAGE_FIELDS, META, OBJECT_FIELDS, ORIGINAL_FIELDS, SEARCHED_FIELDS, TYPES

_LEVEL = 1
_LARGEST = 4 << 30
"""Bytes of an entry's content beyond which the frame's own statement of its size is not believed."""

_OBJECT_NAMES = tuple(field.name for field in OBJECT_FIELDS)
_IMAGE_NAMES = tuple(field.name.removeprefix("image_") for field in IMAGE_FIELDS)
_ORIGINAL_NAMES = tuple(field.name.removeprefix("original_") for field in ORIGINAL_FIELDS)
_SEARCHED_NAMES = tuple(field.name for field in SEARCHED_FIELDS)
_STORED_NAMES = (
    "study",
    "series",
    "instance",
    "version",
    *_OBJECT_NAMES,
    *(field.name for field in IMAGE_FIELDS),
    *(field.name for field in ORIGINAL_FIELDS),
    *_SEARCHED_NAMES,
)
_object_values = attrgetter(*_OBJECT_NAMES)
_image_values = attrgetter(*_IMAGE_NAMES)
_original_values = attrgetter(*_ORIGINAL_NAMES)
_NO_IMAGE = (None,) * len(_IMAGE_NAMES)
_NO_ORIGINAL = (None,) * len(_ORIGINAL_NAMES)
_NO_OBJECT = (None,) * (len(_OBJECT_NAMES) + len(_IMAGE_NAMES) + len(_ORIGINAL_NAMES) + len(_SEARCHED_NAMES))
_KINDS = {str(kind): kind for kind in Kind if since(kind) <= FORMAT_VERSION}
_KIND_NAMES = pa.array(list(_KINDS))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_entry(entry: Entry) -> bytes:
    """The object of an entry."""
    columns = _event_columns(entry) | dict(
        zip(_STORED_NAMES, zip(*map(_stored_values, entry.events), strict=True), strict=False)
    )
    rows = len(entry.events)
    told = {name: values for name, values in columns.items() if values.count(None) < rows or not rows}
    arrays = {name: _array(values, TYPES[name]) for name, values in told.items()}
    schema = pa.schema([(name, TYPES[name]) for name in arrays], metadata=_facts(entry))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(list(arrays.values()), schema=schema))
    frame: bytes = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(sink.getvalue())
    return frame


def _facts(entry: Entry) -> dict[bytes, str]:
    reader = READERS[entry.format]
    return {
        META.FORMAT: str(reader),
        **({META.WRITER: str(entry.format)} if entry.format > reader else {}),
        META.NUMBER: str(entry.number),
        META.EPOCH: entry.epoch,
        META.COMMIT: entry.commit,
        META.NODE: entry.node,
        META.WRITTEN: entry.written.astimezone(UTC).isoformat(),
        META.ROWS: str(len(entry.events)),
        **({META.LOST: str(entry.lost)} if entry.lost else {}),
        **({META.WAITS: entry.waits} if entry.waits else {}),
    }


def _event_columns(entry: Entry) -> dict[str, Sequence[Any]]:
    events = entry.events
    return {
        "kind": [str(event.kind) for event in events],
        "event_id": [event.event_id for event in events],
        "time": [(event.time - _EPOCH) // _MICROSECOND for event in events],
        "node": [None if event.node == entry.node else event.node for event in events],
        "door": [event.door for event in events],
        "peer": [event.peer or None for event in events],
        "current": [event.current if event.stored else None for event in events],
        "target": [event.target or None for event in events],
        "object_key": [event.object_key or None for event in events],
        "detail": [event.detail or None for event in events],
        "label": [event.label or None for event in events],
        "ignorable": [may_be_skipped(event.kind) or None for event in events],
    }


def _stored_values(event: Event) -> tuple[Any, ...]:
    """The values of `_STORED_NAMES` for one event."""
    stored, scope = event.stored, event.scope
    if stored is None:
        where = (scope.study, scope.series, scope.instance) if scope else (None, None, None)
        return (*where, event.version or None, *_NO_OBJECT)
    key = stored.key
    return (
        key.study,
        key.series,
        key.instance,
        stored.version,
        *_object_values(stored),
        *(_image_values(stored.image) if stored.image else _NO_IMAGE),
        *(_original_values(stored.original) if stored.original else _NO_ORIGINAL),
        *map(stored.columns.get, _SEARCHED_NAMES),
    )


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (OverflowError, UnicodeError, pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([_fitting(value, kind) for value in values], kind)


def _fitting(value: Any, kind: pa.DataType) -> Any:
    """A searched value as its column can hold it: an odd file must not keep its whole batch from the log.

    The header has the value as it was.
    """
    if value is None or (kind == pa.utf8() and not isinstance(value, str)):
        return None if value is None else str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if kind == pa.utf8() else None
    if kind == pa.int64():
        return int(value) if isinstance(value, int | float) and abs(value) < 1 << 63 else None
    return value


def decode_batch(data: bytes, *, number: int, epoch: str) -> pa.RecordBatch:
    """The rows of an entry as they are stored, facts in the schema's metadata; checked for damage.

    Raises DamagedEntry, TooNew.
    """
    try:
        if zstandard.frame_content_size(data) > _LARGEST:
            raise DamagedEntry(number, "it claims an impossible size")
        content = zstandard.ZstdDecompressor().decompress(data)
        batch = pa.ipc.open_stream(content).read_next_batch()
        facts = batch.schema.metadata or {}
        version, found = int(facts[META.FORMAT]), (int(facts[META.NUMBER]), facts[META.EPOCH].decode())
        rows = int(facts[META.ROWS])
    except (zstandard.ZstdError, pa.ArrowException, StopIteration, KeyError, ValueError, OSError) as error:
        raise DamagedEntry(number, f"{type(error).__name__}, {len(data)} bytes") from error
    if version > FORMAT_VERSION:
        raise NewerVersion(f"log entry {number}", version, FORMAT_VERSION)
    if found != (number, epoch):
        raise DamagedEntry(number, f"the object is entry {found[0]} of epoch {found[1]}")
    if rows != batch.num_rows:
        raise DamagedEntry(number, f"it has {batch.num_rows} rows instead of {rows}")
    return batch


def decode_entry(data: bytes, *, number: int, epoch: str) -> Entry:
    """The entry that `data`, read under the key of that number and epoch, holds.

    Raises DamagedEntry; TooNew (also as UnknownKind) if a later version of this program is needed.
    """
    return entry_of(decode_batch(data, number=number, epoch=epoch), number=number)


def entry_of(batch: pa.RecordBatch, *, number: int) -> Entry:
    """The entry whose rows `decode_batch` gave."""
    facts = batch.schema.metadata
    try:
        node = facts[META.NODE].decode()
        return Entry(
            number=number,
            epoch=facts[META.EPOCH].decode(),
            commit=facts[META.COMMIT].decode(),
            node=node,
            written=datetime.fromisoformat(facts[META.WRITTEN].decode()),
            events=tuple(_events(batch, number=number, node=node)),
            format=writer_of(batch),
            lost=int(facts.get(META.LOST, 0)),
            waits=facts.get(META.WAITS, b"").decode(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedEntry(number, f"a column is missing or wrong ({type(error).__name__})") from error


def writer_of(batch: pa.RecordBatch) -> int:
    """The least format version that a writer behind this entry must know."""
    facts = batch.schema.metadata
    return int(facts.get(META.WRITER, facts[META.FORMAT]))


def known_kinds(batch: pa.RecordBatch, *, number: int) -> pa.RecordBatch:
    """The rows without events of unknown kinds that may be skipped. Raises UnknownKind for others."""
    unknown = pc.invert(pc.is_in(batch["kind"], _KIND_NAMES))
    if not pc.any(unknown).as_py():
        return batch
    ignorable = pc.fill_null(batch["ignorable"], False) if "ignorable" in batch.schema.names else pa.scalar(False)
    needed = batch.filter(pc.and_not(unknown, ignorable))
    if needed.num_rows:
        raise UnknownKind(number, str(needed["kind"][0]))
    return batch.filter(pc.invert(unknown))


def _events(batch: pa.RecordBatch, *, number: int, node: str) -> list[Event]:
    columns = _known_columns(known_kinds(batch, number=number))
    stored = iter(_stored_versions(columns))
    nothing = [None] * len(columns["kind"])
    rows = zip(
        *(columns.get(name, nothing) for name in ("kind", "study", "series", "instance", "version")),
        *(columns.get(name, nothing) for name in ("event_id", "time", "node", "door", "peer")),
        *(columns.get(name, nothing) for name in ("current", "target", "object_key", "detail", "label")),
        strict=True,
    )
    events: list[Event] = []
    for (
        kind,
        study,
        series,
        instance,
        version,
        event_id,
        time,
        wrote,
        door,
        peer,
        current,
        target,
        at,
        detail,
        label,
    ) in rows:
        version_stored = next(stored) if kind == Kind.STORED else None
        events.append(
            Event(
                kind=_KINDS[kind],
                scope=None if study is None else Scope(study, series, instance),
                time=_EPOCH + timedelta(microseconds=time),
                node=wrote or node,
                door=door,
                peer=peer or "",
                event_id=event_id,
                stored=version_stored,
                current=current is not False,
                target=target or 0,
                version="" if version_stored else version or "",
                object_key=at or "",
                detail=detail or "",
                label=label or "",
            )
        )
    return events


def _known_columns(batch: pa.RecordBatch) -> dict[str, list[Any]]:
    """Values of the columns this program knows; times as microseconds since 1970."""
    columns: dict[str, list[Any]] = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if name in TYPES:
            columns[name] = (array.cast(pa.int64()) if name == "time" else array).to_pylist()
    return columns


def _stored_versions(columns: dict[str, list[Any]]) -> list[StoredVersion]:
    """The versions of the rows that are STORED events, in order."""
    places = [place for place, kind in enumerate(columns["kind"]) if kind == Kind.STORED]
    if len(places) < len(columns["kind"]):
        columns = {name: [values[place] for place in places] for name, values in columns.items()}
    if not places:
        return []
    nothing = [None] * len(places)
    searched = _searched_rows(columns, len(places))
    identities = zip(*(columns[name] for name in ("study", "series", "instance", "version")), strict=True)
    objects = zip(*(columns.get(name, nothing) for name in _OBJECT_NAMES), strict=True)
    image_rows = list(zip(*(columns.get(f"image_{name}", nothing) for name in _IMAGE_NAMES), strict=True))
    originals = zip(*(columns.get(f"original_{name}", nothing) for name in _ORIGINAL_NAMES), strict=True)
    # the instances of a series have one and the same specification
    images = {values: None if values[0] is None else ImageSpec(*values) for values in set(image_rows)}
    return [
        StoredVersion(
            key=InstanceKey(identity[0], identity[1], identity[2]),
            version=identity[3],
            image=images[image],
            columns=values,
            original=None if original[0] is None else Original(*original),
            **dict(zip(_OBJECT_NAMES, described, strict=True)),
        )
        for identity, described, image, original, values in zip(
            identities, objects, image_rows, originals, searched, strict=True
        )
    ]


def _searched_rows(columns: dict[str, list[Any]], rows: int) -> list[dict[str, Any]]:
    """The searched values of each row, absent ones left out."""
    names = [name for name in _SEARCHED_NAMES if name in columns]
    if not names:
        return [{} for _ in range(rows)]
    values = zip(*(columns[name] for name in names), strict=True)
    if not any(None in columns[name] for name in names):
        return [dict(zip(names, row, strict=True)) for row in values]
    return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in values]
