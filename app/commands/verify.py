"""`dicomlake verify`: read stored objects again and compare them with the log."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from app.flags import COMMON
from app.scopes import add_scope_arguments, scope_of
from app.sources import Configured
from dicomweb.model.keys import Level, Scope
from dicomweb.model.query import Query
from dicomweb.ports import Gone

if TYPE_CHECKING:
    from dicomweb.model.instance import Instance
    from storage.archive.archive import LakeArchive

NAME = "verify"
HELP = "read stored objects again and compare them with the log"
DESCRIPTION = """Read every stored object, or those of one study, series or instance, and compare length and digest
with what the log says was stored. Changes nothing.

Exit status: 0 all are as they were stored, 1 some are not (each is named)."""
SETTINGS: tuple[str, ...] = COMMON

_AT_ONCE = 8
_PAGE = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What; everything by default."""
    add_scope_arguments(parser, optional=True)


def run(arguments: argparse.Namespace, configured: Configured) -> int:
    """Read and compare."""
    from app.running import run_async

    return run_async(_verify(scope_of(arguments), configured))


async def _verify(scope: Scope | None, configured: Configured) -> int:
    from app.assembly import open_archive
    from app.progress import Progress, readable_bytes
    from storage.upkeep.verify import verify_instance

    progress = Progress(sys.stderr)
    checked = wrong = size = 0
    async with open_archive(configured.settings, beside="commands") as opened:
        archive = opened.archive
        async for instances in _batches(archive, scope):
            for verified in await asyncio.gather(*(verify_instance(archive.store, one) for one in instances)):
                checked += 1
                size += verified.instance.size
                if verified.problem:
                    wrong += 1
                    key = verified.instance.key
                    print(f"{key.study}/{key.series}/{key.instance}: {verified.problem}")
            progress.show(f"{checked} objects, {readable_bytes(size)}: {wrong} damaged")
    progress.end()
    print(f"{checked} objects, {readable_bytes(size)}: {'all as stored' if not wrong else f'{wrong} damaged'}")
    return 1 if wrong else 0


async def _batches(archive: LakeArchive, scope: Scope | None) -> AsyncIterator[list[Instance]]:
    async for one in _scopes(archive, scope):
        try:
            instances = list(await archive.find_instances(one))
        except Gone:
            # deleted since it was listed
            if scope is not None:
                raise
            continue
        for start in range(0, len(instances), _AT_ONCE):
            yield instances[start : start + _AT_ONCE]


async def _scopes(archive: LakeArchive, scope: Scope | None) -> AsyncIterator[Scope]:
    """The scope, or all studies, a page at a time."""
    if scope is not None:
        yield scope
        return
    offset = 0
    while True:
        found = await archive.search(Query(Level.STUDY, limit=_PAGE, offset=offset))
        count = 0
        async for batch in found.batches:
            for study in batch:
                count += 1
                yield Scope(study["0020000D"]["Value"][0])
        if count < _PAGE:
            return
        offset += count
