"""The computing of pictures: from stored bytes to JPEG, PNG, GIF, MP4, text. Pure; runs in the threads of Compute.

Decoding, rendering and writing are one call, so that a picture costs one turn of a thread. Codecs are loaded when
the first picture is made, not when the server starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dicomweb.model.instance import ImageSpec
from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture, PixelError, TooLarge, UnsupportedSyntax
from dicomweb.services.picture_sources import StoredFrame
from dicomweb.services.rendered_parameters import Look
from dicomweb.wire.exchange import WebError

if TYPE_CHECKING:
    from dicomweb.pixels.frame import DecodedFrame
    from dicomweb.pixels.limits import PixelLimits
    from dicomweb.pixels.objects.contract import Needs, PortraitRequest
    from dicomweb.pixels.presentation.model import ImageReference, Presentation

_BYTES_A_PIXEL = 16
"""The widest pixel that is decoded: three colours of 32 bits, and one of 64."""

_LINES_QUALITY = 65
"""Of JPEG of charts, where the client names none: at that of photographs their paper would take a megabyte."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn, beside the frame itself."""

    header: JsonAttributes
    values: Mapping[str, bytes]
    """Bulk values by BulkDataURI, little endian: LUTs, overlays, ICC profiles."""
    look: Look
    state: JsonAttributes | None = None
    """Header of the presentation state to be applied."""
    state_values: Mapping[str, bytes] | None = None


def needed_of(header: JsonAttributes, wanted: PortraitRequest) -> Needs:
    """What the painter of an object needs."""
    from dicomweb.pixels.objects.portrait import needs

    return needs(header, wanted)


def named_by(header: JsonAttributes, wanted: PortraitRequest) -> list[tuple[str, str, str]]:
    """Study, series and instance of the objects that the portrait of an object refers to."""
    from dicomweb.pixels.objects.portrait import referenced

    return referenced(header, wanted)


def images_of_state(header: JsonAttributes) -> tuple[ImageReference, ...]:
    """The images that a presentation state is for."""
    from dicomweb.pixels.presentation.gsps import referenced_images

    return referenced_images(header)


def values_of_state(header: JsonAttributes) -> list[str]:
    """BulkDataURIs of what a presentation state is made of."""
    from dicomweb.pixels.presentation.gsps import bulk_paths

    return bulk_paths(header)


def decode(frame: StoredFrame, look: Look) -> DecodedFrame:
    """The frame decoded. Raises Undecodable, UnsupportedSyntax, TooLarge."""
    from dicomweb.pixels.decode import decode_frame

    limits = _limits(look)
    return decode_frame(frame.data, frame.spec, frame.transfer_syntax, pixel_vr=frame.pixel_vr, limits=limits)


def _limits(look: Look) -> PixelLimits:
    from dicomweb.pixels.limits import PixelLimits

    limits = PixelLimits()
    return replace(limits, frame_bytes=min(limits.frame_bytes, look.settings.most_pixels * _BYTES_A_PIXEL))


def render(frame: StoredFrame, subject: Subject, presentation: Presentation | None) -> Picture:
    """The frame as a picture."""
    from dicomweb.pixels.render.pipeline import render_frame

    return render_frame(
        decode(frame, subject.look),
        subject.header,
        frame.number,
        subject.look.settings,
        presentation,
        lut_values=subject.values,
    )


def presentation_of(subject: Subject) -> Presentation | None:
    """The presentation state, read. Raises BadPresentation."""
    if subject.state is None:
        return None
    from dicomweb.pixels.presentation.gsps import read_presentation

    return read_presentation(subject.state, subject.state_values or {})


def write(picture: Picture, media: str, look: Look) -> bytes:
    """The picture in that media type."""
    from dicomweb.pixels.pictures import write_picture

    return write_picture(picture, media, quality=look.quality)


def draw_frame(frame: StoredFrame, subject: Subject, media: str) -> bytes:
    """One frame, from stored bytes to a picture file."""
    return write(render(frame, subject, presentation_of(subject)), media, subject.look)


class Cine:
    """An animation in the making: some frames at a time are rendered and encoded, and let go."""

    def __init__(
        self, subject: Subject, media: str, image: ImageSpec, *, numbers: Sequence[int],
        frames_per_second: float, most_bytes: int,
    ) -> None:  # fmt: skip
        """`numbers` are those of the frames of the `image`; `most_bytes` is of all their pictures, before they are
        encoded. Raises WebError 400 if they would be more, which is known before any frame is."""
        from dicomweb.pixels.animations import begin_animation
        from dicomweb.pixels.render.pipeline import picture_size

        self._subject = subject
        self._presentation = presentation_of(subject)
        self._frames = len(numbers)
        self._most_bytes = most_bytes
        settings, presentation = subject.look.settings, self._presentation
        rows, columns = picture_size(subject.header, numbers[0], image.rows, image.columns, settings, presentation)
        colours = 3 if image.samples_per_pixel > 1 or image.photometric_interpretation == "PALETTE COLOR" else 1
        self._check(rows, columns, colours)
        quality = subject.look.quality
        self._animation = begin_animation(media, frames_per_second=frames_per_second, quality=quality)

    def steady(self, frame: StoredFrame) -> None:
        """Show all frames through the window that this one has, where nothing says one: each by itself would
        flicker. Raises PixelError."""
        from dicomweb.pixels.render.pipeline import automatic_window

        subject = self._subject
        settings = subject.look.settings
        if settings.window is not None or self._presentation is not None:
            return
        window = automatic_window(
            decode(frame, subject.look), subject.header, frame.number, lut_values=subject.values
        )
        if window is not None:
            look = replace(subject.look, settings=replace(settings, window=window))
            self._subject = replace(subject, look=look)

    def add(self, frames: Sequence[StoredFrame]) -> None:
        """The next frames. Raises WebError 400 if all of them would be too much, PixelError."""
        for frame in frames:
            picture = render(frame, self._subject, self._presentation)
            rows, columns = picture.array.shape[:2]
            self._check(rows, columns, picture.array.nbytes // max(1, rows * columns))
            self._animation.add(picture)

    def _check(self, rows: int, columns: int, bytes_a_pixel: int) -> None:
        if rows * columns * bytes_a_pixel * self._frames > self._most_bytes:
            raise WebError(
                400,
                f"an animation of {self._frames} frames of {columns} x {rows} pixels is too large: all of it may "
                f"have {self._most_bytes} bytes (setting pixels.animation_bytes); ask for a smaller viewport or "
                "for fewer frames",
            )

    def finish(self) -> bytes:
        """The file."""
        return self._animation.finish()


def draw_special(
    header: JsonAttributes,
    frames: Sequence[StoredFrame],
    values: Mapping[str, bytes],
    look: Look,
    *,
    transfer_syntax: str,
    media: str,
    frame: int | None,
    root: str,
    missing: frozenset[str] = frozenset(),
) -> bytes:
    """An object that has a painter of its own, or a card that says what it is.

    A frame that cannot be decoded is left out: the painter makes of the others what can be made.
    """
    from dicomweb.pixels.objects.portrait import Fetched, Portrait, PortraitRequest, is_line_drawing, portray

    decoded = {}
    for one in frames:
        try:
            decoded[one.number] = decode(one, look)
        except PixelError:
            continue
    wanted = PortraitRequest(transfer_syntax, media, frame, look.settings, root, missing=missing)
    if not look.quality_named and is_line_drawing(header, transfer_syntax):
        look = replace(look, quality=min(look.quality, _LINES_QUALITY))
    made = portray(header, Fetched(decoded, values), wanted)
    if isinstance(made, Portrait):
        return in_charset(made.data, media, look.charset)[0]
    return _fitted(made, media, look)


def _fitted(picture: Picture, media: str, look: Look) -> bytes:
    from dicomweb.pixels.render.viewport import fit_picture

    settings = look.settings
    return write(fit_picture(picture, settings.viewport, most_pixels=settings.most_pixels), media, look)


def draw_card(header: JsonAttributes, look: Look, transfer_syntax: str, media: str, note: str) -> bytes:
    """A card that says what the object is, in place of a picture that cannot be made, and with a `note` why."""
    from dicomweb.pixels.objects.card import instead
    from dicomweb.pixels.objects.contract import Portrait, PortraitRequest

    made = instead(header, PortraitRequest(transfer_syntax, media, None, look.settings, note=note), media)
    return made.data if isinstance(made, Portrait) else _fitted(made, media, look)


def note_of(error: PixelError) -> str:
    """What a card says of why there is no picture."""
    if isinstance(error, UnsupportedSyntax):
        return "no decoder for them"
    return "too large to be shown" if isinstance(error, TooLarge) else "damaged pixel data"


def in_charset(text: bytes, media: str, wanted: Sequence[str]) -> tuple[bytes, str]:
    """UTF-8 text in the first of the wanted character sets that is known, and its name (PS3.18 8.3.3.2).

    What the set lacks becomes a character reference in HTML and XML, a question mark in plain text. A set that
    is no superset of ASCII, or nothing wanted, means UTF-8.
    """
    if not media.startswith("text/"):
        return text, ""
    for name in wanted:
        if name in ("*", "utf-8", "utf8"):
            break
        try:
            if " <a=1>".encode(name) != b" <a=1>":
                continue
            return text.decode().encode(name, "replace" if media == "text/plain" else "xmlcharrefreplace"), name
        except (LookupError, UnicodeError, ValueError):
            continue
    return text, "utf-8"
