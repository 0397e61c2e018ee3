"""Which study, series or instance is meant: the identifiers everything else is keyed by.

An instance is the triple of Study, Series and SOP Instance UID; the same SOP Instance UID under another
series is another instance. A UID that stands in a key has passed `parse_uid`, so it can stand in an object
key or a URL as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

_UID = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z._-]{0,62}[0-9A-Za-z_-])?|[0-9A-Za-z]")
UID_LENGTH = 64
"""Longest UID in characters (PS3.5 9.1)."""


class IllegalUid(ValueError):
    """A UID that is empty, too long, or has characters that must not stand in a key."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"a UID has 1 to {UID_LENGTH} digits and dots, this one does not ({len(text)} characters)"
        )


def parse_uid(text: str) -> str:
    """The UID without its padding (PS3.5 9.1).

    Letters, hyphens and underscores are let through, since hospitals hold such files and they harm no key;
    path characters, blanks inside, a leading or trailing dot are not.

    Raises IllegalUid.
    """
    uid = text.strip(" \0")
    if len(uid) > UID_LENGTH or not _UID.fullmatch(uid) or ".." in uid:
        raise IllegalUid(text)
    return uid


class Level(IntEnum):
    """Levels of the Study Root information model (PS3.4 C.6.2), from the root down."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, slots=True, order=True)
class InstanceKey:
    """The identity of an instance."""

    study: str
    """Study Instance UID."""
    series: str
    """Series Instance UID."""
    instance: str
    """SOP Instance UID."""

    @property
    def scope(self) -> Scope:
        """This instance as a scope."""
        return Scope(self.study, self.series, self.instance)


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """A study, one of its series, or one of its instances."""

    study: str
    """Study Instance UID."""
    series: str | None = None
    """Series Instance UID, None for the whole study."""
    instance: str | None = None
    """SOP Instance UID, None for the whole series."""

    @property
    def level(self) -> Level:
        """The level this scope stands at."""
        if self.series is None:
            return Level.STUDY
        return Level.SERIES if self.instance is None else Level.INSTANCE

    def covers(self, key: InstanceKey | Scope) -> bool:
        """Whether the instance, or all of the other scope, lies within this one."""
        return (
            self.study == key.study and self.series in (None, key.series) and self.instance in (None, key.instance)
        )
