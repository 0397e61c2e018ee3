"""Turns to commit: one at a time, in order, and nobody can hold up the others for long."""

from __future__ import annotations

import asyncio

import pytest

from app import workers_turns
from app.workers_turns import Turns


class Asker:
    """A worker that asks."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.given: list[int] = []

    def ask(self, number: int) -> None:
        self.turns.ask(self, number, self.given.append)

    def end(self, number: int) -> None:
        self.turns.end(self, number)


@pytest.fixture
def turns() -> Turns:
    return Turns()


async def test_the_first_gets_its_turn_at_once_and_the_others_in_the_order_they_asked(turns: Turns) -> None:
    one, two, three = Asker(turns), Asker(turns), Asker(turns)
    one.ask(1)
    three.ask(1)
    two.ask(7)
    assert (one.given, two.given, three.given) == ([1], [], [])
    one.end(1)
    one.ask(2)
    assert (two.given, three.given) == ([], [1])
    three.end(1)
    assert two.given == [7]
    two.end(7)
    assert one.given == [1, 2]


async def test_what_is_not_wanted_any_more_is_passed_over(turns: Turns) -> None:
    one, two, three = Asker(turns), Asker(turns), Asker(turns)
    for asker in (one, two, three):
        asker.ask(1)
    two.end(1)
    one.end(1)
    assert (two.given, three.given) == ([], [1])


async def test_whoever_has_gone_holds_up_nobody(turns: Turns) -> None:
    one, two, three = Asker(turns), Asker(turns), Asker(turns)
    for asker in (one, two, three):
        asker.ask(1)
    turns.forget(two)
    turns.forget(one)
    assert (two.given, three.given) == ([], [1])


async def test_whoever_stands_still_loses_its_turn_and_its_late_word_counts_for_nothing(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_turns, "TURN_SECONDS", 0.02)
    one, two, three = Asker(turns), Asker(turns), Asker(turns)
    one.ask(1)
    two.ask(1)
    await asyncio.sleep(0.05)
    assert two.given == [1]
    monkeypatch.setattr(workers_turns, "TURN_SECONDS", 60)
    two.end(1)
    two.ask(2)
    three.ask(1)
    one.end(1)
    assert (two.given, three.given) == ([1, 2], [])
