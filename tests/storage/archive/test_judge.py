"""What becomes of an instance, for each policy and each thing the log may know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicomweb.model.instance import Original
from dicomweb.model.keys import InstanceKey
from dicomweb.model.outcome import Outcome, Reason
from storage.archive.judge import Bench, Candidate, Known
from storage.archive.settings import Duplicates
from storage.log.events import StoredVersion

KEY = InstanceKey("1.2", "1.2.3", "1.2.3.4")
EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
OLD = (b"old", EXPLICIT)
NEW = (b"new", EXPLICIT)


def candidate(data_set: tuple[bytes, str], *, written: bool = True) -> Candidate:
    stored = StoredVersion(
        key=KEY,
        version="v",
        size=1,
        data_set_offset=0,
        sop_class="",
        transfer_syntax=data_set[1],
        meta_digest=b"",
        digest=data_set[0],
        header=b"{}",
        header_size=2,
        file_meta=b"{}",
        frames=b"",
        bulk=b"",
        image=None,
        pixel_vr="",
        columns={},
    )
    return Candidate(stored, "stow", "", written=written)


CASES = [
    (Duplicates.REPLACE, Known(), NEW, Outcome.STORED),
    (Duplicates.REPLACE, Known(current=frozenset({OLD})), OLD, Outcome.DUPLICATE),
    (Duplicates.REPLACE, Known(current=frozenset({OLD})), NEW, Outcome.REPLACED),
    (Duplicates.REPLACE, Known(current=frozenset({OLD})), (b"old", RLE), Outcome.REPLACED),
    (Duplicates.REPLACE, Known(current=frozenset({NEW}), kept=frozenset({OLD})), OLD, Outcome.REPLACED),
    (Duplicates.KEEP, Known(), NEW, Outcome.STORED),
    (Duplicates.KEEP, Known(current=frozenset({OLD})), OLD, Outcome.DUPLICATE),
    (Duplicates.KEEP, Known(current=frozenset({OLD})), NEW, Outcome.KEPT),
    (Duplicates.KEEP, Known(current=frozenset({OLD}), kept=frozenset({NEW})), NEW, Outcome.DUPLICATE),
    (Duplicates.REJECT, Known(), NEW, Outcome.STORED),
    (Duplicates.REJECT, Known(current=frozenset({OLD})), OLD, Outcome.DUPLICATE),
    (Duplicates.REJECT, Known(current=frozenset({OLD})), NEW, Outcome.REFUSED),
]


@pytest.mark.parametrize(("policy", "known", "data_set", "outcome"), CASES)
def test_each_policy_decides_as_designed(
    policy: Duplicates, known: Known, data_set: tuple[bytes, str], outcome: Outcome
) -> None:
    assert Bench(policy, {KEY: known}).judge(candidate(data_set)).outcome is outcome


def test_the_same_instance_twice_in_one_batch_is_stored_once() -> None:
    bench = Bench(Duplicates.REPLACE)
    outcomes = [bench.judge(candidate(data_set)).outcome for data_set in (NEW, NEW, OLD, OLD, NEW)]
    assert outcomes == [
        Outcome.STORED,
        Outcome.DUPLICATE,
        Outcome.REPLACED,
        Outcome.DUPLICATE,
        Outcome.REPLACED,
    ]


def test_a_duplicate_whose_original_vanished_meanwhile_is_refused_since_its_bytes_were_not_written() -> None:
    verdict = Bench(Duplicates.REPLACE).judge(candidate(NEW, written=False))
    assert verdict.outcome is Outcome.REFUSED
    assert verdict.failure is not None
    assert verdict.failure.reason == Reason.PROCESSING_FAILURE
    assert "again" in verdict.failure.message


def test_the_same_sop_instance_uid_elsewhere_is_another_instance_with_a_warning() -> None:
    verdict = Bench(Duplicates.REPLACE, {KEY: Known(elsewhere=True)}).judge(candidate(NEW))
    assert verdict.outcome is Outcome.STORED
    assert any("another series" in warning for warning in verdict.warnings)


def test_a_kept_version_warns_that_it_is_not_current() -> None:
    verdict = Bench(Duplicates.KEEP, {KEY: Known(current=frozenset({OLD}))}).judge(candidate(NEW))
    assert any("further version" in warning for warning in verdict.warnings)


def test_warnings_of_intake_come_with_the_verdict() -> None:
    odd = replace(candidate(NEW), warnings=("odd",))
    assert Bench(Duplicates.REPLACE).judge(odd).warnings == ("odd",)


def test_an_instance_that_was_converted_is_known_as_it_came_and_as_it_is_stored() -> None:
    converted = candidate((b"small", RLE))
    converted.stored = replace(converted.stored, original=Original(b"old", 100, EXPLICIT))
    bench = Bench(Duplicates.REPLACE)

    outcomes = [bench.judge(one).outcome for one in (converted, candidate(OLD), candidate((b"small", RLE)))]

    assert outcomes == [Outcome.STORED, Outcome.DUPLICATE, Outcome.DUPLICATE]


def test_two_forms_that_were_converted_to_the_same_are_stored_once() -> None:
    bench = Bench(Duplicates.REJECT)
    outcomes = []
    for came in (OLD, (b"other form", RLE)):
        converted = candidate((b"small", RLE))
        converted.stored = replace(converted.stored, original=Original(came[0], 100, came[1]))
        outcomes.append(bench.judge(converted).outcome)

    assert outcomes == [Outcome.STORED, Outcome.DUPLICATE]
