"""The checkpoint table as delta-rs keeps it. The only module that imports it, and only a process that folds does.

What the table's files hold is written and read by our own hands; delta-rs makes the table, opens it for whoever
does not know it yet, widens its schema, writes the checkpoints of its log and deletes what is outdated. The
commits of folds are written and followed by `delta_log`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from storage.layout import TABLE
from storage.log.delta_log import APPLICATION, Conflict
from storage.log.errors import DamagedTable
from storage.log.rows import SCHEMA
from storage.log.snapshot import Snapshot, TableFile
from storage.objects.address import Address, Folder
from storage.objects.s3_settings import S3Settings

_RETENTION = "interval 7 days"
"""How long files stay that a newer version of the table does without: what a node or another engine reads by may
be some days old. Everything that went within that time is named in each checkpoint of the table's log, and whoever
opens the table reads it: at a fold a minute that is 10 000 files in a week."""
_CHECKPOINT_EVERY = 20
"""Versions of the table between two checkpoints of its log."""
_VACUUM_EVERY = 2000
"""Versions between two looks for files that no version within the retention has: all of the table is listed."""

_CONFIGURATION = {"delta.logRetentionDuration": _RETENTION, "delta.deletedFileRetentionDuration": _RETENTION}


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
        if missing := self._missing():
            try:
                self._table.alter.add_columns(missing, commit_properties=CommitProperties(max_commit_retries=0))
            except CommitFailedError as error:
                raise Conflict from error
        return self

    def _missing(self) -> list[Field]:
        there = {field.name for field in self._table.schema().fields}
        return [field for field in Schema.from_arrow(SCHEMA).fields if field.name not in there]

    def snapshot(self) -> Snapshot:
        """The table's files and what is folded into it. Raises DamagedTable."""
        try:
            actions = pa.table(self._table.get_add_actions(flatten=True)).to_pylist()
            return Snapshot(
                epoch=self._table.metadata().description or "",
                version=self._table.version(),
                last=self._table.transaction_version(APPLICATION) or 0,
                files=tuple(_file(action) for action in actions),
                complete=not self._missing(),
            )
        except (DeltaError, KeyError, ValueError) as error:
            raise DamagedTable(f"the log of the checkpoint table cannot be read: {error}") from error

    def tidy_if_due(self) -> bool:
        """Now and then write a checkpoint of the table's log, and delete what has become too old.

        Nobody who opens the table reads more commits than lie between two checkpoints. Returns whether it was due.
        """
        version = self._table.version()
        if not tidying_due(version):
            return False
        self._table.create_checkpoint()
        self._table.cleanup_metadata()
        if version % _VACUUM_EVERY == 0:
            # full: files of failed folds too, which no version has ever had
            self._table.vacuum(dry_run=False, full=True)
        return True

    def begin_log(self) -> int:
        """Write a checkpoint of the table's log, and say of which version: nobody needs a commit before it."""
        self._table.create_checkpoint()
        return self._table.version()


def tidying_due(version: int) -> bool:
    """Whether `tidy_if_due` has anything to do at a version of the table."""
    return version % _CHECKPOINT_EVERY == 0


def _file(action: dict[str, Any]) -> TableFile:
    return TableFile(
        path=action["path"],
        size=action["size_bytes"],
        rows=action["num_records"],
        studies=(action["min.study"], action["max.study"]),
        revisions=(action["min.since_revision"], action["max.since_revision"]),
    )
