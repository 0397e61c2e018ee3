"""Query parameters of rendered resources (PS3.18 8.3.5.1), read into values that the pixel code understands.

    ?window=40,400,linear&viewport=256,256&quality=80  ──▶  Look

The same few texts come again and again (a viewer asks every thumbnail alike), so a text is read once. Parameters
that are not known are passed over, as the standard wants (PS3.18 8.3.2); known ones whose value has no meaning are
refused with a sentence that says what was expected.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from dicomweb.model.counting import counted
from dicomweb.pixels.render.settings import (
    ANNOTATIONS,
    BadRenderRequest,
    Region,
    RenderSettings,
    Viewport,
    Window,
)
from dicomweb.services.picture_limits import PictureLimits
from dicomweb.wire.exchange import HeaderFields, WebError

_NAMES = frozenset(("annotation", "charset", "iccprofile", "quality", "viewport", "window"))
_OTHER_NAMES = frozenset(("accept", "asof"))
"""Parameters of rendered resources that others read."""
_WORD = re.compile(r"[A-Za-z0-9._-]{1,40}")
_MOST_NAMED = 8
_MOST_DIGITS = 18
_WINDOW_SHAPE = "window is center,width or center,width,function (linear, linear-exact or sigmoid)"
_VIEWPORT_SHAPE = (
    "viewport is width,height in pixels, or width,height,left,top,width,height with a region of the source"
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is to look."""

    settings: RenderSettings
    quality: int
    """1 to 100, of lossy media types."""
    quality_named: bool = False
    """Whether the client has said that; else what suits the picture may be taken."""
    charset: tuple[str, ...] = ()
    """Character sets wanted for text, the best first; empty: UTF-8."""
    warning: str = ""
    """What of the request is not obeyed, for the Warning header field."""

    def text(self) -> str:
        """Everything that the bytes of a picture depend on, the same for requests that mean the same."""
        settings = self.settings
        return (
            f"{settings.window} {settings.viewport} {settings.icc} {sorted(settings.annotation)} {self.quality} "
            f"{self.quality_named:d} {','.join(self.charset)}"
        )

    def fields(self) -> HeaderFields:
        """The header fields that tell the client what was not obeyed."""
        return (("Warning", f'299 dicomlake "{self.warning}"'),) if self.warning else ()

    def warned(self, *warnings: str) -> Look:
        """The same with more that is not obeyed."""
        told = "; ".join(filter(None, (self.warning, *warnings)))
        return replace(self, warning=told) if told != self.warning else self


def read_look(query: Sequence[tuple[str, str]], limits: PictureLimits, *, thumbnail: bool = False) -> Look:
    """How a rendered resource is asked for; a thumbnail is small unless it has a viewport. Raises WebError 400."""
    look = _read(known_ones(query, _NAMES), limits, thumbnail)
    return look.warned(unknown_ones(query, _NAMES | _OTHER_NAMES))


def unknown_ones(query: Sequence[tuple[str, str]], names: frozenset[str]) -> str:
    """A warning that names the parameters that mean nothing, empty without any."""
    unknown = list(dict.fromkeys(name for name, _ in query if name.lower() not in names))
    if not unknown:
        return ""
    return f"The following parameters are not supported: {_shown(unknown)}"


def _shown(words: Sequence[str]) -> str:
    """What a client wrote, as far as a header field can hold it."""
    readable = [word for word in words[:_MOST_NAMED] if _WORD.fullmatch(word)]
    return ", ".join([*readable, *(["others"] if len(readable) < len(words) else [])])


def charset_warning(wanted: Sequence[str]) -> str:
    """A warning if none of the character sets is known, empty otherwise."""
    if not wanted or any(_is_charset(name) for name in wanted):
        return ""
    return f"The character set is not known, text is in UTF-8: {_shown(wanted)}"


def _is_charset(name: str) -> bool:
    """Whether text can be given in it: it is known, and a superset of ASCII."""
    try:
        return name == "*" or " <a=1>".encode(name) == b" <a=1>"
    except (LookupError, UnicodeError, ValueError):
        return False


def known_ones(query: Sequence[tuple[str, str]], names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """The parameters that mean something, their names in lower case as careless clients do not write them: what is
    unknown is passed over, and must not fill the memory of what has been read."""
    return tuple((key, value) for name, value in query if (key := name.lower()) in names)


@lru_cache(maxsize=512)
def _read(query: tuple[tuple[str, str], ...], limits: PictureLimits, thumbnail: bool) -> Look:
    named = _by_name(query)
    annotation, warning = _annotation(named.get("annotation"))
    with refusing():
        settings = RenderSettings(
            window=_window(named.get("window")),
            viewport=_viewport(named.get("viewport")),
            icc=named.get("iccprofile", "").strip().lower(),
            annotation=annotation,
            most_pixels=limits.frame_pixels,
        )
    quality = read_quality(named.get("quality"), "quality")
    charset = read_charset(named.get("charset", ""))
    look = Look(settings, quality or limits.jpeg_quality, quality is not None, charset, warning)
    look = look.warned(charset_warning(charset))
    check_viewport(look, limits)
    return as_thumbnail(look, limits) if thumbnail else look


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """What the pixel code finds without meaning in a request is 400."""
    try:
        yield
    except BadRenderRequest as error:
        raise WebError(400, str(error)) from error


def check_viewport(look: Look, limits: PictureLimits) -> None:
    """Refuse a viewport of too many pixels. Raises WebError 400."""
    box = look.settings.viewport
    if box is not None and box.width and box.height and box.width * box.height > limits.viewport_pixels:
        raise WebError(
            400,
            f"a viewport has at most {limits.viewport_pixels} pixels, not {box.width} x {box.height} "
            "(setting pixels.viewport_pixels)",
        )


def as_thumbnail(look: Look, limits: PictureLimits) -> Look:
    """The look in the size of a thumbnail, unless it has a size of its own."""
    if look.settings.viewport is not None:
        return look
    box = Viewport(limits.thumbnail_side, limits.thumbnail_side, enlarge=False)
    return replace(look, settings=replace(look.settings, viewport=box))


def _by_name(query: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Values by name. Raises WebError 400 for two values of one."""
    named: dict[str, str] = {}
    for name, value in query:
        if named.setdefault(name, value) != value:
            raise WebError(400, f"{name} stands in the query twice, with two values")
    return named


def _annotation(text: str | None) -> tuple[frozenset[str], str]:
    """What is to be written into the picture, and a warning of values that are not known (PS3.18 8.3.5.1.1)."""
    if text is None:
        return frozenset(), ""
    words = [word.strip().lower() for word in text.split(",")]
    if not all(words):
        raise WebError(400, "annotation is patient, technique or both, parted by a comma")
    unknown = [word for word in words if word not in ANNOTATIONS]
    warning = f"The following annotation values are not supported: {_shown(unknown)}" if unknown else ""
    return frozenset(words) & ANNOTATIONS, warning


def _window(text: str | None) -> Window | None:
    """PS3.18 8.3.5.1.4; without a function, as many clients leave it, it is linear."""
    if text is None:
        return None
    items = [item.strip() for item in text.split(",")]
    if len(items) not in (2, 3):
        raise WebError(400, f"{_WINDOW_SHAPE}, not {counted(len(items), 'item')}")
    center, width = (read_number(item, _WINDOW_SHAPE) for item in items[:2])
    # DICOM's own spelling of the functions (PS3.3 C.11.2.1.3) means the same
    function = items[2].lower().replace("_", "-") if len(items) == 3 else "linear"
    return Window(center, width, function)  # type: ignore[arg-type]  # Window refuses what is no function


def _viewport(text: str | None) -> Viewport | None:
    """PS3.18 8.3.5.1.3: width and height, and a region of the source of which items may be left out."""
    if text is None:
        return None
    items = [item.strip() for item in text.split(",")]
    if len(items) not in (2, 4, 6):
        raise WebError(400, f"{_VIEWPORT_SHAPE}, not {counted(len(items), 'item')}")
    width, height = (read_whole(item, _VIEWPORT_SHAPE) for item in items[:2])
    left, top, across, down = (
        read_number(item, _VIEWPORT_SHAPE) if item else None for item in (*items[2:], *[""] * (6 - len(items)))
    )
    # The sign of a corner means nothing: the standard takes absolute values of both.
    return Viewport(width, height, Region(abs(left or 0.0), abs(top or 0.0), across, down))


def read_quality(text: str | None, name: str) -> int | None:
    """A quality of 1 to 100 (PS3.18 8.3.5.1.2), None if it is not asked for. Raises WebError 400."""
    if text is None:
        return None
    said = f"{name} is a whole number from 1 to 100"
    quality = read_whole(text, said)
    if not 1 <= quality <= 100:
        raise WebError(400, f"{said}, not {quality}")
    return quality


def read_charset(text: str) -> tuple[str, ...]:
    """The character sets of a `charset` parameter or an Accept-Charset field, the best first (PS3.18 8.3.3.2)."""
    weighed = []
    for position, item in enumerate(text.split(",")[:20]):
        name, _, rest = item.partition(";")
        weight = rest.replace(" ", "").lower().removeprefix("q=") or "1"
        try:
            quality = float(weight)
        except ValueError:
            quality = 1.0
        if name.strip() and quality > 0:
            weighed.append((-quality, position, name.strip().lower()))
    return tuple(name for _, _, name in sorted(weighed))


def read_whole(text: str, shape: str) -> int:
    """A whole number. Raises WebError 400 with the `shape` that was expected."""
    digits = text.strip()
    if not (digits.isascii() and digits.removeprefix("-").isdigit()):
        raise WebError(400, f"{shape}; one item is not a whole number")
    if len(digits) > _MOST_DIGITS:
        raise WebError(400, f"{shape}; one item is a number of {len(digits)} digits")
    return int(digits)


def read_number(text: str, shape: str) -> float:
    """A decimal number. Raises WebError 400 with the `shape` that was expected."""
    try:
        if len(text) > 32 or "_" in text:
            raise ValueError
        return float(text)
    except ValueError as error:
        raise WebError(400, f"{shape}; one item is not a number") from error
