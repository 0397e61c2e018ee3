"""The contract of an object store, as tests. A store fulfils it by a subclass that provides `store`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta

import pytest

from dicomweb.model.ranges import ByteRange
from storage.objects.contract import (
    IllegalKey,
    ObjectExists,
    ObjectInfo,
    ObjectMissing,
    ObjectStore,
    StoreError,
)

MIB = 1 << 20
ALPHABET_KEY = "AZaz09._~=-/-leading/~tilde/=equals/_underscore/.hidden/..two.dots"
LONG_NAME = "1." * 31 + "12~" + "v" * 32 + ".dcm"

ILLEGAL_KEYS = [
    "",
    "/",
    "/absolute",
    "trailing/",
    "two//slashes",
    ".",
    "..",
    "../outside",
    "a/../b",
    "a/./b",
    "a/..",
    "back\\slash",
    "nul\0",
    "new\nline",
    "line\n",
    "blank ",
    "percent%2F",
    "colon:",
    "question?",
    "umlaut-ä",
    ".node",
    ".node/catalog",
    ".tmp",
    ".tmp/passing",
    "x" * 256,
    "/".join(["y" * 200] * 6),
]


async def listed(store: ObjectStore, prefix: str = "", after: str = "") -> list[str]:
    """The keys of a listing."""
    return [info.key async for info in store.list(prefix, after=after)]


async def streamed(store: ObjectStore, key: str, span: ByteRange | None = None) -> list[bytes]:
    """The chunks of a stream."""
    return [chunk async for chunk in store.stream(key, span)]


class ObjectStoreContract:
    """Subclass, and provide the fixture `store`: opened, empty."""

    many = 12
    """How many tasks race in the tests about races."""

    @pytest.fixture
    async def store(self) -> ObjectStore:
        raise NotImplementedError

    # writing and reading whole objects

    async def test_what_is_put_is_got(self, store: ObjectStore) -> None:
        await store.put("a/b", [b"data"])

        assert await store.get("a/b") == b"data"

    async def test_pieces_are_joined(self, store: ObjectStore) -> None:
        pieces: list[bytes | memoryview] = [
            b"one ",
            b"",
            memoryview(b"-two-")[1:4],
            memoryview(bytearray(b" three")),
        ]

        await store.put("k", pieces)

        assert await store.get("k") == b"one two three"

    async def test_thousands_of_pieces_are_joined(self, store: ObjectStore) -> None:
        pieces = [b"%d," % number for number in range(3000)]

        await store.put("k", pieces)

        assert await store.get("k") == b"".join(pieces)

    @pytest.mark.parametrize("pieces", [[], [b""], [b"", b""]])
    async def test_an_empty_object_exists(self, store: ObjectStore, pieces: list[bytes]) -> None:
        await store.put("empty", pieces)

        assert await store.get("empty") == b""
        assert await store.get("empty", ByteRange(0, 10)) == b""
        assert b"".join(await streamed(store, "empty")) == b""
        assert (await store.head("empty")).size == 0
        assert await listed(store) == ["empty"]

    async def test_every_character_of_the_alphabet_may_stand_in_a_key(self, store: ObjectStore) -> None:
        await store.put(ALPHABET_KEY, [b"x"])

        assert await store.get(ALPHABET_KEY) == b"x"
        assert (await store.head(ALPHABET_KEY)).key == ALPHABET_KEY
        assert await listed(store) == [ALPHABET_KEY]
        await store.delete(ALPHABET_KEY)
        assert await listed(store) == []

    async def test_names_as_long_as_a_versioned_uid_are_possible(self, store: ObjectStore) -> None:
        key = f"dicom/ab/{'1.' * 31}12/{'2.' * 31}34/{LONG_NAME}"

        await store.put(key, [b"x"], create=True)

        assert await listed(store) == [key]

    async def test_a_later_put_replaces(self, store: ObjectStore) -> None:
        await store.put("k", [b"first, and longer"])
        await store.put("k", [b"second"])

        assert await store.get("k") == b"second"
        assert (await store.head("k")).size == 6

    async def test_head_tells_size_and_time(self, store: ObjectStore) -> None:
        await store.put("k", [b"12345"])

        info = await store.head("k")

        assert (info.key, info.size) == ("k", 5)
        assert info.modified.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=1)

    async def test_what_is_not_there_is_missing(self, store: ObjectStore) -> None:
        await store.put("folder/object", [b"x"])

        for key in ("nothing", "folder", "folder/other", "folder/object/below", "fold"):
            with pytest.raises(ObjectMissing):
                await store.get(key)
            with pytest.raises(ObjectMissing):
                await store.get(key, ByteRange(0, 1))
            with pytest.raises(ObjectMissing):
                await store.head(key)
            with pytest.raises(ObjectMissing):
                await streamed(store, key)

    async def test_an_error_names_its_key(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectMissing) as caught:
            await store.get("no/such")

        assert caught.value.key == "no/such"

    # create-only

    async def test_a_create_of_a_free_key_writes(self, store: ObjectStore) -> None:
        await store.put("a/b/c", [b"mine"], create=True)

        assert await store.get("a/b/c") == b"mine"

    async def test_a_create_of_a_taken_key_changes_nothing(self, store: ObjectStore) -> None:
        await store.put("k", [b"first"])

        with pytest.raises(ObjectExists):
            await store.put("k", [b"second"], create=True)

        assert await store.get("k") == b"first"

    async def test_a_create_of_a_taken_empty_object_is_refused(self, store: ObjectStore) -> None:
        await store.put("k", [b""], create=True)

        with pytest.raises(ObjectExists):
            await store.put("k", [b"second"], create=True)

    async def test_of_many_creators_exactly_one_wins(self, store: ObjectStore) -> None:
        for round_ in range(3):
            key = f"log/{round_:020d}"

            async def create(number: int, key: str = key) -> int | None:
                try:
                    await store.put(key, [b"creator %d" % number] * 100, create=True)
                except ObjectExists:
                    return None
                return number

            winners = [won for won in await asyncio.gather(*map(create, range(self.many))) if won is not None]

            assert len(winners) == 1
            assert await store.get(key) == b"creator %d" % winners[0] * 100

    async def test_a_create_after_a_delete_writes(self, store: ObjectStore) -> None:
        await store.put("a/k", [b"first"], create=True)
        await store.delete("a/k")

        await store.put("a/k", [b"second"], create=True)

        assert await store.get("a/k") == b"second"

    # ranges

    @pytest.mark.parametrize(
        ("start", "end"),
        [(0, 1), (0, 10), (3, 7), (9, 10), (4, 4), (0, 0), (5, 99), (10, 12), (50, 60), (0, 1 << 50)],
    )
    async def test_a_span_is_what_lies_in_it(self, store: ObjectStore, start: int, end: int) -> None:
        data = b"0123456789"
        await store.put("k", [data])

        assert await store.get("k", ByteRange(start, end)) == data[start:end]
        assert b"".join(await streamed(store, "k", ByteRange(start, end))) == data[start:end]

    async def test_an_empty_span_of_a_missing_object_is_missing(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectMissing):
            await store.get("k", ByteRange(3, 3))
        with pytest.raises(ObjectMissing):
            await streamed(store, "k", ByteRange(3, 3))

    async def test_a_stream_comes_in_chunks_of_at_most_one_mebibyte(self, store: ObjectStore) -> None:
        data = os.urandom(3 * MIB + 17)
        await store.put("k", [data])

        chunks = await streamed(store, "k")
        span = await streamed(store, "k", ByteRange(5, 2 * MIB + 5))

        assert b"".join(chunks) == data
        assert b"".join(span) == data[5 : 2 * MIB + 5]
        assert min(map(len, chunks)) > 0
        assert max(map(len, chunks + span)) <= MIB

    async def test_a_stream_may_be_left_early(self, store: ObjectStore) -> None:
        await store.put("k", [os.urandom(3 * MIB)])

        stream = store.stream("k")
        await anext(stream)
        await stream.aclose()

        assert len(await store.get("k")) == 3 * MIB

    async def test_readers_see_one_object_whole_while_it_is_replaced(self, store: ObjectStore) -> None:
        contents = [bytes([letter]) * (MIB + MIB // 2) for letter in b"abc"]
        await store.put("k", [contents[0]])
        stop = asyncio.Event()

        async def replace() -> None:
            for turn in range(6):
                await store.put("k", [contents[turn % 3]])
            stop.set()

        async def read(*, by_stream: bool) -> None:
            while not stop.is_set():
                data = b"".join(await streamed(store, "k")) if by_stream else await store.get("k")
                assert data in contents

        await asyncio.gather(replace(), read(by_stream=True), read(by_stream=False), read(by_stream=False))

    # large objects

    @pytest.mark.parametrize("size", [0, 1, MIB, 20 * MIB + 3])
    async def test_an_upload_exists_when_it_is_complete(self, store: ObjectStore, size: int) -> None:
        data = os.urandom(size)

        async with store.upload("large/object") as upload:
            for start in range(0, size, 300_000):
                await upload.write(memoryview(data)[start : start + 300_000])
            assert await listed(store) == []
            with pytest.raises(ObjectMissing):
                await store.head("large/object")
            await upload.complete()

        assert (await store.head("large/object")).size == size
        assert b"".join(await streamed(store, "large/object")) == data
        assert (
            await store.get("large/object", ByteRange(size // 2, size // 2 + 9)) == data[size // 2 : size // 2 + 9]
        )

    async def test_a_buffer_may_be_used_again_after_it_was_written(self, store: ObjectStore) -> None:
        buffer = bytearray(1000)

        async with store.upload("k") as upload:
            for number in range(50):
                buffer[:] = bytes([number]) * 1000
                await upload.write(memoryview(buffer))
            buffer[:] = bytes(1000)
            await upload.complete()

        assert await store.get("k") == b"".join(bytes([number]) * 1000 for number in range(50))

    @pytest.mark.parametrize("size", [10, 17 * MIB])
    async def test_an_abandoned_upload_leaves_nothing(self, store: ObjectStore, size: int) -> None:
        async with store.upload("left") as upload:
            await upload.write(os.urandom(size))

        assert await listed(store) == []
        with pytest.raises(ObjectMissing):
            await store.get("left")

    async def test_an_upload_ended_by_an_error_leaves_what_was_there(self, store: ObjectStore) -> None:
        await store.put("k", [b"before"])

        with pytest.raises(RuntimeError):
            await self._fail_midway(store)

        assert await store.get("k") == b"before"

    async def _fail_midway(self, store: ObjectStore) -> None:
        async with store.upload("k") as upload:
            await upload.write(b"x" * (9 * MIB))
            raise RuntimeError

    async def test_a_cancelled_upload_leaves_nothing(self, store: ObjectStore) -> None:
        began = asyncio.Event()

        async def write() -> None:
            async with store.upload("left") as upload:
                while True:
                    await upload.write(bytes(MIB))
                    began.set()
                    await asyncio.sleep(0.001)

        task = asyncio.create_task(write())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await listed(store) == []

    async def test_uploads_run_beside_each_other(self, store: ObjectStore) -> None:
        async def send(letter: int) -> None:
            async with store.upload(f"k{letter}") as upload:
                for _ in range(9):
                    await upload.write(bytes([letter]) * MIB)
                await upload.complete()

        await asyncio.gather(*map(send, b"abc"))

        for letter in b"abc":
            assert await store.get(f"k{letter}") == bytes([letter]) * (9 * MIB)

    # durability

    async def test_settled_objects_are_there(self, store: ObjectStore) -> None:
        keys = [f"dicom/{number % 3}/s{number}/{number}.dcm" for number in range(20)]
        await asyncio.gather(*(store.put(key, [key.encode()]) for key in keys))

        await store.settle(keys)
        await asyncio.gather(store.settle(keys[:5]), store.settle(keys[3:]))

        assert await listed(store) == sorted(keys)

    async def test_nothing_can_be_settled(self, store: ObjectStore) -> None:
        await store.settle([])

    async def test_an_upload_can_be_settled(self, store: ObjectStore) -> None:
        async with store.upload("a/b") as upload:
            await upload.write(b"x")
            await upload.complete()

        await store.settle({"a/b"})

        assert await store.get("a/b") == b"x"

    # deletion

    async def test_what_is_deleted_is_gone(self, store: ObjectStore) -> None:
        await store.put("a/b/one", [b"1"])
        await store.put("a/b/two", [b"2"])

        await store.delete("a/b/one")

        with pytest.raises(ObjectMissing):
            await store.get("a/b/one")
        assert await listed(store) == ["a/b/two"]

    async def test_deleting_twice_or_what_never_was_is_no_error(self, store: ObjectStore) -> None:
        await store.put("a/b", [b"1"])

        await store.delete("a/b")
        await store.delete("a/b")
        await store.delete("never/was")
        await store.put("a/b", [b"2"])
        await store.delete("a/b/below")
        await store.delete("a")

        assert await store.get("a/b") == b"2"

    async def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other(self, store: ObjectStore) -> None:
        async def churn(number: int) -> None:
            for _ in range(8):
                await store.put(f"a/b/{number}", [b"x"], create=True)
                await store.delete(f"a/b/{number}")
            await store.put(f"a/b/{number}", [b"x"], create=True)

        await asyncio.gather(*map(churn, range(6)))

        assert await listed(store) == [f"a/b/{number}" for number in range(6)]

    # listing

    async def test_a_listing_ascends_by_code_points(self, store: ObjectStore) -> None:
        keys = [
            "a.x",
            "a/x",
            "a/x.y/z",
            "a/x0/z",
            "a/xy",
            "a0",
            "A",
            "a-b/c",
            "a=b",
            "a_b",
            "a~b",
            "B/1",
            "a.b/c",
            "Z",
            "0",
        ]
        for key in keys:
            await store.put(key, [key.encode()])

        assert await listed(store) == sorted(keys)

    async def test_a_listing_tells_sizes(self, store: ObjectStore) -> None:
        await store.put("a/1", [b"1"])
        await store.put("a/22", [b"22"])

        found = [info async for info in store.list("a/")]

        assert [(info.key, info.size) for info in found] == [("a/1", 1), ("a/22", 2)]
        assert all(info.modified.utcoffset() == timedelta(0) for info in found)

    async def test_prefix_and_after_choose_what_is_listed(self, store: ObjectStore) -> None:
        keys = ["a", "ab/1", "ab/2", "ab/2.x", "ab/2x/1", "abc/1", "b", "b.c", "ba/1", "c/1/1", "c/1/2", "c/2/1"]
        for key in keys:
            await store.put(key, [b"x"]) if key != "a" else None
        keys.remove("a")
        prefixes = [
            "",
            "a",
            "ab",
            "ab/",
            "ab/2",
            "ab/2x/",
            "b",
            "b.",
            "c/1",
            "c/1/",
            "c/1/2",
            "c/2/1",
            "d",
            "c/1/2/",
        ]

        for prefix in prefixes:
            for after in [
                "",
                "0",
                "ab",
                "ab/",
                "ab/1",
                "ab/2",
                "ab/2.",
                "ab/2x",
                "abc/1",
                "b",
                "c/1/1",
                "c/1/2",
                "c/9",
                "d",
            ]:
                expected = sorted(key for key in keys if key.startswith(prefix) and key > after)
                assert await listed(store, prefix, after) == expected, (prefix, after)

    async def test_a_listing_of_many_is_complete_and_ordered(self, store: ObjectStore) -> None:
        keys = [f"log/e/{number:020d}.arrow" for number in range(1100)]
        for start in range(0, len(keys), 100):
            await asyncio.gather(*(store.put(key, [b"x"]) for key in keys[start : start + 100]))

        assert await listed(store, "log/e/") == keys
        assert await listed(store, "log/e/", keys[1050]) == keys[1051:]

    async def test_a_listing_may_be_left_early(self, store: ObjectStore) -> None:
        for number in range(5):
            await store.put(f"k{number}", [b"x"])

        first = [info.key async for info in _some(store.list(), 2)]

        assert first == ["k0", "k1"]

    async def test_what_is_listed_may_be_deleted_meanwhile(self, store: ObjectStore) -> None:
        keys = [f"a/{number}/{number}" for number in range(5)]
        for key in keys:
            await store.put(key, [b"x"])

        async for info in store.list("a/"):
            await store.delete(info.key)

        assert await listed(store) == []

    # keys

    async def test_an_illegal_key_is_refused_by_every_call(self, store: ObjectStore) -> None:
        for key in ILLEGAL_KEYS:
            calls: list[Awaitable[object]] = [
                store.put(key, [b"x"]),
                store.put(key, [b"x"], create=True),
                self._upload(store, key),
                store.get(key),
                streamed(store, key),
                store.head(key),
                store.delete(key),
                store.settle([key]),
            ]
            for call in calls:
                with pytest.raises(IllegalKey):
                    await call
        assert await listed(store) == []

    async def _upload(self, store: ObjectStore, key: str) -> None:
        async with store.upload(key) as upload:
            await upload.complete()

    async def test_an_illegal_prefix_is_refused(self, store: ObjectStore) -> None:
        for prefix in ["/", "../", "a/../", "a//", "a\\", "a\0", "./", "\n"]:
            with pytest.raises(IllegalKey):
                await listed(store, prefix)

    def test_errors_share_a_base(self) -> None:
        assert issubclass(IllegalKey, StoreError)


async def _some(found: AsyncIterator[ObjectInfo], number: int) -> AsyncIterator[ObjectInfo]:
    async for info in found:
        if number == 0:
            return
        number -= 1
        yield info
