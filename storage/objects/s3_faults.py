"""What an answer of S3 means for an object.

Status   Code                                   raised
404      NoSuchKey, NoSuchUpload, none (HEAD)   ObjectMissing
412      PreconditionFailed                     ObjectExists (on a create)
409      ConditionalRequestConflict             ObjectExists (on a create)
408, 429, 5xx, or a code of passing faults      StoreUnavailable
507, or a code of quotas                        StoreFull
everything else                                 StoreDenied
"""

from __future__ import annotations

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


def answer_fault(key: str, status: int, body: bytes, *, create: bool = False) -> StoreError:
    """The error to raise for an answer that is no success; `create` if the request was a create-only write."""
    code, message = _code(body)
    said = f"{status} {code} {message}".rstrip()
    if create and status in (409, 412):
        return ObjectExists(key, said)
    if status == 404 and code in ("", "NoSuchKey", "NoSuchUpload"):
        return ObjectMissing(key, "there is no such object" if code != "NoSuchUpload" else said)
    if status == 507 or code in _FULL:
        return StoreFull(key, said)
    if code in _PASSING or status in (307, 408, 409, 412, 429) or (status >= 500 and status != 501):
        return StoreUnavailable(key, said)
    return StoreDenied(key, said)


def _code(body: bytes) -> tuple[str, str]:
    """Code and message of an error document; empty if the body is none."""
    try:
        error = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return "", body[:200].decode("ascii", "replace")
    return error.findtext("Code", ""), error.findtext("Message", "")
