"""The objects of an archive, study by study, with the notes of removals that belong to them.

Both listings come in the same order, by the same two digits and the study's UID, so they are read side by side
and nothing but one study is held in memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from storage import layout
from storage.objects.contract import ObjectInfo, ObjectStore
from storage.upkeep.rebuild_plan import Found

_OBJECT = ".dcm"


@dataclass(slots=True)
class StudyListing:
    """What lies in a bucket of one study."""

    place: str
    """`<2 hex>/<study>/`"""
    objects: list[Found] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Keys of its notes."""
    strange: list[str] = field(default_factory=list)
    """Keys that no archive writes."""
    bytes: int = 0
    """Of its objects."""


async def list_studies(store: ObjectStore, *, after: str = "") -> AsyncGenerator[StudyListing, None]:
    """The studies that have objects, by their place; from the one at `after` on. Raises the store's errors."""
    async with (
        aclosing(_grouped(store, layout.DICOM, after)) as studies,
        aclosing(_grouped(store, layout.REMOVED, after)) as removals,
    ):
        removed = await anext(removals, None)
        async for place, infos in studies:
            while removed is not None and removed[0] < place:
                removed = await anext(removals, None)
            study = StudyListing(place)
            for info in infos:
                _add(study, info)
            if removed is not None and removed[0] == place:
                study.notes = [info.key for info in removed[1] if info.key.endswith(".json")]
            yield study


def _add(study: StudyListing, info: ObjectInfo) -> None:
    name = layout.parse_object_key(info.key)
    if name is None or info.key not in (
        layout.object_key(name.key, name.version),
        layout.header_key(name.key, name.version),
    ):
        study.strange.append(info.key)
    elif info.key.endswith(_OBJECT):
        study.objects.append(Found(name, info))
        study.bytes += info.size


async def _grouped(
    store: ObjectStore, prefix: str, after: str
) -> AsyncGenerator[tuple[str, list[ObjectInfo]], None]:
    """The objects below a prefix by the next two names of their keys."""
    place, infos = "", list[ObjectInfo]()
    async with aclosing(store.list(prefix, after=f"{prefix}{after}" if after else "")) as listed:
        async for info in listed:
            names = info.key.removeprefix(prefix).split("/", 2)
            here = "/".join(names[:2]) + "/" if len(names) == 3 else ""
            if here != place and infos:
                yield place, infos
                infos = []
            place = here
            infos.append(info)
    if infos:
        yield place, infos
