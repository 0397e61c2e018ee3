"""Fetches the tarball of a package and compares it with its digest, in bounded memory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from app.about import NAME, version
from app.viewers.pins import Package
from app.viewers.registry import tarball_address, version_address

_CHUNK = 256 << 10
_SECONDS = 30.0
"""How long a registry may say nothing."""
_DESCRIPTION_BYTES = 8 << 20
Told = Callable[[int], None]
"""Told how many bytes are there."""


class NotFetched(Exception):
    """The registry did not give the package."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{urlsplit(address).hostname or address} did not give {address}: {reason}")
        self.address = address
        self.reason = reason


class WrongDigest(Exception):
    """What came is not the package that is pinned."""

    def __init__(self, package: Package, source: str) -> None:
        super().__init__(
            f"{source} is not {package.name} {package.version} as it is known here: its SHA-512 is another one. "
            "Nothing of it was installed"
        )
        self.package = package


def fetch(package: Package, registry: str, into: Path, told: Told) -> None:
    """The tarball of the package from the registry, in the file `into`. Raises NotFetched, WrongDigest."""
    address = tarball_address(registry, package)
    try:
        _download(package, address, into, told)
    except NotFetched:
        # a registry may keep its tarballs elsewhere, and then says where
        elsewhere = _described_address(version_address(registry, package))
        if elsewhere in ("", address):
            raise
        _download(package, elsewhere, into, told)
    verify(package, into, f"what came from {urlsplit(registry).hostname}")


def verify(package: Package, tarball: Path, source: str) -> None:
    """Raises WrongDigest if the tarball is not that of the package; `source` says where it is from."""
    with tarball.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").digest()
    if not hmac.compare_digest(base64.b64encode(digest).decode(), package.integrity):
        raise WrongDigest(package, source)


def _download(package: Package, address: str, into: Path, told: Told) -> None:
    most = package.size
    try:
        with _open(address) as answer, into.open("wb") as file:
            count = 0
            while chunk := answer.read(_CHUNK):
                count += len(chunk)
                if count > most:
                    raise NotFetched(address, f"more than the expected {most} bytes came")
                file.write(chunk)
                told(count)
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise NotFetched(address, _reason(error)) from error


def _described_address(address: str) -> str:
    try:
        with _open(address) as answer:
            described = json.loads(answer.read(_DESCRIPTION_BYTES))
        found = described["dist"]["tarball"]
    except (http.client.HTTPException, OSError, ValueError, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) and urlsplit(found).scheme in ("https", "http") else ""


def _open(address: str) -> http.client.HTTPResponse:
    request = urllib.request.Request(address, headers={"User-Agent": f"{NAME}/{version()}", "Accept": "*/*"})
    opened: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_SECONDS)  # http and https alone
    return opened


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"it answered {error.code} {error.reason}"
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({reason.verify_message}); SSL_CERT_FILE may name the certificates "
            "of an authority of your own"
        )
    return str(reason) or type(error).__name__
