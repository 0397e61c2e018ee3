"""Listings as S3 writes them (ListObjectsV2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from storage.objects.contract import ObjectInfo, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a listing."""

    objects: Sequence[ObjectInfo]
    """Objects by ascending key, without the prefix of the store."""
    more: str
    """Token for the next page; empty at the end."""


def plan_page(*, prefix: str, after: str, token: str) -> dict[str, str]:
    """The query that asks for a page; prefix and after with the prefix of the store."""
    # keys that were not written by us may hold what XML cannot, so they are asked for as in URLs
    query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
    if token:
        query["continuation-token"] = token
    elif after:
        query["start-after"] = after
    return query


def parse_page(body: bytes, *, root: str) -> Page:
    """A page; `root` is the prefix of the store, with its slash. Raises StoreUnavailable if it is torn."""
    try:
        answer = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise StoreUnavailable(root, f"a listing cannot be read: {error}") from error
    # the namespace differs between stores
    space = answer.tag.rpartition("}")[0] + "}" if answer.tag.startswith("{") else ""
    objects = []
    for entry in answer.iter(f"{space}Contents"):
        key = unquote_plus(entry.findtext(f"{space}Key", ""))
        if key.endswith("/") or not key.startswith(root):
            continue  # consoles make "folders"
        modified = datetime.fromisoformat(entry.findtext(f"{space}LastModified", ""))
        objects.append(ObjectInfo(key[len(root) :], int(entry.findtext(f"{space}Size", "0")), modified))
    truncated = answer.findtext(f"{space}IsTruncated", "") == "true"
    return Page(objects, answer.findtext(f"{space}NextContinuationToken", "") if truncated else "")
