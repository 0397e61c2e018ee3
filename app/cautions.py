"""What is allowed, but worth a word: told by `serve` when it starts and by `doctor`."""

from __future__ import annotations

from collections.abc import Iterator

from app.config import Settings
from app.web.hosts import is_loopback


def cautions(settings: Settings) -> Iterator[str]:
    """A sentence for everything about these settings that lets in more than many expect."""
    if settings.auth.users or settings.auth.tokens:
        return
    if not is_loopback(settings.host):
        yield f"anybody who reaches {settings.host} may read, store and delete"
    elif settings.trusted_proxies or settings.public_url:
        name = "trusted_proxies" if settings.trusted_proxies else "public_url"
        yield (
            f"{name} is set without auth.users or auth.tokens: anybody who reaches the proxy may read, "
            "store and delete"
        )
    if "*" in settings.web.cors_origins:
        yield (
            'web.cors_origins is ["*"] and nobody has to log in: any web page opened on this machine can read '
            "the archive"
        )
