"""Instances from the entries of a zip body (PS3.18 10.5 with application/zip).

A zip is a folder in which people packed more than DICOM files. Each entry is

    passed over   folders, empty and hidden files, DICOMDIR, `__MACOSX`; files that are named as something else
                  (report.pdf, viewer.exe) and do not begin as a DICOM file does
    refused       zips in the zip; what is encrypted or damaged
    handed in     everything else; the archive refuses what it cannot read

Only the number of those passed over is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from dicomweb.services.stow_tally import Tally
from dicomweb.services.zip_input import LOCAL, DamagedEntry, MalformedZip, ZipEntry, ZipLimits, read_entries

_PREAMBLE = 132
_OTHER_SUFFIXES = frozenset(
    [
        *(
            "bat",
            "cmd",
            "com",
            "dll",
            "dylib",
            "exe",
            "icns",
            "ico",
            "inf",
            "jar",
            "java",
            "lnk",
            "msi",
            "ocx",
            "so",
        ),
        *("bmp", "gif", "jpeg", "jpg", "mp3", "mp4", "png", "svg", "swf", "tif", "tiff", "webp", "wmv"),
        *(
            "css",
            "doc",
            "docx",
            "htm",
            "html",
            "js",
            "mht",
            "pdf",
            "ps",
            "rtf",
            "txt",
            "url",
            "xls",
            "xlsx",
            "xsl",
        ),
        *("cfg", "config", "csv", "db", "ini", "json", "log", "md", "md5", "nfo", "plist", "properties", "sh"),
        *("sha256", "tmp", "xml", "yaml", "yml"),
    ]
)


async def store_zip(body: AsyncIterator[bytes], tally: Tally, limits: ZipLimits) -> None:
    """Hand in the instances of a zip. Raises BodyOverLimit, and what the body raises."""
    done = 0
    try:
        async with aclosing(read_entries(body, limits)) as entries:
            async for entry in entries:
                await _store_entry(entry, tally)
                done = entry.number
    except MalformedZip as error:
        tally.refuse(f"zip behind entry {done}", str(error))


async def _store_entry(entry: ZipEntry, tally: Tally) -> None:
    label = f"entry {entry.number}"
    if _is_clutter(entry.name):
        tally.skipped += 1
        return
    try:
        head, data = await _beginning(entry.data())
        if not head or (head[128:132] != b"DICM" and _is_named_otherwise(entry.name)):
            tally.skipped += 1
        elif head.startswith(LOCAL):
            tally.refuse(label, "a zip within a zip is not opened")
        else:
            await tally.add(label, data)
    except DamagedEntry as error:
        tally.refuse(label, str(error))


def _is_clutter(path: str) -> bool:
    """What every medium or desktop puts beside the files that matter."""
    folders, _, name = path.replace("\\", "/").rpartition("/")
    return not name or name.startswith(".") or name.upper() == "DICOMDIR" or "__MACOSX" in folders.split("/")


def _is_named_otherwise(path: str) -> bool:
    return path.rpartition(".")[2].lower() in _OTHER_SUFFIXES if "." in path else False


async def _beginning(data: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first bytes, enough to know a DICOM file by, and all of the data."""
    head = b""
    async for piece in data:
        head += piece
        if len(head) >= _PREAMBLE:
            break

    async def whole() -> AsyncIterator[bytes]:
        yield head
        async for piece in data:
            yield piece

    return head, whole()
