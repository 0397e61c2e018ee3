"""The short form of `make torture`: the same nodes, clients and verdict, with a handful of kills."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.torture.campaign import Campaign, Plan, torture
from tests.torture.nodes import Place, bucket_place
from tests.torture.weather import weather

SHORT = Plan(seed=0, kills=4, seconds=8.0, clients=3, most_between=0.8, longest_pause=0.5, sweep_every=1.0)


def fresh_seed() -> int:
    return random.SystemRandom().randrange(10**9)


def assert_well(campaign: Campaign) -> None:
    print(campaign.report())  # shown by pytest if the test fails
    assert campaign.faults == []
    assert campaign.killer is not None
    assert campaign.killer.kills
    # few on a machine that has other work: it is for the verdict above that this runs
    assert campaign.ledger.counts["acknowledged instances"] > 0


@pytest.mark.timeout(240)
def test_nodes_with_wrong_clocks_on_a_folder_are_killed_and_lose_nothing(tmp_path: Path) -> None:
    plan = replace(SHORT, seed=fresh_seed(), skew=3600.0)
    assert_well(torture(Place(str(tmp_path / "store")), tmp_path, plan, print))


@pytest.mark.timeout(240)
def test_nodes_on_a_bucket_that_often_fails_are_killed_and_lose_nothing(tmp_path: Path, s3_endpoint: str) -> None:
    plan = replace(SHORT, seed=fresh_seed(), trouble=0.1)
    with weather(s3_endpoint, plan.seed) as sky:
        campaign = torture(bucket_place(s3_endpoint, seen_at=sky.url), tmp_path, plan, print, sky)
    assert_well(campaign)
    assert sky.faults
