"""The checkpoint table as delta-rs keeps it. The only module that imports it, and only a process that folds does.

What the table's files hold is written and read by our own hands; delta-rs says which of them make up the table. A
fold is one transaction whatever it changes: some files come, some go. It carries the number of the last entry
folded, under one application id, so that a fold that has happened is known and one that has not left no trace. A
transaction that finds another one committed since it read the table fails; it is computed again from what is there
then.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from storage.layout import TABLE
from storage.log.errors import DamagedTable
from storage.log.rows import SCHEMA
from storage.log.snapshot import Snapshot, TableFile
from storage.objects.address import Address, Folder
from storage.objects.s3_settings import S3Settings

APPLICATION = "dicomlake-fold"
_RETENTION = "interval 30 days"
_RETENTION_HOURS = 30 * 24
_VACUUM_EVERY = 1000
"""Versions of the table between two looks for files that no version of the last 30 days has."""

_CONFIGURATION = {"delta.logRetentionDuration": _RETENTION, "delta.deletedFileRetentionDuration": _RETENTION}


class Conflict(Exception):
    """Another process has written the table since it was read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the table is, in delta-rs's words."""

    uri: str
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is written and not yet part of the table."""

    file: TableFile
    stats: dict[str, Any]
    """What the table's log says of its columns (Delta protocol, per-file statistics)."""


def place_of(address: Address) -> Place:
    """Where the table of the archive at an address is. Raises ValueError for one in memory."""
    if isinstance(address, Folder):
        return Place(str(address.path.absolute() / TABLE), {})
    if not isinstance(address, S3Settings):
        raise ValueError("an archive in memory has no checkpoint table")
    given = {
        "AWS_ENDPOINT_URL": address.endpoint_url
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL"),
        "AWS_REGION": address.region,
        "AWS_ACCESS_KEY_ID": address.access_key_id,
        "AWS_SECRET_ACCESS_KEY": address.secret_access_key,
        "AWS_SESSION_TOKEN": address.session_token,
        "AWS_PROFILE": address.profile,
    }
    options = {name: value for name, value in given.items() if value}
    options["aws_conditional_put"] = "etag"
    if options.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
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

    def widened(self) -> Self:
        """The table with every column of `SCHEMA`, even if it was made with fewer. Raises Conflict."""
        ours = Schema.from_arrow(SCHEMA).fields
        there = {field.name for field in self._table.schema().fields}
        missing = [field for field in ours if field.name not in there]
        if missing:
            try:
                self._table.alter.add_columns(missing, commit_properties=CommitProperties(max_commit_retries=0))
            except CommitFailedError as error:
                raise Conflict from error
        return self

    def snapshot(self) -> Snapshot:
        """The table's files and what is folded into it. Raises DamagedTable."""
        try:
            actions = pa.table(self._table.get_add_actions(flatten=True)).to_pylist()
            return Snapshot(
                epoch=self._table.metadata().description or "",
                version=self._table.version(),
                last=self._table.transaction_version(APPLICATION) or 0,
                files=tuple(_file(action) for action in actions),
            )
        except (DeltaError, KeyError, ValueError) as error:
            raise DamagedTable(f"the log of the checkpoint table cannot be read: {error}") from error

    def commit(self, come: Iterable[NewFile], go: Iterable[TableFile], *, last: int) -> None:
        """One transaction: files come and go, and entries up to `last` are folded. Raises Conflict."""
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            AddAction(new.file.path, new.file.size, {}, now, True, json.dumps(new.stats)) for new in come
        ]
        actions.extend(
            RemoveAction(
                path=file.path,
                data_change=True,
                deletion_timestamp=now,
                size=file.size,
                partition_values={},
            )
            for file in go
        )
        try:
            self._table.create_write_transaction(
                actions,
                "append",
                SCHEMA,
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(APPLICATION, last)], max_commit_retries=0
                ),
            )
        except CommitFailedError as error:
            raise Conflict from error

    def vacuum_if_due(self) -> None:
        """Now and then delete files that no version of the last 30 days has, those of failed folds among them."""
        if self._table.version() % _VACUUM_EVERY == 0:
            self._table.vacuum(_RETENTION_HOURS, dry_run=False, full=True)


def _file(action: dict[str, Any]) -> TableFile:
    return TableFile(
        path=action["path"],
        size=action["size_bytes"],
        rows=action["num_records"],
        studies=(action["min.study"], action["max.study"]),
        revisions=(action["min.since_revision"], action["max.since_revision"]),
    )
