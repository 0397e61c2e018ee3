"""Instances on their way in that are stored in another transfer syntax than they came in.

    as it came ─▶ wanted? ─▶ transcode ─▶ looked through again ─▶ same but for its pixels? ─▶ stored
                    └ no ────── None ─────────── unreadable ─────────────── no ─────────────▶ stored as it came

What to convert, and how, is the business of an `IntakeTranscoder`. Here it is made sure that nothing it does, or
fails to do, can cost an instance: what is not beyond doubt is stored as it came, and counted.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from dicomweb.encoding.head import HeadLimits, Unreadable
from dicomweb.encoding.reader import HeadReader
from dicomweb.model.instance import Original
from dicomweb.ports import IntakeTranscoder
from storage.archive.inspect import Inspected
from storage.log.events import StoredVersion

_LOG = logging.getLogger(__name__)
_MAY_DIFFER = frozenset(("00280004", "00280006", "7FE00001", "7FE00002", "7FE00003", "7FE00010"))
"""Photometric Interpretation and Planar Configuration, whose values belong to a transfer syntax (PS3.5 8.2), the
tables of compressed pixel data, and the pixels."""


@dataclass(slots=True)
class ConversionCounts:
    """What became of the instances that were wanted in another transfer syntax, since the archive was opened."""

    converted: int = 0
    """Stored, and converted before."""
    bytes_before: int = 0
    """Bytes of those as they came."""
    bytes_after: int = 0
    """Bytes of those as they are stored."""
    kept_large: int = 0
    """Kept as they came: too large to be held in memory."""
    kept_lossless: int = 0
    """Kept as they came: not to be had without loss."""
    failed: int = 0
    """Kept as they came: the conversion went wrong."""

    def count(self, stored: StoredVersion) -> None:
        """Take note of a version that the log has."""
        if stored.original is not None:
            self.converted += 1
            self.bytes_before += stored.original.size
            self.bytes_after += stored.size


class Converter:
    """Has instances converted; shared by all submissions of an archive."""

    def __init__(
        self,
        transcoder: IntakeTranscoder,
        *,
        look_through: Callable[[bytes, str], Awaitable[Inspected]],
        limits: HeadLimits,
        most_bytes: int,
    ) -> None:
        """`look_through` reads a whole instance that is to be stored under a version, off the event loop."""
        self._transcoder = transcoder
        self._look_through = look_through
        self._limits = limits
        self.most_bytes = most_bytes
        self.counts = ConversionCounts()

    async def convert(self, data: bytes, came: Inspected) -> tuple[bytes, StoredVersion] | None:
        """The instance as it is to be stored instead, None if that is as it came."""
        try:
            return await self._convert(data, came)
        except Exception as error:  # whatever it is, the instance is there as it came
            self.counts.failed += 1
            # without its message, which may hold what stands in the instance
            where = "".join(traceback.format_tb(error.__traceback__))
            _LOG.error(
                "an instance was not converted, and is stored as it came: %s\n%s", type(error).__name__, where
            )
            return None

    async def _convert(self, data: bytes, came: Inspected) -> tuple[bytes, StoredVersion] | None:
        stored = came.version
        wanted = self._transcoder.wanted(came.data_set, stored.transfer_syntax)
        if not wanted:
            return None
        if len(data) > self.most_bytes:
            self.counts.kept_large += 1
            return None
        made = await self._transcoder.transcode(data, came.data_set, wanted)
        if made is None:
            self.counts.kept_lossless += 1
            return None
        found = await self._look_through(made.data, stored.version)
        if reason := difference(came, found, wanted):
            self.counts.failed += 1
            _LOG.error("a converted instance is not the one that came, which is stored instead: %s", reason)
            return None
        original = Original(stored.digest, stored.size, stored.transfer_syntax)
        return made.data, replace(found.version, original=original)

    def pass_over(self, came: Inspected) -> None:
        """Take note of an instance that was too large to be looked at here."""
        with suppress(Exception):
            if self._transcoder.wanted(came.data_set, came.version.transfer_syntax):
                self.counts.kept_large += 1

    def foresee(self, pieces: Sequence[bytes]) -> bool:
        """Whether an instance that begins with these bytes is wanted in another transfer syntax, as far as can be
        told. Computes for as long as it takes to read the header."""
        reader = HeadReader(self._limits)
        try:
            for piece in pieces:
                reader.feed(piece)
        except Unreadable:
            return False
        return bool(self._transcoder.wanted(reader.found, reader.transfer_syntax))


def difference(came: Inspected, made: Inspected, wanted: str) -> str:
    """Why a converted instance is not the one that came; empty if it is, but for what describes its pixels, which
    are in the wanted transfer syntax."""
    before, after = came.version, made.version
    if after.key != before.key:
        return "the UIDs differ"
    if after.image is None or before.image is None or after.image.frames != before.image.frames:
        return "the number of frames differs"
    if after.transfer_syntax != wanted:
        return f"the transfer syntax is {after.transfer_syntax}"
    tags = (came.data_set.keys() | made.data_set.keys()) - _MAY_DIFFER
    changed = sorted(tag for tag in tags if came.data_set.get(tag) != made.data_set.get(tag))
    return f"{', '.join(changed[:5])} differ" if changed else ""
