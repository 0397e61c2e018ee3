"""Accept-Encoding (RFC 9110 12.5.3)."""

from __future__ import annotations

import gzip

import pytest
import zstandard

from dicomweb.wire.content_coding import choose_coding, encode


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        ("", "identity"),
        ("identity", "identity"),
        ("gzip", "gzip"),
        ("gzip, deflate", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0, zstd;q=0.1", "zstd"),
        ("gzip; q=0.5, identity; q=1", "identity"),
        ("br", "identity"),
        ("gzip;q=x", "identity"),
        ("*", "identity"),
    ],
)
def test_the_best_coding_that_can_be_made_is_chosen(field: str, coding: str) -> None:
    assert choose_coding(field) == coding


@pytest.mark.parametrize("data", [b"", b"x", b"metadata " * 10_000])
def test_what_is_encoded_can_be_decoded(data: bytes) -> None:
    assert gzip.decompress(encode(data, "gzip")) == data
    assert zstandard.ZstdDecompressor().decompress(encode(data, "zstd")) == data
