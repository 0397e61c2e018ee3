"""Whatever stands in a data set, there is a picture or an error of ours; never a crash."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import DecodedFrame, PixelError
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import RenderSettings, Viewport
from tests.dicomweb.pixels.render.headers import entry, image, inline, table, window

JUNK: list[Any] = [
    None, "", 0, -1, 1e308, -1e308, "abc", float("nan"), float("inf"), 65_535, 65_536, -32_768, 2**40, {}, [],
    True, "1e400",
]  # fmt: skip


def whole_header() -> JsonAttributes:
    """Every attribute that rendering reads."""
    group = {"00289132": entry("SQ", window(40, 400)), "00289145": entry("SQ", {"00281053": entry("DS", 2)})}
    header = image(stored=12) | window(100, 300, "SIGMOID")
    header |= {
        "00281052": entry("DS", -1024),
        "00281053": entry("DS", 1),
        "00283000": entry("SQ", table(0, [0, 9, 4095], 12)),
        "00283010": entry("SQ", table(0, [0, 9, 4095], 12)),
        "20500010": entry("SQ", table(0, [0, 9, 255], 8)),
        "00280120": entry("US", 0),
        "00280030": entry("DS", 1, 2),
        "00282000": inline(b"junk", "OB"),
        "00089205": entry("CS", "COLOR"),
        "52009229": entry("SQ", group),
        "52009230": entry("SQ", group),
        "60000010": entry("US", 8),
        "60000011": entry("US", 8),
        "60000050": entry("SS", 1, 1),
        "60003000": inline(bytes(8)),
    }
    for place in (1, 2, 3):
        header[f"0028110{place}"] = entry("US", 4, 0, 16)
        header[f"0028122{place}"] = inline(np.array([0, 1, 0, 1, 3, 0xFF00], "<u2").tobytes())
    return header


def spoil(value: Any, chance: random.Random) -> None:
    """Put junk somewhere inside of it."""
    if isinstance(value, dict) and value:
        key = chance.choice(list(value))
        if chance.random() < 0.3:
            value[key] = chance.choice(JUNK)
        else:
            spoil(value[key], chance)
    elif isinstance(value, list) and value:
        place = chance.randrange(len(value))
        if chance.random() < 0.5 or not isinstance(value[place], dict | list):
            value[place] = chance.choice(JUNK)
        else:
            spoil(value[place], chance)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "u4", "f4"])
def test_junk_in_any_attribute_still_gives_a_picture_or_an_error_of_ours(photometric: str, dtype: str) -> None:
    chance = random.Random(f"{photometric} {dtype}")
    frame = DecodedFrame(np.arange(64).reshape(8, 8).astype(dtype), photometric)
    settings = RenderSettings(icc="yes", viewport=Viewport(12, 12))
    drawn = 0
    for _ in range(120):
        header = copy.deepcopy(whole_header())
        for _ in range(3):
            tag = chance.choice(list(header))
            header[tag].update(vr="UN") if chance.random() < 0.1 else spoil(header[tag], chance)
            if chance.random() < 0.3:
                del header[tag]
        try:
            picture = render_frame(frame, header, chance.choice([1, 2, 99]), settings)
        except PixelError:
            continue
        assert picture.array.dtype == np.uint8
        drawn += 1
    assert drawn or (photometric, dtype) in (("PALETTE COLOR", "u4"), ("PALETTE COLOR", "f4"))
