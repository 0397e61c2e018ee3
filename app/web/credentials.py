"""Who is asking: HTTP Basic (RFC 7617) and bearer tokens (RFC 6750) from the settings.

Secrets are compared in constant time. A password costs a slow hash on purpose, so an Authorization header that
was right is remembered by its digest for as long as the process lives; wrong ones are never remembered, and at
most two are checked at a time, so that guessing cannot take the machine.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb.ports import Compute
from dicomweb.wire.exchange import HeaderFields

_N, _R, _P = 1 << 14, 8, 1
_REMEMBERED = 1000


def hash_password(password: str) -> str:
    """`scrypt$N$r$p$salt$hash`, as the settings hold it."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=32)
    return f"scrypt${_N}${_R}${_P}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify_password(password: str, stored: str) -> bool:
    """Whether the password is the one `stored` was made of; `stored` may be plain text."""
    if not stored.startswith("scrypt$"):
        return hmac.compare_digest(password.encode(), stored.encode())
    try:
        _, n, r, p, salt, digest = stored.split("$")
        expected = base64.b64decode(digest)
        made = hashlib.scrypt(
            password.encode(), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p), dklen=len(expected)
        )
    except ValueError:
        return False
    return hmac.compare_digest(made, expected)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may use the archive."""

    name: str


class Credentials:
    """The users and tokens of the settings."""

    def __init__(self, users: Sequence[str], tokens: Sequence[str], compute: Compute) -> None:
        self._users = dict(_named(users))
        self._tokens = [(User(name), _digest(token.encode())) for name, token in _named(tokens)]
        self._compute = compute
        self._turns = asyncio.Semaphore(2)
        self._known: dict[bytes, User] = {}
        self.required = bool(users or tokens)
        """Whether anybody has to say who they are."""
        basic = (("WWW-Authenticate", 'Basic realm="dicomlake", charset="UTF-8"'),) if users else ()
        bearer = (("WWW-Authenticate", 'Bearer realm="dicomlake"'),) if tokens else ()
        self.challenge: HeaderFields = basic + bearer
        """Header fields of a 401."""

    @staticmethod
    def refusal(authorization: str) -> str:
        """What to tell whoever sent this Authorization header, or none."""
        match authorization.partition(" ")[0].lower():
            case "basic":
                return "the user name or the password is wrong"
            case "bearer":
                return "the token is wrong"
        return "this archive needs a user name and password, or a token"

    async def authenticate(self, authorization: str) -> User | None:
        """The user an Authorization header names rightly, None otherwise."""
        digest = _digest(authorization.encode())
        user = self._known.get(digest)
        if user is None:
            user = await self._check(authorization)
            if user is not None:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[digest] = user
        return user

    async def _check(self, authorization: str) -> User | None:
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._token(rest.strip())
        if scheme.lower() != "basic" or not self._users:
            return None
        try:
            name, mark, password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        # an unknown name costs as much as a known one, so that time tells nobody which names exist
        stored = self._users.get(name) or next(iter(self._users.values()))
        async with self._turns:
            right = await self._compute.run(lambda: verify_password(password, stored))
        return User(name) if right and mark and name in self._users else None

    def _token(self, token: str) -> User | None:
        digest, found = _digest(token.encode()), None
        for user, expected in self._tokens:
            if hmac.compare_digest(digest, expected):
                found = user
        return found


def _named(entries: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, secret) for name, _, secret in (entry.partition(":") for entry in entries)]


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
