"""The checkpoint table as delta-rs keeps it. The only module that imports it, and only a process that folds does.

A fold is one transaction whatever it changes: it appends a file, or it writes whole partitions anew with what is
new in them. It carries the number of the last entry folded, under one application id, so that a fold that has
happened is known and one that has not left no trace. A transaction that finds another one committed since it
read the table fails; it is computed again from what is there then.

Partitions are eras: when the youngest has its fill of rows, the next is begun. So what is written anew to gather
small files, or to close rows, is bounded however large the table grows.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.writer.properties import ColumnProperties

from storage.layout import TABLE
from storage.log.errors import DamagedTable
from storage.log.folding import KNOWN, Touched
from storage.log.rows import SCHEMA
from storage.log.snapshot import Snapshot, TableFile
from storage.objects.address import Address, Folder
from storage.objects.s3_settings import S3Settings

APPLICATION = "dicomlake-fold"
ROW_GROUP = 2048
"""Rows of a row group: some series; small enough that one series is read alone."""
_RETENTION = "interval 30 days"
_RETENTION_HOURS = 30 * 24
_VACUUM_EVERY = 1000
"""Versions of the table between two looks for files that no version of the last 30 days has."""

_CONFIGURATION = {
    "delta.logRetentionDuration": _RETENTION,
    "delta.deletedFileRetentionDuration": _RETENTION,
    "delta.dataSkippingStatsColumns": "study,series,since_revision,patient_id,study_date",
}


class Conflict(Exception):
    """Another process has written the table since it was read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the table is, in delta-rs's words."""

    uri: str
    options: dict[str, str]


def place_of(address: Address) -> Place:
    """Where the table of the archive at an address is. Raises ValueError for one in memory."""
    if isinstance(address, Folder):
        return Place(str(address.path.absolute() / TABLE), {})
    if not isinstance(address, S3Settings):
        raise ValueError("an archive in memory has no checkpoint table")
    given = {
        "AWS_ENDPOINT_URL": address.endpoint_url,
        "AWS_REGION": address.region,
        "AWS_ACCESS_KEY_ID": address.access_key_id,
        "AWS_SECRET_ACCESS_KEY": address.secret_access_key,
        "AWS_SESSION_TOKEN": address.session_token,
        "AWS_PROFILE": address.profile,
    }
    options = {name: value for name, value in given.items() if value}
    options["aws_conditional_put"] = "etag"
    endpoint = address.endpoint_url or os.environ.get(
        "AWS_ENDPOINT_URL_S3", os.environ.get("AWS_ENDPOINT_URL", "")
    )
    if endpoint:
        options["AWS_ENDPOINT_URL"] = endpoint
        options["AWS_ALLOW_HTTP"] = str(endpoint.startswith("http://")).lower()
    if address.addressing != "auto":
        options["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] = str(address.addressing == "virtual").lower()
    path = "/".join(part for part in (address.bucket, address.prefix, TABLE) if part)
    return Place(f"s3://{path}", options)


class InstancesTable:
    """The table at one of its versions."""

    def __init__(self, place: Place, table: DeltaTable) -> None:
        self._place = place
        self._table = table

    @classmethod
    def open(cls, place: Place) -> Self | None:
        """The table as it is now, None if there is none. Raises DamagedTable."""
        try:
            return cls(place, DeltaTable(place.uri, storage_options=place.options))
        except TableNotFoundError:
            return None
        except (DeltaError, ValueError) as error:
            raise DamagedTable(f"the checkpoint table cannot be opened: {error}") from error

    @classmethod
    def create(cls, place: Place, *, epoch: str) -> Self:
        """A table without rows. Raises Conflict if there is one by now."""
        if "://" not in place.uri:
            Path(place.uri).mkdir(parents=True, exist_ok=True)
        try:
            table = DeltaTable.create(
                place.uri,
                Schema.from_arrow(SCHEMA),
                mode="error",
                partition_by=["era"],
                name="instances",
                description=epoch,
                configuration=_CONFIGURATION,
                storage_options=place.options,
            )
        except (CommitFailedError, DeltaError) as error:
            if DeltaTable.is_deltatable(place.uri, place.options):
                raise Conflict from error
            raise
        return cls(place, table)

    def snapshot(self) -> Snapshot:
        """The table's files and what is folded into it."""
        actions = pa.table(self._table.get_add_actions(flatten=True)).to_pylist()
        return Snapshot(
            epoch=self._table.metadata().description or "",
            version=self._table.version(),
            last=self._table.transaction_version(APPLICATION) or 0,
            files=tuple(_file(action) for action in actions),
        )

    def read_known(self, touched: Touched) -> pa.Table:
        """The columns `KNOWN` of the rows a fold touches. Raises DamagedTable."""
        column = ds.field
        matching = column("instance").isin(touched.instances) | column("study").isin(touched.changed)
        return self._read(list(KNOWN), column("study").isin(touched.studies) & matching)

    def read_era(self, era: int) -> pa.Table:
        """All rows of an era. Raises DamagedTable."""
        return self._read(SCHEMA.names, ds.field("era") == era)

    def _read(self, columns: list[str], matching: ds.Expression) -> pa.Table:
        schema = pa.schema([SCHEMA.field(name) for name in columns])
        try:
            return self._table.to_pyarrow_dataset().to_table(columns=columns, filter=matching).cast(schema)
        except (DeltaError, pa.ArrowException, OSError) as error:
            raise DamagedTable(f"the checkpoint table cannot be read: {error}") from error

    def append(self, batches: Callable[[], Iterable[pa.RecordBatch]], *, last: int) -> None:
        """Add rows; entries up to `last` are folded then. Raises Conflict."""
        self._write(batches, last=last, mode="append", predicate=None)

    def replace(self, eras: Iterable[int], batches: Callable[[], Iterable[pa.RecordBatch]], *, last: int) -> None:
        """Put these rows in the place of all rows of the eras. Raises Conflict."""
        predicate = f"era IN ({', '.join(str(era) for era in sorted(eras))})"
        self._write(batches, last=last, mode="overwrite", predicate=predicate)

    def _write(
        self,
        batches: Callable[[], Iterable[pa.RecordBatch]],
        *,
        last: int,
        mode: Literal["append", "overwrite"],
        predicate: str | None,
    ) -> None:
        feed = _Feed(batches)
        try:
            write_deltalake(
                self._table,
                pa.RecordBatchReader.from_batches(SCHEMA, feed.batches()),
                mode=mode,  # type: ignore[arg-type]  # the overloads know each mode alone
                predicate=predicate,
                writer_properties=_writer(),
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(APPLICATION, last)], max_commit_retries=0
                ),
            )
        except CommitFailedError as error:
            raise Conflict from error
        except DeltaError as error:
            if feed.error is not None:
                raise feed.error from error
            raise DamagedTable(f"the checkpoint table cannot be written: {error}") from error

    def vacuum_if_due(self) -> None:
        """Now and then delete files that no version of the last 30 days has."""
        if self._table.version() % _VACUUM_EVERY == 0:
            self._table.vacuum(_RETENTION_HOURS, dry_run=False)


def _file(action: dict[str, Any]) -> TableFile:
    return TableFile(
        path=action["path"],
        size=action["size_bytes"],
        rows=action["num_records"],
        era=action["partition.era"],
        studies=(action["min.study"] or "", action["max.study"] or ""),
        revisions=(action["min.since_revision"] or 0, action["max.since_revision"] or 0),
    )


def _writer() -> WriterProperties:
    return WriterProperties(
        compression="ZSTD",
        compression_level=3,
        max_row_group_size=ROW_GROUP,
        column_properties={
            name: ColumnProperties(dictionary_enabled=False, statistics_enabled="NONE")
            for name in ("header", "frames", "bulk", "digest")
        },
    )


class _Feed:
    """Batches made in a thread of their own: delta-rs asks for them in one of its threads, in which it cannot be
    called for the rows that are there."""

    def __init__(self, make: Callable[[], Iterable[pa.RecordBatch]]) -> None:
        self._make = make
        self._ready: queue.Queue[pa.RecordBatch | None] = queue.Queue(1)
        self._given_up = threading.Event()
        self.error: Exception | None = None
        """Why there are no more batches, if that was a fault."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The batches, in the thread that asks for them."""
        threading.Thread(target=self._run, name="rows", daemon=True).start()
        try:
            while (batch := self._ready.get()) is not None:
                yield batch
            if self.error is not None:
                raise self.error
        finally:
            self._given_up.set()

    def _run(self) -> None:
        try:
            for batch in self._make():
                if not self._hand_over(batch):
                    return
        except Exception as error:
            self.error = error
        self._hand_over(None)

    def _hand_over(self, batch: pa.RecordBatch | None) -> bool:
        while not self._given_up.is_set():
            try:
                self._ready.put(batch, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False
