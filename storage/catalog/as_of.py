"""What stood where at an earlier revision. Pure.

Rows say where a version stands now and which entry changed that last. Whatever was not changed since the revision
asked for stood there then as it does now; of the rest everything needed to play it again is still at hand: which
entry stored a version, voided it, purged it, and the removals and undeletes of its study. The rules are those of
`projection`, so a search as of a revision cannot tell another story than the one told at that time.

    versions of a key now ──┐
                            ├── those stored up to R ── changed since? ── no ──> as they stand now
    removals, undeletes ────┘                              └── yes ──> played again from the first up to R

Two things reach back. A version that was voided was never whole: it is passed over at every revision. A version
that was purged keeps the mark of it, though it stood among the visible ones then: what it said is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from storage.catalog import projection
from storage.catalog.projection import History, Moment, Position, Removed, Restored, Standing, Version, Versions

_LAST = 1 << 62
"""Place in its entry of what tells only its entry: behind all others. Nothing hangs on it, since voided and purged
versions take no part in anything again."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A version was voided or purged."""

    version: str
    end: Callable[[Versions, str, Moment], Versions]


_Step = tuple[Position, Version | Removed | Restored | _Ended]


def until(history: History, revision: int) -> History:
    """The removals and undeletes up to that entry."""
    return History(
        tuple(one for one in history.removed if one.position.revision <= revision),
        tuple(one for one in history.restored if one.position.revision <= revision),
    )


def versions_at(versions: Versions, history: History, revision: int) -> Versions:
    """The versions of a key as they stood after that entry; `versions` and `history` as they are now.

    One that was purged since keeps `purged`, whatever its standing says.
    """
    known = [one for one in versions if one.instance.revision <= revision and one.voided <= revision]
    if not known or all(one.changed <= revision for one in known):
        return tuple(known)
    played = _play(known, until(history, revision), revision)
    return tuple(replace(after, purged=now.purged) for after, now in zip(played, known, strict=True))


def _play(known: Sequence[Version], history: History, revision: int) -> Versions:
    key = known[0].instance.key
    versions: Versions = ()
    passed = History()
    for position, what in sorted(_steps(known, history, revision), key=itemgetter(0)):
        at = Moment(position.revision, known[0].time)  # nothing that is told hangs on this time
        if isinstance(what, Version):
            versions = projection.store(versions, _as_stored(what))
        elif isinstance(what, _Ended):
            versions = what.end(versions, what.version, at)
        elif isinstance(what, Removed):
            passed = replace(passed, removed=(*passed.removed, what))
            if what.scope.covers(key):
                versions = projection.remove(versions, at)
        else:
            passed = replace(passed, restored=(*passed.restored, what))
            if what.scope is None or what.scope.covers(key):
                versions = projection.restore(versions, passed, at)
    return versions


def _steps(known: Sequence[Version], history: History, revision: int) -> Iterator[_Step]:
    for happened in (known, history.removed, history.restored):
        yield from ((one.position, one) for one in happened)
    for one in known:
        if 0 < one.voided <= revision:
            yield Position(one.voided, _LAST), _Ended(one.instance.version, projection.void)
        if 0 < one.purged <= revision:
            yield Position(one.purged, _LAST), _Ended(one.instance.version, projection.purge)


def _as_stored(one: Version) -> Version:
    """The version before anything happened to it."""
    at = one.instance.revision
    return replace(one, standing=Standing.CURRENT, hidden=None, purged=0, voided=0, until=None, changed=at)


def readable(versions: Iterable[Version]) -> bool:
    """Whether the bytes of all these versions, visible at some revision, are still there."""
    return not any(one.purged for one in versions)
