"""The one page of the explorer: every address below `/ui/` is this file, and its scripts show what is there.

Its links are relative to where it was asked for, so that it works below any prefix a proxy may add. Scripts and
styles come from this server and from nowhere else, none may stand in the page, and no text can become markup
(Content Security Policy, Trusted Types).
"""

from __future__ import annotations

from string import Template

from app.ui.assets import Assets
from dicomweb.wire.conditional import none_match
from dicomweb.wire.exchange import Answer, HeaderFields

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types decoder",
    )
)
"""What the page may load and do. `decoder` names the address of the worker for frames, and nothing else."""
_FIELDS: HeaderFields = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-cache"),
    ("Content-Security-Policy", POLICY),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"),
)


class ExplorerPage:
    """Makes the page for each depth of address."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._template = Template(assets.read("index.html").decode())

    def answer(self, below: str, if_none_match: str) -> Answer:
        """The page for an address `below` the mount, `/` or `/studies/1.2.3`."""
        up = "../" * (below.count("/") - 1)
        tag = f'W/"{self._assets.version}-{len(up)}"'
        fields = (("ETag", tag), *_FIELDS)
        if none_match(if_none_match, tag):
            return Answer(304, fields)
        text = self._template.substitute(a=f"{up}a/{self._assets.version}")
        return Answer(200, fields, text.encode(), compressible=True)
