"""What can be set about the catalog."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """Bounds and paces; the defaults suit a node of two cores and half a gigabyte."""

    flush_seconds: float = 1.0
    """Pending rows go to DuckDB after this time at the latest."""
    flush_rows: int = 2000
    """Pending rows go to DuckDB when there are so many."""
    flush_header_bytes: int = 16 << 20
    """Pending rows go to DuckDB when their headers take so many bytes."""
    most_rows: int = 6000
    """Pending rows beyond which whoever applies more should wait: a search has to write them all first."""
    utmost_rows: int = 60_000
    """Pending rows beyond which no more are applied, where they cannot be written."""
    hot_instances: int = 40_000
    """Instances whose series is kept in memory, at about 1 kB each."""
    header_bytes: int = 2 << 30
    """Bytes of compressed headers kept on the local disk; the oldest segment goes first."""
    segment_bytes: int = 64 << 20
    """Bytes of one header segment."""
    threads: int = 1
    """Threads of DuckDB within one question; several are answered at once all the same. A second thread made each
    small question dearer by 0.2 ms and no list of 50 000 studies cheaper."""
    memory_bytes: int = 256_000_000
    """What DuckDB may keep in memory, beside its indexes, which cannot leave it."""
    readers: int = 2
    """Threads that answer searches by column."""
    slow_rows: int = 50_000
    """Headers that one search by attributes without a column may read."""
    slow_seconds: float = 10.0
    """Time that one search by attributes without a column may take."""
    past_rows: int = 200_000
    """Versions of instances that one search as of an earlier revision may look at one by one."""
    extra_columns: tuple[str, ...] = ()
    """Tags that are searched often: their values are kept in a table of their own, filled in the background."""
