"""Makers of log entries, the smallest that show the point."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from dicomweb.model.instance import ImageSpec, Instance
from dicomweb.model.keys import InstanceKey, Scope
from storage.log.columns import BY_NAME, column_values
from storage.log.events import Entry, Event, Kind, StoredVersion

EPOCH = "e1"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BEGIN = datetime(2024, 5, 1, 8, 0, tzinfo=UTC)
IMAGE = ImageSpec(512, 512, 1, 16, 12, 0, "MONOCHROME2", 0, 1)

Attributes = dict[str, Any]


def key(study: str, series: str = "1", instance: str = "1") -> InstanceKey:
    """A key of short UIDs: series and instance UIDs are the study's with numbers behind."""
    return InstanceKey(f"1.{study}", f"1.{study}.{series}", f"1.{study}.{series}.{instance}")


def element(vr: str, *values: Any) -> dict[str, Any]:
    """A DICOM JSON element; a PN may be given as text."""
    told = [{"Alphabetic": value} if vr == "PN" and isinstance(value, str) else value for value in values]
    return {"vr": vr, "Value": told} if values else {"vr": vr}


def header(of: InstanceKey, columns: Mapping[str, Any], more: Mapping[str, Any]) -> Attributes:
    """A data set whose searched attributes are named by column, others by tag."""
    found: Attributes = {
        "00080016": element("UI", CT),
        "00080018": element("UI", of.instance),
        "0020000D": element("UI", of.study),
        "0020000E": element("UI", of.series),
    }
    for name, value in columns.items():
        column = BY_NAME[name]
        values = value.split("\\") if isinstance(value, str) else [value]
        if column.vr == "PN":
            values = [_name(text) for text in values]
        found[column.tag] = {"vr": column.vr, "Value": values}
    return {**found, **more}


def _name(text: str) -> dict[str, str]:
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    return {group: part for group, part in groups if part}


def stored(
    of: InstanceKey,
    version: str = "v1",
    *,
    more: Mapping[str, Any] | None = None,
    transfer_syntax: str = EXPLICIT,
    frames: bytes = b"frames",
    data: str = "",
    **columns: Any,
) -> StoredVersion:
    """A version; `columns` are searched attributes by column, `more` other attributes by tag."""
    data_set = header(of, columns, more or {})
    text = orjson.dumps(data_set)
    return StoredVersion(
        key=of,
        version=f"{of.instance}~{version}",
        size=len(text) + 100,
        data_set_offset=300,
        sop_class=CT,
        transfer_syntax=transfer_syntax,
        meta_digest=hashlib.sha256(b"meta").digest(),
        digest=hashlib.sha256(f"{of} {data or version}".encode()).digest(),
        header=text,
        header_size=len(text),
        file_meta=b'{"00020010":{"vr":"UI","Value":["1.2.840.10008.1.2.1"]}}',
        frames=frames,
        bulk=b"bulk",
        image=IMAGE,
        pixel_vr="OW",
        columns=column_values(data_set),
    )


def store(what: StoredVersion, *, current: bool = True, minute: int = 0) -> Event:
    """A STORED event."""
    scope = what.key.scope
    return event(Kind.STORED, scope, minute=minute, stored=what, current=current)


def remove(scope: Scope, *, minute: int = 0) -> Event:
    """A REMOVED event."""
    return event(Kind.REMOVED, scope, minute=minute)


def restore(target: int, scope: Scope | None, *, minute: int = 0) -> Event:
    """A RESTORED event."""
    return event(Kind.RESTORED, scope, minute=minute, target=target)


def void(what: StoredVersion) -> Event:
    """A VOIDED event."""
    return event(Kind.VOIDED, what.key.scope, version=what.version)


def purge(what: StoredVersion) -> Event:
    """A PURGED event."""
    return event(Kind.PURGED, what.key.scope, version=what.version)


def label(scope: Scope, text: str, *, minute: int = 0) -> Event:
    """A LABELLED event."""
    return event(Kind.LABELLED, scope, minute=minute, label=text)


def unlabel(scope: Scope, text: str, *, minute: int = 0) -> Event:
    """An UNLABELLED event."""
    return event(Kind.UNLABELLED, scope, minute=minute, label=text)


def event(kind: Kind, scope: Scope | None, *, minute: int = 0, **fields: Any) -> Event:
    """An event of any kind."""
    return Event(
        kind=kind,
        scope=scope,
        time=BEGIN + timedelta(minutes=minute),
        node="n1",
        door="test",
        peer="",
        event_id=f"{kind}-{scope}-{minute}-{fields.get('label', '')}",
        **fields,
    )


def entry(number: int, *events: Event) -> Entry:
    """An entry."""
    return Entry(number, EPOCH, f"c{number}", "n1", BEGIN, tuple(events))


class LogHeaders:
    """A header origin that knows the headers of entries it was given, and counts what it is asked."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self._headers: dict[str, bytes] = {}

    def learn(self, *entries: Entry) -> None:
        """Remember the headers of entries."""
        for one in entries:
            for each in one.events:
                if each.stored is not None:
                    self._headers[each.stored.version] = each.stored.header

    async def fetch(self, instances: Sequence[Instance]) -> Sequence[bytes]:
        """See `HeaderOrigin`."""
        self.fetched += [instance.version for instance in instances]
        return [self._headers[instance.version] for instance in instances]
