"""What colours mean: ICC profiles of the image, and conversion to the space asked for (PS3.18 8.3.5.1.5).

    iccprofile=   the colours            the profile in the picture
    (not said)    as stored              that of the image, if it has one
    no            as stored              none
    yes           as stored              that of the image; sRGB if it has none, which screens take it for
    srgb, ...     converted to it        that of the space

Grey pictures have no colours to convert. Where a profile is wanted they get one with the tone curve of the space:
a profile of colours in a grey JPEG is refused by readers.
"""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture
from dicomweb.pixels.render.attributes import FrameAttributes, first_text, values_of

ICC_PROFILE, COLOR_SPACE = "00282000", "00282002"
OPTICAL_PATHS, OPTICAL_PATH = "00480105", "00480106"
OPTICAL_PATH_IDENTIFICATION = "00480207"

SPACES = ("srgb", "adobergb", "rommrgb", "displayp3")
"""Well-known spaces; in capitals they are the defined terms of Color Space (0028,2002)."""

_D50, _D65 = (0.3457, 0.3585, 1.0), (0.3127, 0.3290, 1.0)
_ROMM = (0.7347, 0.2653, 1.0, 0.1596, 0.8404, 1.0, 0.0366, 0.0001, 1.0)
_DISPLAY_P3 = (0.680, 0.320, 1.0, 0.265, 0.690, 1.0, 0.150, 0.060, 1.0)
_GAMMA = {"adobergb": 563 / 256, "rommrgb": 1.8}

_CREATED = slice(24, 36)
"""Bytes of a profile that say when it was made."""


def image_profile(attributes: FrameAttributes) -> bytes:
    """The profile of the colours of a frame; empty when it has none that is one of red, green and blue."""
    places = [attributes.data_set, *_optical_paths(attributes)]
    for place in places:
        if ICC_PROFILE in place:
            profile = attributes.bulk.read(place[ICC_PROFILE])
            if is_rgb_profile(profile):
                return profile
    for place in places:
        space = first_text(place, COLOR_SPACE).lower()
        if space in SPACES:
            return space_profile(space)
    return b""


def is_rgb_profile(profile: bytes) -> bool:
    """Whether this looks like an ICC profile for red, green and blue (ICC.1 7.2)."""
    return len(profile) > 132 and profile[36:40] == b"acsp" and profile[16:20] == b"RGB "


def colour_managed(array: npt.NDArray[np.uint8], profile: bytes, choice: str) -> Picture:
    """The picture in the colours that are asked for.

    `profile` is that of the samples, empty if unknown; `choice` one of `settings.ICC_CHOICES` or empty.
    """
    if choice == "no":
        return Picture(array)
    if array.ndim == 2:
        space = choice if choice in SPACES else "srgb"
        return Picture(array, grey_profile(space) if choice else b"")
    if choice not in SPACES:
        return Picture(array, profile or (space_profile("srgb") if choice else b""))
    target = space_profile(choice)
    source = profile or space_profile("srgb")
    if source == target:
        return Picture(array, target)
    converted = _converted(array, source, choice)
    if converted is None:
        # The profile of the image cannot be used: what is left is to take its colours for sRGB
        converted = array if choice == "srgb" else _converted(array, space_profile("srgb"), choice)
    return Picture(array if converted is None else converted, target)


@lru_cache(maxsize=8)
def space_profile(space: str) -> bytes:
    """The profile of one of `SPACES`, the same bytes at all times."""
    import imagecodecs

    if space in ("srgb", "adobergb"):
        return _undated(imagecodecs.cms_profile(space))
    if space == "rommrgb":  # ISO 22028-2, without the linear part near black
        return _undated(
            imagecodecs.cms_profile("rgb", whitepoint=_D50, primaries=_ROMM, gamma=_GAMMA["rommrgb"]),
        )
    return _undated(
        imagecodecs.cms_profile("rgb", whitepoint=_D65, primaries=_DISPLAY_P3, transferfunction=_srgb_curve())
    )


@lru_cache(maxsize=8)
def grey_profile(space: str) -> bytes:
    """A profile of greys with the tone curve of one of `SPACES`."""
    import imagecodecs

    if gamma := _GAMMA.get(space):
        return _undated(imagecodecs.cms_profile("gray", whitepoint=_D50, gamma=gamma))
    return _undated(imagecodecs.cms_profile("gray", whitepoint=_D50, transferfunction=_srgb_curve()))


def _optical_paths(attributes: FrameAttributes) -> list[JsonAttributes]:
    """The optical paths of a slide, that of the frame first (PS3.3 C.8.12.5)."""
    paths = [path for path in values_of(attributes.data_set, OPTICAL_PATHS) if isinstance(path, dict)]
    for source in attributes.sources(OPTICAL_PATH_IDENTIFICATION):
        if name := first_text(source, OPTICAL_PATH):
            paths.sort(key=lambda path: first_text(path, OPTICAL_PATH) != name)
            break
    return paths


def _converted(array: npt.NDArray[np.uint8], source: bytes, space: str) -> npt.NDArray[np.uint8] | None:
    from PIL import Image

    transform = _transform(source, space)
    return None if transform is None else np.asarray(transform.apply(Image.fromarray(array)))


@lru_cache(maxsize=8)
def _transform(source: bytes, space: str) -> Any:
    """Pillow's transform between two profiles of RGB; None if they cannot be joined."""
    from PIL import ImageCms

    try:
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(source)),
            ImageCms.ImageCmsProfile(io.BytesIO(space_profile(space))),
            "RGB",
            "RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return None


def _srgb_curve() -> npt.NDArray[np.float32]:
    """Light for 1024 codes (IEC 61966-2-1)."""
    codes = np.arange(1024) / 1023.0
    light = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _undated(profile: bytes) -> bytes:
    """The profile with a fixed day of making, so that a picture made again has the same bytes."""
    day = b"".join(part.to_bytes(2, "big") for part in (2000, 1, 1, 0, 0, 0))
    return profile[: _CREATED.start] + day + profile[_CREATED.stop :]
