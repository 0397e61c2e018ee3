"""Objects in an S3 bucket, or in any store that speaks its language and honours conditional writes.

A create is a PUT with `If-None-Match: *`, sent once. Everything else may be repeated and is, with jitter. S3 has
nothing to settle: what it has answered for is durable.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import ObjectInfo, ObjectMissing, StoreDenied, StoreUnavailable, Upload
from storage.objects.names import check_key, check_prefix
from storage.objects.retry import retried
from storage.objects.s3_faults import answer_fault, is_error, is_listing
from storage.objects.s3_listing import Page, parse_page, plan_page
from storage.objects.s3_parts import S3Upload
from storage.objects.s3_reading import Streaming, read_span
from storage.objects.s3_settings import S3Settings
from storage.objects.s3_wire import Answer, Wire


class S3Store:
    """A bucket, or a part of it, as an object store. Use as a context manager."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._root = f"{settings.prefix}/" if settings.prefix else ""
        self._moved = False

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        """Write an object of pieces joined."""
        check_key(key)
        if not create:
            await self._send("PUT", key, body=data)
            return
        answer = await self._wire.send("PUT", self._root + key, headers={"If-None-Match": "*"}, body=data)
        if answer.status != 200:
            raise answer_fault(key, answer.status, answer.body, create=True)

    def upload(self, key: str) -> Upload:
        """Begin a large object."""
        check_key(key)
        return S3Upload(key, self._send, self._size)

    async def settle(self, keys: Collection[str]) -> None:
        """Nothing to do: an object is durable when S3 has answered."""
        for key in keys:
            check_key(key)

    async def get(self, key: str, span: ByteRange | None = None) -> bytes:
        """The object or a span of it."""
        check_key(key)
        if span is not None and span.length <= 0:
            await self.head(key)
            return b""

        def attempt() -> Awaitable[bytes]:
            return read_span(self._wire, key, self._root + key, span)

        return await retried(attempt, attempts=self._settings.attempts)

    async def stream(self, key: str, span: ByteRange | None = None) -> AsyncGenerator[bytes, None]:
        """The object or a span of it in chunks, all of one object; taken up again where a connection breaks."""
        check_key(key)
        if span is not None and span.length <= 0:
            await self.head(key)
            return
        streaming = Streaming(self._wire, key, self._root + key, span, attempts=self._settings.attempts)
        async with aclosing(streaming.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk

    async def head(self, key: str) -> ObjectInfo:
        """Size and time."""
        check_key(key)
        answer = await self._send("HEAD", key)
        try:
            modified = parsedate_to_datetime(answer.headers["Last-Modified"])
            return ObjectInfo(key, int(answer.headers["Content-Length"]), modified)
        except (KeyError, ValueError) as error:
            raise StoreUnavailable(key, "the answer lacks size or time, or tells them as no S3 does") from error

    async def delete(self, key: str) -> None:
        """Remove an object."""
        check_key(key)
        with suppress(ObjectMissing):
            await self._send("DELETE", key)

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncGenerator[ObjectInfo, None]:
        """Objects by ascending key."""
        check_prefix(prefix)
        token = ""
        while True:
            page = await self._page(self._root + prefix, after and self._root + after, token)
            for info in page.objects:
                yield info
            token = page.more
            if not token:
                return

    async def __aenter__(self) -> Self:
        """Find the bucket. Raises StoreDenied, StoreUnavailable."""
        self._wire = await Wire.open(self._settings)
        try:
            await retried(self._find_bucket, attempts=self._settings.attempts)
        except BaseException:
            await self._wire.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._wire.close()

    @property
    def located(self) -> S3Settings:
        """The way to the bucket, with the region where it was found. For whoever goes there by other means."""
        region = self._wire.place.region
        return replace(self._settings, region=region) if self._moved else self._settings

    async def _find_bucket(self) -> None:
        """See that the bucket may be listed, in the region it lies in."""
        query = {**plan_page(prefix=self._root, after="", token=""), "max-keys": "1"}
        answer = await self._wire.send("GET", "", query=query)
        if answer.status != 200 and await self._wire.find_region(answer):
            self._moved = True
            answer = await self._wire.send("GET", "", query=query)
        if answer.status == 200 and is_listing(answer.body):
            return
        if answer.status < 500 and not is_error(answer.body):
            told = f"{self._wire.place.url} answered {answer.status}, but not as S3 does"
            raise StoreDenied(self._settings.bucket, f"{told}: s3.endpoint has to be the URL of an S3 API")
        raise answer_fault(self._settings.bucket, answer.status, answer.body, headers=answer.headers)

    async def _page(self, prefix: str, after: str, token: str) -> Page:
        async def attempt() -> Page:
            answer = await self._wire.send("GET", "", query=plan_page(prefix=prefix, after=after, token=token))
            if answer.status != 200:
                raise answer_fault(prefix, answer.status, answer.body)
            return parse_page(answer.body, root=self._root)

        return await retried(attempt, attempts=self._settings.attempts)

    async def _send(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Sequence[bytes | memoryview] | None = None,
    ) -> Answer:
        """Send what may be repeated, until it is answered. Raises StoreError for what is no success."""

        async def attempt() -> Answer:
            answer = await self._wire.send(method, self._root + key, query=query, body=body)
            if answer.status not in (200, 204):
                raise answer_fault(key, answer.status, answer.body)
            return answer

        return await retried(attempt, attempts=self._settings.attempts)

    async def _size(self, key: str) -> int:
        return (await self.head(key)).size
