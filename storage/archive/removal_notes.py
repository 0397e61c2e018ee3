"""The notes of removals: small objects under `removed/` by which a rebuild from the objects alone honours them.

A note is written when its removal has been committed, and deleted when that is undone. A process may end in
between: `mend_notes` makes notes and log agree again.
"""

from __future__ import annotations

from datetime import datetime

import orjson

from dicomweb.model.keys import Scope
from storage import layout
from storage.catalog.catalog import Catalog
from storage.catalog.projection import Standing
from storage.objects.contract import ObjectStore

_GONE = (Standing.PURGED, Standing.VOIDED)


async def write_note(
    store: ObjectStore, catalog: Catalog, epoch: str, scope: Scope, *, revision: int, ordinal: int, time: datetime
) -> None:
    """Note the removal of that revision; durable on return. Raises the store's errors."""
    # All that came before it, not only what it hides now: when the undelete of an earlier removal brings back
    # what both hide, a rebuild must find it here.
    versions = [
        one.instance.version
        for one in await catalog.versions(scope)
        if one.since.revision < revision and one.standing not in _GONE
    ]
    note = {
        "study": scope.study,
        "series": scope.series,
        "instance": scope.instance,
        "revision": revision,
        "time": time.isoformat(timespec="seconds"),
        "versions": sorted(versions),
    }
    key = layout.removed_key(scope.study, epoch, revision, ordinal)
    await store.put(key, [orjson.dumps(note)])
    await store.settle([key])
