"""Query parameters of WADO-URI (PS3.18 9.1.2, 9.4.1.2, 9.5.1.2), read into the values of rendered resources.

    ?requestType=WADO&studyUID=..&seriesUID=..&objectUID=..&contentType=image/png&rows=256&columns=256

Names are compared without regard to case, as old clients write them; unknown ones are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from dicomweb.model.counting import counted
from dicomweb.model.keys import parse_uid
from dicomweb.pixels.render.settings import ANNOTATIONS, Region, RenderSettings, Viewport, Window
from dicomweb.services.picture_limits import PictureLimits
from dicomweb.services.rendered_parameters import (
    Look,
    charset_warning,
    check_viewport,
    known_ones,
    read_charset,
    read_number,
    read_quality,
    read_whole,
    refusing,
    unknown_ones,
)
from dicomweb.wire.exchange import WebError

_NAMES = frozenset(
    (
        *("requesttype", "studyuid", "seriesuid", "objectuid", "contenttype", "charset", "anonymize"),
        *("transfersyntax", "annotation", "imageannotation", "rows", "columns", "region"),
        *(
            "windowcenter",
            "windowwidth",
            "imagequality",
            "framenumber",
            "presentationuid",
            "presentationseriesuid",
        ),
    )
)
_OTHER_NAMES = frozenset(("asof",))
_REGION_SHAPE = "region is left,top,right,bottom, each from 0.0 to 1.0"


@dataclass(frozen=True, slots=True)
class WadoQuery:
    """What a WADO-URI request asks for."""

    study: str
    """Empty, like `series`, where the client does not know it: the instance is searched for."""
    series: str
    instance: str
    content_type: str
    """Acceptable media types as they came, parted by commas; empty if none is named."""
    transfer_syntax: str
    """UID or `*`; empty if none is named."""
    frame: int | None
    look: Look
    state: str
    """SOP Instance UID of a presentation state, empty for none."""
    state_series: str


def read_wado(query: Sequence[tuple[str, str]], limits: PictureLimits) -> WadoQuery:
    """What is asked for. Raises WebError 400, IllegalUid."""
    asked = _read(known_ones(query, _NAMES), limits)
    look = asked.look.warned(unknown_ones(query, _NAMES | _OTHER_NAMES))
    return asked if look is asked.look else replace(asked, look=look)


@lru_cache(maxsize=512)
def _read(query: tuple[tuple[str, str], ...], limits: PictureLimits) -> WadoQuery:
    named = _by_name(query)
    kind = named.get("requesttype", "")
    if kind.upper() != "WADO":
        said = "has another value than WADO" if kind else "is missing"
        raise WebError(400, f"requestType=WADO is expected, and requestType {said} (PS3.18 9.1.2.1.1)")
    _refuse_anonymizing(named)
    instance = named.get("objectuid", "")
    if not instance:
        raise WebError(400, "objectUID, the SOP Instance UID, is missing (PS3.18 9.1.2.1.4)")
    state = _uid(named, "presentationuid")
    look = _look(named, limits)
    if state and look.settings.window is not None:
        raise WebError(400, "windowCenter and windowWidth cannot be asked for together with presentationUID")
    return WadoQuery(
        study=_uid(named, "studyuid"),
        series=_uid(named, "seriesuid"),
        instance=parse_uid(instance),
        content_type=named.get("contenttype", "").strip(),
        transfer_syntax=named.get("transfersyntax", "").strip(),
        frame=_frame(named.get("framenumber")),
        look=look,
        state=state,
        state_series=_uid(named, "presentationseriesuid"),
    )


def _by_name(query: Sequence[tuple[str, str]]) -> dict[str, str]:
    named: dict[str, str] = {}
    for name, value in query:
        if name == "contenttype" and named.get(name):
            named[name] += "," + value
        elif named.setdefault(name, value) != value:
            raise WebError(400, f"{name} stands in the query twice, with two values")
    return named


def _uid(named: Mapping[str, str], name: str) -> str:
    text = named.get(name, "").strip()
    return parse_uid(text) if text else ""


def _refuse_anonymizing(named: Mapping[str, str]) -> None:
    """What is asked to be without identity must not be sent with it (PS3.18 9.4.1.2.1)."""
    wanted = named.get("anonymize", "").strip().lower()
    if wanted not in ("", "no"):
        raise WebError(
            400,
            "anonymize is not supported: this server does not take identifying information out of instances, "
            "and sends nothing instead",
        )


def _look(named: Mapping[str, str], limits: PictureLimits) -> Look:
    annotation, warning = _annotation(named.get("annotation") or named.get("imageannotation"))
    with refusing():
        settings = RenderSettings(
            window=_window(named),
            viewport=_viewport(named),
            annotation=annotation,
            most_pixels=limits.frame_pixels,
        )
    quality = read_quality(named.get("imagequality") or None, "imageQuality")
    charset = read_charset(named.get("charset", ""))
    look = Look(settings, quality or limits.jpeg_quality, quality is not None, charset, warning)
    check_viewport(look, limits)
    return look.warned(charset_warning(charset))


def _annotation(text: str | None) -> tuple[frozenset[str], str]:
    words = frozenset(word.strip().lower() for word in (text or "").split(",")) - {""}
    unknown = words - ANNOTATIONS
    return words & ANNOTATIONS, "Some of the annotation values are not supported" if unknown else ""


def _window(named: Mapping[str, str]) -> Window | None:
    center, width = named.get("windowcenter", ""), named.get("windowwidth", "")
    if not center and not width:
        return None
    if not center or not width:
        raise WebError(400, "windowCenter and windowWidth go together, one of them is missing")
    return Window(
        read_number(center, "windowCenter is a decimal number"),
        read_number(width, "windowWidth is a decimal number"),
    )


def _viewport(named: Mapping[str, str]) -> Viewport | None:
    """Rows, columns and region. Only one of rows and columns bounds the picture by that side alone."""
    rows, columns, region = (named.get(name, "").strip() for name in ("rows", "columns", "region"))
    if not (rows or columns or region):
        return None
    return Viewport(
        read_whole(columns, "columns is a whole number of pixels") if columns else None,
        read_whole(rows, "rows is a whole number of pixels") if rows else None,
        _region(region) if region else Region(),
    )


def _region(text: str) -> Region:
    items = text.split(",")
    if len(items) != 4:
        raise WebError(400, f"{_REGION_SHAPE}, not {counted(len(items), 'item')}")
    left, top, right, bottom = (read_number(item.strip(), _REGION_SHAPE) for item in items)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise WebError(400, f"{_REGION_SHAPE}, left less than right and top less than bottom")
    return Region(left, top, right - left, bottom - top, relative=True)


def _frame(text: str | None) -> int | None:
    if not text:
        return None
    number = read_whole(text, "frameNumber is a whole number from 1 on")
    if number < 1:
        raise WebError(400, "frameNumber is a whole number from 1 on")
    return number
