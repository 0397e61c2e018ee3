"""Odd files that are stored all the same: the answer names the attributes that are odd (PS3.18 10.5.3, I.2.1)."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from dicomweb.services.limits import Limits
from dicomweb.services.stow import Store
from storage.archive.settings import ArchiveSettings
from storage.objects.memory import MemoryStore
from tests.build.asking import ask, whole_body
from tests.build.compute import DirectCompute
from tests.build.dicom import CT_IMAGE, element, part10
from tests.build.lake import open_lake

_UIDS = b"".join(
    element(tag, "UI", value)
    for tag, value in ((0x00080016, CT_IMAGE.encode() + b"\0"), (0x00080018, b"1.2.3.4\0"))
)  # fmt: skip
_PLACE = element(0x0020000D, "UI", b"1.2\0") + element(0x0020000E, "UI", b"1.2.3\0")


@pytest.mark.parametrize("small_bytes", [8 << 20, 10], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("data_set", "tag"),
    [
        (element(0x00080005, "CS", b"KLINGON ") + _UIDS + _PLACE, "00080005"),
        (_UIDS + _PLACE + element(0x00280010, "US", b"123"), "00280010"),
        (_UIDS + b"\x10\x00\x20\x00XX\x02\x00ab" + _PLACE, "00100020"),
    ],
    ids=["character set", "length", "VR"],
)
async def test_the_answer_names_the_attributes_that_a_warning_is_about(
    tmp_path: Path, data_set: bytes, tag: str, small_bytes: int
) -> None:
    settings = ArchiveSettings(poll_seconds=0, small_bytes=small_bytes)
    async with open_lake(MemoryStore(), tmp_path, settings=settings) as lake:
        store = Store(lake, DirectCompute(), Limits()).handlers()
        answer = await ask(
            store,
            "POST",
            "/studies",
            body=part10(data_set),
            headers={"content-type": "application/dicom"},
        )

    (stored,) = orjson.loads(await whole_body(answer))["00081199"]["Value"]
    assert answer.status == 202
    assert stored["00081196"]["Value"] == [0xB007]
    assert stored["00741048"]["Value"] == [{"00720026": {"vr": "AT", "Value": [tag]}}]
