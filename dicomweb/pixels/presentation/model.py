"""A softcopy presentation state as values: how a creator of images wants them to be seen (PS3.3 A.33, PS3.4 N.2).

    stored samples ─ modality ─ voi ─ presentation LUT ─▶ greys ─ shutters, overlays, area, graphics ─▶ picture
                    └────── attributes for `render` ──┘         └────────── `presentation.compose` ──────────┘

A state says everything: what it leaves out is the identity, and what the image says of the same thing is not used,
the polarity of MONOCHROME1 included (PS3.4 N.2, N.2.1.4). The grey scale steps are kept as the attributes they are
made of, because an image writes its own in the same way: one reader serves both. Bulk values are inline in them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import PixelError
from dicomweb.pixels.presentation.planes import OverlayPlane

Points = npt.NDArray[np.float64]
"""(n, 2): column and row, sub-pixel; 0, 0 is the top left corner of the top left pixel."""


class BadPresentation(PixelError):
    """A presentation state that cannot be shown; the text names the attribute and what was expected of it."""


class UnsupportedPresentation(BadPresentation):
    """A presentation state of a kind that cannot be shown here; the text says which."""


class StateKind(Enum):
    """Which pixels a state is for (PS3.4 B.5: the Softcopy Presentation State Storage SOP classes)."""

    GREY = "grayscale"
    COLOUR = "color"
    PSEUDO_COLOUR = "pseudo-color"


class Units(Enum):
    """What coordinates of an annotation are counted in (PS3.3 C.10.5.1.1)."""

    PIXEL = "PIXEL"
    DISPLAY = "DISPLAY"
    """Parts of the displayed area, 0 to 1, after it is turned and flipped."""
    MATRIX = "MATRIX"
    """Pixels of the total pixel matrix of a tiled image."""


class SizeMode(Enum):
    """How large the displayed area is to be shown (PS3.3 C.10.4)."""

    SCALE_TO_FIT = "SCALE TO FIT"
    TRUE_SIZE = "TRUE SIZE"
    MAGNIFY = "MAGNIFY"


class GraphicType(Enum):
    """What the points of a graphic object mean (PS3.3 C.10.5.1.2)."""

    POINT = "POINT"
    POLYLINE = "POLYLINE"
    INTERPOLATED = "INTERPOLATED"
    CIRCLE = "CIRCLE"
    ELLIPSE = "ELLIPSE"


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour of the screen: sRGB, 0 to 255."""

    red: int
    green: int
    blue: int

    @property
    def is_grey(self) -> bool:
        """Whether a grey picture can hold it."""
        return self.red == self.green == self.blue


WHITE = Colour(255, 255, 255)
BLACK = Colour(0, 0, 0)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image, or some frames of it."""

    sop_instance: str
    frames: frozenset[int] = frozenset()
    """1-based; empty: all frames."""
    series: str = ""
    """Empty where only the SOP Instance UID is told."""
    study: str = ""
    """Empty: the study of the presentation state."""
    sop_class: str = ""

    def covers(self, sop_instance: str, frame: int) -> bool:
        """Whether it refers to that frame (1-based) of the instance."""
        return self.sop_instance == sop_instance and (not self.frames or frame in self.frames)


@dataclass(frozen=True, slots=True)
class ForImages:
    """A part of a state and the images it is for; no references: all that the state is for (PS3.3 C.11.8)."""

    references: tuple[ImageReference, ...]

    def covers(self, sop_instance: str, frame: int) -> bool:
        """Whether that frame is meant."""
        return not self.references or any(each.covers(sop_instance, frame) for each in self.references)


@dataclass(frozen=True, slots=True)
class Orientation:
    """How the picture is turned before it is shown (PS3.3 C.10.6)."""

    rotation: int = 0
    """Degrees clockwise: 0, 90, 180 or 270."""
    flip: bool = False
    """Left and right exchanged, after the rotation."""

    def flipped(self, *, across: bool, down: bool) -> Orientation:
        """This, then left and right exchanged (`across`), or top and bottom: half a turn and the other flip."""
        rotation = (self.rotation + 180) % 360 if down else self.rotation
        return Orientation(rotation, self.flip ^ across ^ down)


@dataclass(frozen=True, slots=True)
class DisplayedArea(ForImages):
    """The part of the image that is shown (PS3.3 C.10.4)."""

    left: int
    """Pixel columns and rows of the image before it is turned, 1-based, both ends shown; may lie outside of it."""
    top: int
    right: int
    bottom: int
    mode: SizeMode = SizeMode.SCALE_TO_FIT
    spacing: tuple[float, float] | None = None
    """mm between the centres of rows, of columns."""
    aspect: float = 1.0
    """Height of a pixel by its width, when there is no spacing."""
    magnification: float = 1.0
    """MAGNIFY: screen pixels, across, for each pixel of the image."""


@dataclass(frozen=True, slots=True)
class RectangularShutter:
    """What lies between the edges is shown (PS3.3 C.7.6.11): pixels, 1-based; the edges themselves are shown."""

    left: int
    right: int
    top: int
    bottom: int


@dataclass(frozen=True, slots=True)
class CircularShutter:
    """The inside of a circle is shown: pixels, 1-based centre."""

    row: int
    column: int
    radius: float


@dataclass(frozen=True, slots=True)
class PolygonalShutter:
    """The inside of a polygon is shown: closed by itself."""

    vertices: Points
    """Column and row of pixels, 1-based, as `CircularShutter` counts them."""


@dataclass(frozen=True, slots=True)
class BitmapShutter:
    """Where the overlay plane is set, nothing is shown (PS3.3 C.7.6.15)."""

    group: int
    """Of the overlay plane in the state: 0x6000 to 0x601E."""


Shutter = RectangularShutter | CircularShutter | PolygonalShutter | BitmapShutter


@dataclass(frozen=True, slots=True)
class Shutters:
    """What is shut away, and what is seen in its place."""

    shapes: tuple[Shutter, ...] = ()
    """Shown is what all of them show."""
    colour: Colour = BLACK


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How lines and areas of a graphic object are drawn (PS3.3 C.10.5, Line and Fill Style Sequence)."""

    colour: Colour | None = None
    """None: that of the graphic layer."""
    thickness: float = 1.0
    """In lines of the usual thickness."""
    opacity: float = 1.0
    dashed: bool = False
    fill: Colour | None = None
    """Of the inside of a filled object; None: as the line."""
    fill_opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class GraphicObject:
    """Points, a line, a circle or an ellipse (PS3.3 C.10.5.1.2)."""

    type: GraphicType
    units: Units
    points: Points
    filled: bool = False
    style: LineStyle = LineStyle()


@dataclass(frozen=True, slots=True)
class TextObject:
    """A text in a box or beside a point (PS3.3 C.10.5)."""

    text: str
    """Lines parted by line feeds."""
    box: Points | None = None
    """(2, 2): top left and bottom right corner as seen on the screen."""
    box_units: Units = Units.PIXEL
    justification: str = "LEFT"
    """LEFT, CENTER or RIGHT, in the box."""
    anchor: Points | None = None
    """(1, 2)."""
    anchor_units: Units = Units.PIXEL
    anchor_visible: bool = False
    """Whether a line leads from the text to the anchor."""
    colour: Colour | None = None
    """None: that of the graphic layer."""


@dataclass(frozen=True, slots=True)
class Annotation(ForImages):
    """Graphics and texts of one layer (an item of the Graphic Annotation Sequence, PS3.3 C.10.5)."""

    layer: str
    graphics: tuple[GraphicObject, ...] = ()
    texts: tuple[TextObject, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphicLayer:
    """What is drawn together and in one colour (PS3.3 C.10.7)."""

    name: str
    order: int = 0
    """Lower ones lie below."""
    colour: Colour | None = None
    """None: the layer has no colour of its own, and the drawing chooses one that is seen everywhere."""


@dataclass(frozen=True, slots=True)
class VoiChoice(ForImages):
    """The VOI attributes of some images (an item of the Softcopy VOI LUT Sequence, PS3.3 C.11.8)."""

    attributes: JsonAttributes
    """Window Center, Window Width, VOI LUT Function, VOI LUT Sequence."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """A presentation state, read and checked."""

    kind: StateKind
    label: str
    """Content Label: what a person picks it by."""
    references: tuple[ImageReference, ...]
    """The images it can be applied to."""
    modality: JsonAttributes = field(default_factory=dict)
    """Rescale Slope and Intercept, or the Modality LUT Sequence; empty: the identity."""
    voi: tuple[VoiChoice, ...] = ()
    presentation_lut: JsonAttributes = field(default_factory=dict)
    """Presentation LUT Sequence, or Presentation LUT Shape (IDENTITY, INVERSE)."""
    palette: JsonAttributes = field(default_factory=dict)
    """The Palette Color Lookup Table attributes of a pseudo-colour state; empty for the others."""
    icc_profile: bytes = b""
    """What the colours mean (colour and pseudo-colour states); empty: as the image says."""
    orientation: Orientation = Orientation()
    areas: tuple[DisplayedArea, ...] = ()
    shutters: Shutters = Shutters()
    layers: tuple[GraphicLayer, ...] = ()
    """Lowest first."""
    annotations: tuple[Annotation, ...] = ()
    active_overlays: dict[int, str] = field(default_factory=dict)
    """Overlay group (0x6000 ...) to the layer it is drawn in; other overlays of the image are not shown."""
    planes: tuple[OverlayPlane, ...] = ()
    """Overlay planes the state has itself; they come before those of the image of the same group."""

    def covers(self, sop_instance: str, frame: int = 1) -> bool:
        """Whether it may be applied to that frame (1-based) of the instance."""
        return any(reference.covers(sop_instance, frame) for reference in self.references)

    def voi_attributes(self, sop_instance: str, frame: int) -> JsonAttributes:
        """The VOI attributes for that frame; empty: the identity, whatever the image says (PS3.4 N.2.1.3)."""
        chosen = next((each for each in self.voi if each.covers(sop_instance, frame)), None)
        return chosen.attributes if chosen is not None else {}

    def area(self, sop_instance: str, frame: int) -> DisplayedArea | None:
        """The displayed area of that frame; None: the whole image."""
        return next((each for each in self.areas if each.covers(sop_instance, frame)), None)

    def grey_attributes(self, sop_instance: str, frame: int) -> JsonAttributes:
        """All attributes of the grey scale steps of that frame, in place of the image's own."""
        steps: dict[str, dict[str, Any]] = {}
        for attributes in (self.modality, self.voi_attributes(sop_instance, frame), self.presentation_lut):
            steps |= attributes
        return steps
