"""The files of the pages: scripts, styles, texts, pictures. Read once, and kept as they are sent.

They are asked for below a name made of all that is in them, `a/<version>/list/page.js`, so browsers may keep them
for ever: other files have another name. A page that was open while the server was replaced asks for the old name
and is told 404; it then loads itself anew.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path, PurePosixPath

import zstandard

from dicomweb.wire.conditional import none_match
from dicomweb.wire.content_coding import IDENTITY, choose_coding
from dicomweb.wire.exchange import Answer, HeaderFields, WebError

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_KEPT: HeaderFields = (
    ("Cache-Control", "public, max-age=31536000, immutable"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Vary", "Accept-Encoding"),
)
_WORKERS = "worker.js"
_WORKER_POLICY = (
    "Content-Security-Policy",
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'",
)
"""What a worker may do, who keeps to the policy of its own script: it alone makes programs of WebAssembly."""
_SMALLEST = 400
"""Bytes below which a coding saves nothing worth the word."""


class Assets:
    """All files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES
        }
        digest = hashlib.sha256()
        for name, data in self._files.items():
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        self.version = digest.hexdigest()[:12]
        """Names what is in them."""
        self._packed: dict[tuple[str, str], bytes] = {}

    def read(self, name: str) -> bytes:
        """The file of that name. Raises KeyError."""
        return self._files[name]

    def names(self) -> list[str]:
        """All there are."""
        return list(self._files)

    def answer(self, name: str, version: str, accept_encoding: str, if_none_match: str) -> Answer:
        """A file as a browser takes it. Raises WebError 404."""
        data = self._files.get(name)
        if data is None or version != self.version:
            raise WebError(404, "the pages have no such file, or had it in another version")
        coding = choose_coding(accept_encoding) if len(data) >= _SMALLEST else IDENTITY
        tag = f'"{version}-{coding}"'
        fields = (("ETag", tag), *_KEPT)
        if PurePosixPath(name).name == _WORKERS:
            fields = (*fields, _WORKER_POLICY)
        if none_match(if_none_match, tag):
            return Answer(304, fields)
        fields = (("Content-Type", _TYPES[PurePosixPath(name).suffix]), *fields)
        if coding != IDENTITY:
            fields = (*fields, ("Content-Encoding", coding))
            data = self._pack(name, data, coding)
        return Answer(200, fields, data)

    def _pack(self, name: str, data: bytes, coding: str) -> bytes:
        """Compressed at the first request, thoroughly, since it is done once; a few milliseconds each."""
        packed = self._packed.get((name, coding))
        if packed is None:
            if coding == "zstd":
                packed = zstandard.ZstdCompressor(level=12).compress(data)
            else:
                packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
                packed = packer.compress(data) + packer.flush()
            self._packed[name, coding] = packed
        return packed
