"""The server's certificate and key, with errors that name the file."""

from __future__ import annotations

import ssl
from pathlib import Path

from app.config import WebSettings

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


class BadTls(Exception):
    """A certificate or key cannot be used."""


def tls_context(settings: WebSettings) -> ssl.SSLContext | None:
    """What the server speaks TLS with, None if it shall not. Raises BadTls."""
    if not settings.tls_certificate:
        return None
    _check("web.tls_certificate", settings.tls_certificate, _CERTIFICATE, "certificate")
    key = _check("web.tls_key", settings.tls_key, _KEY, "private key")
    if any(mark in key for mark in _ENCRYPTED):
        raise BadTls(f"web.tls_key: {settings.tls_key} is encrypted; expected a key without a pass phrase")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            said = f"web.tls_key: {settings.tls_key} is not the key of the certificate {settings.tls_certificate}"
        else:
            said = f"{settings.tls_certificate} or {settings.tls_key} is damaged ({error.reason or error})"
        raise BadTls(said) from error
    return context


def _check(setting: str, path: str, mark: bytes, what: str) -> bytes:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadTls(f"{setting}: {path} cannot be read: {error.strerror}") from error
    if mark not in content:
        raise BadTls(f"{setting}: {path} has no {what} in PEM form")
    return content
