"""The name of every object: the only place with slashes.

    format.json                                              archive id, epoch, format versions
    dicom/<2 hex>/<study>/<series>/<sop>~<version>.dcm       a DICOM object
    dicom/<2 hex>/<study>/<series>/<sop>~<version>.head      its header, if over 1 MB (zstd of DICOM JSON)
    log/<epoch>/<20 digits>.arrow                            an entry of the log
    log/<epoch>/<20 digits>.torn                             an empty entry in place of one torn by a crash
    log/<epoch>/waiting                                      a writer asks the others to pause
    removed/<2 hex>/<study>/<epoch>~<20 digits>~<8 digits>.json   that a removal happened, for a rebuild
    rebuild/<epoch>/<20 digits>.json                         what a rebuild has found when it wrote an entry
    rebuild/<epoch>/report.json                              what it found in all
    scrub/<epoch>.json                                       how far the scrub has come, and what it found
    nodes/<node>.json                                        that a node serves, and of which release it is
    instances/                                               the checkpoint, a Delta Lake table

`<2 hex>` is the start of the SHA-256 of the Study Instance UID, so that the keys of a bucket spread. `~` stands
in no UID, so the parts of a name can be told apart again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from dicomweb.model.keys import InstanceKey

FORMAT = "format.json"
DICOM = "dicom/"
LOG = "log/"
REMOVED = "removed/"
REBUILD = "rebuild/"
SCRUB = "scrub/"
NODES = "nodes/"
TABLE = "instances"


@dataclass(frozen=True, slots=True)
class ObjectName:
    """What the key of a DICOM object says."""

    key: InstanceKey
    version: str


@lru_cache(maxsize=4096)
def _fan(study: str) -> str:
    return hashlib.sha256(study.encode()).hexdigest()[:2]


def object_key(key: InstanceKey, version: str) -> str:
    """Key of the DICOM object of a version."""
    return f"{DICOM}{_fan(key.study)}/{key.study}/{key.series}/{key.instance}~{version}.dcm"


def header_key(key: InstanceKey, version: str) -> str:
    """Key of the header of a version, where it has an object of its own."""
    return f"{DICOM}{_fan(key.study)}/{key.study}/{key.series}/{key.instance}~{version}.head"


def parse_object_key(name: str) -> ObjectName | None:
    """What the key of a DICOM object or its header says, None for any other key."""
    parts = name.split("/")
    if len(parts) != 5 or parts[0] != "dicom" or not parts[4].endswith((".dcm", ".head")):
        return None
    sop, mark, version = parts[4].rpartition(".")[0].partition("~")
    return ObjectName(InstanceKey(parts[2], parts[3], sop), version) if mark else None


def study_place(study: str) -> str:
    """`<2 hex>/<study>/`, which follows `dicom/` and `removed/`."""
    return f"{_fan(study)}/{study}/"


def entry_key(epoch: str, number: int) -> str:
    """Key of a log entry."""
    return f"{LOG}{epoch}/{number:020d}.arrow"


def parse_entry_key(name: str) -> tuple[str, int] | None:
    """Epoch and number of a log entry, None for any other key."""
    parts = name.split("/")
    if len(parts) != 3 or parts[0] != "log" or not parts[2].endswith(".arrow"):
        return None
    return parts[1], int(parts[2].removesuffix(".arrow"))


def torn_key(epoch: str, number: int) -> str:
    """Key of what is read in place of a log entry that a crash tore."""
    return f"{LOG}{epoch}/{number:020d}.torn"


def waiting_key(epoch: str) -> str:
    """Key of the note that a writer gets no number."""
    return f"{LOG}{epoch}/waiting"


def removed_key(study: str, epoch: str, number: int, ordinal: int) -> str:
    """Key of the note that event `ordinal` of entry `number` removed something."""
    return f"{REMOVED}{_fan(study)}/{study}/{epoch}~{number:020d}~{ordinal:08d}.json"


def parse_removed_key(name: str) -> tuple[str, int] | None:
    """Epoch and number of the entry whose removal a note tells, None for any other key."""
    parts = name.split("/")
    facts = parts[-1].removesuffix(".json").split("~")
    if len(parts) != 4 or f"{parts[0]}/" != REMOVED or len(facts) != 3 or not facts[1].isdecimal():
        return None
    return facts[0], int(facts[1])


def findings_key(epoch: str, number: int) -> str:
    """Key of what the rebuild that opens `epoch` had found when it wrote entry `number`."""
    return f"{REBUILD}{epoch}/{number:020d}.json"


def report_key(epoch: str) -> str:
    """Key of what the rebuild that opened `epoch` found in all."""
    return f"{REBUILD}{epoch}/report.json"


def scrub_key(epoch: str) -> str:
    """Key of how far the scrub of an archive has come."""
    return f"{SCRUB}{epoch}.json"
