"""What can be set about an archive; `app/config.py` makes it from its own structure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from dicomweb.encoding.head import HeadLimits
from storage.catalog.settings import CatalogSettings


class Duplicates(StrEnum):
    """What becomes of other bytes for a known instance."""

    REPLACE = "replace"
    """They become the current version; the former one stays until retention ends."""
    KEEP = "keep"
    """They are stored as a version that is not current."""
    REJECT = "reject"
    """They are refused."""


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """Settings of an archive."""

    duplicates: Duplicates = Duplicates.REPLACE
    limits: HeadLimits = field(default_factory=HeadLimits)
    catalog: CatalogSettings = field(default_factory=CatalogSettings)
    small_bytes: int = 8 << 20
    """An instance up to this size is taken whole in memory; a larger one streams into the store."""
    most_without_uids: int = 64 << 20
    """Bytes of a larger instance that are held in memory until its UIDs, which name its object, have come."""
    budget_bytes: int = 96 << 20
    """Bytes of instances being taken in at one time; senders wait beyond."""
    conversion_bytes: int = 64 << 20
    """A larger instance is not held in memory to be converted: it is stored as it comes."""
    name_uids: bool = False
    """Whether messages about an instance name its UIDs."""
    commit_rows: int = 400
    """Instances of one submission that are committed together at most; a long one is committed in parts."""
    large_header_bytes: int = 1 << 20
    """A header over this size goes to an object of its own."""
    poll_seconds: float = 1.0
    """How often the log is looked at for other nodes' entries; 0 for never."""
    short_log: int = 200
    """Entries up to which a node on an empty disk reads the log alone, not the checkpoint table."""
    frame_index_bytes: int = 32 << 20
    """Frame indexes kept in memory."""
    inflated_bytes: int = 1 << 30
    """Inflated copies of deflated objects kept in the node's folder."""
