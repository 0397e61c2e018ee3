"""What a text refers to and what of it is not stored, so that it makes no links that lead nowhere."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from dicomweb.model.keys import IllegalUid, Scope, parse_uid
from dicomweb.model.query import JsonAttributes
from dicomweb.ports import Archive, Compute, Gone, NotStored
from dicomweb.services.drawing_work import named_by

if TYPE_CHECKING:
    from dicomweb.pixels.objects.contract import PortraitRequest

_SERIES = 50
"""Series that are looked up at most; references to others stay as they are."""


async def missing(
    archive: Archive, compute: Compute, header: JsonAttributes, wanted: PortraitRequest
) -> frozenset[str]:
    """SOP Instance UIDs of objects that a portrait of the object refers to, and that are not stored."""
    series: dict[tuple[str, str], set[str]] = {}
    for study, one, instance in await compute.run(partial(named_by, header, wanted)):
        series.setdefault((study, one), set()).add(instance)
    found: set[str] = set()
    for (study, one), named in islice(series.items(), _SERIES):
        try:
            there = await archive.find_instances(Scope(parse_uid(study), parse_uid(one)))
            found |= named - {each.key.instance for each in there}
        except (NotStored, Gone):
            found |= named
        except IllegalUid:
            continue  # no link is made of those
    return frozenset(found)
