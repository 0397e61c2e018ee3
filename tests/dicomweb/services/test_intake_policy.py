"""The setting `intake_transcoding`: what new instances become."""

from __future__ import annotations

import pytest

from dicomweb.services.intake_policy import TARGETS, BadPolicy, read_policy
from dicomweb.wire.transfer_syntaxes import TRANSFER_SYNTAXES

HTJ2K = "1.2.840.10008.1.2.4.201"
RLE = "1.2.840.10008.1.2.5"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize(
    ("sop_class", "modality", "wanted"),
    [
        (CT_IMAGE, "CT", ""),
        ("1.2.840.10008.5.1.4.1.1.2.1", "CT", HTJ2K),
        ("1.2.840.10008.5.1.4.1.1.4", "MR", RLE),
        ("", "", RLE),
    ],
)
def test_the_sop_class_counts_before_the_modality_and_both_before_the_star(
    sop_class: str, modality: str, wanted: str
) -> None:
    policy = read_policy(["*=rle", "CT=htj2k-lossless", f"{CT_IMAGE}=keep"])

    assert policy.wanted(sop_class, modality) == wanted


def test_without_entries_everything_is_kept() -> None:
    policy = read_policy([])

    assert not policy
    assert policy.wanted(CT_IMAGE, "CT") == ""


def test_a_policy_of_nothing_but_keep_is_none() -> None:
    assert not read_policy(["CT=keep", "*=keep", f"{CT_IMAGE}=Keep"])


def test_names_and_uids_say_the_same() -> None:
    assert read_policy(["ct = HTJ2K-Lossless"]) == read_policy([f"CT={HTJ2K}"])


def test_no_name_stands_for_a_syntax_that_may_lose_something() -> None:
    assert not any(TRANSFER_SYNTAXES[uid].lossy for uid in TARGETS.values())


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("CT", "expected entries such as"),
        ("CT=", "expected entries such as"),
        ("=rle", "expected entries such as"),
        ("CT/PET=rle", "neither a modality"),
        ("CT=jpeg", "not a lossless transfer syntax this archive writes: keep, htj2k-lossless"),
        ("CT=1.2.840.10008.1.2.4.50", "not a lossless"),
    ],
)
def test_an_entry_that_says_nothing_is_refused_with_what_was_expected(entry: str, said: str) -> None:
    with pytest.raises(BadPolicy, match=said):
        read_policy([entry])


def test_two_entries_about_the_same_are_refused() -> None:
    with pytest.raises(BadPolicy, match="CT is told of twice"):
        read_policy(["CT=rle", "ct=keep"])
