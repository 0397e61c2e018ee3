"""What a client may ask of a rendered picture (PS3.18 8.3.5.1, 9.1.2), as values that are always sensible.

Reading the query text belongs to the services; whether the numbers mean anything is settled here, when the value
is made: whatever exists can be rendered, and what cannot raises BadRenderRequest with a sentence for the client.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from dicomweb.pixels.frame import PixelError

WindowFunction = Literal["linear", "linear-exact", "sigmoid"]
WINDOW_FUNCTIONS: tuple[WindowFunction, ...] = ("linear", "linear-exact", "sigmoid")
"""As the query parameter spells them (PS3.18 8.3.5.1.4)."""

ICC_CHOICES = ("no", "yes", "srgb", "adobergb", "rommrgb", "displayp3")
"""PS3.18 8.3.5.1.5."""

ANNOTATIONS = frozenset({"patient", "technique"})
"""PS3.18 8.3.5.1.1."""

LARGEST_SIDE = 65_500
"""Pixels: the longest side that JPEG can say, with a margin."""


class BadRenderRequest(PixelError):
    """The client asks for a picture that has no meaning: a window of zero width, an empty viewport."""


@dataclass(frozen=True, slots=True)
class Window:
    """A range of values that is spread over all greys (PS3.3 C.11.2.1.2)."""

    center: float
    """In the values that the modality LUT gives."""
    width: float
    """At least 1 for `linear`, more than 0 for the others."""
    function: WindowFunction = "linear"

    def __post_init__(self) -> None:
        if self.function not in WINDOW_FUNCTIONS:
            raise BadRenderRequest(
                f"the window function is one of {', '.join(WINDOW_FUNCTIONS)}, not {self.function!r}"
            )
        if not (math.isfinite(self.center) and math.isfinite(self.width)):
            raise BadRenderRequest("window center and width are finite numbers")
        if self.function == "linear" and self.width < 1:
            raise BadRenderRequest(f"a linear window is at least 1 wide, not {self.width:g} (PS3.3 C.11.2.1.2.1)")
        if self.width <= 0:
            raise BadRenderRequest(f"a window is more than 0 wide, not {self.width:g} (PS3.3 C.11.2.1.3)")


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the source image; what of it lies outside of the image is cut away."""

    left: float = 0.0
    """In pixels of the source image, or a part of its width (0 to 1) when `relative`; `top` likewise."""
    top: float = 0.0
    width: float | None = None
    """To the right edge when None. A negative width flips the picture horizontally (PS3.18 8.3.5.1.3)."""
    height: float | None = None
    """To the bottom edge when None. A negative height flips the picture vertically."""
    relative: bool = False
    """Whether the numbers are parts of the image's size, as WADO-URI's `region` says them (PS3.18 9.1.2.2.3)."""

    def __post_init__(self) -> None:
        numbers = [self.left, self.top, self.width or 1.0, self.height or 1.0]
        if not all(math.isfinite(number) for number in numbers):
            raise BadRenderRequest("a region is told in finite numbers")
        if self.width == 0 or self.height == 0:
            raise BadRenderRequest("a region of no width or no height shows nothing")
        if self.left < 0 or self.top < 0:
            raise BadRenderRequest("a region begins inside of the image: its left and top are not negative")

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut away, whatever the size of the image; it may be flipped."""
        return self.left == 0 and self.top == 0 and self._whole(self.width) and self._whole(self.height)

    @property
    def flips_across(self) -> bool:
        """Whether left and right are exchanged."""
        return self.width is not None and self.width < 0

    @property
    def flips_down(self) -> bool:
        """Whether top and bottom are exchanged."""
        return self.height is not None and self.height < 0

    def _whole(self, length: float | None) -> bool:
        return length is None or (self.relative and abs(length) >= 1.0)


@dataclass(frozen=True, slots=True)
class Viewport:
    """The box into which the picture is scaled, as large as fits without distortion (PS3.18 8.3.5.1.3)."""

    width: int | None
    """Pixels; None: bounded by the height alone."""
    height: int | None
    region: Region = Region()
    """Of the source image: it is cropped to this before it is scaled."""
    enlarge: bool = True
    """False: never more pixels than the source has (thumbnails)."""

    def __post_init__(self) -> None:
        for side in (self.width, self.height):
            if side is not None and side < 1:
                raise BadRenderRequest(f"a viewport is at least 1 pixel wide and high, not {side}")
            if side is not None and side > LARGEST_SIDE:
                raise BadRenderRequest(f"a viewport has at most {LARGEST_SIDE} pixels a side, not {side}")


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How one frame is to be shown."""

    window: Window | None = None
    """None: as the presentation state or the image says, else chosen from the pixels."""
    viewport: Viewport | None = None
    """None: the pixels of the image as they are."""
    icc: str = ""
    """One of `ICC_CHOICES`; empty: the client did not say, so colours go out as stored with their own profile."""
    annotation: frozenset[str] = field(default_factory=frozenset)
    """Of `ANNOTATIONS`: what is to be written into the picture."""
    overlays: bool = True
    """Whether overlays of the image are drawn (group 60xx); those of a presentation state always are."""
    most_pixels: int = 100_000_000
    """A picture of more pixels (rows x columns) raises TooLarge before memory is taken."""

    def __post_init__(self) -> None:
        if self.icc and self.icc not in ICC_CHOICES:
            raise BadRenderRequest(f"iccprofile is one of {', '.join(ICC_CHOICES)}, not {self.icc!r}")
        if unknown := self.annotation - ANNOTATIONS:
            raise BadRenderRequest(f"annotation is patient, technique or both, not {', '.join(sorted(unknown))}")
