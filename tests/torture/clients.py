"""Clients that store, replace, delete, bring back, search and read at whichever node answers, without end."""

from __future__ import annotations

import hashlib
import math
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from requests import RequestException, Response, Session

from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.wire.paths import scope_path
from tests.faults.checks import RELATED, related
from tests.torture.ledger import Ack, Content, Files, Ledger, Owned, Seen, digest_of, fixed_uid
from tests.torture.nodes import Node

SECONDS = 20.0
"""How long a client waits for an answer."""
HASTE = 1.5
"""How long one waits that soon asks another node, now and then: what it sent twice may be under way twice."""
STRONG = {"Cache-Control": "no-cache"}
AS_STORED = {"Accept": "application/dicom; transfer-syntax=*", **STRONG}
_LATELY = {"Accept": "application/dicom; transfer-syntax=*"}
"""Reads what the node knows, which may be a little behind."""
_REVISION = "X-Dicomlake-Revision"
_PER_SERIES = 40
_MOST_LARGE = 6
"""Large instances a client sends; the tests' bucket lies in memory."""
UNAVAILABLE = frozenset((500, 502, 503, 504, 507))
"""What a node may answer that cannot do its work for now; nothing is known then of what it did."""
_MOVED_ON = 0x0110
"""Failure reason (PS3.18 Table I.2-2) where the archive asks for the instance once more; nothing was stored."""


@dataclass(frozen=True, slots=True)
class Asked:
    """When a request was made."""

    floor: int
    """The last revision that any client had been told by then."""
    begun: float
    """Monotonic."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a store answer says."""

    stored: frozenset[str]
    """SOP Instance UIDs."""
    refused: frozenset[str]
    revision: int


@dataclass(frozen=True, slots=True)
class Way:
    """Where a request goes."""

    url: str
    session: Session
    timeout: float
    """Seconds."""


class Client:
    """One client: instances of its own, and some that all share."""

    def __init__(
        self,
        number: int,
        seed: int,
        nodes: Sequence[Node],
        ledger: Ledger,
        shared: Sequence[InstanceKey],
        *,
        retention: float = math.inf,
    ) -> None:
        """`retention`: seconds after which what was deleted may be gone for good."""
        self.name = f"client {seed} {number}"
        self.chance = random.Random(self.name)
        self.nodes = nodes
        self.ledger = ledger
        self.shared = shared
        self.retention = retention
        self.files = Files()
        self.own: list[list[Owned]] = []
        """By series."""
        self.removals: list[tuple[int, Scope]] = []
        self.contents = number * 1_000_000
        self.larges = 0
        self.session = Session()
        self.rival = Session()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name=self.name)

    def _run(self) -> None:
        works = {
            self.store_new: 6,
            self.send_again: 3,
            self.replace: 2,
            self.delete: 2,
            self.delete_series: 0.3,
            self.undelete: 2,
            self.read: 4,
            self.search: 1,
            self.contend: 4,
        }
        try:
            while not self.stop.wait(self.chance.uniform(0, 0.03)):
                work = self.chance.choices(list(works), list(works.values()))[0]
                work()
        except Exception as error:
            self.ledger.fault(f"{self.name} broke: {error!r}")
            raise

    def ask(
        self, method: str, path: str, *, headers: dict[str, str], data: bytes = b"", one: Way | None = None
    ) -> Response | None:
        """The answer of some node, or of `one`; None if it never came or says that the node cannot work now."""
        one = one or self.way()
        if one is None:
            self.stop.wait(0.05)
            return None
        try:
            answer = one.session.request(
                method, one.url + "/dicom-web" + path, headers=headers, data=data, timeout=one.timeout
            )
        except RequestException:
            self.ledger.count("no answer")
            return None
        if answer.status_code in UNAVAILABLE:
            self.ledger.count(f"answered {answer.status_code}")
            if answer.status_code == 500:
                self.ledger.fault(f"{method} {path}: 500 {answer.text[:300]}")
            return None
        return answer

    def way(self, *, but: str = "", session: Session | None = None) -> Way | None:
        """The way to some node that serves, `but` to one; None if there is none."""
        # one that stands still is asked seldom: all clients would soon wait for it
        serving = [(url, 0.05 if node.paused else 1.0) for node in self.nodes if (url := node.url) and url != but]
        if not serving:
            return None
        ((url, _),) = self.chance.choices(serving, [weight for _, weight in serving])
        timeout = HASTE if self.chance.random() < 0.05 else SECONDS
        return Way(url, session or self.session, timeout)

    def now(self) -> Asked:
        """To be taken just before a request is made."""
        return Asked(self.ledger.highest, time.monotonic())

    # storing

    def send(self, files: Sequence[bytes], one: Way | None = None) -> Told | None:
        """Store files; None if nobody knows what became of them."""
        answer = self.ask("POST", "/studies", headers=RELATED, data=related(*files), one=one)
        if answer is None:
            return None
        if answer.status_code not in (200, 202, 409):
            self.ledger.fault(f"storing: {answer.status_code} {answer.text[:300]}")
            return None
        module = orjson.loads(answer.content)
        stored = [item["00081155"]["Value"][0] for item in module.get("00081199", {}).get("Value", [])]
        failed = module.get("00081198", {}).get("Value", [])
        for item in failed:
            if item["00081197"]["Value"] != [_MOVED_ON]:
                self.ledger.fault(f"refused: {answer.text[:400]}")
        refused = frozenset(item["00081155"]["Value"][0] for item in failed)
        self.ledger.count("acknowledged instances", len(stored))
        self.ledger.count("asked for once more", len(refused))
        return Told(frozenset(stored), refused, int(answer.headers.get(_REVISION, 0)))

    def put(self, batch: Sequence[tuple[Owned, int]]) -> None:
        """Store contents of own instances in one request, and keep the books; when in doubt, often again."""
        files = [self.files.make(one.key, content, large=one.large) for one, content in batch]
        digests = [self.ledger.note(one.key, data) for (one, _), data in zip(batch, files, strict=True)]
        for (one, content), digest in zip(batch, digests, strict=True):
            one.undo = None
            one.contents[digest] = content
        while True:
            asked = self.now()
            told = self.send(files)
            for (one, _), digest in zip(batch, digests, strict=True):
                sop = one.key.instance
                if told is None or sop not in told.stored:
                    self.ledger.doubt(digest, asked.begun)
                if told is None or (sop not in told.stored and sop not in told.refused):
                    one.states |= {digest}
                    if told is not None:
                        self.ledger.fault(f"{sop} is missing in a store answer")
                elif sop in told.stored:
                    one.states = frozenset([digest])
                    self.stored(asked, told.revision, one.key, digest, among=len(batch))
            if told is not None or self.stop.is_set() or self.chance.random() < 0.3:
                return
            self.stop.wait(0.1)

    def stored(self, asked: Asked, revision: int, key: InstanceKey, digest: bytes, *, among: int) -> None:
        self.ledger.acknowledge(
            Ack(revision, "stored", key.scope, asked.floor, asked.begun, key=key, digest=digest, among=among)
        )

    def fresh(self) -> int:
        self.contents += 1
        return self.contents

    def store_new(self) -> None:
        large = self.larges < _MOST_LARGE and self.chance.random() < 0.02
        self.larges += large
        if not self.own or len(self.own[-1]) >= _PER_SERIES:
            self.own.append([])
        place, series = len(self.own), self.own[-1]
        batch = []
        for _ in range(1 if large else self.chance.choice((1, 1, 2, 5, 9))):
            study = fixed_uid(f"{self.name} study {(place + 1) // 2}")
            number = f"{self.name} {place} {len(series)}"
            key = InstanceKey(study, fixed_uid(f"{self.name} series {place}"), fixed_uid(number))
            series.append(self.ledger.own(Owned(key, large)))
            batch.append((series[-1], self.fresh()))
        self.put(batch)

    def some(self) -> Owned | None:
        """One of its own, more likely a late one."""
        if not self.own:
            return None
        series = self.own[-1] if self.chance.random() < 0.5 else self.chance.choice(self.own)
        return self.chance.choice(series) if series else None

    def send_again(self) -> None:
        """What was sent before, once more: a duplicate, or what it was before it was replaced or deleted."""
        if (one := self.some()) and one.contents:
            digest = next((state for state in one.states if state is not None), None)
            digest = digest or self.chance.choice(list(one.contents))
            self.put([(one, one.contents[digest])])

    def replace(self) -> None:
        if (one := self.some()) and not one.large:
            self.put([(one, self.fresh())])

    # deleting

    def delete(self) -> None:
        if one := self.some():
            before, one.undo = one.states, None
            revision = self.remove(one.key.scope, [one])
            if revision and len(before) == 1:
                one.undo = revision, next(iter(before)), time.monotonic()

    def delete_series(self) -> None:
        if self.own:
            series = self.chance.choice(self.own)
            for one in series:
                one.undo = None
            key = series[0].key
            self.remove(Scope(key.study, key.series), series)

    def remove(self, scope: Scope, instances: Sequence[Owned]) -> int:
        """The revision that did it, 0 if none is known."""
        asked, path = self.now(), scope_path(scope)
        answer = self.ask("DELETE", path, headers={})
        if answer is None:
            for one in instances:
                one.states |= {None}
            return 0
        if answer.status_code not in (204, 404, 410):
            self.ledger.fault(f"deleting: {answer.status_code} {answer.text[:300]}")
            return 0
        if answer.status_code != 204:
            for one in instances:
                if None not in one.states:
                    self.ledger.fault(f"deleting {path}: {answer.status_code}, but {one.key.instance} is there")
        for one in instances:
            one.states = frozenset([None])
        if answer.status_code != 204:
            return 0
        self.ledger.count("deletions")
        revision = int(answer.headers[_REVISION])
        self.ledger.acknowledge(Ack(revision, "removed", scope, asked.floor, asked.begun))
        return revision

    def undelete(self) -> None:
        candidates = [one for series in self.own[-3:] for one in series if one.undo]
        if not candidates:
            return
        one = self.chance.choice(candidates)
        assert one.undo is not None
        (revision, content, since), one.undo = one.undo, None
        asked = self.now()
        answer = self.ask("POST", f"{scope_path(one.key.scope)}/undelete?revision={revision}", headers={})
        if answer is None:
            one.states |= {content}
        elif answer.status_code == 200:
            one.states = frozenset([content])
            self.restored(asked, answer, one.key.scope, revision)
            self.ledger.count("undeletes")
        elif answer.status_code == 404 and time.monotonic() - since > self.retention:
            self.ledger.count("undeletes that came too late")
        else:
            self.ledger.fault(f"undelete of {revision}: {answer.status_code} {answer.text[:200]}")

    def restored(self, asked: Asked, answer: Response, scope: Scope, target: int) -> None:
        revision = int(answer.headers[_REVISION])
        self.ledger.acknowledge(Ack(revision, "restored", scope, asked.floor, asked.begun, target=target))

    # reading

    def read(self) -> None:
        """An own instance, or another client's, or a shared one: nothing but what may be there comes back."""
        if one := self.some():
            self.check(one.key, one.states)
        self.check(self.chance.choice(self.shared), None)

    def check(self, key: InstanceKey, states: frozenset[Content] | None) -> None:
        """Read an instance as it is stored; `states` is what may be there, None for whatever was sent."""
        strong, asked = self.chance.random() < 0.7, self.now()
        answer = self.ask("GET", scope_path(key.scope), headers=AS_STORED if strong else _LATELY)
        if answer is None:
            return
        ended = time.monotonic()
        self.ledger.count("reads")
        absent = answer.status_code in (404, 410)
        if not absent and answer.status_code != 200:
            self.ledger.fault(f"read {key.instance}: {answer.status_code} {answer.text[:200]}")
            return
        found = None if absent else self.content_of(key, answer.content)
        if found == b"":
            return
        # nothing is called missing before the log's tail has been read, however weak the read
        firm = strong or absent
        self.ledger.saw(Seen(key, found, asked.floor if firm else 0, ended))
        if states is not None and firm and found not in states:
            what = f"{answer.status_code}, but it was acknowledged" if absent else "bytes that must not be there"
            self.ledger.fault(f"read {key.instance}: {what}")

    def content_of(self, key: InstanceKey, data: bytes) -> bytes:
        """The digest of what was sent as these bytes; empty, and a fault, if nobody did."""
        digest = digest_of(data)
        if (
            digest not in self.ledger.sent.get(key, ())
            or self.ledger.whole[digest] != hashlib.sha256(data).digest()
        ):
            self.ledger.fault(f"read {key.instance}: {len(data)} bytes that nobody sent")
            return b""
        return digest

    def search(self) -> None:
        if not self.own:
            return
        series = self.chance.choice(self.own)
        path = scope_path(series[0].key.scope).partition("/instances/")[0]
        answer = self.ask("GET", path + "/instances?limit=1000", headers=STRONG)
        if answer is None:
            return
        if answer.status_code not in (200, 204, 404):
            self.ledger.fault(f"search: {answer.status_code} {answer.text[:200]}")
            return
        self.ledger.count("searches")
        listed = [item["00080018"]["Value"][0] for item in orjson.loads(answer.content or b"[]")]
        if answer.status_code != 200:
            listed = []
        for one in series:
            times = listed.count(one.key.instance)
            if times > 1 or (times and one.states == {None}) or (not times and None not in one.states):
                self.ledger.fault(f"search: {one.key.instance} {times} times, may be {len(one.states)} things")

    # what all write at once

    def contend(self) -> None:
        key = self.chance.choice(self.shared)
        action = self.chance.choice(("store", "store", "duel", "duel", "remove", "restore", "read"))
        if action == "store":
            some = self.chance.sample(self.shared, self.chance.choice((1, 1, 1, 2, 3)))
            self.contend_storing([(key, self.chance.randrange(4)) for key in some])
        elif action == "duel":
            self.duel(key)
        elif action == "remove":
            self.contend_removing(
                self.chance.choice((key.scope, key.scope, Scope(key.study, key.series), Scope(key.study)))
            )
        elif action == "read":
            self.check(key, None)
        elif self.removals:
            revision, scope = self.removals.pop(self.chance.randrange(len(self.removals)))
            asked = self.now()
            answer = self.ask("POST", f"{scope_path(scope)}/undelete?revision={revision}", headers={})
            if answer is not None and answer.status_code == 200:
                self.restored(asked, answer, scope, revision)

    def contend_removing(self, scope: Scope, one: Way | None = None) -> None:
        asked = self.now()
        answer = self.ask("DELETE", scope_path(scope), headers={}, one=one)
        if answer is not None and answer.status_code == 204:
            revision = int(answer.headers[_REVISION])
            self.removals.append((revision, scope))
            self.ledger.acknowledge(Ack(revision, "removed", scope, asked.floor, asked.begun))

    def contend_storing(self, some: Sequence[tuple[InstanceKey, int]], one: Way | None = None) -> None:
        """Shared instances, in one of four contents each, in one request."""
        files = [self.files.make(key, content) for key, content in some]
        digests = [self.ledger.note(key, data) for (key, _), data in zip(some, files, strict=True)]
        asked = self.now()
        told = self.send(files, one)
        for (key, _), digest in zip(some, digests, strict=True):
            if told is not None and key.instance in told.stored:
                self.stored(asked, told.revision, key, digest, among=len(some))
            else:
                self.ledger.doubt(digest, asked.begun)

    def duel(self, key: InstanceKey) -> None:
        """At two nodes at the very same time: the same instance, or other bytes for it, or its removal."""
        one = self.way()
        two = self.way(but=one.url, session=self.rival) if one else None
        if two is None:
            return
        content = self.chance.randrange(4)
        second = self.chance.choice(("same", "other", "removal"))
        ready = threading.Barrier(2)

        def attack() -> None:
            ready.wait()
            if second == "removal":
                self.contend_removing(key.scope, two)
            else:
                self.contend_storing([(key, content if second == "same" else (content + 1) % 4)], two)

        rival = threading.Thread(target=attack)
        rival.start()
        ready.wait()
        self.contend_storing([(key, content)], one)
        rival.join()
        self.ledger.count("duels")


def shared_keys(seed: int) -> list[InstanceKey]:
    """Instances that all clients write: three of one study, one of another."""
    places = ((1, 1, 1), (1, 1, 2), (1, 2, 3), (2, 3, 4))
    return [
        InstanceKey(*(fixed_uid(f"shared {seed} {level} {n}") for level, n in enumerate(place)))
        for place in places
    ]
