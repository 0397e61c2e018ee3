"""Asking the archive for pictures: files are stored one by one, each rendered before the next is stored.

One by one, because several sample files are versions of one instance, and the archive shows the last.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom.dataset import FileMetaDataset

from tests.app.archives import RELATED, House, related
from tests.build.dicom import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, SECONDARY_CAPTURE, uid

PICTURE = "image/png"
DOCUMENTS = ("text/html", "text/plain", "image/svg+xml", "application/pdf", "text/xml", "model/stl", "video/mp4")
"""What else is asked for, and linked to where it is offered."""
_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_DICOM = ("PatientID", "PatientName", "Modality", "Rows", "DirectoryRecordSequence")
"""A bare data set has one of these; what has not is no DICOM, whatever can be read of it."""
_EXTENSIONS = {"svg+xml": "svg", "plain": "txt", "mpeg": "mpg"}


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One file, and what became of it."""

    name: str
    """Path below the sample folder."""
    about: str
    """SOP class, transfer syntax and size of image, in words."""
    status: int
    """HTTP status of the picture; that of storing, if the file was not stored."""
    picture: bytes
    """A PNG file; empty where there is none."""
    trouble: str
    """What was said in place of a picture."""
    milliseconds: float
    """From the request to the last byte of the picture."""
    documents: tuple[tuple[str, bytes], ...] = ()
    """Other representations: file extension and bytes."""


async def exhibits(
    house: House, files: Sequence[tuple[str, str, Path]], *, viewport: int, documents: bool
) -> AsyncIterator[Exhibit]:
    """Name, words and path of each file to what the archive shows of it, scaled into a square viewport."""
    for name, about, path in files:
        yield await _exhibit(house, name, about, path, viewport=viewport, documents=documents)


async def _exhibit(house: House, name: str, about: str, path: Path, *, viewport: int, documents: bool) -> Exhibit:
    data = await asyncio.to_thread(path.read_bytes)
    address, status, trouble = await _store(house, data)
    if not address and (completed := await asyncio.to_thread(with_identifiers, data, name)):
        address, _, _ = await _store(house, completed)
        about += f" (as it is not stored: {trouble}; shown is a copy with the identifiers it lacks)"
    if not address:
        return Exhibit(name, about, status, b"", f"not stored: {trouble}", 0.0)
    begun = time.perf_counter()
    query = f"?viewport={viewport},{viewport}"
    status, data = await _get(house, address + "/rendered" + query, PICTURE)
    taken = (time.perf_counter() - begun) * 1000
    if status != 200:
        return Exhibit(name, about, status, b"", _words(data), taken)
    others = [one async for one in _documents(house, address)] if documents else []
    return Exhibit(name, about, status, data, "", taken, tuple(others))


def with_identifiers(data: bytes, name: str) -> bytes | None:
    """A copy of a file with the UIDs that it needs to be stored; None if it cannot be read, or has them all."""
    import pydicom

    try:
        data_set = pydicom.dcmread(BytesIO(data), force=True)
        lacking = [one for one in _IDENTIFIERS if not _storable(str(data_set.get(one) or ""))]
        for one in lacking:
            setattr(data_set, one, uid(f"{name} {one}"))
        if not lacking or not (data[128:132] == b"DICM" or any(one in data_set for one in _DICOM)):
            return None
        data_set.file_meta = getattr(data_set, "file_meta", None) or FileMetaDataset()
        data_set.file_meta.MediaStorageSOPClassUID = data_set.get("SOPClassUID") or SECONDARY_CAPTURE
        data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
        if "TransferSyntaxUID" not in data_set.file_meta:
            implicit, little = data_set.original_encoding
            explicit = EXPLICIT_LITTLE if little else EXPLICIT_BIG
            data_set.file_meta.TransferSyntaxUID = IMPLICIT_LITTLE if implicit else explicit
        made = BytesIO()
        data_set.save_as(made)
        return made.getvalue()
    except Exception:  # whatever pydicom makes of such files: then they are shown as refused
        return None


def _storable(value: str) -> bool:
    return 0 < len(value) <= 64 and all(one.isdigit() or one == "." for one in value)


async def _documents(house: House, address: str) -> AsyncIterator[tuple[str, bytes]]:
    """Whatever else the instance can be given as."""
    for media in DOCUMENTS:
        status, data = await _get(house, address + "/rendered", media)
        if status == 200:
            kind = media.partition("/")[2]
            yield _EXTENSIONS.get(kind, kind), data


async def _get(house: House, address: str, accept: str) -> tuple[int, bytes]:
    async with house.client.get(address, headers={"Accept": accept}) as answer:
        return answer.status, await answer.read()


async def _store(house: House, data: bytes) -> tuple[str, int, str]:
    """Where the stored instance is found; else the status and why it was not stored."""
    headers = {"Content-Type": RELATED, "Accept": "application/dicom+json"}
    async with house.client.post(house.dicomweb + "/studies", data=related([data]), headers=headers) as answer:
        body = await answer.read()
        status = answer.status
    try:
        told = json.loads(body)
        addresses = [one["00081190"]["Value"][0] for one in told.get("00081199", {}).get("Value", [])]
    except (ValueError, LookupError, AttributeError):
        return "", status, _words(body)
    return (addresses[0], status, "") if addresses else ("", status, _reason(told) or _words(body))


def _reason(told: dict[str, Any]) -> str:
    """Why the instance was refused, from the answer to the request."""
    failed = told.get("00081198", {}).get("Value", []) + told.get("0008119A", {}).get("Value", [])
    reasons = [str(one.get("00081197", {}).get("Value", ["?"])[0]) for one in failed]
    words = [str(one.get("00000902", {}).get("Value", [""])[0]) for one in failed]
    return "; ".join(
        f"failure reason {reason} {said}".strip() for reason, said in zip(reasons, words, strict=True)
    )


def _words(body: bytes) -> str:
    """The message of an error, in one line."""
    try:
        told = json.loads(body)
    except ValueError:
        return " ".join(body[:400].decode("utf-8", "replace").split())
    if isinstance(told, dict):
        for key in ("message", "Message", "detail", "error"):
            if told.get(key):
                return str(told[key])
    return " ".join(str(told).split())[:400]
