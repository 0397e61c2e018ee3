"""`/ui/`: the explorer, web pages to find, look at, store and delete studies.

    /ui/                           the page, as is every address below that is none of these
    /ui/a/<version>/list/page.js   a file of the pages
    /ui/data/config.json           what the pages must know to begin: version, viewers, codecs
    /ui/data/....json              what DICOMweb does not tell (`app.ui.facts`)

All that is shown of studies comes by DICOMweb: what the pages do, any program can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import orjson

from app.asked import Asked
from app.ui.assets import Assets
from app.ui.checks import check_method, check_own
from app.ui.facts import Facts
from app.ui.openers import Openers
from app.ui.page import ExplorerPage
from dicomweb.model.keys import InstanceKey, parse_uid
from dicomweb.wire.exchange import Answer, HeaderFields, WebError

STATIC = Path(__file__).parent / "static"
_JSON: HeaderFields = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_STORED = "stored/"


class UiDoor:
    """Answers what comes to `/ui`."""

    def __init__(
        self, facts: Facts, openers: Openers, *, version: str, codecs: Callable[[], str] = lambda: ""
    ) -> None:
        """`version` is that of the server; `codecs` tells the folder of decoders for frames, below its address."""
        self._assets = Assets(STATIC)
        self._page = ExplorerPage(self._assets)
        self._facts = facts
        self._openers = openers
        self._version = version
        self._codecs = codecs

    async def answer(self, call: Asked, mount: str, below: str) -> Answer:
        """The page, a file of it, or a fact."""
        check_method(call)
        call.operation = "ui"
        held = call.headers.get("if-none-match", "")
        if not below:
            # links of the page are relative to the folder it lies in
            return Answer(302, (("Location", call.approach.base + "/ui/"), ("Cache-Control", "no-store")))
        if below.startswith("/a/"):
            version, _, name = below[len("/a/") :].partition("/")
            return self._assets.answer(name, version, call.headers.get("accept-encoding", ""), held)
        if below.startswith("/data/"):
            check_own(call)
            return await self._fact(below[len("/data/") :], call.query)
        return self._page.answer(below, held)

    async def _fact(self, name: str, query: str) -> Answer:
        if name.startswith(_STORED):
            return _json(await self._facts.stored(_key(name)))
        match name:
            case "config.json":
                return _json(self._config())
            case "system.json":
                return _json(await self._facts.system())
            case "deleted.json":
                return _json(await self._facts.deleted())
            case "names.json":
                given = dict(parse_qsl(query, max_num_fields=10))
                return _json(self._facts.names(given.get("tags", ""), given.get("uids", "")))
        raise WebError(404, "the pages have no such data")

    def _config(self) -> Mapping[str, Any]:
        return {
            "version": self._version,
            "assets": self._assets.version,
            "codecs": self._codecs(),
            "openers": [asdict(opener) for opener in self._openers()],
        }


def _key(name: str) -> InstanceKey:
    """`stored/<study>/<series>/<instance>.json`. Raises WebError 404, IllegalUid."""
    uids = name.removesuffix(".json").split("/")[1:]
    if len(uids) != 3 or not all(uids):
        raise WebError(404, "expected stored/STUDY/SERIES/INSTANCE.json")
    return InstanceKey(*map(parse_uid, uids))


def _json(told: Mapping[str, Any]) -> Answer:
    return Answer(200, _JSON, orjson.dumps(told), compressible=True)
