"""The stores that the log is tried on, and stores around them that behave badly."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from storage.objects.contract import ObjectStore, StoreUnavailable


class Wrapped:
    """A store around a store; what is not said otherwise goes through."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class DropsAnswers(Wrapped):
    """Creates are carried out and then not answered, as `plan` says: one verdict a create.

    `written`: done, but no answer. `lost`: not done, no answer. `told`: done and answered.
    """

    def __init__(self, inner: ObjectStore, plan: Callable[[], str]) -> None:
        super().__init__(inner)
        self._plan = plan
        self.dropped = 0

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        verdict = self._plan() if create else "told"
        if verdict != "lost":
            await self.inner.put(key, data, create=create)
        if verdict != "told":
            self.dropped += 1
            raise StoreUnavailable(key, "no answer")


class Away(Wrapped):
    """Does not answer while `away`."""

    away = False

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        self._answer(key)
        await self.inner.put(key, data, create=create)

    async def get(self, key: str, span: Any = None) -> bytes:
        self._answer(key)
        return await self.inner.get(key, span)

    def _answer(self, key: str) -> None:
        if self.away:
            raise StoreUnavailable(key, "no answer")


class Watched(Wrapped):
    """Writes down what is done, in order."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.done: list[tuple[str, str]] = []

    async def put(self, key: str, data: Sequence[bytes | memoryview], *, create: bool = False) -> None:
        self.done.append(("put", key))
        await self.inner.put(key, data, create=create)

    async def get(self, key: str, span: Any = None) -> bytes:
        self.done.append(("get", key))
        return await self.inner.get(key, span)

    async def settle(self, keys: Collection[str]) -> None:
        self.done.extend(("settle", key) for key in keys)
        await self.inner.settle(keys)
