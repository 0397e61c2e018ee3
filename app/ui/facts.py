"""What the explorer tells that DICOMweb has no resource for: where bytes lie, what was deleted, how the server is.

Secrets of the settings are told as how many there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from app.config import Settings
from app.values import SettingInfo, all_settings
from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.model.tags import name_of, uid_name
from dicomweb.ports import NotStored
from storage.archive.archive import LakeArchive
from storage.catalog.history import VersionRow
from storage.catalog.projection import Standing
from storage.layout import object_key

_MOST_NAMES = 4000
_MOST_DELETED = 500


class Ready(Protocol):
    """Whether the server can do its work."""

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""

    @property
    def reason(self) -> str:
        """Why not, in a few words; `ok` if they can."""


class Facts:
    """Reads them of an archive and its settings."""

    def __init__(
        self,
        archive: LakeArchive,
        settings: Settings,
        *,
        counts: Callable[[], Awaitable[Mapping[str, int]]],
        about: Mapping[str, str],
    ) -> None:
        """`counts`: how many studies, series and instances there are; `about`: name, version, worker."""
        self._archive = archive
        self._settings = settings
        self._counts = counts
        self._about = dict(about)
        self._started = datetime.now(UTC)

    async def system(self) -> dict[str, Any]:
        """How much there is, where, whether all is well, and the settings in force."""
        health = self._archive.health()
        return {
            **self._about,
            "ready": health.ready,
            "reason": health.reason,
            "started": told_time(self._started),
            "store": self._settings.store,
            "epoch": self._archive.epoch,
            "revision": self._archive.revision,
            "retentionDays": self._settings.retention_days,
            "counts": dict(await self._counts()),
            "settings": [_setting(info, self._settings) for info in all_settings()],
        }

    async def deleted(self) -> dict[str, Any]:
        """The deletions that can be undone, the last first."""
        found = await self._archive.catalog.removals()
        removals = [
            {
                "revision": one.revision,
                "time": told_time(one.time),
                "level": one.scope.level.name.lower(),
                "instances": one.hidden,
                **_uids(one.scope),
            }
            for one in found[:_MOST_DELETED]
        ]
        return {"deleted": removals, "more": max(0, len(found) - _MOST_DELETED)}

    async def stored(self, key: InstanceKey) -> dict[str, Any]:
        """Each version of an instance, the last first: object, size, digest, syntax. Raises NotStored."""
        rows = await self._archive.catalog.versions(key.scope)
        if not rows:
            raise NotStored("the archive has never held this instance")
        return {"store": self._settings.store, "versions": [_version(row) for row in reversed(rows)]}

    def names(self, tags: str, uids: str) -> dict[str, Any]:
        """What PS3.6 calls attributes and UIDs, both lists separated by commas."""
        wanted = [tag for tag in tags.upper().split(",")[:_MOST_NAMES] if _is_tag(tag)]
        return {
            "tags": {tag: name for tag in wanted if (name := name_of(tag))},
            "uids": {uid: name for uid in uids.split(",")[:_MOST_NAMES] if (name := uid_name(uid))},
        }


def told_time(time: datetime) -> str:
    """As JSON has it: UTC, ISO 8601."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _is_tag(text: str) -> bool:
    return len(text) == 8 and all(digit in "0123456789ABCDEF" for digit in text)


def _uids(scope: Scope) -> dict[str, str]:
    given = {"study": scope.study, "series": scope.series, "instance": scope.instance}
    return {name: uid for name, uid in given.items() if uid}


def _version(row: VersionRow) -> dict[str, Any]:
    one = row.instance
    told: dict[str, Any] = {
        "version": one.version,
        "state": row.standing.name.lower(),
        "current": row.standing is Standing.CURRENT,
        "object": object_key(one.key, one.version),
        "size": one.size,
        "digest": one.digest.hex(),
        "transferSyntax": one.transfer_syntax,
        "transferSyntaxName": uid_name(one.transfer_syntax) or "",
        "sopClass": one.sop_class,
        "sopClassName": uid_name(one.sop_class) or "",
        "revision": one.revision,
        "since": told_time(row.since.time),
    }
    if row.until is not None:
        told["until"] = told_time(row.until.time)
    if one.original is not None:
        told["original"] = {
            "size": one.original.size,
            "digest": one.original.digest.hex(),
            "transferSyntax": one.original.transfer_syntax,
            "transferSyntaxName": uid_name(one.original.transfer_syntax) or "",
        }
    return told


def _setting(info: SettingInfo, settings: Settings) -> dict[str, Any]:
    value: Any = settings
    for part in info.name.split("."):
        value = getattr(value, part)
    changed = value != info.default
    if info.secret:
        value = len(value)
    told = list(value) if isinstance(value, tuple) else value
    return {
        "name": info.name,
        "value": told,
        "unit": info.unit,
        "help": info.help,
        "secret": info.secret,
        "changed": changed,
    }
