"""Where the archive is and where a node keeps what is its own, as the settings have it. Opens nothing."""

from __future__ import annotations

import re
from pathlib import Path

from app.config import Settings
from app.node import default_node_dir
from app.values import ConfigError
from storage.objects.address import Address, BadAddress, Folder, parse_address
from storage.objects.s3_settings import S3Settings

_ENDPOINT = re.compile(r"https?://[^/\s]+", re.IGNORECASE)
_SLIP = re.compile(r"(s3|file|memory)(:|//)", re.IGNORECASE)
"""How an address begins that lacks a colon or slash."""


def store_address(settings: Settings) -> Address:
    """What the setting `store` stands for. Raises ConfigError."""
    if hint := _mistyped(settings.store):
        raise ConfigError(f"store: {settings.store} is neither a folder nor the address of a bucket; {hint}")
    if settings.s3.endpoint and not _ENDPOINT.match(settings.s3.endpoint):
        raise ConfigError(
            f"s3.endpoint: {settings.s3.endpoint} is no URL; expected https://HOST or https://HOST:PORT, or "
            "http:// where the store has no TLS"
        )
    try:
        return parse_address(
            settings.store, s3=S3Settings(endpoint_url=settings.s3.endpoint, region=settings.s3.region)
        )
    except BadAddress as error:
        raise ConfigError(f"store: {error}") from error


def _mistyped(store: str) -> str:
    """A hint if this is an address with a slip, which would otherwise become a folder of that name."""
    found = _SLIP.match(store)
    if found is None or "://" in store:
        return ""
    scheme, rest = found[1].lower(), store[found.end() :].lstrip("/")
    meant = f"{scheme}:///{rest}" if scheme == "file" else f"{scheme}://{rest}"
    return f"did you mean {meant}? (a folder of that name is ./{store})"


def node_dir(settings: Settings) -> Path:
    """The folder this node keeps for itself."""
    if settings.node_dir:
        return Path(settings.node_dir).expanduser()
    address = store_address(settings)
    return default_node_dir(settings.store, address.path if isinstance(address, Folder) else None)
