"""Who may ask the explorer's door for what."""

from __future__ import annotations

from app.asked import Asked
from dicomweb.wire.exchange import HeaderFields, WebError

_ALLOW: HeaderFields = (("Allow", "GET, HEAD"),)


def check_method(call: Asked) -> None:
    """Raises WebError 405: nothing is changed here, the pages change things by DICOMweb."""
    if call.method not in ("GET", "HEAD"):
        raise WebError(405, f"the pages know GET and HEAD, not {call.method}", _ALLOW)


def check_own(call: Asked) -> None:
    """What is told about the server itself is for its own pages, whatever others may read. Raises WebError 403."""
    origin = call.headers.get("origin")
    foreign = origin is not None and origin != call.approach.origin
    if foreign or call.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise WebError(403, "pages of other origins may not read this")
