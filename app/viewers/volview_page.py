"""VolView's first page, made for the path by which a browser came, and the address a study opens at.

VolView learns where a study lies from `dicomweb=`, the study's resource. Our own links name UIDs, as OHIF's do.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote

from dicomweb.model.keys import Scope, parse_uid
from dicomweb.wire.exchange import WebError
from dicomweb.wire.paths import scope_path

_FOREIGN = re.compile(rb'<link rel="stylesheet" href="https?://[^>]*>')
_RELATIVE = re.compile(rb'(\s(?:href|src)=")\./')

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def page(original: bytes, files: str) -> bytes:
    """The package's `index.html`, its files below the path `files` (slash at its end), and none from elsewhere."""
    icons = f'<link rel="stylesheet" href="{files}icons/css/materialdesignicons.min.css">'.encode()
    made = _FOREIGN.sub(b"", original)
    made = made.replace(b"</title>", b"</title>" + icons, 1)
    return _RELATIVE.sub(lambda found: found[1] + files.encode(), made)


def address(query: str, mount: str, dicomweb: str) -> str | None:
    """Where a page that was asked for with this query is to go instead; None if it says where its images are.

    Raises WebError 400, IllegalUid.
    """
    try:
        given = dict(parse_qsl(query, max_num_fields=50))
    except ValueError as error:
        raise WebError(400, "the query has too many parameters") from error
    if given.keys() & {"dicomweb", "urls", "config"}:
        return None
    study = given.get("StudyInstanceUIDs") or given.get("StudyInstanceUID")
    series = given.get("SeriesInstanceUIDs") or given.get("SeriesInstanceUID")
    root = dicomweb
    if study:
        # of several, as OHIF's links may name them, the first: VolView opens one
        scope = Scope(_first(study), _first(series) if series else None)
        root += scope_path(scope)
    return f"{mount}?dicomweb={quote(root, safe='/')}"


def _first(uids: str) -> str:
    return parse_uid(uids.split(",")[0].strip())
