"""What the log says: events, and the entries that order them.

Every event is one row of one entry. An entry's number is the revision of what its events did; the order of
events within an entry counts too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dicomweb.model.instance import ImageSpec, Original
from dicomweb.model.keys import InstanceKey, Scope

ColumnValue = str | int | float | None


class Kind(StrEnum):
    """What an event did."""

    STORED = "stored"
    """A version of an instance exists."""
    REMOVED = "removed"
    """Versions in the scope older than this entry are hidden."""
    RESTORED = "restored"
    """What the removal of revision `target` hid is visible again, except what was stored since."""
    VOIDED = "voided"
    """The named version never became whole (a crash tore its object): it counts as never stored."""
    CONDEMNED = "condemned"
    """The named object key will be deleted after a grace; no later entry may store it."""
    PURGED = "purged"
    """The bytes of the named version are gone and its header is blank wherever it stood."""
    DIGESTED = "digested"
    """The data set of the named version, whose digest a rebuild had left open, has the digest that `detail` tells
    in hexadecimal."""
    ENDED = "ended"
    """A rebuild goes on in another epoch: nothing follows this entry."""
    UPGRADED = "upgraded"
    """From here on the archive has the format version `target`; `detail` names the release that can write it."""
    LABELLED = "labelled"
    """The scope bears `label`, for as long as no removal of all of it is in force."""
    UNLABELLED = "unlabelled"
    """Whatever put `label` on exactly this scope before is taken back."""


LABELLING = frozenset({Kind.LABELLED, Kind.UNLABELLED})
"""Kinds that change labels, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """A version of an instance, as intake found it."""

    key: InstanceKey
    version: str
    size: int
    """Bytes of the object."""
    data_set_offset: int
    sop_class: str
    transfer_syntax: str
    meta_digest: bytes
    """SHA-256 of preamble and group 0002 (32 bytes)."""
    digest: bytes
    """SHA-256 of the data set's bytes (32 bytes)."""
    header: bytes
    """DICOM JSON of the data set, bulk values as relative BulkDataURI; empty if it lies in an object of its own
    beside the instance (`layout.header_key`)."""
    header_size: int
    """Bytes of the header, wherever it lies."""
    file_meta: bytes
    """DICOM JSON of group 0002."""
    frames: bytes
    """`FrameIndex.to_bytes()`; empty without pixel data."""
    bulk: bytes
    """`BulkIndex.to_bytes()`; empty without bulk values."""
    image: ImageSpec | None
    pixel_vr: str
    columns: Mapping[str, ColumnValue]
    """The searched attributes, by the names of `storage.log.columns.COLUMNS`; absent ones are None."""
    original: Original | None = None
    """What it was when it came; None if it is stored as it came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the log."""

    kind: Kind
    scope: Scope | None
    """What it is about; None for events about an object key alone."""
    time: datetime
    """When the node wrote it, UTC. For people; order comes from the number."""
    node: str
    door: str
    """How it came: stow, dicomweb, ingest, native, dimse, upkeep."""
    peer: str
    event_id: str
    """Time-ordered random id, unique among all events."""
    stored: StoredVersion | None = None
    """For STORED."""
    current: bool = True
    """For STORED: whether it replaces the current version, or is only kept beside it."""
    target: int = 0
    """For RESTORED: the revision of the removal. For UPGRADED: the format version."""
    version: str = ""
    """For VOIDED, PURGED and DIGESTED: the version."""
    object_key: str = ""
    """For CONDEMNED: the key."""
    detail: str = ""
    """For a reader; no patient data. For DIGESTED: the digest."""
    label: str = ""
    """For LABELLED and UNLABELLED."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One commit: all its events exist, or none."""

    number: int
    epoch: str
    commit: str
    """Random id by which a writer knows its own entry again."""
    node: str
    written: datetime
    events: tuple[Event, ...] = field(default=())
    format: int = 1
    """Format version of the archive when it was written; who writes what follows must know it."""
    lost: int = 0
    """Numbers that its writer tried for and lost before: by this others know how long to hold back."""
    waits: str = ""
    """Of whom everybody is asked to let go first, see `storage/log/waiting.py`; empty if of nobody."""
