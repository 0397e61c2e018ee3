"""ETags (RFC 9110 8.8.3, 13.1.2)."""

from __future__ import annotations

import pytest

from dicomweb.wire.conditional import etag, none_match, strong_match

TAG = etag("e", 7, "json")


def test_an_etag_tells_epochs_revisions_and_representations_apart() -> None:
    tags = {TAG, etag("f", 7, "json"), etag("e", 8, "json"), etag("e", 7, "xml"), etag("e", 7, "json", weak=True)}
    assert len(tags) == 5


def test_an_etag_is_the_same_each_time() -> None:
    assert etag("e", 7, "json") == TAG
    assert TAG.startswith('"')
    assert TAG.endswith('"')


@pytest.mark.parametrize("field", [TAG, "W/" + TAG, f'"x", {TAG}', f'{TAG}, W/"y"', "*", " * "])
def test_a_client_that_holds_it_gets_304(field: str) -> None:
    assert none_match(field, TAG)
    assert none_match(field, "W/" + TAG)


@pytest.mark.parametrize("field", ["", '"x"', TAG.strip('"'), TAG[:-2] + '"'])
def test_a_client_that_does_not_gets_the_whole(field: str) -> None:
    assert not none_match(field, TAG)


def test_ranges_need_the_same_strong_etag() -> None:
    assert strong_match(TAG, TAG)
    assert not strong_match("W/" + TAG, "W/" + TAG)
