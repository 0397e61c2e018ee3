"""A file of a viewer as an answer: in the smallest form the browser takes, never compressed on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from app.viewers.shelf import ServedFile
from dicomweb.wire.conditional import none_match
from dicomweb.wire.content_coding import IDENTITY, choose_coding
from dicomweb.wire.exchange import Answer, HeaderFields, WebError

_CHUNK = 256 << 10
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jsonc": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".xml": "text/xml",
    ".zst": "application/zstd",
}
FOR_EVER = "public, max-age=31536000, immutable"
"""Of what lies below a release, where a path always means the same bytes."""
ASK_AGAIN = "no-cache"


async def file_answer(
    file: ServedFile, *, accept_encoding: str, if_none_match: str, caching: str, isolation: HeaderFields
) -> Answer:
    """The file; 304 if the browser has it."""
    coding = choose_coding(accept_encoding) if file.codings else IDENTITY
    path, length = file.coded(coding)
    tag = f'"{file.digest}{"" if path == file.path else "-" + coding}"'
    fields: HeaderFields = (
        ("ETag", tag),
        ("Cache-Control", caching),
        *isolation,
        *((("Vary", "Accept-Encoding"),) if file.codings else ()),
    )
    if none_match(if_none_match, tag):
        return Answer(304, fields)
    fields = (("Content-Type", _TYPES.get(PurePosixPath(file.path).suffix, "application/octet-stream")), *fields)
    if path != file.path:
        fields = (*fields, ("Content-Encoding", coding))
    if length > _CHUNK:
        return Answer(200, fields, _chunks(path), length=length)
    return Answer(200, fields, await asyncio.to_thread(read_whole, path))


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    """The file in pieces; opened for the first, which an answer to HEAD never asks for. Raises WebError 404."""
    try:
        opened = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise _gone() from error
    try:
        while chunk := await asyncio.to_thread(opened.read, _CHUNK):
            yield chunk
    finally:
        opened.close()


def read_whole(path: Path) -> bytes:
    """A small file. Raises WebError 404."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _gone() from error


def _gone() -> WebError:
    return WebError(404, "this file of the viewer has gone; install it again: dicomlake viewers install")
