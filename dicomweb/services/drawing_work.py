"""The computing of pictures: from stored bytes to JPEG, PNG, GIF, MP4, text. Pure; runs in the threads of Compute.

Decoding, rendering and writing are one call, so that a picture costs one turn of a thread. Codecs are loaded when
the first picture is made, not when the server starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dicomweb.model.query import JsonAttributes
from dicomweb.pixels.frame import Picture, PixelError
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
        self, subject: Subject, media: str, *, frames: int, frames_per_second: float, most_bytes: int
    ) -> None:
        """`most_bytes` is of the pictures of all `frames`, before they are encoded."""
        from dicomweb.pixels.animations import begin_animation

        self._subject = subject
        self._presentation = presentation_of(subject)
        quality = subject.look.quality
        self._animation = begin_animation(media, frames_per_second=frames_per_second, quality=quality)
        self._frames = frames
        self._most_bytes = most_bytes

    def add(self, frames: Sequence[StoredFrame]) -> None:
        """The next frames. Raises WebError 400 if all of them would be too much, PixelError."""
        for frame in frames:
            picture = render(frame, self._subject, self._presentation)
            rows, columns = picture.array.shape[:2]
            if picture.array.nbytes * self._frames > self._most_bytes:
                raise WebError(
                    400,
                    f"an animation of {self._frames} frames of {columns} x {rows} pixels is too large; ask for a "
                    "smaller viewport or fewer frames (setting pixels.animation_bytes)",
                )
            self._animation.add(picture)

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
) -> bytes:
    """An object that has a painter of its own, or a card that says what it is.

    A frame that cannot be decoded is left out: the painter makes of the others what can be made.
    """
    from dicomweb.pixels.objects.portrait import Fetched, Portrait, PortraitRequest, portray

    decoded = {}
    for one in frames:
        try:
            decoded[one.number] = decode(one, look)
        except PixelError:
            continue
    wanted = PortraitRequest(transfer_syntax, media, frame, look.settings, root)
    made = portray(header, Fetched(decoded, values), wanted)
    if isinstance(made, Portrait):
        return in_charset(made.data, media, look.charset)[0]
    from dicomweb.pixels.render.viewport import fit_picture

    settings = look.settings
    return write(fit_picture(made, settings.viewport, most_pixels=settings.most_pixels), media, look)


def draw_card(header: JsonAttributes, look: Look, transfer_syntax: str, media: str) -> bytes:
    """A card that says what the object is, in place of a picture that cannot be made."""
    return draw_special(header, (), {}, look, transfer_syntax=transfer_syntax, media=media, frame=None, root="")


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
