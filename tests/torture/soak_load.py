"""A moderate mixed load without end, at a set rate: store, search, metadata, frames, rendered, delete, undelete.

What is stored is deleted again after a while, so that the archive stays as large as it is, and whatever grows on
and on is a leak.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from requests import RequestException, Session

from dicomweb.model.keys import InstanceKey, Scope
from dicomweb.wire.paths import scope_path
from tests.faults.checks import RELATED, related
from tests.torture.ledger import Files, fixed_uid
from tests.torture.nodes import Node

_SHARES = {
    "store": 25, "store large": 0.2, "search": 15, "search words": 5, "metadata": 15, "frame": 15, "rendered": 10,
    "thumbnail": 3, "instance": 4, "delete": 3, "undelete": 2, "history": 1, "metrics": 0.5, "missing": 1.3,
}  # fmt: skip
_FINE = frozenset((200, 204, 206, 304))
_JSON = {"Accept": "application/dicom+json"}
_SERIES = 12
"""Instances of one series."""
_KEPT = 10
"""Series that a client has in the archive at a time."""


@dataclass
class Load:
    """What the clients have done."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """Spent waiting for answers, by operation."""
    stop: threading.Event = field(default_factory=threading.Event)


class LoadClient:
    """One client; some of them share a rate."""

    def __init__(self, number: int, seed: int, nodes: Sequence[Node], load: Load, *, rate: float) -> None:
        """`rate`: operations a second."""
        self.name = f"soak {seed} {number}"
        self.chance = random.Random(self.name)
        self.nodes = nodes
        self.load = load
        self.rate = rate
        self.files = Files()
        self.session = Session()
        self.series: deque[list[InstanceKey]] = deque()
        self.removals: deque[tuple[int, Scope]] = deque(maxlen=5)
        self.made = 0
        self.thread = threading.Thread(target=self._run, name=self.name)

    def _run(self) -> None:
        due = time.monotonic()
        while not self.load.stop.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - 1.0) + self.chance.expovariate(self.rate)
            work = self.chance.choices(list(_SHARES), list(_SHARES.values()))[0]
            if len(self.series) > _KEPT:
                work = "tidy"
            begun = time.monotonic()
            try:
                getattr(self, work.replace(" ", "_"))()
            except RequestException as error:
                self.load.faults.append(f"{work}: {error!r}")
            self.load.counts[work] += 1
            self.load.seconds[work] = self.load.seconds.get(work, 0.0) + time.monotonic() - begun

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
        may: frozenset[int] = _FINE,
    ) -> Mapping[str, str]:
        """The header fields of the answer, none if it is a refusal; one that is not in `may` is a fault."""
        url = self.chance.choice(self.nodes).url + ("" if path == "/metrics" else "/dicom-web")
        answer = self.session.request(method, url + path, headers=headers, data=data, timeout=150)
        if answer.status_code not in may:
            self.load.faults.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.headers if answer.status_code < 400 else {}

    def some(self) -> InstanceKey | None:
        return self.chance.choice(self.chance.choice(self.series)) if self.series else None

    def path(self, rest: str, *, series: bool = False, accept: str) -> None:
        """Read something of an instance, or of its series, which may just have been deleted."""
        if key := self.some():
            scope = Scope(key.study, key.series) if series else key.scope
            self.ask(scope_path(scope) + rest, may=_FINE | {404, 410}, headers={"Accept": accept})

    def store(self, *, large: bool = False) -> None:
        if not self.series or len(self.series[-1]) >= _SERIES:
            self.made += 1
            self.series.append([])
        batch: list[InstanceKey] = []
        files: list[bytes] = []
        for _ in range(1 if large else self.chance.choice((1, 1, 2, 4))):
            number = f"{self.name} {self.made} {len(self.series[-1]) + len(batch)}"
            study, series = fixed_uid(f"{self.name} study {self.made // 3}"), fixed_uid(f"series {self.made}")
            batch.append(InstanceKey(study, series, fixed_uid(number)))
            files.append(self.files.make(batch[-1], self.chance.randrange(1 << 40), large=large))
        if self.ask("/studies", method="POST", data=related(*files), headers=RELATED):
            self.series[-1] += batch
        self.load.counts["instances stored"] += len(batch)

    def store_large(self) -> None:
        self.store(large=True)

    def tidy(self) -> None:
        """Delete the oldest series."""
        if keys := self.series.popleft():
            path = scope_path(Scope(keys[0].study, keys[0].series))
            self.ask(path, method="DELETE", may=frozenset((204, 404, 410)))

    def delete(self) -> None:
        if key := self.some():
            told = self.ask(scope_path(key.scope), method="DELETE", may=frozenset((204, 404, 410)))
            if told:
                self.removals.append((int(told["X-Dicomlake-Revision"]), key.scope))

    def undelete(self) -> None:
        if self.removals:
            revision, scope = self.removals.popleft()
            path = f"{scope_path(scope)}/undelete?revision={revision}"
            self.ask(path, method="POST", may=frozenset((200, 404)))

    def search(self) -> None:
        if key := self.some():
            level = self.chance.choice(("studies", "series", "instances"))
            self.ask(f"/{level}?StudyInstanceUID={key.study}&includefield=all", headers=_JSON)

    def search_words(self) -> None:
        offset = self.chance.randrange(20)
        self.ask(f"/studies?PatientName=*&limit=25&offset={offset}", headers=_JSON)

    def metadata(self) -> None:
        self.path("/metadata", series=self.chance.random() < 0.7, accept="application/dicom+json")

    def frame(self) -> None:
        self.path("/frames/1", accept='multipart/related; type="application/octet-stream"')

    def rendered(self) -> None:
        self.path(f"/rendered?viewport={self.chance.choice((40, 64, 100))},40", accept="image/jpeg")

    def thumbnail(self) -> None:
        self.path("/thumbnail", accept="image/png")

    def instance(self) -> None:
        self.path("", accept="application/dicom; transfer-syntax=*")

    def history(self) -> None:
        if key := self.some():
            self.ask(f"/studies/{key.study}/history", may=_FINE | {404, 410})

    def metrics(self) -> None:
        self.ask("/metrics")

    def missing(self) -> None:
        uid = fixed_uid(f"{self.name} missing {self.chance.random()}")
        self.ask(f"/studies/{uid}/metadata", may=frozenset((404,)))
