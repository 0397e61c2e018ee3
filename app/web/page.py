"""What a person sees who opens the server's address in a browser: one file, no scripts, nothing fetched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from html import escape
from pathlib import Path
from string import Template

from dicomweb.wire.exchange import Answer

Counts = Callable[[], Awaitable[Mapping[str, int]]]
"""How many `studies`, `series` and `instances` there are."""

_FIELDS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Vary", "Accept"),
)


class Page:
    """Fills the page in."""

    def __init__(self, counts: Counts, version: str) -> None:
        self._template = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
        self._counts = counts
        self._version = version

    async def answer(self, base: str, state: str) -> Answer:
        """The page; `base` is the archive's URL as the client sees it, `state` whether it can do its work."""
        counts = {name: f"{number:,}" for name, number in (await self._counts()).items()}
        told = {"base": base, "state": state, "version": self._version, **counts}
        page = self._template.substitute({name: escape(value) for name, value in told.items()})
        return Answer(200, _FIELDS, page.encode(), compressible=True)


def wants_page(accept: str) -> bool:
    """Whether this Accept header is a browser's that is to show something; programs ask for JSON or anything."""
    return "text/html" in accept.lower()
