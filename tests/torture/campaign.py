"""One torture from its beginning to the verdict."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dicomweb.ports import ArchiveError
from storage.objects.contract import StoreError
from storage.upkeep.sweep import Swept, sweep
from tests.build.lake import open_lake
from tests.torture import hasty
from tests.torture.clients import Client, shared_keys
from tests.torture.ledger import Ledger
from tests.torture.nodes import Killer, Node, Place, nodes_on
from tests.torture.verdict import Verdict, ask_nodes, complaints, look_behind
from tests.torture.weather import Weather


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what."""

    seed: int
    kills: int
    """It ends after so many."""
    seconds: float
    """It ends then at the latest; the verdict takes time of its own."""
    nodes: int = 3
    clients: int = 4
    most_between: float = 1.2
    """Seconds between two strikes at most; half of that on average."""
    pauses: float = 0.08
    """Share of the strikes that stop a node for a while instead of killing it."""
    longest_pause: float = 3.0
    """Seconds a node may be stopped for."""
    hasty: bool = False
    """Whether every grace of the nodes is shorter than a long pause, see `hasty`."""
    workers: int = 1
    """Processes of each node."""
    trouble: float = 0.0
    """Share of the requests to the store that fail, if it has a weather."""
    skew: float = 0.0
    """Seconds by which the clocks of nodes are wrong, one ahead and one behind."""
    sweep_every: float = 1.5
    """Seconds between two sweeps with hardly any grace, or none; 0 for no sweeps."""


@dataclass
class Campaign:
    """What was done, and what was found."""

    plan: Plan
    ledger: Ledger = field(default_factory=Ledger)
    verdict: Verdict = field(default_factory=Verdict)
    killer: Killer | None = None
    seconds: float = 0.0

    def report(self) -> str:
        """For a reader."""
        killer = self.killer
        assert killer is not None
        lines = [
            f"seed {self.plan.seed}, {self.seconds:.0f} s, {self.plan.nodes} nodes, {self.plan.clients} clients",
            f"{killer.kills} kills ({killer.early} while starting), {killer.pauses} pauses, of which "
            f"{killer.outlasted} came to their end, {killer.emptied} starts on an empty node folder",
            *(f"  {what}: {number}" for what, number in sorted(self.ledger.counts.items())),
            *(f"  {what}: {number}" for what, number in sorted(self.verdict.figures.items())),
            *(f"FAULT {fault}" for fault in self.faults),
        ]
        return "\n".join([*lines, "all is well" if not self.faults else f"{len(self.faults)} faults"])

    @property
    def faults(self) -> list[str]:
        return self.ledger.faults + self.verdict.faults


def torture(
    place: Place, folder: Path, plan: Plan, tell: Callable[[str], None], sky: Weather | None = None
) -> Campaign:
    """Run nodes and clients, kill, and judge.

    `tell` is told how it goes; `sky` is how the store fails meanwhile.
    """
    campaign = Campaign(plan)
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with nodes_on(
        place,
        folder,
        plan.nodes,
        skew=plan.skew,
        pace="hasty" if plan.hasty else "",
        workers=plan.workers,
        forked=True,
    ) as nodes:
        campaign.killer = Killer(nodes, random.Random(f"killer {plan.seed}"), plan.pauses, plan.longest_pause)
        if sky is not None:
            sky.share = plan.trouble
        _rage(place, folder, nodes, campaign, tell)
        campaign.seconds = time.monotonic() - begun
        if sky is not None:
            sky.share = 0.0
            campaign.verdict.figures["requests to the store"] = sky.requests
            campaign.verdict.figures.update({f"store: {fault}": number for fault, number in sky.faults.items()})
        tell("at rest; asking the nodes")
        for node in nodes:
            node.await_start()
            if not node.url:
                node.start()
                node.await_start()
        fresh = Node(place, folder / "fresh node")
        fresh.start()
        fresh.await_start()
        try:
            ask_nodes([*nodes, fresh], campaign.ledger, campaign.verdict)
        finally:
            ends = [node.stop() for node in (*nodes, fresh)]
        campaign.verdict.figures["starts that a storm ended"] += sum(node.given_up for node in nodes)
        campaign.verdict.add("ends", [f"exit status {end}" for end in ends if end])
        campaign.verdict.add("complaint", complaints([*nodes, fresh]))
        tell("comparing log, catalogs and what a rebuild brings back")
        asyncio.run(look_behind(place, [*nodes, fresh], folder, campaign.ledger, campaign.verdict))
    return campaign


def _rage(
    place: Place,
    folder: Path,
    nodes: Sequence[Node],
    campaign: Campaign,
    tell: Callable[[str], None],
) -> None:
    plan, killer = campaign.plan, campaign.killer
    assert killer is not None
    shared = shared_keys(plan.seed)
    # a node may have looked at the clock some time before its answer came
    retention = hasty.RETENTION_SECONDS - 2.0 if plan.hasty else math.inf
    clients = [
        Client(n, plan.seed, nodes, campaign.ledger, shared, retention=retention)
        for n in range(1, plan.clients + 1)
    ]
    stop = threading.Event()
    sweeper = threading.Thread(target=_keep_sweeping, args=(place, folder, campaign, stop))
    threads = [client.thread for client in clients] + ([sweeper] if plan.sweep_every else [])
    for thread in threads:
        thread.start()
    end, told = time.monotonic() + plan.seconds, time.monotonic()
    try:
        while killer.kills < plan.kills and time.monotonic() < end and not campaign.ledger.faults:
            killer.strike(most_seconds=plan.most_between)
            if time.monotonic() - told > 15:
                told = time.monotonic()
                counts = campaign.ledger.counts
                tell(f"{killer.kills} kills, {counts['acknowledged instances']} instances acknowledged")
    finally:
        killer.wake()
        stop.set()
        for client in clients:
            client.stop.set()
        for thread in threads:
            thread.join()


def _keep_sweeping(place: Place, folder: Path, campaign: Campaign, stop: threading.Event) -> None:
    """Sweep all the time, with a grace far shorter than writers may stand still: they have to find out.

    Every other one, by chance, takes whatever no entry names at that moment, also what is about to be named.
    """
    try:
        asyncio.run(_sweep_until(place, folder, campaign, stop))
    except Exception as error:
        campaign.ledger.fault(f"the sweep broke: {error!r}")
        raise


async def _sweep_until(place: Place, folder: Path, campaign: Campaign, stop: threading.Event) -> None:
    async with place.open() as store, open_lake(store, folder / "sweeper", node="sweeper") as archive:
        stopped, chance = asyncio.create_task(asyncio.to_thread(stop.wait)), random.Random(campaign.plan.seed)
        while not stopped.done():
            await asyncio.wait({stopped}, timeout=campaign.plan.sweep_every)
            age, grace = chance.choice(((1.0, 0.5), (-campaign.plan.skew, 0.0)))
            sweeping = asyncio.create_task(sweep(archive, age_seconds=age, grace_seconds=grace))
            # one that is under way is given up: nothing may move when the verdict begins
            await asyncio.wait({sweeping, stopped}, return_when=asyncio.FIRST_COMPLETED)
            sweeping.cancel()
            (swept,) = await asyncio.gather(sweeping, return_exceptions=True)
            if isinstance(swept, Swept):
                campaign.verdict.figures["swept while they wrote"] += swept.deleted
            elif not isinstance(swept, ArchiveError | StoreError | asyncio.CancelledError):
                raise swept
