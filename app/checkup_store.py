"""What `dicomlake doctor` looks at in the store."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

from app.checkup import Finding, State, nearest_folder
from app.presence import has_archive
from app.values import ConfigError
from storage.archive.lost_log import check_log
from storage.layout import FORMAT
from storage.log.checkpoint import Checkpoint
from storage.log.errors import DamagedTable, LogError, LogLost
from storage.log.format import FORMAT_VERSION, ArchiveFormat, parse_format
from storage.log.parquet_reads import read_footer
from storage.log.reader import LogReader
from storage.objects.address import Address, Folder
from storage.objects.checks import FOLDER, check_conditional_writes, check_shared_folder
from storage.objects.contract import ObjectMissing, ObjectStore, StoreError

_CLOCK_SECONDS = 60.0
"""How far our clock may be from the store's; S3 itself refuses requests from 15 minutes on."""


async def check_address(
    store: str, address: Address, opener: Callable[[Address], ObjectStore]
) -> AsyncIterator[Finding]:
    """Whether there is an archive, and whether its store, or the place where it will be, can hold one."""
    try:
        there = await has_archive(address, opener)
    except (ConfigError, StoreError) as error:
        yield Finding("store", State.BAD, str(error))
        return
    if there:
        yield Finding("store", State.GOOD, f"there is an archive in {store}")
    else:
        yield Finding("store", State.GOOD, f"no archive in {store}; it will be created by serve")
    if isinstance(address, Folder) and not there:
        # in a folder of their own, so that nothing is left where the archive will be
        try:
            probe = Path(tempfile.mkdtemp(prefix=".dicomlake-doctor-", dir=nearest_folder(address.path)))
        except OSError as error:
            yield Finding("store", State.BAD, f"{address.path} cannot be made: {error.strerror}")
            return
        try:
            async for finding in _check_store(Folder(probe), opener):
                yield finding
        finally:
            shutil.rmtree(probe, ignore_errors=True)
    else:
        async for finding in _check_store(address, opener):
            yield finding
        if there:
            async for finding in _check_archive(address, opener):
                yield finding


async def _check_store(address: Address, opener: Callable[[Address], ObjectStore]) -> AsyncIterator[Finding]:
    """Whether the store can be reached, keeps conditional writes, and agrees about the time."""
    try:
        async with opener(address) as store:
            yield await _check_clock(store)
            yield _judged(
                await check_conditional_writes(store),
                "conditional writes are honoured",
                "of several creators of one key more than one succeeds: two nodes could overwrite each other",
            )
        if isinstance(address, Folder):
            yield _judged(
                await check_shared_folder(address.path),
                "two processes that race for a name never both get it",
                "two processes can both get one name: this file system cannot hold an archive",
            )
    except StoreError as error:
        yield Finding("store", State.BAD, str(error))


async def _check_archive(address: Address, opener: Callable[[Address], ObjectStore]) -> AsyncIterator[Finding]:
    """Whether this program can use the archive, and whether its table can be read."""
    try:
        async with opener(address) as store:
            found = parse_format(await store.get(FORMAT))
            yield Finding("archive", State.GOOD, _format(found.writer))
            checkpoint = Checkpoint(store, address)
            yield await _check_log(store, found, checkpoint)
            async for finding in _check_table(store, checkpoint, found.epoch):
                yield finding
    except ObjectMissing:
        told = f"{FORMAT} is missing, but there are objects; `dicomlake rebuild` makes it anew from them"
        yield Finding("archive", State.BAD, told)
    except (LogError, StoreError) as error:
        yield Finding("archive", State.BAD, str(error))


async def _check_log(store: ObjectStore, archive: ArchiveFormat, checkpoint: Checkpoint) -> Finding:
    log = LogReader(store, archive.epoch, format=archive.writer, listing=False)
    try:
        doubt = await check_log(store, log, 0, checkpoint)
    except LogLost as error:
        return Finding("log", State.BAD, str(error))
    return Finding("log", State.ODD, doubt) if doubt else Finding("log", State.GOOD, "it is there")


def _format(version: int) -> str:
    if version == FORMAT_VERSION:
        return f"format {version}, the latest this dicomlake knows"
    return (
        f"format {version}; `dicomlake upgrade` gives it format {FORMAT_VERSION} once all nodes run this release"
    )


async def _check_table(store: ObjectStore, checkpoint: Checkpoint, epoch: str) -> AsyncIterator[Finding]:
    """Whether every file of the table can be read, as far as its end tells; none is read whole."""
    mend = "nothing is lost, the log has it all: `dicomlake repair --table` makes the table anew"
    try:
        snapshot = await checkpoint.snapshot(fresh=True)
    except LogError as error:
        yield Finding("table", State.BAD, f"{error}; {mend}")
        return
    if snapshot is None:
        yield Finding("table", State.GOOD, "none yet; servers make it about a minute after something was stored")
        return
    if snapshot.epoch != epoch:
        yield Finding("table", State.BAD, f"it belongs to a log that was given up; {mend}")
        return
    bad = 0
    for file in snapshot.files:
        try:
            await read_footer(store, file.key, file.size)
        except ObjectMissing:
            bad += 1
            yield Finding("table", State.BAD, f"{file.key} is missing; {mend}")
        except DamagedTable as error:
            bad += 1
            yield Finding("table", State.BAD, f"{error}; {mend}")
    if not bad:
        yield Finding("table", State.GOOD, f"{len(snapshot.files)} files, up to revision {snapshot.last}")


async def _check_clock(store: ObjectStore) -> Finding:
    key = f"{FOLDER}/{uuid4().hex}"
    before = time.time()
    await store.put(key, [b"dicomlake doctor"])
    try:
        written = (await store.head(key)).modified.timestamp()
    finally:
        await store.delete(key)
    # stores tell whole seconds
    off = max(before - written - 1.0, written - time.time() - 1.0, 0.0)
    if off > _CLOCK_SECONDS:
        return Finding("store", State.ODD, f"can be written and read; its clock is {off:.0f} s from ours")
    return Finding("store", State.GOOD, "can be written and read")


def _judged(good: bool, yes: str, no: str) -> Finding:
    return Finding("store", State.GOOD if good else State.BAD, yes if good else no)
