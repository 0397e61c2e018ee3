"""`dicomlake rebuild` and `dicomlake scrub` as users run them: what they say, and the status they end with."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
from aiohttp import ClientSession

from app.assembly import FRONT, build_application, open_archive
from app.web.server import listening
from dicomweb.model.keys import InstanceKey, Level, Scope
from dicomweb.model.query import Query
from storage.log.unread import is_unread
from storage.upkeep.background import UpkeepSettings
from tests.app.processes import environment, run
from tests.app.serving import settings_of
from tests.build.dicom import ct_slice, uid
from tests.build.lake import store_files

STUDIES = 25


async def fill(store: Path) -> set[InstanceKey]:
    """Studies with a removal each: every removal is an entry of its own, so that a rebuild takes many steps."""
    async with open_archive(settings_of({"store": str(store)}), begin=True) as opened:
        archive = opened.archive
        for number in range(STUDIES):
            study = f"study {number}"
            files = (ct_slice(study=study, instance=f"{number}.{one}", seed=one) for one in range(3))
            await store_files(archive, *files)
            await archive.remove(Scope(uid(study), uid("series"), uid(f"{number}.1")), door="", peer="")
    return await there(store)


async def there(store: Path) -> set[InstanceKey]:
    async with open_archive(settings_of({"store": str(store)})) as opened:
        archive = opened.archive
        found = await archive.search(Query(Level.STUDY, ()))
        studies = [study["0020000D"]["Value"][0] async for batch in found.batches for study in batch]
        return {one.key for study in studies for one in await archive.find_instances(Scope(study))}


async def test_a_whole_log_is_not_given_up_but_by_force(tmp_path: Path) -> None:
    store = tmp_path / "store"
    before = await fill(store)
    refused = await run("rebuild", "--store", str(store))
    assert refused.status == 2
    assert "the log is whole" in refused.err
    forced = await run("rebuild", "--force", "--store", str(store))
    assert forced.status == 0, forced.err
    assert f"came back      {3 * STUDIES} versions" in forced.out
    assert await there(store) == before


async def test_a_rebuild_that_is_killed_again_and_again_comes_to_its_end(tmp_path: Path) -> None:
    store, report = tmp_path / "store", tmp_path / "report.json"
    before = await fill(store)
    shutil.rmtree(store / "log")
    shutil.rmtree(store / "instances", ignore_errors=True)
    (store / "format.json").unlink()
    entries = 0
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.cli", "rebuild", "--nodes-stopped", "--store", str(store)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
        )
        while process.returncode is None:
            now = len(list(store.glob("log/*/*.arrow")))
            if now > entries + 6:
                entries = now
                process.send_signal(signal.SIGKILL)
                break
            await asyncio.sleep(0.005)
        await process.wait()
    assert entries
    ended = await run("rebuild", "--nodes-stopped", "--report", str(report), "--store", str(store))
    assert ended.status == 0, ended.err
    assert "going on" in ended.err
    assert json.loads(report.read_text())["counts"]["stored"] == 3 * STUDIES
    assert json.loads(report.read_text())["counts"]["removals"] == STUDIES
    assert await there(store) == before


async def test_what_does_not_come_back_is_named_with_status_1(tmp_path: Path) -> None:
    store = tmp_path / "store"
    await fill(store)
    shutil.rmtree(store / "log")
    damaged = min(store.glob("dicom/*/*/*/*.dcm"))
    damaged.write_bytes(damaged.read_bytes()[:-10])
    ended = await run("rebuild", "--nodes-stopped", "--store", str(store))
    assert ended.status == 1
    assert f"LOST           1 (objects that cannot be read)\n  {damaged.relative_to(store)}: " in ended.out


async def test_no_archive_is_told_as_that(tmp_path: Path) -> None:
    for command in ("rebuild", "scrub"):
        ended = await run(command, "--store", str(tmp_path / "nothing"))
        assert ended.status == 2
        assert "there is no archive" in ended.err
    assert not (tmp_path / "nothing").exists()


async def test_a_scrub_fills_what_a_rebuild_left_open_and_names_what_is_damaged(tmp_path: Path) -> None:
    store, settings = tmp_path / "store", settings_of({"store": str(tmp_path / "store")})
    large = ct_slice(rows=600, columns=600)
    async with open_archive(settings, begin=True) as opened:
        (receipt,) = await store_files(opened.archive, large)
    assert receipt.key is not None
    shutil.rmtree(store / "log")
    ended = await run("rebuild", "--nodes-stopped", "--store", str(store))
    assert "1 were not read whole" in ended.out
    async with open_archive(settings) as opened:
        assert is_unread((await opened.archive.find_instance(receipt.key)).digest)
    ended = await run("scrub", "--store", str(store), "--rate", "50")
    assert (ended.status, ended.out) == (0, "1 objects, 721.0 kB: all as stored\n")
    async with open_archive(settings) as opened:
        assert not is_unread((await opened.archive.find_instance(receipt.key)).digest)
    (path,) = store.glob("dicom/*/*/*/*.dcm")
    path.write_bytes(large[:-1] + b"?")
    ended = await run("scrub", "--store", str(store), "--sample", "100%")
    assert ended.status == 1
    assert f"{path.relative_to(store)}: the digest of its data set differs" in ended.out


async def test_a_rate_or_sample_that_makes_no_sense_is_told(tmp_path: Path) -> None:
    for arguments in (["--rate", "0"], ["--rate", "fast"], ["--sample", "2"], ["--sample", "0"]):
        ended = await run("scrub", *arguments, "--store", str(tmp_path))
        assert ended.status == 2
        assert arguments[0] in ended.err


async def test_a_server_scrubs_by_itself_and_says_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.assembly.UpkeepSettings", partial(UpkeepSettings, scrub_look_seconds=0.05))
    store = tmp_path / "store"
    settings = settings_of({"store": str(store), "log.access": False, "scrub_days": "1"})
    async with open_archive(settings, begin=True) as opened:
        await store_files(opened.archive, ct_slice())
    (path,) = store.glob("dicom/*/*/*/*.dcm")
    path.unlink()
    application = build_application(settings)
    async with (
        listening(application, settings, lambda: application[FRONT]) as bound,
        ClientSession() as client,
    ):
        told = ""
        for _ in range(200):
            async with client.get(f"{bound.url}/health/ready") as answer:
                told = await answer.text()
                assert answer.status == 200, "damage is no reason to turn clients away"
            if "not as stored" in told:
                break
            await asyncio.sleep(0.05)
        assert str(path.relative_to(store)) in told
        async with client.get(f"{bound.url}/metrics") as answer:
            numbers = await answer.text()
    assert "dicomlake_scrub_damaged 1" in numbers
    assert "dicomlake_scrub_objects 1" in numbers
