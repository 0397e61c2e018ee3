"""The short form of `make torture`: the same nodes, clients and verdict, with a handful of kills."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.torture.campaign import Plan, torture
from tests.torture.nodes import Place, bucket_place


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_three_nodes_that_are_killed_lose_nothing_and_agree(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seed = random.SystemRandom().randrange(10**9)
    if kind == "folder":
        place = Place(str(tmp_path / "store"))
    else:
        place = bucket_place(request.getfixturevalue("s3_endpoint"))
    plan = Plan(seed, kills=5, seconds=12.0, clients=3, longest_pause=0.5, sweep_every=1.0)

    campaign = torture(place, tmp_path, plan, print)

    print(campaign.report())
    assert campaign.faults == []
    assert campaign.killer is not None
    assert campaign.killer.kills
    assert campaign.ledger.counts["acknowledged instances"] > 10
