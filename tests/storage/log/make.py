"""Makers of events and entries as small as the point allows."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime
from typing import Any

import orjson

from dicomweb.model.instance import ImageSpec
from dicomweb.model.keys import InstanceKey, Scope
from storage.log.columns import column_values
from storage.log.events import Entry, Event, Kind, StoredVersion

EPOCH = "0d6f8e9a-0000-4000-8000-000000000001"
NOON = datetime(2024, 5, 17, 12, 0, 0, 123456, tzinfo=UTC)
CT_IMAGE = ImageSpec(512, 512, 1, 16, 12, 1, "MONOCHROME2", 0, 1)

_ids = itertools.count(1)


def key(series: int = 1, instance: int = 1, *, study: int = 1) -> InstanceKey:
    return InstanceKey(f"1.2.{study}", f"1.2.{study}.{series}", f"1.2.{study}.{series}.{instance}")


def header(of: InstanceKey, *, number: int = 1, elements: int = 0, **texts: str) -> dict[str, Any]:
    """A header as DICOM JSON; `elements` further ones make it as large as a scanner's."""
    found: dict[str, Any] = {
        "00080060": {"vr": "CS", "Value": ["CT"]},
        "00080018": {"vr": "UI", "Value": [of.instance]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane", "Ideographic": "山田^花子"}]},
        "00100020": {"vr": "LO", "Value": ["4711"]},
        "00200011": {"vr": "IS", "Value": [3]},
        "00200013": {"vr": "IS", "Value": [number]},
        "0020000D": {"vr": "UI", "Value": [of.study]},
        "0020000E": {"vr": "UI", "Value": [of.series]},
        "00280010": {"vr": "US", "Value": [512]},
    }
    for element in range(elements):
        found[f"0019{element:04X}"] = {"vr": "LO", "Value": [f"private value {element} of the scanner"]}
    for tag, text in texts.items():
        found[tag.removeprefix("t")] = {"vr": "LO", "Value": [text]}
    return found


def version(of: InstanceKey, name: str = "", *, number: int = 1, elements: int = 0, **texts: str) -> StoredVersion:
    attributes = header(of, number=number, elements=elements, **texts)
    data = orjson.dumps(attributes)
    return StoredVersion(
        key=of,
        version=name or f"v{next(_ids):08d}",
        size=526_000,
        data_set_offset=330,
        sop_class="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax="1.2.840.10008.1.2.1",
        meta_digest=hashlib.sha256(b"meta").digest(),
        digest=hashlib.sha256(data).digest(),
        header=data,
        header_size=len(data),
        file_meta=orjson.dumps({"00020010": {"vr": "UI", "Value": ["1.2.840.10008.1.2.1"]}}),
        frames=b"\x01frames",
        bulk=b"\x01bulk",
        image=CT_IMAGE,
        pixel_vr="OW",
        columns=column_values(attributes),
    )


def event(kind: Kind, scope: Scope | None, **fields: Any) -> Event:
    given = {"time": NOON, "node": "node-a", "door": "stow", "peer": "192.0.2.1"} | fields
    return Event(kind=kind, scope=scope, event_id=f"e{next(_ids):08d}", **given)


def stored(of: InstanceKey, name: str = "", *, current: bool = True, number: int = 1, elements: int = 0) -> Event:
    what = version(of, name, number=number, elements=elements)
    return event(Kind.STORED, of.scope, stored=what, current=current)


def removed(scope: Scope) -> Event:
    return event(Kind.REMOVED, scope)


def restored(scope: Scope, target: int) -> Event:
    return event(Kind.RESTORED, scope, target=target)


def labelled(scope: Scope, label: str) -> Event:
    return event(Kind.LABELLED, scope, label=label)


def unlabelled(scope: Scope, label: str) -> Event:
    return event(Kind.UNLABELLED, scope, label=label)


def entry(number: int, *events: Event, commit: str = "") -> Entry:
    return Entry(number, EPOCH, commit or f"c{next(_ids):08d}", "node-a", NOON, events)
