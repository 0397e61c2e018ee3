from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from dicomweb.pixels.frame import Picture
from dicomweb.pixels.render.icc import SPACES, grey_profile, space_profile
from dicomweb.pixels.render.pipeline import render_frame
from dicomweb.pixels.render.settings import RenderSettings
from tests.dicomweb.pixels.render.headers import colour, entry, grey, image, inline

PIXELS = [[200, 40, 30], [10, 200, 90], [128, 128, 128], [255, 255, 255]]
ADOBE = space_profile("adobergb")


def shown(icc: str, **attributes: Any) -> Picture:
    return render_frame(colour(PIXELS), image(stored=8, **attributes), 1, RenderSettings(icc=icc))


def converted(source: bytes, target: bytes) -> list[list[int]]:
    """The same by another way: one call of littleCMS."""
    picture = ImageCms.profileToProfile(
        Image.fromarray(np.array([PIXELS], np.uint8)),
        ImageCms.ImageCmsProfile(io.BytesIO(source)),
        ImageCms.ImageCmsProfile(io.BytesIO(target)),
    )
    assert picture is not None
    return np.asarray(picture)[0].tolist()  # type: ignore[no-any-return]  # lists of lists


@pytest.mark.parametrize("space", SPACES)
def test_every_space_has_a_profile_that_is_read_and_never_changes(space: str) -> None:
    profile = space_profile(space)
    assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip() == "RGB"
    assert ImageCms.ImageCmsProfile(io.BytesIO(grey_profile(space))).profile.xcolor_space.strip() == "GRAY"
    space_profile.cache_clear()
    assert space_profile(space) == profile


def test_white_is_white_in_every_space() -> None:
    for space in SPACES:
        assert np.abs(np.array(converted(space_profile(space), space_profile("srgb"))[3]) - 255).max() <= 1


def test_the_profile_of_the_image_goes_out_with_its_colours() -> None:
    for icc in ("", "yes"):
        picture = shown(icc, t00282000=inline(ADOBE, "OB"))
        assert (picture.array[0].tolist(), picture.icc_profile) == (PIXELS, ADOBE)


def test_no_profile_means_none_and_no_conversion() -> None:
    picture = shown("no", t00282000=inline(ADOBE, "OB"))
    assert (picture.array[0].tolist(), picture.icc_profile) == (PIXELS, b"")


def test_without_a_profile_of_its_own_an_image_is_taken_for_srgb() -> None:
    assert shown("").icc_profile == b""
    for icc in ("yes", "srgb"):
        picture = shown(icc)
        assert (picture.array[0].tolist(), picture.icc_profile) == (PIXELS, space_profile("srgb"))


@pytest.mark.parametrize("icc", SPACES)
def test_colours_are_converted_to_the_space_asked_for(icc: str) -> None:
    picture = shown(icc, t00282000=inline(ADOBE, "OB"))
    assert picture.icc_profile == space_profile(icc)
    assert picture.array[0].tolist() == converted(ADOBE, space_profile(icc))
    assert (picture.array[0].tolist() == PIXELS) == (icc == "adobergb")


def test_the_profile_may_be_in_the_optical_path_of_the_frame() -> None:
    other = space_profile("displayp3")
    paths = [
        {"00480106": entry("SH", name), "00282000": {"vr": "OB", "BulkDataURI": f"00480105/{place}/00282000"}}
        for place, name in enumerate(("A", "B"), 1)
    ]
    bulk = {"00480105/1/00282000": other, "00480105/2/00282000": ADOBE}
    header = image(
        stored=8,
        t00480105=entry("SQ", *paths),
        t52009230=entry("SQ", *({"00480207": entry("SQ", {"00480106": entry("SH", name)})} for name in "BA")),
    )
    for number, profile in ((1, ADOBE), (2, other)):
        picture = render_frame(colour(PIXELS), header, number, RenderSettings(icc="yes"), lut_values=bulk)
        assert picture.icc_profile == profile


def test_the_name_of_a_space_is_enough() -> None:
    assert shown("yes", t00282002=entry("CS", "ADOBERGB")).icc_profile == ADOBE


def damaged(profile: bytes) -> bytes:
    return profile[:140] + bytes(len(profile) - 140)


@pytest.mark.parametrize("junk", [b"", b"x" * 500, space_profile("srgb")[:100], grey_profile("srgb")])
def test_a_profile_that_is_none_is_passed_over(junk: bytes) -> None:
    picture = shown("srgb", t00282000=inline(junk, "OB"))
    assert (picture.array[0].tolist(), picture.icc_profile) == (PIXELS, space_profile("srgb"))


def test_a_damaged_profile_is_passed_over_when_colours_are_converted() -> None:
    picture = shown("srgb", t00282000=inline(damaged(ADOBE), "OB"))
    assert (picture.array[0].tolist(), picture.icc_profile) == (PIXELS, space_profile("srgb"))
    picture = shown("adobergb", t00282000=inline(damaged(ADOBE), "OB"))
    assert picture.array[0].tolist() == converted(space_profile("srgb"), ADOBE)


@pytest.mark.parametrize(("icc", "tones"), [("", b""), ("no", b""), ("yes", grey_profile("srgb")),
                                            ("rommrgb", grey_profile("rommrgb"))])  # fmt: skip
def test_greys_are_not_converted_and_get_a_profile_of_greys(icc: str, tones: bytes) -> None:
    picture = render_frame(grey([0, 99], "u1"), image(stored=8), 1, RenderSettings(icc=icc))
    assert (picture.array.tolist(), picture.icc_profile) == ([[0, 99]], tones)
