"""Instances on their way in that are stored in another transfer syntax than they came in.

    as it came ─▶ wanted? ─▶ transcode ─▶ looked through again ─▶ same but for its pixels? ─▶ stored
                    └ no ───── AsItCame ──────── unreadable ─────────────── no ─────────────▶ stored as it came

What to convert, and how, is the business of an `IntakeTranscoder`. Here it is made sure that nothing it does, or
fails to do, can cost an instance: what is not beyond doubt is stored as it came, and counted.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from dicomweb.encoding.head import HeadLimits, Unreadable
from dicomweb.encoding.reader import HeadReader
from dicomweb.model.instance import Original
from dicomweb.model.outcome import AsItCame, Unconverted
from dicomweb.ports import IntakeTranscoder
from storage.archive.inspect import Inspected
from storage.archive.judge import Candidate
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
    as_they_came: dict[Unconverted, int] = field(default_factory=dict)
    """Stored as they came, by the reason."""

    def count(self, candidate: Candidate) -> None:
        """Take note of an instance whose version the log has."""
        stored = candidate.stored
        if candidate.as_it_came is not None:
            reason = candidate.as_it_came.reason
            self.as_they_came[reason] = self.as_they_came.get(reason, 0) + 1
        elif stored.original is not None:
            self.converted += 1
            self.bytes_before += stored.original.size
            self.bytes_after += stored.size


@dataclass(frozen=True, slots=True)
class Converted:
    """An instance as it is to be stored instead of as it came."""

    data: bytes
    version: StoredVersion


class Converter:
    """Has instances converted; shared by all submissions of an archive."""

    def __init__(
        self,
        transcoder: IntakeTranscoder,
        *,
        look_through: Callable[[bytes, str], Awaitable[Inspected]],
        limits: HeadLimits,
        most_bytes: int,
        name_uids: bool = False,
    ) -> None:
        """`look_through` reads a whole instance that is to be stored under a version, off the event loop;
        `name_uids`: messages may name instances."""
        self._transcoder = transcoder
        self._look_through = look_through
        self._limits = limits
        self._name_uids = name_uids
        self.most_bytes = most_bytes
        self.counts = ConversionCounts()

    async def convert(self, data: bytes, came: Inspected) -> Converted | AsItCame | None:
        """The instance as it is to be stored instead, or why it is not; None if nothing else is wanted."""
        try:
            return await self._convert(data, came)
        except Exception as error:  # whatever it is, the instance is there as it came
            # without its message, which may hold what stands in the instance
            where = "".join(traceback.format_tb(error.__traceback__))
            _LOG.error(
                "an instance%s was not converted, and is stored as it came: %s\n%s",
                *(self._name(came), type(error).__name__, where),
            )
            return AsItCame(Unconverted.FAILED, "the conversion failed; the log says where")

    async def _convert(self, data: bytes, came: Inspected) -> Converted | AsItCame | None:
        stored = came.version
        wanted = self._transcoder.wanted(came.data_set, stored.transfer_syntax)
        if not wanted:
            return self._transcoder.spared(came.data_set, stored.transfer_syntax)
        if len(data) > self.most_bytes:
            return AsItCame(Unconverted.TOO_LARGE)
        made = await self._transcoder.transcode(data, came.data_set, wanted)
        if isinstance(made, AsItCame):
            return made
        found = await self._look_through(made.data, stored.version)
        if reason := difference(came, found, wanted):
            _LOG.error(
                "a converted instance%s is not the one that came, which is stored instead: %s",
                *(self._name(came), reason),
            )
            return AsItCame(Unconverted.FAILED, reason)
        original = Original(stored.digest, stored.size, stored.transfer_syntax)
        return Converted(made.data, replace(found.version, original=original))

    def passed_over(self, came: Inspected) -> AsItCame | None:
        """Why an instance that was too large to be looked at here is stored as it came; None if nothing else is
        wanted."""
        with suppress(Exception):
            if self._transcoder.wanted(came.data_set, came.version.transfer_syntax):
                return AsItCame(Unconverted.TOO_LARGE)
            return self._transcoder.spared(came.data_set, came.version.transfer_syntax)
        return None

    def _name(self, came: Inspected) -> str:
        """The UIDs of an instance, where messages may tell them."""
        key = came.version.key
        return f" ({key.study}/{key.series}/{key.instance})" if self._name_uids else ""

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
