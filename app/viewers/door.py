"""`/ohif/`, `/volview/`, `/codecs/` and `/viewers.json`: viewers and codecs, as far as they are installed.

/ohif/...                          a page of OHIF: whatever is no file of it, since its addresses are its own
/ohif/app-config.js                its settings, made here
/ohif/3.13.2-1/app.bundle.xxx.js   a file, below its release: kept by browsers for ever
/volview/?StudyInstanceUIDs=...    goes on to where VolView takes that study from
/codecs/1.3.6-1/charls/...         a decoder of the quick viewer, kept for ever as well
/viewers.json                      which are installed, and how a study is opened in them
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import unquote, urlsplit

import orjson

from app.asked import Asked
from app.viewers import ohif_page, volview_page
from app.viewers.absent import absent
from app.viewers.links import links_of
from app.viewers.pins import CODECS, PINS, VIEWERS, pin_of
from app.viewers.sending import ASK_AGAIN, FOR_EVER, file_answer, read_whole
from app.viewers.shelf import Installed, Shelf
from dicomweb.wire.exchange import Answer, HeaderFields, WebError

_ALLOW: HeaderFields = (("Allow", "GET, HEAD"),)
_DICOMWEB = "/dicom-web"
_PAGE = "index.html"
_SETTINGS = "app-config.js"
_OWN: HeaderFields = (("Cross-Origin-Resource-Policy", "same-origin"),)
_ISOLATED: HeaderFields = (
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
)
"""With these a page gets memory that threads share, which VolView's readers use if there is."""
_ISOLATION: dict[str, HeaderFields] = {"ohif": _OWN, CODECS.viewer: _OWN, "volview": (*_OWN, *_ISOLATED)}


@dataclass(frozen=True, slots=True)
class _Place:
    """Paths of a viewer as its browser sees them."""

    mount: str
    """`/pacs/ohif/`."""
    files: str
    """`/pacs/ohif/3.13.2-1/`."""
    dicomweb: str
    """`/pacs/dicom-web`."""


class ViewersDoor:
    """Answers for the viewers on a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._originals: dict[str, bytes] = {}

    def mounts(self) -> dict[str, ViewersDoor]:
        """The first segments of the paths it answers."""
        return {name: self for name in ("viewers.json", *(pin.viewer for pin in PINS))}

    async def answer(self, call: Asked, mount: str, below: str) -> Answer:
        """A page or a file of a viewer, or the list of them."""
        if call.method not in ("GET", "HEAD"):
            raise WebError(405, f"viewers know GET and HEAD, not {call.method}", _ALLOW)
        call.operation = "viewers"
        name = mount.strip("/")
        if name == "viewers.json":
            return self._list(below)
        pin = pin_of(name)
        if pin is None:
            raise WebError(404, "no viewer is called so")
        browser = "text/html" in call.headers.get("accept", "").lower()
        viewer = self._shelf.installed().get(name)
        if viewer is None:
            return absent(pin, page=browser and pin in VIEWERS, base=call.approach.base)
        prefix = urlsplit(call.approach.base).path.rstrip("/")
        place = _Place(f"{prefix}{mount}/", f"{prefix}{mount}/{viewer.release}/", prefix + _DICOMWEB)
        if not below:
            query = f"?{call.query}" if call.query else ""
            return Answer(308, (("Location", place.mount + query), *_OWN))
        return await self._below(call, viewer, place, unquote(below[1:]))

    async def _below(self, call: Asked, viewer: Installed, place: _Place, path: str) -> Answer:
        if viewer.viewer == "ohif" and path == _SETTINGS:
            script = ohif_page.settings_script(mount=place.mount, files=place.files, dicomweb=place.dicomweb)
            fields = (("Content-Type", "text/javascript; charset=utf-8"), ("Cache-Control", ASK_AGAIN), *_OWN)
            return Answer(200, fields, script, compressible=True)
        release, _, rest = path.partition("/")
        released = release == viewer.release
        name = rest if released else path
        file = viewer.files.get(name)
        if file is not None and name != _PAGE:
            return await file_answer(
                file,
                accept_encoding=call.headers.get("accept-encoding", ""),
                if_none_match=call.headers.get("if-none-match", ""),
                caching=FOR_EVER if released else ASK_AGAIN,
                isolation=_ISOLATION[viewer.viewer],
            )
        if released or _PAGE not in viewer.files or "." in name.rpartition("/")[2].replace(_PAGE, ""):
            raise WebError(404, f"{viewer.title} {viewer.version} has no such file")
        return self._page(call, viewer, place)

    def _page(self, call: Asked, viewer: Installed, place: _Place) -> Answer:
        original = self._original(viewer)
        if viewer.viewer == "ohif":
            made, policy = ohif_page.page(original, place.files, place.mount + _SETTINGS), ohif_page.POLICY
        else:
            elsewhere = volview_page.address(call.query, place.mount, place.dicomweb)
            if elsewhere is not None:
                return Answer(302, (("Location", elsewhere), ("Cache-Control", "no-store"), *_OWN))
            made, policy = volview_page.page(original, place.files), volview_page.POLICY
        fields: HeaderFields = (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Cache-Control", ASK_AGAIN),
            ("Content-Security-Policy", policy),
            ("Referrer-Policy", "same-origin"),
            *_ISOLATION[viewer.viewer],
        )
        return Answer(200, fields, made, compressible=True)

    def _original(self, viewer: Installed) -> bytes:
        """The package's first page, read once for a release."""
        key = f"{viewer.viewer}-{viewer.release}"
        if key not in self._originals:
            self._originals[key] = read_whole(viewer.files[_PAGE].path)
        return self._originals[key]

    def _list(self, below: str) -> Answer:
        if below:
            raise WebError(404, "below /viewers.json there is nothing")
        installed = self._shelf.installed()
        told = {
            "viewers": [
                {
                    "id": pin.viewer,
                    "name": pin.title,
                    "installed": pin.viewer in installed,
                    "version": installed[pin.viewer].version if pin.viewer in installed else "",
                    "offered": pin.packages[0].version,
                    "url": f"{pin.viewer}/",
                    "install": f"dicomlake viewers install {pin.viewer}",
                }
                for pin in VIEWERS
            ],
            "links": [asdict(link) for link in links_of(installed)],
        }
        fields = (("Content-Type", "application/json"), ("Cache-Control", "no-store"), *_OWN)
        return Answer(200, fields, orjson.dumps(told), compressible=True)
