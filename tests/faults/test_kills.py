"""`kill -9` in the middle of ingest, again and again: what was acknowledged is there, bit for bit and once; what
was not is there whole or not at all; what was deleted stays so. Asked of the server that comes back, and of one
that has none of its local files."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.build.s3 import make_bucket
from tests.clients.servers import S3_CREDENTIALS, Server, start_server
from tests.faults.checks import assert_alive
from tests.faults.ingest import Ingest, faults_of

Starter = Callable[[str], Server]
"""Starts a server on the store, whose own files lie in the folder of that name."""


def kill_again_and_again(start: Starter, *, kills: int, most_seconds: float) -> Sequence[Ingest]:
    """Ingest and kill at a random moment, so many times; then once more without a kill."""
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")  # shown by pytest if the test fails
    chance = random.Random(seed)
    ingests = []
    for turn in range(kills + 1):
        server = start("node")
        ingest = Ingest(f"kill {seed} {turn}")
        ingests.append(ingest)
        ingest.start(server)
        time.sleep(chance.uniform(0.02, most_seconds))
        if turn < kills:
            server.kill()
            ingest.join()
        else:
            ingest.join()
            assert server.stop() == 0
    counted = [(one.acknowledged, one.sent) for one in ingests]
    acknowledged, sent = (sum(map(len, sets)) for sets in zip(*counted, strict=True))
    removed = sum(len(one.removed) for one in ingests)
    print(f"{acknowledged} of {sent} instances were acknowledged, {removed} deleted")
    assert removed
    assert kills < acknowledged < sent
    return ingests


def assert_all_is_there(server: Server, ingests: Sequence[Ingest]) -> None:
    """Nothing acknowledged is lost or doubled, nothing is torn, and the archive goes on."""
    assert {one.study: faults for one in ingests if (faults := faults_of(server, one))} == {}
    assert_alive(server)
    assert server.complaints() == []


def test_a_folder_survives_kills(tmp_path: Path) -> None:
    def start(name: str) -> Server:
        return start_server(tmp_path / "store", tmp_path / name)

    ingests = kill_again_and_again(start, kills=6, most_seconds=0.7)

    for name in ("node", "another machine"):
        server = start(name)
        try:
            assert_all_is_there(server, ingests)
        finally:
            server.kill()


def test_a_bucket_survives_kills(s3_endpoint: str, tmp_path: Path) -> None:
    bucket = make_bucket(s3_endpoint)

    def start(name: str) -> Server:
        return start_server(
            f"s3://{bucket}/archive", tmp_path / name, "--s3-endpoint", s3_endpoint, extra=S3_CREDENTIALS
        )

    ingests = kill_again_and_again(start, kills=4, most_seconds=1.0)

    server = start("another machine")
    try:
        assert_all_is_there(server, ingests)
    finally:
        server.kill()
