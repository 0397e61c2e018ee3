"""Nodes that all write to one log: each gets its number, soon, and nobody is slowed down for nothing.

In virtual time, so that what takes seconds is the same on any machine.
"""

from __future__ import annotations

import pytest

from tests.build.virtual_time import run_virtually
from tests.storage.archive.contest import Contest, contest


def entries(result: Contest) -> int:
    return max(node.catalog.applied for node in result.nodes)


@pytest.fixture(scope="module")
def eight() -> Contest:
    return run_virtually(contest([0.05] * 8, seconds=8.0))


def test_of_eight_busy_nodes_none_loses_number_after_number(eight: Contest) -> None:
    assert eight.most_lost_in_a_row <= 10


def test_of_eight_busy_nodes_each_gets_its_share(eight: Contest) -> None:
    shares = [len(node.answers) for node in eight.nodes]
    assert min(shares) > max(shares) / 2


def test_eight_busy_nodes_are_answered_within_a_second(eight: Contest) -> None:
    assert eight.share(0.95) < 1.0
    assert eight.share(1.0) < 2.0


def test_eight_busy_nodes_store_more_than_one_does(eight: Contest) -> None:
    alone = run_virtually(contest([0.05], seconds=8.0))
    assert sum(len(node.answers) for node in eight.nodes) > len(alone.nodes[0].answers)


def test_everything_answered_is_in_the_log_once(eight: Contest) -> None:
    complete = max((node.catalog for node in eight.nodes), key=lambda catalog: catalog.applied)
    assert len(complete.names) == len(set(complete.names)) == sum(len(node.answers) for node in eight.nodes)
    assert all(complete.names[: len(node.catalog.names)] == node.catalog.names for node in eight.nodes)


def test_a_node_whose_requests_take_six_times_as_long_gets_its_turns() -> None:
    result = run_virtually(contest([0.3, *[0.05] * 4], seconds=14.0))
    slow = result.nodes[0]
    assert len(slow.answers) >= 4
    assert slow.store.most_lost_in_a_row <= 10


def test_whoever_writes_without_a_pause_is_kept_from_it_by_whoever_waits() -> None:
    for seed in range(1, 4):
        result = run_virtually(contest([0.05] * 3, seconds=6.0, seed=seed))
        assert min(len(node.answers) for node in result.nodes) > 10


def test_a_node_alone_asks_for_hardly_more_than_its_writes() -> None:
    result = run_virtually(contest([0.05], seconds=5.0))
    (node,) = result.nodes
    asked = node.store.requests
    assert asked["create"] == node.catalog.applied + 1  # the archive's format is the one more
    assert asked["put"] == len(node.answers)
    assert (
        asked.total() - asked["create"] - asked["put"] <= 16
    )  # beginning the archive, and a look for a note every half second
    assert max(node.answers[4:]) < 0.19  # one write of the object, one commit under way and the next


def test_nodes_on_a_quick_store_do_not_wait_for_each_other() -> None:
    result = run_virtually(contest([0.002] * 2, seconds=1.0))
    assert result.share(0.95) < 0.05
    assert all(node.store.requests["get"] < 4 * entries(result) for node in result.nodes)
