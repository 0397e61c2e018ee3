"""The disk of a node's own folder is full while the store is not: what is stored is durable and read, searches
that need the catalog are 503 with the reason, and all goes on once there is room. Nothing acknowledged is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from tests.build.dicom import native_frames, uid
from tests.clients.raw import RawAnswer, ask
from tests.clients.servers import Server, serving_folder
from tests.faults.checks import AS_STORED, DICOM, RELATED, fresh, path_of, related, until

DISK = 16 << 20
"""Bytes of the disk."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a server is started; its node folder `node` is a small disk of its own."""
    node, mount = tmp_path / "node", shutil.which("mount")
    node.mkdir()
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a small file system")
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(node)]
    done = subprocess.run([mount, *options], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(node)], check=True)


def fill(folder: Path, *, leave: int) -> Path:
    """Take all room on the disk but so many bytes; the file that does."""
    filler = folder / "node" / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - leave)
    return filler


def send(server: Server, *files: bytes) -> RawAnswer:
    return ask(server, "/studies", RELATED, method="POST", body=related(*files))


def ready(server: Server) -> RawAnswer:
    return ask(server, "/health/ready", root="")


# with nothing left the headers of a batch find no room, with a little DuckDB's own log finds none
@pytest.mark.parametrize("leave", [0, 24 << 10], ids=["nothing left", "a little left"])
def test_a_node_without_room_of_its_own_loses_nothing_and_recovers(folder: Path, leave: int) -> None:
    kept = [fresh(200) for _ in range(4)]
    with serving_folder(folder) as server:
        assert send(server, *(data for _, data in kept)).status == 200
        assert ask(server, "/studies").status == 200
        filler = fill(folder, leave=leave)
        searches = []
        for _ in range(4):
            batch = [fresh(200) for _ in range(4)]
            assert send(server, *(data for _, data in batch)).status == 200
            kept += batch
            name, data = batch[-1]
            assert ask(server, path_of(name), AS_STORED).body == data
            assert ask(server, path_of(name) + "/metadata").status == 200
            assert ask(server, path_of(name) + "/rendered").status == 200
            searches.append(ask(server, "/studies"))

        refused = [answer for answer in searches if answer.status != 200]
        assert refused
        for answer in refused:
            assert answer.status == 503
            assert f"no room is left on the disk of the node folder {folder / 'node'}" in answer.error()["Message"]
            assert int(answer.header("retry-after")) > 0
        assert ready(server).status == 503
        assert b"no room" in ready(server).body
        assert ask(server, "/health/live", root="").status == 200

        filler.unlink()
        until(lambda: ready(server).status == 200, 20)
        assert ready(server).status == 200
        assert len(orjson.loads(ask(server, "/instances?limit=1000").body)) == len(kept)
        assert "Traceback" not in server.log.read_text()
        server.stop()
    with serving_folder(folder) as server:
        assert len(orjson.loads(ask(server, "/instances?limit=1000").body)) == len(kept)
        for name, data in kept:
            assert ask(server, path_of(name), AS_STORED).body == data


def test_a_large_instance_needs_no_room_in_the_node_folder(folder: Path) -> None:
    """It goes into the store as it comes."""
    name, _ = fresh()
    large = native_frames(24, rows=1024, columns=1024, study=name, series=name, instance=name)
    assert len(large) > DISK
    with serving_folder(folder) as server:
        fill(folder, leave=0)
        assert ask(server, "/studies", DICOM, method="POST", body=large).status == 200
        assert ask(server, path_of(name), AS_STORED).body == large
        assert ask(server, f"/instances?SOPInstanceUID={uid(name)}").status in (200, 503)


def test_a_node_does_not_start_without_room(folder: Path) -> None:
    fill(folder, leave=0)
    with pytest.raises(AssertionError, match="did not get ready") as caught, serving_folder(folder):
        pass
    told = str(caught.value)
    assert str(folder / "node") in told
    assert "o space left" in told or "no room is left" in told
    assert "Traceback" not in told
