"""A rolling upgrade, played: nodes of an older and of a newer release write and read side by side on one bucket
while clients are at work, then the explicit upgrade comes, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from storage.layout import FORMAT
from storage.log.checkpoint import Checkpoint
from storage.log.events import Kind
from storage.log.format import FORMAT_VERSION
from storage.log.journal import Journal
from storage.log.snapshot import address_to_json
from storage.objects.s3 import S3Store
from tests.app.processes import environment
from tests.build.dicom import uid
from tests.build.s3 import s3_settings
from tests.faults.checks import RELATED, fresh, related
from tests.torture.clients import Client, shared_keys
from tests.torture.ledger import Ledger
from tests.torture.nodes import Node, Place, bucket_place
from tests.torture.releases import at_release, older_release
from tests.torture.verdict import Verdict, ask_nodes, complaints, look_behind

pytestmark = pytest.mark.timeout(480)
KNOWN_BEFORE = 1
"""What the older release knows."""
SIDE_BY_SIDE_SECONDS = 2.0


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of commands of the older release."""
    return dict(older_release(tmp_path_factory.mktemp("older release"), knows=KNOWN_BEFORE))


def command(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the release of a place."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words, "--store", place.address, *place.arguments],
        env=environment(place.extra),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def clients_at_work(count: int, nodes: Sequence[Node], ledger: Ledger) -> Iterator[None]:
    """Clients that store, replace, delete, bring back, read and search at whichever node answers."""
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    clients = [Client(number, seed, nodes, ledger, shared_keys(seed)) for number in range(1, count + 1)]
    for client in clients:
        client.thread.start()
    try:
        yield
    finally:
        for client in clients:
            client.stop.set()
        for client in clients:
            client.thread.join()


def send(node: Node, name: str, data: bytes) -> requests.Response:
    return requests.post(node.url + "/dicom-web/studies", data=related(data), headers=RELATED, timeout=20)


def health(node: Node) -> dict[str, Any]:
    told: dict[str, Any] = requests.get(node.url + "/health/ready", timeout=20).json()
    return told


def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it came true in that time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.1)
    return True


async def fold(place: Place) -> dict[str, Any]:
    """Fold the log into the table by the release of a place."""
    address = s3_settings(place.endpoint, place.address.split("/")[2], prefix="archive")
    job = {"action": "fold", "until": None, "address": address_to_json(address), "parent": os.getpid()}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "storage.log.fold"],
        env=environment(place.extra),
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


async def test_a_rolling_upgrade_under_load_loses_nothing(
    tmp_path: Path, s3_endpoint: str, old: dict[str, str]
) -> None:
    newer = bucket_place(s3_endpoint)
    older = at_release(newer, old)
    ledger, verdict = Ledger(), Verdict()
    nodes = [Node(older, tmp_path / "older 1"), Node(older, tmp_path / "older 2"), Node(newer, tmp_path / "newer")]
    newest = nodes[-1:]
    try:
        await asyncio.to_thread(play, older, newer, nodes, ledger, verdict)
        await asyncio.to_thread(ask_nodes, newest, ledger, verdict)
        verdict.add("ends", [f"exit status {end}" for node in nodes if (end := node.stop())])
    finally:
        for node in nodes:
            node.kill()
    verdict.add("complaint", complaints(nodes))
    await look_behind(newer, newest, tmp_path, ledger, verdict)
    print(ledger.counts, verdict.figures)
    assert ledger.faults + verdict.faults == []
    assert verdict.figures[f"events {Kind.UPGRADED}"] == 1


def play(older: Place, newer: Place, nodes: Sequence[Node], ledger: Ledger, verdict: Verdict) -> None:
    """One of two nodes of the older release gives way to a newer one, then the upgrade comes."""
    first, second, third = nodes
    first.start()
    second.start()
    for node in (first, second):
        node.await_start()
    with clients_at_work(2, nodes, ledger):
        third.start()
        third.await_start()
        # rolling: one goes when another has come
        assert second.stop() == 0
        threading.Event().wait(SIDE_BY_SIDE_SECONDS)
        assert first.url, first.deaths
        assert third.url, third.deaths

        refused = command(newer, "upgrade")
        assert refused.returncode == 2
        assert "knows formats up to 1" in refused.stderr
        assert health(first)["ready"]

        forced = command(newer, "upgrade", "--force")
        assert forced.returncode == 0, forced.stderr
        assert f"the archive has format {FORMAT_VERSION} from revision" in forced.stdout
        told = f"the archive has format {FORMAT_VERSION} (dicomlake "
        assert until(lambda: told in str(health(first)["reason"]))
        threading.Event().wait(SIDE_BY_SIDE_SECONDS / 2)
    check_older(first, third, older)


def check_older(older: Node, newer: Node, place: Place) -> None:
    """A node of the older release reads on, and says why it does not write; another one does not start."""
    name, data = fresh()
    answer = send(older, name, data)
    assert answer.status_code == 503
    message = answer.json()["Message"]
    assert f"format {FORMAT_VERSION}" in message
    assert f"up to {KNOWN_BEFORE}" in message
    assert "or later on it" in message
    assert send(newer, name, data).status_code == 200
    found = requests.get(
        f"{older.url}/dicom-web/instances?SOPInstanceUID={uid(name)}",
        headers={"Cache-Control": "no-cache"},
        timeout=20,
    )
    assert found.status_code == 200
    assert len(found.json()) == 1
    node_dir = ("--node-dir", str(older.folder / "another"))
    for words in (("serve", "--http-port", "0", *node_dir), ("rebuild", "--nodes-stopped", *node_dir)):
        ended = command(place, *words)
        assert ended.returncode == 2, words
        assert message.partition(";")[0] in ended.stderr
        assert "Traceback" not in ended.stderr


async def test_an_older_release_folds_up_to_the_upgrade_and_no_further(
    tmp_path: Path, s3_endpoint: str, old: dict[str, str]
) -> None:
    """Else the table would lack what the older release does not know."""
    newer = bucket_place(s3_endpoint)
    older = at_release(newer, old)
    node = Node(older, tmp_path / "older")
    node.start()
    node.await_start()
    try:
        assert send(node, *fresh()).status_code == 200
        assert (await fold(older))["folded"]["last"] == 1
        assert (await fold(newer))["folded"]["last"] == 1
        assert send(node, *fresh()).status_code == 200
    finally:
        assert node.stop() == 0

    assert command(newer, "upgrade").returncode == 0
    again = command(newer, "upgrade")
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)

    address = s3_settings(s3_endpoint, newer.address.split("/")[2], prefix="archive")
    async with S3Store(address) as store:
        # a fold that has begun before the upgrade knows another `format.json`; it has to go by the log
        now = await store.get(FORMAT)
        await store.put(FORMAT, [json.dumps(json.loads(now) | {"writer": KNOWN_BEFORE}).encode()])
        assert "log entry 3 has format 2" in (await fold(older))["message"]
        await store.put(FORMAT, [now])
        assert (await fold(newer))["folded"]["last"] == 3
        journal = await Journal.open(store, node="reader")
        kinds = [event.kind async for entry in journal.follow(0) for event in entry.events]
        assert kinds == [Kind.STORED, Kind.STORED, Kind.UPGRADED]
        assert await Checkpoint(store, address).last_folded() == 3
