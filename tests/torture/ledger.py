"""What clients have been told, and so what the archive must hold.

A client alone writes the instances it owns, one thing after the other: of each it knows what must be there, or,
where an answer never came, what may be. Every acknowledgement, of those and of instances that all share, names the
entry that did it, and is held against the log, as is every read (see `serial`).
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dicomweb.model.keys import InstanceKey, Scope
from tests.build.dicom import ct_slice, native_frames, uid

_GROUP_LENGTH = slice(140, 144)
"""Where the length of group 0002 stands in a file that begins with it (PS3.10 7.1)."""
_BLANK = "study", "series", "sop"


def fixed_uid(name: str) -> str:
    """A UID of the same length for every name, so that it can be put in the place of another."""
    return f"2.25.1{int.from_bytes(hashlib.sha256(name.encode()).digest()[:14], 'big'):034d}"


def _template(*, large: bool) -> bytes:
    study, series, sop = (fixed_uid(f"template {name}") for name in _BLANK)
    uids: dict[str, Any] = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": sop}
    if large:
        return native_frames(9, rows=1024, columns=1024, **uids)
    return ct_slice(rows=40, columns=40, FrameOfReferenceUID=uid("frame"), **uids)


class Files:
    """Makes files fast: what costs time here would keep the nodes from their work."""

    def __init__(self) -> None:
        self._templates = [_template(large=large) for large in (False, True)]
        self._blanks = [fixed_uid(f"template {name}").encode() for name in _BLANK]

    def make(self, key: InstanceKey, content: int, *, large: bool = False) -> bytes:
        """The file of an instance; other bytes for another `content`."""
        data = self._templates[large]
        for blank, name in zip(self._blanks, (key.study, key.series, key.instance), strict=True):
            data = data.replace(blank, name.encode())
        return data[:-8] + content.to_bytes(8, "big")


def digest_of(data: bytes) -> bytes:
    """SHA-256 of the data set in a file, as the log has it."""
    offset = _GROUP_LENGTH.stop + int.from_bytes(data[_GROUP_LENGTH], "little")
    return hashlib.sha256(data[offset:]).digest()


Content = bytes | None
"""The digest of what is visible of an instance; None for nothing."""


@dataclass(slots=True)
class Owned:
    """An instance of one client."""

    key: InstanceKey
    large: bool = False
    states: frozenset[Content] = frozenset([None])
    """What may be there; one state if all is known."""
    contents: dict[bytes, int] = field(default_factory=dict)
    """What was sent so far: the number of the content by digest."""
    undo: tuple[int, Content, float] | None = None
    """Of the deletion which was the last thing that happened to it: its revision, what an undelete brings back,
    and when it was answered, monotonic."""


@dataclass(frozen=True, slots=True)
class Ack:
    """An acknowledged write."""

    revision: int
    kind: str
    """`stored`, `removed` or `restored`."""
    scope: Scope
    floor: int
    """The last revision that any client had been told when this was asked for."""
    begun: float
    """When it was asked for; monotonic."""
    key: InstanceKey | None = None
    """For `stored`."""
    digest: bytes = b""
    """For `stored`."""
    target: int = 0
    """For `restored`: the removal's revision."""
    among: int = 1
    """For `stored`: instances in the request; of several, the revision is that of the last."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a read showed of an instance."""

    key: InstanceKey
    content: Content
    floor: int
    """The last revision that any client had been told when this was asked for; 0 if it may be older."""
    ended: float
    """When it had been answered; monotonic."""


@dataclass
class Ledger:
    """What all clients know together."""

    owned: dict[InstanceKey, Owned] = field(default_factory=dict)
    acks: list[Ack] = field(default_factory=list)
    reads: list[Seen] = field(default_factory=list)
    highest: int = 0
    """The last revision that any client was told."""
    whole: dict[bytes, bytes] = field(default_factory=dict)
    """SHA-256 of the file by that of its data set, of everything that was sent."""
    sent: dict[InstanceKey, set[bytes]] = field(default_factory=dict)
    """What was ever sent of an instance."""
    unsure: dict[bytes, float] = field(default_factory=dict)
    """When a content was first sent without being told that it is stored, by digest; monotonic."""
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """Answers that can not be right."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def note(self, key: InstanceKey, data: bytes) -> bytes:
        """Remember that these bytes are about to be sent; their digest."""
        digest = digest_of(data)
        with self._lock:
            self.whole[digest] = hashlib.sha256(data).digest()
            self.sent.setdefault(key, set()).add(digest)
        return digest

    def doubt(self, digest: bytes, begun: float) -> None:
        """Nobody knows whether what was sent then is stored, or when it will be."""
        with self._lock:
            self.unsure[digest] = min(begun, self.unsure.get(digest, begun))

    def own(self, instance: Owned) -> Owned:
        """Take a new instance in."""
        with self._lock:
            self.owned[instance.key] = instance
        return instance

    def count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self.counts[what] += number

    def fault(self, what: str) -> None:
        with self._lock:
            self.faults.append(what)

    def acknowledge(self, ack: Ack) -> None:
        with self._lock:
            self.acks.append(ack)
            self.highest = max(self.highest, ack.revision)

    def saw(self, seen: Seen) -> None:
        with self._lock:
            self.reads.append(seen)

    def studies(self) -> list[str]:
        return sorted({key.study for key in self.sent})
