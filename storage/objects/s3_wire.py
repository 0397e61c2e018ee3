"""Signed requests to one bucket, over connections that stay open; one attempt each, nothing repeated here.

aiohttp would send a PUT again when a connection that was kept open turns out to be dead, also after the store has
taken the first one. `_dropped` turns what it would retry on into an error that it does not know.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from storage.objects.contract import StoreUnavailable
from storage.objects.s3_faults import told_region
from storage.objects.s3_settings import S3Settings
from storage.objects.s3_signing import EMPTY, UNSIGNED, Place, Signer

SLOWEST = 50_000.0
"""Bytes a second below which sending is given up."""
KEPT_OPEN = 15.0
"""Seconds a connection is kept without use; S3 closes it after 20."""

_DIGEST_IN_THREAD = 1 << 20
_WRITTEN_AT_ONCE = 1 << 18
_READ_AHEAD = 1 << 18
_SKIPPED = frozenset({"Accept", "Content-Type", "User-Agent"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    """HTTP status."""
    headers: Mapping[str, str]
    """Header fields; names in any case."""
    body: bytes
    """The body; of an error the error document."""


class Wire:
    """The way to one bucket."""

    def __init__(self, settings: S3Settings, signer: Signer, session: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._signer = signer
        self._session = session
        self._secure = signer.place.url.startswith("https:")
        self._signs_payload = settings.sign_payload == "always" or (
            settings.sign_payload == "auto" and not self._secure
        )
        self._proxy = _proxy(signer.place.url)
        self._patience = settings.connect_timeout + settings.read_timeout

    @classmethod
    async def open(cls, settings: S3Settings) -> Wire:
        """Find the way. Sends nothing to the bucket. Raises StoreDenied."""
        signer = await Signer.open(settings)
        secure = signer.place.url.startswith("https:")
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.max_connections,
                keepalive_timeout=KEPT_OPEN,
                ssl=ssl.create_default_context(cafile=signer.certificates) if secure else False,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SKIPPED,
            read_bufsize=_READ_AHEAD,
            middlewares=(_dropped,),
        )
        return cls(settings, signer, session)

    @property
    def place(self) -> Place:
        """Where requests go."""
        return self._signer.place

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def find_region(self, answer: Answer) -> bool:
        """Whether an answer told of another region; requests go there from now on."""
        region = answer.headers.get("x-amz-bucket-region", "") or told_region(answer.body)
        if not region or region == self._signer.place.region or self._settings.endpoint_url:
            return False
        await self._signer.move(region)
        return True

    async def send(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Sequence[bytes | memoryview] | None = None,
    ) -> Answer:
        """Send one request and read its whole answer. Raises StoreUnavailable, StoreDenied."""
        async with self.answer(method, key, query=query, headers=headers, body=body) as response:
            try:
                return Answer(response.status, response.headers, await response.read())
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise unavailable(key or f"the bucket {self._settings.bucket}", error) from error

    @asynccontextmanager
    async def answer(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Sequence[bytes | memoryview] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; its answer, whose body is still to be read. Raises StoreUnavailable, StoreDenied."""
        url = self._url(key, query)
        signed = await self._signer.sign(method, url, dict(headers or {}), await self._digest(body))
        # not signed: proxies change it
        signed["Accept-Encoding"] = "identity"
        payload = None if body is None else _Pieces(body)
        size = 0 if payload is None else payload.size
        try:
            # aiohttp's own time limits do not cover a store that stops reading
            async with asyncio.timeout(self._patience + size / SLOWEST):
                response = await self._session.request(
                    method,
                    URL(url, encoded=True),
                    headers=signed,
                    data=payload,
                    proxy=self._proxy,
                    allow_redirects=False,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unavailable(key or f"the bucket {self._settings.bucket}", error) from error
        try:
            yield response
        finally:
            # a body that was not read to its end takes the connection with it
            response.release() if response.content.at_eof() else response.close()

    def _url(self, key: str, query: Mapping[str, str] | None) -> str:
        url = self._signer.place.url + quote(key, safe="/~")
        if query:
            pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query.items())
            url += "?" + "&".join(f"{name}={value}" for name, value in pairs)
        return url

    async def _digest(self, body: Sequence[bytes | memoryview] | None) -> str:
        if body is None:
            return EMPTY
        if not self._signs_payload:
            return UNSIGNED
        if sum(map(len, body)) > _DIGEST_IN_THREAD:
            return await asyncio.to_thread(_sha256, body)
        return _sha256(body)


class _Pieces(Payload):
    """A body of pieces, written without joining them."""

    def __init__(self, pieces: Sequence[bytes | memoryview]) -> None:
        super().__init__(pieces)
        self._size = sum(map(len, pieces))
        self._pieces = pieces

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self._size or 0

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not text."""
        raise TypeError("an object is not text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all pieces, giving way while the connection is slower."""
        for piece in self._pieces:
            if len(piece) <= _WRITTEN_AT_ONCE:
                await writer.write(piece)
                continue
            view = memoryview(piece)
            for start in range(0, len(view), _WRITTEN_AT_ONCE):
                await writer.write(view[start : start + _WRITTEN_AT_ONCE])


class _Dropped(aiohttp.ClientError):
    """The connection went away; unlike aiohttp's own errors of that kind, not one it sends again on."""


async def _dropped(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError as error:
        raise _Dropped(f"cannot connect to {error.host}:{error.port}: {_why(error.os_error)}") from error
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Dropped(str(error) or type(error).__name__) from error


def _why(error: OSError) -> str:
    """Why there is no connection; aiohttp's own words tell of sockets and of how TLS would have been spoken."""
    if isinstance(error, ssl.SSLCertVerificationError):
        told = error.verify_message
        return f"its certificate is not trusted ({told}); AWS_CA_BUNDLE names a file of those to trust"
    if isinstance(error, ssl.SSLError):
        # its number is OpenSSL's, none of the system's
        return f"TLS failed ({(error.reason or 'no reason told').replace('_', ' ').lower()}); is https:// right?"
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def unavailable(key: str, error: BaseException) -> StoreUnavailable:
    """The error to raise when a connection failed."""
    return StoreUnavailable(key, f"no answer: {str(error) or type(error).__name__}")


def _sha256(pieces: Sequence[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _proxy(url: str) -> str | None:
    """The proxy the environment names for a URL; looked up once, not for every request."""
    parts = URL(url)
    if not parts.host or proxy_bypass(parts.host):
        return None
    return getproxies().get(parts.scheme)
