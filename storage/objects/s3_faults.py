"""What an answer of S3 means for an object.

Status   Code                                   raised
404      NoSuchKey, NoSuchUpload, none (HEAD)   ObjectMissing
412      PreconditionFailed                     ObjectExists (on a create)
409      ConditionalRequestConflict             ObjectExists (on a create)
408, 429, 5xx, or a code of passing faults      StoreUnavailable
507, or a code of quotas                        StoreFull
everything else                                 StoreDenied

What somebody has to mend is told with what to do about it: that is read at a start, when nothing works yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree

from storage.objects.contract import (
    ObjectExists,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnavailable,
)

_PASSING = frozenset(
    {
        "BadDigest",  # damaged on its way
        "IncompleteBody",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "XAmzContentSHA256Mismatch",  # damaged on its way
    }
)
# of MinIO and Ceph; S3 itself has no quota
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"})
_TEMPORARY = "get new temporary credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)"
_ADVICE = {
    "InvalidAccessKeyId": "this store does not know the access key: check AWS_ACCESS_KEY_ID or the profile, and "
    "s3.endpoint if the store is not AWS",
    "SignatureDoesNotMatch": "the secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY or the "
    "profile",
    "AccessDenied": "these credentials need s3:ListBucket for the bucket, and s3:GetObject, s3:PutObject and "
    "s3:DeleteObject for what is in it",
    "AllAccessDisabled": "the account may not use this bucket",
    "ExpiredToken": _TEMPORARY,
    "ExpiredTokenException": _TEMPORARY,
    "InvalidToken": f"AWS_SESSION_TOKEN is not one of this store's: unset it, or {_TEMPORARY}",
    "NoSuchBucket": "make the bucket, or check its name in the setting store",
    "NotImplemented": "the store does not know what was asked of it; it has to honour conditional writes "
    "(If-None-Match: *)",
}


def answer_fault(
    key: str, status: int, body: bytes, *, create: bool = False, headers: Mapping[str, str] | None = None
) -> StoreError:
    """The error to raise for an answer that is no success; `create` if the request was a create-only write."""
    document = _document(body)
    code, message = _code(document, body)
    said = f"{status} {code} {message}".rstrip()
    if advice := _advice(code, document, (headers or {}).get("x-amz-bucket-region", "")):
        said = f"{said.rstrip('.')}: {advice}"
    if create and status in (409, 412):
        return ObjectExists(key, said)
    if status == 404 and code in ("", "NoSuchKey", "NoSuchUpload"):
        return ObjectMissing(key, "there is no such object" if code != "NoSuchUpload" else said)
    if status == 507 or code in _FULL:
        return StoreFull(key, said)
    if code in _PASSING or status in (307, 408, 409, 412, 429) or (status >= 500 and status != 501):
        return StoreUnavailable(key, said)
    return StoreDenied(key, said)


def told_region(body: bytes) -> str:
    """The region that a bucket lies in, if an error document tells it; else empty."""
    document = _document(body)
    return "" if document is None else document.findtext("Region", "")


def is_listing(body: bytes) -> bool:
    """Whether this is what S3 answers to a listing."""
    return b"<ListBucketResult" in body


def is_error(body: bytes) -> bool:
    """Whether this is an error as S3 tells it."""
    document = _document(body)
    return document is not None and bool(document.findtext("Code"))


def _advice(code: str, document: ElementTree.Element | None, region: str) -> str:
    """What to do about it, empty if that is not known. `region`: where the bucket lies, by the answer's head."""
    if document is None:
        return ""
    if code == "RequestTimeTooSkewed":
        there = document.findtext("ServerTime", "")
        ours = datetime.now(UTC).isoformat(timespec="seconds")
        return f"set the clock of this machine, which says {ours}" + (
            f"; the store's says {there}" if there else ""
        )
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
        region = document.findtext("Region", "") or region
        return f"set s3.region to {region or 'the region of the bucket'}"
    return _ADVICE.get(code, "")


def _document(body: bytes) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return None


def _code(document: ElementTree.Element | None, body: bytes) -> tuple[str, str]:
    """Code and message of an error document; of another answer its beginning."""
    if document is None:
        return "", body[:200].decode("ascii", "replace")
    return document.findtext("Code", ""), document.findtext("Message", "")
