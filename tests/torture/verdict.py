"""What must hold when the nodes have come to rest: asked of each node, of a fresh one, of the log, and of what a
rebuild makes of the objects alone."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from requests import Response, Session

from dicomweb.model.keys import InstanceKey, Scope
from storage import layout
from storage.archive.archive import LakeArchive
from storage.archive.identifiers import id_time
from storage.log.events import Entry
from storage.log.journal import Journal
from storage.objects.contract import ObjectStore
from storage.upkeep.notes import mend_notes
from storage.upkeep.sweep import sweep
from tests.app.processes import environment
from tests.build.lake import open_lake
from tests.storage.archive.test_histories import Model
from tests.torture.clients import STRONG
from tests.torture.ledger import Ledger
from tests.torture.nodes import Node, Place
from tests.torture.serial import Timeline, check_acks, check_reads
from tests.torture.table import check_table, checkpoint_of, from_table

_AHEAD = 7200.0
"""Seconds by which no clock is ahead."""
_TOLD = 8
"""Faults of a kind that are told; the others are counted."""
_PATIENCE = 30
"""How often a node is asked that says 503; where much else runs, the tests' bucket is slow."""
_WHOLE = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*', **STRONG}


@dataclass
class Verdict:
    """What was found."""

    faults: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, found: Sequence[str]) -> None:
        """Faults of a kind."""
        self.faults += [f"{what}: {one}" for one in found[:_TOLD]]
        if len(found) > _TOLD:
            self.faults.append(f"{what}: and {len(found) - _TOLD} more")


# what nodes answer


def ask_nodes(nodes: Sequence[Node], ledger: Ledger, verdict: Verdict) -> None:
    """Every node that serves is asked for everything; the first and the last for the bytes too."""
    with Session() as session:
        told = {node.name: _listings(session, node, ledger) for node in nodes}
        first = told[nodes[0].name]
        for name, listing in told.items():
            different = [study for study in listing if listing[study] != first[study]]
            verdict.add(f"{name} and {nodes[0].name} differ", different)
        for node in {nodes[0].name: nodes[0], nodes[-1].name: nodes[-1]}.values():
            verdict.add(f"{node.name} holds", _content_faults(session, node, ledger, told[node.name], verdict))


def _listings(session: Session, node: Node, ledger: Ledger) -> dict[str, list[Any]]:
    """What a node tells of each study: the study itself, and its instances."""
    told: dict[str, list[Any]] = {}
    for study in ledger.studies():
        told[study] = []
        for path in (
            f"/studies?StudyInstanceUID={study}&includefield=all",
            f"/studies/{study}/instances?limit=99999",
        ):
            answer = _asked(session, node.url + "/dicom-web" + path, STRONG)
            assert answer.status_code in (200, 204, 404, 410), f"{node.name}: {answer.status_code} {answer.text}"
            text = answer.content.replace(node.url.encode(), b"") if answer.status_code == 200 else b"[]"
            told[study].append(orjson.loads(text or b"[]"))
    return told


def _content_faults(
    session: Session, node: Node, ledger: Ledger, told: dict[str, list[Any]], verdict: Verdict
) -> list[str]:
    faults = []
    for study, (_, instances) in told.items():
        listed = Counter(item["00080018"]["Value"][0] for item in instances)
        found = _stored_files(session, node, study) if listed else Counter()
        may: dict[str, set[bytes]] = {}
        for key in (key for key in ledger.sent if key.study == study):
            states = ledger.owned[key].states if key in ledger.owned else {None, *ledger.sent[key]}
            digests = {ledger.whole[state] for state in states if state is not None}
            times = sum(found[one] for one in {ledger.whole[digest] for digest in ledger.sent[key]})
            there = sum(found[one] for one in digests)
            if times != listed[key.instance] or times > 1 or there != times or (not times and None not in states):
                faults.append(f"{key.instance} listed {listed[key.instance]}, read {times}, allowed {there} times")
            may.setdefault(study, set()).update(digests)
            verdict.figures[f"instances read at {node.name}"] += times
        known = {ledger.whole[one] for key in ledger.sent if key.study == study for one in ledger.sent[key]}
        faults += [f"bytes that nobody sent, in {study}" for one in found if one not in known]
        sops = {key.instance for key in ledger.sent}
        faults += [f"{sop} was never sent" for sop in listed if sop not in sops]
    return faults


def _asked(session: Session, url: str, headers: Mapping[str, str]) -> Response:
    """The answer; for a while once more, if the node has no connection to its store."""
    answer = session.get(url, headers=headers, timeout=120)
    for _ in range(_PATIENCE):
        if answer.status_code != 503:
            break
        time.sleep(2)
        answer = session.get(url, headers=headers, timeout=120)
    return answer


def _stored_files(session: Session, node: Node, study: str) -> Counter[bytes]:
    """SHA-256 of every file of a study."""
    url = f"{node.url}/dicom-web/studies/{study}"
    answer = _asked(session, url, _WHOLE)
    assert answer.status_code == 200, f"{node.name}: {answer.status_code} {answer.text[:300]}"
    body = answer.content
    boundary = body[: body.index(b"\r\n")]
    pieces = body.split(boundary)[1:-1]
    return Counter(hashlib.sha256(piece[piece.index(b"\r\n\r\n") + 4 : -2]).digest() for piece in pieces)


# what the log says


async def look_behind(place: Place, nodes: Sequence[Node], folder: Path, ledger: Ledger, verdict: Verdict) -> None:
    """Hold log, objects and the catalogs of the nodes, none of which runs, against each other; then rebuild."""
    async with place.open() as store:
        model = await _replay(store, ledger, verdict)
        named, there = set(model.named()), {info.key async for info in store.list(layout.DICOM)}
        verdict.figures["orphans"] += len(there - named)
        verdict.add("the log names an object that is missing", sorted(named - there))
        async with open_lake(store, folder / "from the log", node="judge") as judge:
            await judge.catch_up()
            await _compare_catalogs(store, nodes, judge, ledger, verdict)
            checkpoint = checkpoint_of(place, store)
            verdict.add("the table", await check_table(checkpoint, model, ledger, verdict.figures))
            async with from_table(store, folder / "from the table", checkpoint) as tabled:
                await tabled.catch_up()
                verdict.add("the catalog made from the table", await _differences(tabled, judge, ledger))
            verdict.add("notes for a rebuild", await _missing_notes(store, judge, ledger))
            verdict.figures["notes of removals mended"] += await mend_notes(judge)
            verdict.figures["orphans swept"] += (await sweep(judge, age_seconds=-_AHEAD, grace_seconds=0)).deleted
            first = await judge.journal.read(1)
        left = {info.key async for info in store.list(layout.DICOM)}
        verdict.add("the sweep took what the log names", sorted(named - left))
        # what is older than the log may be all that is left of a lost one, and no sweep touches it
        begin = first.written.timestamp() if first else 0.0
        young = [
            key
            for key in left - named
            if (name := layout.parse_object_key(key)) and id_time(name.version) >= begin
        ]
        verdict.add("the sweep left an orphan", young)
        verdict.figures["orphans older than the log"] += len(left - named)
    await _rebuild(place, folder)
    async with place.open() as store, open_lake(store, folder / "rebuilt", node="judge") as rebuilt:
        await rebuilt.catch_up()
        await _compare_rebuilt(rebuilt, model, ledger, left - named, verdict)


async def _replay(store: ObjectStore, ledger: Ledger, verdict: Verdict) -> Model:
    """The model of the log; all that was answered is held against it."""
    journal, model, faults = await Journal.open(store, node="judge"), Model(), list[str]()
    timeline = Timeline()
    async for entry in journal.follow(0):
        verdict.figures["entries"] += 1
        for event in entry.events:
            verdict.figures[f"events {event.kind}"] += 1
        faults += _twice(entry, model)
        model.play(entry)
        timeline.play(entry, model)
    verdict.add("the log", faults)
    late = [str(ack) for ack in ledger.acks if ack.revision > timeline.last]
    verdict.add("acknowledged without an entry", late)
    verdict.add("no serial history", check_acks(timeline, ledger.acks))
    unexplained = check_reads(timeline, ledger.acks, ledger.reads, verdict.figures, unsure=ledger.unsure)
    verdict.add("no serial history", unexplained)
    states: list[str] = []
    for key, owned in ledger.owned.items():
        current = model.current(key)
        if (current.digest if current else None) not in owned.states:
            states.append(f"{key.instance} is not as its client was told")
    verdict.add("lost or changed, by the log", states)
    verdict.figures["acknowledgements held against the log"] += len(ledger.acks)
    verdict.figures["versions that replaced another"] += sum(len(some) - 1 for some in model.versions.values())
    ids = {key: [one.version for one in some] for key, some in model.versions.items()}
    disordered = [f"of {key.instance}" for key, some in ids.items() if some != sorted(some)]
    verdict.add("the order of ids is not that of the log", disordered)
    return model


def _twice(entry: Entry, model: Model) -> list[str]:
    """Rows for what was stored already: a retry that wrote a second one."""
    found: list[str] = []
    now: dict[InstanceKey, bytes] = {}
    for event in entry.events:
        if event.stored is None:
            continue
        key = event.stored.key
        current = model.current(key)
        before = now.get(key, current.digest if current else None)
        if before == event.stored.digest:
            found.append(f"entry {entry.number} stores {key.instance} once more")
        now[key] = event.stored.digest
    return found


async def _compare_catalogs(
    store: ObjectStore, nodes: Sequence[Node], judge: LakeArchive, ledger: Ledger, verdict: Verdict
) -> None:
    versions = [await judge.catalog.versions(Scope(study)) for study in ledger.studies()]
    verdict.figures["versions in the catalog"] += sum(map(len, versions))
    for node, folder in [(one, folder) for one in nodes for folder in one.catalogs]:
        async with open_lake(store, folder, node="judge") as archive:
            await archive.catch_up()
            different = await _differences(archive, judge, ledger)
        verdict.figures["catalogs compared"] += 1
        verdict.add(f"the catalog of {node.name} is not what the log makes of it", different)


async def _differences(archive: LakeArchive, judge: LakeArchive, ledger: Ledger) -> list[str]:
    """What one catalog knows otherwise than another, which was made from the log."""
    found, expected = await _catalog(archive, ledger), await _catalog(judge, ledger)
    return [
        f"{name}: {_excerpt(found[name])} for {_excerpt(expected[name])}"
        for name in expected
        if found[name] != expected[name]
    ]


async def _missing_notes(store: ObjectStore, judge: LakeArchive, ledger: Ledger) -> list[str]:
    """Acknowledged removals in force which a rebuild would not honour."""
    noted = {
        place[1] async for info in store.list(layout.REMOVED) if (place := layout.parse_removed_key(info.key))
    }
    told = {ack.revision for ack in ledger.acks if ack.kind == "removed"}
    in_force = await judge.catalog.removals_in_force()
    return [f"none of {one}" for one in in_force if one.revision in told and one.revision not in noted]


def _excerpt(value: object) -> str:
    return str(value)[:300]


async def _catalog(archive: LakeArchive, ledger: Ledger) -> dict[str, Any]:
    """All that a catalog knows."""
    await archive.catalog.flush()
    return {
        "versions": {study: await archive.catalog.versions(Scope(study)) for study in ledger.studies()},
        # which of several came first into this catalog hangs on whether it was loaded from the table
        "removals": [
            replace(one, versions=tuple(sorted(one.versions))) for one in await archive.catalog.removals()
        ],
        "in force": await archive.catalog.removals_in_force(),
        # how much the files of headers hold hangs on how often a node has written them
        "statistics": replace(await archive.catalog.statistics(), header_bytes=0),
        "applied": archive.revision,
    }


# what a rebuild makes of the objects


async def _rebuild(place: Place, folder: Path) -> None:
    command = [sys.executable, "-m", "app.cli", "rebuild", "--store", place.address, "--force", "--nodes-stopped"]
    command += ["--node-dir", str(folder / "rebuilding"), *place.arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment(place.extra), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


async def _compare_rebuilt(
    rebuilt: LakeArchive, model: Model, ledger: Ledger, left: set[str], verdict: Verdict
) -> None:
    """The same instances, in the same versions."""
    faults = []
    for key in ledger.sent:
        expected, found = model.current(key), await rebuilt.catalog.find(key)
        was, now = (expected.version if expected else ""), (found.version if found else "")
        if was == now:
            verdict.figures["rebuilt as it was"] += bool(now)
        elif now and layout.object_key(key, now) in left:
            verdict.figures["rebuilt from what was older than the log"] += 1
        else:
            faults.append(f"{key.instance}: {was or 'nothing'} came back as {now or 'nothing'}")
    verdict.add("rebuild", faults)


def complaints(nodes: Sequence[Node]) -> list[str]:
    """What nodes say of faults of their own, and ends that nobody brought about."""
    return [line for node in nodes for line in (*node.complaints(), *node.deaths)]
