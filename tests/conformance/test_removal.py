"""DELETE on studies, series and instances (statuses of PS3.18 8.5)."""

from __future__ import annotations

import pytest

from dicomweb.model.keys import IllegalUid, InstanceKey
from dicomweb.ports import Gone, NotStored
from dicomweb.services.removal import Removals
from tests.build.asking import ask, field_of
from tests.build.recording_archive import RecordingArchive

KEYS = [
    InstanceKey("1", series, instance)
    for series, instance in (("1.1", "1.1.1"), ("1.1", "1.1.2"), ("1.2", "1.2.1"))
]


def archive() -> RecordingArchive:
    """Two series of a study."""
    made = RecordingArchive()
    made.stored = dict.fromkeys(KEYS, b"")
    return made


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("/studies/1", []),
        ("/studies/1/series/1.1", KEYS[2:]),
        ("/studies/1/series/1.1/instances/1.1.2", [KEYS[0], KEYS[2]]),
    ],
)
async def test_what_is_deleted_is_gone_and_nothing_else(url: str, left: list[InstanceKey]) -> None:
    lake = archive()
    answer = await ask(Removals(lake).handlers(), "DELETE", url)
    assert (answer.status, answer.body) == (204, b"")
    assert field_of(answer, "X-Dicomlake-Revision") == str(lake.revision)
    assert list(lake.stored) == left
    with pytest.raises(Gone):
        await ask(Removals(lake).handlers(), "DELETE", url)


@pytest.mark.parametrize("url", ["/studies/2", "/studies/1/series/9", "/studies/1/series/1.1/instances/9"])
async def test_what_never_was_is_not_stored(url: str) -> None:
    with pytest.raises(NotStored):
        await ask(Removals(archive()).handlers(), "DELETE", url)


async def test_an_illegal_uid_deletes_nothing() -> None:
    lake = archive()
    with pytest.raises(IllegalUid):
        await ask(Removals(lake).handlers(), "DELETE", "/studies/1%20/series/1.1%20x")
    assert len(lake.stored) == 3
