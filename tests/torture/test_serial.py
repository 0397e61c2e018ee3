"""The history checker: what cannot have been is named, and what can is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from storage.log.events import Event
from tests.storage.archive.test_histories import Model
from tests.storage.log.make import entry, key, removed, stored
from tests.torture.ledger import Ack, Content, Seen
from tests.torture.serial import Timeline, check_acks, check_reads

KEY = key()
A, B, C = (bytes([one]) * 32 for one in (1, 2, 3))


def put(version: str, content: bytes) -> Event:
    event = stored(KEY, version)
    assert event.stored is not None
    return replace(event, stored=replace(event.stored, digest=content))


def played(*log: Sequence[Event]) -> Timeline:
    model, timeline = Model(), Timeline()
    for number, events in enumerate(log, 1):
        one = entry(number, *events)
        model.play(one)
        timeline.play(one, model)
    return timeline


def ack(revision: int, content: bytes, *, floor: int, begun: float = 0.0, among: int = 1) -> Ack:
    return Ack(revision, "stored", KEY.scope, floor, begun, key=KEY, digest=content, among=among)


def deletion(revision: int, *, floor: int, begun: float = 0.0) -> Ack:
    return Ack(revision, "removed", KEY.scope, floor, begun)


def unexplained(
    timeline: Timeline, acks: Sequence[Ack], seen: Seen, unsure: Mapping[bytes, float] | None = None
) -> bool:
    return bool(check_reads(timeline, acks, [seen], Counter(), unsure=unsure or {}))


def read(content: Content, *, floor: int, ended: float) -> Seen:
    return Seen(KEY, content, floor, ended)


def test_what_was_stored_or_was_there_may_be_acknowledged() -> None:
    timeline = played([put("v1", A)], [put("v2", B)], [removed(KEY.scope)])
    assert not check_acks(timeline, [ack(1, A, floor=0), ack(2, B, floor=1), deletion(3, floor=2)])
    assert not check_acks(timeline, [ack(1, A, floor=1), ack(2, B, floor=2), ack(3, B, floor=2)])


def test_what_was_never_there_may_not_be_acknowledged() -> None:
    timeline = played([put("v1", A)], [put("v2", B)], [removed(KEY.scope)], [put("v3", B)])
    assert check_acks(timeline, [ack(2, C, floor=0)])
    assert check_acks(timeline, [ack(2, C, floor=0, among=4)])
    assert check_acks(timeline, [ack(4, A, floor=2)])
    assert check_acks(timeline, [ack(4, A, floor=2, among=4)])
    assert check_acks(timeline, [deletion(4, floor=2)])


def test_one_of_several_may_have_been_stored_by_an_earlier_entry_but_not_before_it_was_asked_for() -> None:
    timeline = played([put("v1", A)], [put("v2", B)], [put("v3", C)], [put("v4", B)])
    assert not check_acks(timeline, [ack(4, A, floor=0, among=4), ack(4, C, floor=2, among=4)])
    assert check_acks(timeline, [ack(4, A, floor=0)])
    assert check_acks(timeline, [ack(4, A, floor=2, among=4)])


def test_an_answer_older_than_what_had_been_answered_is_none() -> None:
    timeline = played([put("v1", A)], [removed(KEY.scope)], [put("v2", B)])
    assert check_acks(timeline, [ack(1, A, floor=3)])
    assert check_acks(timeline, [deletion(2, floor=2)])


def test_a_read_shows_what_stood_while_it_was_under_way() -> None:
    timeline = played([put("v1", A)], [put("v2", B)])
    acks = [ack(1, A, floor=0, begun=1), ack(2, B, floor=1, begun=3)]
    assert not unexplained(timeline, acks, read(A, floor=1, ended=2))
    assert not unexplained(timeline, acks, read(A, floor=1, ended=4))
    assert not unexplained(timeline, acks, read(B, floor=1, ended=4))
    assert unexplained(timeline, acks, read(A, floor=2, ended=4))
    assert unexplained(timeline, acks, read(None, floor=1, ended=2))
    assert unexplained(timeline, acks, read(C, floor=0, ended=9))


def test_a_read_that_shows_what_had_been_deleted_is_not_excused_by_its_being_stored_again_later() -> None:
    timeline = played([put("v1", A)], [removed(KEY.scope)], [put("v2", A)])
    acks = [ack(1, A, floor=0, begun=1), deletion(2, floor=1, begun=2), ack(3, A, floor=2, begun=5)]
    assert unexplained(timeline, acks, read(A, floor=2, ended=4))
    assert not unexplained(timeline, acks, read(None, floor=2, ended=4))
    assert not unexplained(timeline, acks, read(A, floor=2, ended=6))


def test_what_was_sent_without_an_answer_may_be_stored_whenever() -> None:
    timeline = played([put("v1", B)], [put("v2", A)])
    acks = [ack(1, B, floor=0, begun=1), ack(2, A, floor=1, begun=5)]
    assert unexplained(timeline, acks, read(A, floor=1, ended=4))
    assert not unexplained(timeline, acks, read(A, floor=1, ended=4), {A: 2.0})


def test_the_entry_of_a_duplicate_may_be_that_of_another_sender() -> None:
    timeline = played([put("v1", B)], [put("v2", A)], [put("v3", C)])
    acks = [ack(1, B, floor=0, begun=1), ack(2, A, floor=1, begun=5)]
    assert not unexplained(timeline, [*acks, ack(2, A, floor=1, begun=2)], read(A, floor=1, ended=4))
    # also if that one was told of a later entry, with which others of its instances came
    assert not unexplained(timeline, [*acks, ack(3, A, floor=1, begun=2, among=4)], read(A, floor=1, ended=4))
