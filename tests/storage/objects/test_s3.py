"""The store in a bucket: the contract, and what networks do to requests."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import boto3
import pytest

from dicomweb.model.ranges import ByteRange
from storage.objects import s3_parts
from storage.objects.contract import (
    ObjectExists,
    ObjectMissing,
    ObjectStore,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from storage.objects.s3 import S3Store
from storage.objects.s3_faults import answer_fault
from storage.objects.s3_listing import parse_page, plan_page
from storage.objects.s3_parts import part_size
from storage.objects.s3_settings import S3Settings
from storage.objects.s3_signing import EMPTY, Signer
from storage.objects.s3_wire import Answer, Wire
from tests.build.faulty_proxy import DROP_ANSWER, HANG, RESET, TRUNCATE, FaultyProxy, faulty_proxy
from tests.build.s3 import s3_settings
from tests.contracts.object_store import MIB, ObjectStoreContract, listed, streamed


class TestS3Store(ObjectStoreContract):
    @pytest.fixture
    async def store(self, s3_endpoint: str, bucket: str) -> AsyncIterator[ObjectStore]:
        async with S3Store(s3_settings(s3_endpoint, bucket)) as store:
            yield store


class TestPrefix:
    """A part of a bucket is a store of its own."""

    async def test_stores_of_different_prefixes_are_apart(self, s3_endpoint: str, bucket: str) -> None:
        async with (
            S3Store(s3_settings(s3_endpoint, bucket, prefix="one")) as one,
            S3Store(s3_settings(s3_endpoint, bucket, prefix="one/two")) as two,
            S3Store(s3_settings(s3_endpoint, bucket, prefix="one1")) as other,
        ):
            await two.put("a/k", [b"x"], create=True)
            await other.put("b", [b"yy"])

            assert await listed(two) == ["a/k"]
            assert await listed(two, "a/", "a/j") == ["a/k"]
            assert await listed(two, "", "a/k") == []
            assert await listed(one) == ["two/a/k"]
            assert await listed(other) == ["b"]
            assert await two.get("a/k") == b"x"
            assert (await other.head("b")).key == "b"
            with pytest.raises(ObjectMissing) as caught:
                await two.get("b")
            assert caught.value.key == "b"

    async def test_a_large_object_lies_below_the_prefix(self, s3_endpoint: str, bucket: str) -> None:
        async with S3Store(s3_settings(s3_endpoint, bucket, prefix="p")) as store:
            async with store.upload("large") as upload:
                await upload.write(bytes(9 * MIB))
                await upload.complete()

            assert (await store.head("large")).size == 9 * MIB


@pytest.fixture
async def proxy(s3_endpoint: str) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(s3_endpoint) as proxy:
        yield proxy


@pytest.fixture
async def faulty(proxy: FaultyProxy, bucket: str) -> AsyncIterator[S3Store]:
    async with S3Store(replace(s3_settings(proxy.url, bucket), read_timeout=1.0, connect_timeout=1.0)) as store:
        yield store


class TestCreatesOverABadNetwork:
    """A create is sent once, and an unknown outcome is called that."""

    @pytest.mark.parametrize("fault", [RESET, 500, 503, 429])
    async def test_a_create_that_failed_is_unknown_and_not_repeated(
        self, faulty: S3Store, proxy: FaultyProxy, fault: str | int
    ) -> None:
        proxy.fail("PUT", fault)

        with pytest.raises(StoreUnavailable):
            await faulty.put("log/1", [b"mine"], create=True)

        assert proxy.count("PUT") == 1
        assert await listed(faulty) == []

    @pytest.mark.parametrize("fault", [DROP_ANSWER, HANG])
    async def test_a_create_whose_answer_is_lost_is_unknown_and_has_happened_once(
        self, faulty: S3Store, proxy: FaultyProxy, fault: str
    ) -> None:
        proxy.fail("PUT", fault)

        with pytest.raises(StoreUnavailable):
            await faulty.put("log/1", [b"mine"], create=True)

        assert proxy.count("PUT") == 1
        assert await faulty.get("log/1") == b"mine"

    async def test_a_create_on_a_connection_kept_open_is_not_sent_twice(
        self, faulty: S3Store, proxy: FaultyProxy
    ) -> None:
        await faulty.put("log/0", [b"first"], create=True)
        proxy.fail("PUT", DROP_ANSWER)

        with pytest.raises(StoreUnavailable):
            await faulty.put("log/1", [b"mine"], create=True)

        assert proxy.count("PUT") == 2
        assert len({target for method, target in proxy.seen if method == "PUT"}) == 2

    @pytest.mark.parametrize("status", [409, 412])
    async def test_a_create_that_met_another_finds_the_key_taken(
        self, faulty: S3Store, proxy: FaultyProxy, status: int
    ) -> None:
        proxy.fail("PUT", status)

        with pytest.raises(ObjectExists):
            await faulty.put("log/1", [b"mine"], create=True)

    async def test_a_store_that_cannot_create_only_is_refused(self, faulty: S3Store, proxy: FaultyProxy) -> None:
        proxy.fail("PUT", 501)

        with pytest.raises(StoreDenied):
            await faulty.put("log/1", [b"mine"], create=True)


class TestOtherRequestsOverABadNetwork:
    """Everything that may be repeated is."""

    @pytest.mark.parametrize("faults", [[RESET], [503, DROP_ANSWER, 500], [HANG]])
    async def test_a_write_is_repeated(self, faulty: S3Store, proxy: FaultyProxy, faults: list[str | int]) -> None:
        proxy.fail("PUT", *faults)

        await faulty.put("k", [b"data"])

        assert await faulty.get("k") == b"data"
        assert proxy.count("PUT") == len(faults) + 1

    @pytest.mark.parametrize("faults", [[RESET], [503, DROP_ANSWER, 500], [TRUNCATE, TRUNCATE], [HANG]])
    async def test_a_read_is_repeated(self, faulty: S3Store, proxy: FaultyProxy, faults: list[str | int]) -> None:
        data = os.urandom(100_000)
        await faulty.put("k", [data])
        proxy.fail("GET", *faults)

        assert await faulty.get("k", ByteRange(10, 90_000)) == data[10:90_000]

    async def test_a_stream_goes_on_where_it_was_cut(self, faulty: S3Store, proxy: FaultyProxy) -> None:
        data = os.urandom(5 * MIB)
        await faulty.put("k", [data])
        proxy.fail("GET", TRUNCATE, RESET, TRUNCATE, 503)
        before = proxy.count("GET")

        assert b"".join(await streamed(faulty, "k")) == data
        assert b"".join(await streamed(faulty, "k", ByteRange(MIB, 4 * MIB))) == data[MIB : 4 * MIB]
        assert proxy.count("GET") - before == 6

    async def test_a_stream_does_not_go_on_with_another_object(
        self, faulty: S3Store, proxy: FaultyProxy, s3_endpoint: str
    ) -> None:
        await faulty.put("k", [b"a" * (4 * MIB)])
        proxy.fail("GET", TRUNCATE)
        stream = faulty.stream("k")
        read = [await anext(stream)]
        await faulty.put("k", [b"b" * (4 * MIB)])

        with pytest.raises(StoreUnavailable):
            read += [chunk async for chunk in stream]

        assert set(b"".join(read)) == {ord("a")}

    async def test_looking_listing_and_deleting_are_repeated(self, faulty: S3Store, proxy: FaultyProxy) -> None:
        await faulty.put("k", [b"data"])
        proxy.fail("HEAD", RESET, 503)
        proxy.fail("GET", TRUNCATE, 500)
        proxy.fail("DELETE", DROP_ANSWER, 503)

        assert (await faulty.head("k")).size == 4
        assert await listed(faulty) == ["k"]
        await faulty.delete("k")
        assert await listed(faulty) == []

    async def test_parts_are_repeated_and_joined_once(self, faulty: S3Store, proxy: FaultyProxy) -> None:
        data = os.urandom(17 * MIB)
        proxy.fail("POST", 503, DROP_ANSWER)
        proxy.fail("PUT", RESET, DROP_ANSWER, 500)

        async with faulty.upload("large") as upload:
            await upload.write(data)
            await upload.complete()

        assert await faulty.get("large") == data

    async def test_a_join_whose_answer_is_lost_is_found_to_have_happened(
        self, faulty: S3Store, proxy: FaultyProxy
    ) -> None:
        async with faulty.upload("large") as upload:
            await upload.write(bytes(9 * MIB))
            proxy.fail("POST", DROP_ANSWER)
            await upload.complete()

        assert (await faulty.head("large")).size == 9 * MIB

    async def test_patience_ends(self, proxy: FaultyProxy, bucket: str) -> None:
        async with S3Store(s3_settings(proxy.url, bucket, attempts=3)) as store:
            proxy.fail("PUT", *[503] * 10)

            with pytest.raises(StoreUnavailable):
                await store.put("k", [b"data"])

            assert proxy.count("PUT") == 3

    @pytest.mark.parametrize(("status", "error"), [(403, StoreDenied), (507, StoreFull), (400, StoreDenied)])
    async def test_a_refusal_is_not_repeated(
        self, faulty: S3Store, proxy: FaultyProxy, status: int, error: type[StoreError]
    ) -> None:
        proxy.fail("PUT", status)

        with pytest.raises(error):
            await faulty.put("k", [b"data"])

        assert proxy.count("PUT") == 1

    async def test_a_part_that_is_refused_ends_the_upload(self, faulty: S3Store, proxy: FaultyProxy) -> None:
        proxy.fail("PUT", 403)

        with pytest.raises(StoreDenied):
            await self._upload(faulty)

        assert await listed(faulty) == []
        assert proxy.count("DELETE") == 1

    async def _upload(self, store: ObjectStore) -> None:
        async with store.upload("large") as upload:
            for _ in range(20):
                await upload.write(bytes(MIB))
            await upload.complete()

    async def test_an_upload_that_lost_bytes_stays_incomplete(self, faulty: S3Store, proxy: FaultyProxy) -> None:
        async with faulty.upload("large") as upload:
            await upload.write(bytes(MIB))
            proxy.fail("POST", 403)
            with pytest.raises(StoreDenied):
                await upload.write(bytes(8 * MIB))

            with pytest.raises(StoreUnavailable):
                await upload.complete()

        assert await listed(faulty) == []


class TestOpening:
    """A store that cannot be used says so when it is opened."""

    async def test_a_missing_bucket_is_refused(self, s3_endpoint: str) -> None:
        with pytest.raises(StoreDenied, match="NoSuchBucket"):
            await S3Store(s3_settings(s3_endpoint, "no-such-bucket")).__aenter__()

    async def test_an_endpoint_that_does_not_answer_is_unavailable(self) -> None:
        began = time.monotonic()

        with pytest.raises(StoreUnavailable):
            await S3Store(s3_settings("http://127.0.0.1:9", "bucket", attempts=2)).__aenter__()

        assert time.monotonic() - began < 10

    async def test_no_credentials_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

        with pytest.raises(StoreDenied, match="credentials"):
            await S3Store(S3Settings(bucket="bucket", endpoint_url="http://127.0.0.1:9")).__aenter__()

    async def test_an_unknown_profile_is_refused(self) -> None:
        with pytest.raises(StoreDenied):
            await S3Store(S3Settings(bucket="bucket", profile="no-such-profile")).__aenter__()

    async def test_settings_come_from_the_environment(
        self, s3_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)

        async with S3Store(S3Settings(bucket=bucket, addressing="path")) as store:
            await store.put("k", [b"x"], create=True)
            assert await store.get("k") == b"x"

    async def test_an_opened_and_closed_store_leaves_no_connection(self, s3_endpoint: str, bucket: str) -> None:
        settings = s3_settings(s3_endpoint, bucket)
        async with S3Store(settings) as store:
            await store.put("k", [b"x"])
        open_before = _open_files()

        for _ in range(3):
            async with S3Store(settings) as store:
                await store.get("k")
                await anext(store.stream("k"))

        assert _open_files() <= open_before

    @pytest.mark.parametrize("sign", ["always", "never"])
    async def test_bodies_signed_or_not_are_taken(
        self, s3_endpoint: str, bucket: str, sign: Literal["always", "never"]
    ) -> None:
        settings = replace(s3_settings(s3_endpoint, bucket), sign_payload=sign)
        data = os.urandom(2 * MIB)

        async with S3Store(settings) as store:
            await store.put("k", [data[:10], data[10:]])

            assert await store.get("k") == data

    def test_a_folder_does_not_load_the_libraries_of_s3(self) -> None:
        program = (
            "import sys, storage.objects.address as a; a.open_store(a.parse_address('/tmp'));"
            "sys.exit(any(name.split('.')[0] in ('botocore', 'aiobotocore', 'boto3') for name in sys.modules))"
        )

        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class TestUploads:
    async def test_an_abandoned_upload_is_forgotten_by_the_store(self, s3_endpoint: str, bucket: str) -> None:
        async with S3Store(s3_settings(s3_endpoint, bucket)) as store, store.upload("left") as upload:
            await upload.write(bytes(20 * MIB))

        client = boto3.client(
            "s3",
            endpoint_url=s3_endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)

    async def test_an_object_within_the_first_part_is_one_request(self, proxy: FaultyProxy, bucket: str) -> None:
        async with S3Store(s3_settings(proxy.url, bucket)) as store:
            proxy.seen.clear()

            async with store.upload("k") as upload:
                await upload.write(bytes(MIB))
                await upload.complete()

        assert proxy.seen == [("PUT", f"/{bucket}/k")]

    async def test_few_bytes_are_under_way_at_a_time(self, s3_endpoint: str, bucket: str) -> None:
        most = 0

        async with S3Store(s3_settings(s3_endpoint, bucket)) as store, store.upload("k") as upload:
            for _ in range(60):
                await upload.write(bytes(MIB))
                assert isinstance(upload, s3_parts.S3Upload)
                most = max(most, sum(upload._sending.values()))
            await upload.complete()

        assert 0 < most <= s3_parts.UNDER_WAY

    def test_ten_thousand_parts_hold_five_terabytes_and_early_ones_are_small(self) -> None:
        sizes = [part_size(number) for number in range(1, 10_001)]

        assert sum(sizes) > 5 * 10**12
        assert max(sizes) <= 5 << 30
        assert min(sizes) >= 5 << 20
        assert sum(sizes[:1250]) > 10 * 10**9
        assert max(sizes[:1250]) == 16 * MIB


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "code", "create", "error"),
        [
            (404, "NoSuchKey", False, ObjectMissing),
            (404, "", False, ObjectMissing),
            (404, "NoSuchBucket", False, StoreDenied),
            (412, "PreconditionFailed", True, ObjectExists),
            (409, "ConditionalRequestConflict", True, ObjectExists),
            (409, "OperationAborted", False, StoreUnavailable),
            (503, "SlowDown", True, StoreUnavailable),
            (400, "RequestTimeout", True, StoreUnavailable),
            (400, "EntityTooLarge", False, StoreDenied),
            (403, "AccessDenied", True, StoreDenied),
            (403, "QuotaExceeded", True, StoreFull),
            (507, "XMinioStorageFull", False, StoreFull),
            (501, "NotImplemented", True, StoreDenied),
        ],
    )
    def test_each_has_its_class(self, status: int, code: str, create: bool, error: type[StoreError]) -> None:
        body = f"<Error><Code>{code}</Code><Message>words</Message></Error>".encode() if code else b""

        assert type(answer_fault("k", status, body, create=create)) is error

    def test_a_listing_is_read_whatever_its_namespace(self) -> None:
        body = (
            '<?xml version="1.0"?><ListBucketResult{}><IsTruncated>true</IsTruncated>'
            "<NextContinuationToken>more</NextContinuationToken>"
            "<Contents><Key>p/a%3Db+c</Key><Size>5</Size><LastModified>2024-05-06T07:08:09.000Z</LastModified></Contents>"
            "<Contents><Key>p/folder/</Key><Size>0</Size><LastModified>2024-05-06T07:08:09Z</LastModified></Contents>"
            "</ListBucketResult>"
        )

        for space in ("", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'):
            page = parse_page(body.format(space).encode(), root="p/")

            assert [(info.key, info.size) for info in page.objects] == [("a=b c", 5)]
            assert page.more == "more"

    def test_a_torn_listing_is_unavailable(self) -> None:
        with pytest.raises(StoreUnavailable):
            parse_page(b"<ListBucketResult><Contents><Key>a", root="")

    def test_a_page_goes_on_from_the_token_or_begins_after_the_key(self) -> None:
        assert "start-after" not in plan_page(prefix="p", after="p/a", token="t")
        assert plan_page(prefix="p", after="p/a", token="")["start-after"] == "p/a"


class TestConnections:
    async def test_requests_one_after_the_other_share_one(self, proxy: FaultyProxy, bucket: str) -> None:
        async with S3Store(s3_settings(proxy.url, bucket)) as store:
            await store.put("k", [bytes(MIB)])
            await store.get("k")
            await store.get("k", ByteRange(0, 10))
            await streamed(store, "k")
            await store.head("k")
            await listed(store)
            await store.delete("k")
            with pytest.raises(ObjectMissing):
                await store.get("k")
            with pytest.raises(ObjectMissing):
                await store.head("k")
            await store.put("k", [b""], create=True)

        assert proxy.connections == 1

    async def test_no_more_are_made_than_allowed(self, proxy: FaultyProxy, bucket: str) -> None:
        async with S3Store(replace(s3_settings(proxy.url, bucket), max_connections=4)) as store:
            await asyncio.gather(*(store.put(f"k{number}", [b"x"]) for number in range(40)))

            assert len(await listed(store)) == 40

        assert proxy.connections <= 4


AWS = S3Settings(
    bucket="examplebucket",
    region="us-east-1",
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)


class TestSigning:
    """Signature Version 4, against the worked examples of its specification."""

    @pytest.mark.parametrize(
        ("query", "headers", "signature"),
        [
            (
                "test.txt",
                {"Range": "bytes=0-9"},
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            ("?max-keys=2&prefix=J", {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ],
    )
    async def test_a_request_is_signed_as_specified(
        self, monkeypatch: pytest.MonkeyPatch, query: str, headers: dict[str, str], signature: str
    ) -> None:
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime(2013, 5, 24, tzinfo=UTC))
        signer = await Signer.open(AWS)

        signed = await signer.sign("GET", f"https://examplebucket.s3.amazonaws.com/{query}", headers, EMPTY)

        assert signed["Authorization"].endswith(f"Signature={signature}")

    @pytest.mark.parametrize(
        ("settings", "url", "region"),
        [
            (AWS, "https://examplebucket.s3.amazonaws.com/", "us-east-1"),
            (replace(AWS, region="eu-west-1"), "https://examplebucket.s3.eu-west-1.amazonaws.com/", "eu-west-1"),
            (replace(AWS, region=""), "https://examplebucket.s3.amazonaws.com/", "us-east-1"),
            (replace(AWS, addressing="path"), "https://s3.amazonaws.com/examplebucket/", "us-east-1"),
            (replace(AWS, endpoint_url="https://minio:9000"), "https://minio:9000/examplebucket/", "us-east-1"),
            (
                replace(AWS, endpoint_url="http://minio:9000", addressing="virtual"),
                "http://examplebucket.minio:9000/",
                "us-east-1",
            ),
            (replace(AWS, bucket="with.dots"), "https://s3.amazonaws.com/with.dots/", "us-east-1"),
        ],
    )
    async def test_requests_go_where_the_bucket_lies(
        self, monkeypatch: pytest.MonkeyPatch, settings: S3Settings, url: str, region: str
    ) -> None:
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)

        place = (await Signer.open(settings)).place

        assert (place.url, place.region, place.service) == (url, region, "s3")

    async def test_a_bucket_in_another_region_is_followed(self) -> None:
        wire = await Wire.open(AWS)
        moved = Answer(301, {"x-amz-bucket-region": "eu-west-1"}, b"")

        assert await wire.find_region(moved)
        assert not await wire.find_region(moved)

        assert wire.place.url == "https://examplebucket.s3.eu-west-1.amazonaws.com/"
        assert wire.place.region == "eu-west-1"
        await wire.close()

    async def test_a_bucket_behind_an_endpoint_of_its_own_stays_there(self) -> None:
        wire = await Wire.open(replace(AWS, endpoint_url="http://127.0.0.1:9000"))

        assert not await wire.find_region(Answer(301, {"x-amz-bucket-region": "eu-west-1"}, b""))
        await wire.close()


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
