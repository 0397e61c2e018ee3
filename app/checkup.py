"""What `dicomlake doctor` looks at, beside the store itself: each check gives a finding, none raises."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from app.cautions import cautions
from app.config import Settings
from app.progress import readable_bytes
from app.values import ConfigError
from app.web.hosts import is_loopback
from app.web.tls import BadTls, tls_context

_LITTLE_ROOM = 5_000_000_000
"""Bytes of free disk below which a warning is due."""
_CODECS = (
    ("JPEG", "JPEG8"),
    ("JPEG-LS", "JPEGLS"),
    ("JPEG 2000", "JPEG2K"),
    ("HTJ2K", "HTJ2K"),
    ("RLE", "PACKBITS"),
    ("JPEG XL", "JPEGXL"),
    ("PNG", "PNG"),
)
"""What is said, and what the package imagecodecs calls it."""
_VIDEO_ENCODERS = ("libx264", "mpeg4")
"""In the order in which MP4 is made with them."""
_NOT_BEFORE = 1_735_689_600
"""2025-01-01: a clock that says less has lost its battery."""


class State(Enum):
    """How a check went."""

    GOOD = "ok"
    ODD = "warning"
    BAD = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    topic: str
    state: State
    words: str


def check_access(settings: Settings) -> Iterable[Finding]:
    """Who can reach the server, and whether they must say who they are."""
    from app.assembly import check_access as refuse_open

    try:
        refuse_open(settings)
    except ConfigError as error:
        yield Finding("access", State.BAD, str(error))
        return
    named = len(settings.auth.users) + len(settings.auth.tokens)
    if named:
        yield Finding("access", State.GOOD, f"{named} users and tokens")
    elif is_loopback(settings.host):
        yield Finding("access", State.GOOD, "this machine only")
    for words in cautions(settings):
        yield Finding("access", State.ODD, words)
    if (
        named
        and not is_loopback(settings.host)
        and not settings.web.tls_certificate
        and not settings.trusted_proxies
    ):
        yield Finding("access", State.ODD, "passwords travel in the clear: set web.tls_certificate or use a proxy")


def check_ports(settings: Settings) -> Iterable[Finding]:
    """Whether the port can be listened on."""
    port = settings.http_port
    if not port:
        yield Finding("ports", State.GOOD, "http_port is 0: any free one")
    elif problem := _cannot_listen(settings.host, port):
        yield Finding("ports", State.BAD, f"http_port: cannot listen on {settings.host}:{port}: {problem}")
    else:
        yield Finding("ports", State.GOOD, f"http_port: {settings.host}:{port} is free")
    yield Finding("ports", State.GOOD, "dicom_port: DIMSE: not in this version; nothing will listen there")


def _cannot_listen(host: str, port: int) -> str:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                # as the server does, else a port just left by one counts as taken
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return (
            "it is taken, perhaps by a server already running" if error.errno == errno.EADDRINUSE else str(error)
        )
    return ""


def check_tls(settings: Settings) -> Iterable[Finding]:
    """Whether the certificate and its key can be used, if there are any."""
    try:
        context = tls_context(settings.web)
    except BadTls as error:
        yield Finding("tls", State.BAD, str(error))
        return
    if context is not None:
        yield Finding("tls", State.GOOD, f"certificate {settings.web.tls_certificate} and its key can be used")


def check_codecs() -> Iterable[Finding]:
    """Whether compressed pixel data can be decoded and encoded, and pictures and films be made."""
    missing = [name for name, codec in _CODECS if not _has_codec(codec)]
    there = [name for name, _ in _CODECS if name not in missing]
    if there:
        yield Finding("codecs", State.GOOD, ", ".join(there))
    if missing:
        yield Finding("codecs", State.BAD, f"{', '.join(missing)}: the Python package imagecodecs has none")
    encoder = next(filter(_has_encoder, _VIDEO_ENCODERS), "")
    if encoder:
        yield Finding("codecs", State.GOOD, f"MP4, by the encoder {encoder}")
    else:
        yield Finding("codecs", State.BAD, "MP4: the Python package av has no encoder for it")


def _has_codec(name: str) -> bool:
    try:
        import imagecodecs

        return bool(getattr(imagecodecs, name).available)
    except (ImportError, AttributeError):
        return False


def _has_encoder(name: str) -> bool:
    try:
        from av.codec import Codec

        return Codec(name, "w").is_encoder
    except (ImportError, ValueError):  # av's error of an unknown codec is a ValueError
        return False


def check_disk(place: str, folder: Path) -> Iterable[Finding]:
    """Whether a folder, or where it will be made, can be written and has room."""
    nearest = nearest_folder(folder)
    if not nearest.is_dir():
        yield Finding("disk", State.BAD, f"{place} {folder}: {nearest} is a file")
        return
    if not os.access(nearest, os.W_OK):
        yield Finding(
            "disk", State.BAD, f"{place} {folder}: no permission to write in {nearest}, or it is read-only"
        )
        return
    free = shutil.disk_usage(nearest).free
    state = State.ODD if free < _LITTLE_ROOM else State.GOOD
    yield Finding("disk", state, f"{place} {folder}: {readable_bytes(free)} free")


def nearest_folder(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    nearest = folder.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    return nearest


def check_clock() -> Iterable[Finding]:
    """Whether the clock is plainly wrong; log entries carry its time, and S3 refuses requests far off."""
    now = time.time()
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    yield Finding("clock", State.GOOD if now > _NOT_BEFORE else State.BAD, told)
