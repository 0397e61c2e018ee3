"""`dicomlake` with every grace a matter of seconds: `python -m tests.torture.hasty AHEAD PACE serve ...`.

What takes a day in service (an orphan is looked at, condemned, and deleted after an hour more) comes about here
between two answers: orphans are swept after 2 s and a grace of 1 s, bytes of what was removed go after 8 s, the
log is folded every second or so by every node at once, unfinished files are anybody's after 3 s, and a node on an
empty disk begins with the table. A node that stands still for longer wakes to an archive that has given it up.
`AHEAD`: seconds by which its clock is ahead. `PACE`: `hasty` is the above; `brisk` is some ten times slower, for a
soak that is to see everything happen many times over, and to do other work as well.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from tests.torture.skewed import put_on

RETENTION_SECONDS = 8.0
"""How long bytes of what was removed or replaced stay; the longest of all graces."""
SCRUB_SECONDS = 20.0
"""How often all objects are read again."""
_DAY = 86_400.0
UPKEEP: dict[str, dict[str, Any]] = {
    "hasty": {
        "fold_seconds": 1.5,
        "fold_entries": 40,
        "retention_days": RETENTION_SECONDS / _DAY,
        "retention_seconds": 2.0,
        "sweep_seconds": 3.0,
        "orphan_age_seconds": 2.0,
        "sweep_grace_seconds": 1.0,
        "notes_seconds": 4.0,
        "scrub_days": SCRUB_SECONDS / _DAY,
        "scrub_look_seconds": 5.0,
    },
    "brisk": {
        "fold_seconds": 20.0,
        "retention_days": 120.0 / _DAY,
        "retention_seconds": 20.0,
        "sweep_seconds": 60.0,
        "orphan_age_seconds": 60.0,
        "sweep_grace_seconds": 10.0,
        "notes_seconds": 60.0,
        "scrub_days": 600.0 / _DAY,
        "scrub_look_seconds": 20.0,
    },
}
SHORT_LOG = 30
PATIENCE_SECONDS = 1.5
"""How long a node tries to find out what became of an entry of the log."""
FEW: dict[str, Any] = {"hot_instances": 200, "memory_bytes": 48_000_000}
"""Of the catalog at the pace `brisk`: what it keeps in memory is full after a minute or two."""
READ_SECONDS = 8.0
"""How long a node waits for an answer of its bucket."""
LEFTOVER_SECONDS = 3.0


def make_hasty(pace: str) -> None:
    """Shorten every grace of this process."""
    from app import assembly, place
    from storage.archive.settings import ArchiveSettings
    from storage.catalog.settings import CatalogSettings
    from storage.log.journal import Journal
    from storage.objects import placing
    from storage.objects.s3_settings import S3Settings
    from storage.upkeep import background

    def upkeep(**_: Any) -> background.UpkeepSettings:
        return background.UpkeepSettings(**UPKEEP[pace])

    # in the names by which the node that is made next calls them
    vars(assembly).update(UpkeepSettings=upkeep, ArchiveSettings=partial(ArchiveSettings, short_log=SHORT_LOG))
    if pace == "brisk":
        vars(assembly).update(CatalogSettings=partial(CatalogSettings, **FEW))
    vars(place).update(S3Settings=partial(S3Settings, read_timeout=READ_SECONDS))
    defaults = Journal.open.__func__.__kwdefaults__  # type: ignore[attr-defined]  # of a class method
    defaults["patience_seconds"] = PATIENCE_SECONDS
    background._LOOK_SECONDS = 0.5
    placing.LEFTOVER_AGE = LEFTOVER_SECONDS


if __name__ == "__main__":
    put_on(float(sys.argv.pop(1)))
    make_hasty(sys.argv.pop(1))
    from app.cli import main

    sys.exit(main())
