"""The table's own log: commits written and followed by our own hands.

    instances/_delta_log/<20 digits>.json   one JSON action a line (Delta protocol, "Delta Log Entries")

Folds run every minute. To open the table the library reads every commit since the last checkpoint of the table's
log, each four times; a node that folded a minute ago knows the table at version N and needs to see only whether
N + 1 is there. So commits are followed and placed here, create-only as the protocol asks, while the library opens
tables nobody knows yet, changes schemas, writes checkpoints of the log and deletes what is outdated (`delta`).

A snapshot carries a token of the commit that made it. A table that was thrown away and made anew has another
commit under the same number, and whoever holds the old snapshot begins again. Whatever is in a commit that folds
do not write is left to the library too.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from storage.layout import TABLE
from storage.log.snapshot import Snapshot, TableFile
from storage.objects.contract import ObjectExists, ObjectMissing, ObjectStore, StoreUnavailable

APPLICATION = "dicomlake-fold"
"""The application whose transactions say how far the log is folded."""


class Conflict(Exception):
    """Another process has written the table since it was read."""


class Unfamiliar(Exception):
    """The table has to be opened by the library: it is not, or not only, what folds have made of the snapshot."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that is written and not yet part of the table."""

    file: TableFile
    stats: dict[str, Any]
    """What the table's log says of its columns (Delta protocol, per-file statistics)."""


def commit_key(version: int) -> str:
    """Key of the commit that made a version of the table."""
    return f"{TABLE}/_delta_log/{version:020d}.json"


def token_of(commit: bytes) -> str:
    """What tells this commit from any other."""
    return hashlib.sha256(commit).hexdigest()[:32]


def encode_commit(come: Iterable[NewFile], go: Iterable[TableFile], *, last: int) -> bytes:
    """A commit: files come and go, and entries up to `last` are folded. No two are alike."""
    now = int(time.time() * 1000)
    facts = {
        "timestamp": now,
        "operation": "WRITE",
        "operationParameters": {"mode": "Append"},
        "engineInfo": "dicomlake",
        "txnId": str(uuid.uuid4()),
    }
    actions: list[dict[str, Any]] = [
        {"commitInfo": facts},
        {"txn": {"appId": APPLICATION, "version": last, "lastUpdated": now}},
        *({"add": _add(new, now)} for new in come),
        *({"remove": _remove(file, now)} for file in go),
    ]
    return b"".join(json.dumps(action, ensure_ascii=False).encode() + b"\n" for action in actions)


def _add(new: NewFile, now: int) -> dict[str, Any]:
    return {
        "path": new.file.path,
        "partitionValues": {},
        "size": new.file.size,
        "modificationTime": now,
        "dataChange": True,
        "stats": json.dumps(new.stats, ensure_ascii=False),
    }


def _remove(file: TableFile, now: int) -> dict[str, Any]:
    return {
        "path": file.path,
        "deletionTimestamp": now,
        "dataChange": True,
        "extendedFileMetadata": True,
        "partitionValues": {},
        "size": file.size,
    }


def replay(snapshot: Snapshot, commit: bytes) -> Snapshot:
    """The version after `snapshot`. Raises Unfamiliar."""
    files = {file.path: file for file in snapshot.files}
    last = snapshot.last
    try:
        for line in commit.splitlines():
            ((kind, action),) = json.loads(line).items()
            match kind:
                case "commitInfo":
                    pass
                case "txn" if action["appId"] == APPLICATION:
                    last = action["version"]
                case "add":
                    files[action["path"]] = _added(action)
                case "remove":
                    del files[action["path"]]
                case _:
                    raise Unfamiliar(kind)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unfamiliar("a commit that no fold wrote") from error
    version, token = snapshot.version + 1, token_of(commit)
    return replace(snapshot, version=version, last=last, files=tuple(files.values()), token=token)


def _added(action: dict[str, Any]) -> TableFile:
    if action.get("deletionVector") or action["partitionValues"]:
        raise Unfamiliar("add")
    stats = json.loads(action["stats"])
    least, greatest = stats["minValues"], stats["maxValues"]
    return TableFile(
        path=action["path"],
        size=action["size"],
        rows=stats["numRecords"],
        studies=(least["study"], greatest["study"]),
        revisions=(least["since_revision"], greatest["since_revision"]),
    )


async def advance(store: ObjectStore, snapshot: Snapshot) -> Snapshot:
    """The table as it is now, from what is known of it. Raises Unfamiliar and the store's errors."""
    await check_base(store, snapshot)
    while True:
        try:
            commit = await store.get(commit_key(snapshot.version + 1))
        except ObjectMissing:
            return snapshot
        snapshot = replay(snapshot, commit)


async def check_base(store: ObjectStore, snapshot: Snapshot) -> None:
    """See that the version of a snapshot is one of the table that is there. Raises Unfamiliar, store's errors."""
    try:
        commit = await store.get(commit_key(snapshot.version))
    except ObjectMissing as error:
        raise Unfamiliar("the commit is not there any more") from error
    if token_of(commit) != snapshot.token:
        raise Unfamiliar("another table has taken the place of this one")


async def with_token(store: ObjectStore, snapshot: Snapshot) -> Snapshot:
    """A snapshot of the library's with its token; without one if its commit has been tidied away."""
    try:
        return replace(snapshot, token=token_of(await store.get(commit_key(snapshot.version))))
    except ObjectMissing:
        return snapshot


async def place(store: ObjectStore, snapshot: Snapshot, commit: bytes) -> Snapshot:
    """Make `commit` the version after `snapshot`; durable on return.

    Whether a create whose answer was lost has happened is told by what lies there. Raises Conflict if it is
    another's commit, or if the table has been thrown away meanwhile; the store's errors, and then the commit may
    come to be.
    """
    key = commit_key(snapshot.version + 1)
    try:
        await store.put(key, [commit], create=True)
    except (ObjectExists, StoreUnavailable) as failure:
        try:
            there = await store.get(key)
        except ObjectMissing:
            raise failure from None
        if there != commit:
            raise Conflict from failure
    await store.settle([key])
    try:
        await check_base(store, snapshot)
    except Unfamiliar as error:
        if snapshot.token:
            await store.delete(key)
            raise Conflict from error
    return replay(snapshot, commit)
