"""Senders that store and delete without end and remember what was acknowledged, and the check that it is so."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from requests import RequestException, Session

from tests.build.dicom import ct_slice, native_frames, uid
from tests.clients.raw import RawAnswer, ask
from tests.clients.servers import Server
from tests.faults.checks import RELATED, related

_LARGE_EVERY = 5
"""One request in so many is a single instance that streams into the store."""


def _instance_uid(study: str, number: int) -> str:
    """A SOP Instance UID; all of a study have the same length."""
    return f"{uid(study)}.{number + 10**9}"


@dataclass
class Ingest:
    """Instances sent under one study while a server ran, or until it died."""

    study: str
    senders: int = 3
    batch: int = 4
    sent: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the bytes by SOP Instance UID, of everything that was sent, acknowledged or not."""
    acknowledged: set[str] = field(default_factory=set)
    """SOP Instance UIDs that an answer called stored."""
    removed: set[str] = field(default_factory=set)
    """Those whose removal was acknowledged."""
    doubtful: set[str] = field(default_factory=set)
    """Those whose removal was asked for, and the answer never came."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._instances = itertools.count(1)
        self._threads: list[threading.Thread] = []
        attributes: dict[str, Any] = {
            "study": self.study,
            "series": f"{self.study} series",
            "SOPInstanceUID": _instance_uid(self.study, 0),
        }
        self._templates = (
            ct_slice(rows=99, columns=99, **attributes),
            native_frames(9, rows=1024, columns=1024, **attributes),
        )
        self.strange: list[str] = []
        """Answers that are neither success nor a lost connection."""

    def start(self, server: Server) -> None:
        """Begin to send."""
        works = [*[self._send] * self.senders, self._remove]
        self._threads = [threading.Thread(target=work, args=(server,)) for work in works]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Stop sending, and wait for the requests that are under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _send(self, server: Server) -> None:
        with Session() as session:
            while not self._stop.is_set():
                files = self._make()
                try:
                    answer = session.post(
                        server.dicomweb + "/studies", data=related(*files), headers=RELATED, timeout=30
                    )
                except RequestException:
                    return
                if answer.status_code != 200:
                    self.strange.append(f"{answer.status_code} {answer.text[:300]}")
                    return
                told = orjson.loads(answer.content)["00081199"]["Value"]
                with self._lock:
                    self.acknowledged.update(item["00081155"]["Value"][0] for item in told)

    def _remove(self, server: Server) -> None:
        """Delete what was acknowledged, one now and then."""
        with Session() as session:
            while not self._stop.wait(0.05):
                with self._lock:
                    left = self.acknowledged - self.removed - self.doubtful
                    one = next(iter(left), None)
                if one is None:
                    continue
                try:
                    answer = session.delete(server.dicomweb + self._path_of(one), timeout=30)
                except RequestException:
                    self.doubtful.add(one)
                    return
                if answer.status_code == 204:
                    self.removed.add(one)
                else:
                    self.strange.append(f"deleting: {answer.status_code} {answer.text[:300]}")

    def _path_of(self, instance: str) -> str:
        return f"/studies/{uid(self.study)}/series/{uid(f'{self.study} series')}/instances/{instance}"

    def _make(self) -> Sequence[bytes]:
        with self._lock:
            number = next(self._numbers)
        large = number % _LARGE_EVERY == _LARGE_EVERY - 1
        return [self._instance(large=large) for _ in range(1 if large else self.batch)]

    def _instance(self, *, large: bool) -> bytes:
        """A file from a template: what costs time here would keep the server from its work."""
        with self._lock:
            instance = _instance_uid(self.study, next(self._instances))
        data = self._templates[large].replace(_instance_uid(self.study, 0).encode(), instance.encode())
        with self._lock:
            self.sent[instance] = hashlib.sha256(data).hexdigest()
        return data


def faults_of(server: Server, ingest: Ingest) -> list[str]:
    """What is wrong with the study of an ingest as the server holds it now; nothing if all is well."""
    answer = ask(server, f"/studies/{uid(ingest.study)}/instances?limit=50000")
    listed = [one["00080018"]["Value"][0] for one in orjson.loads(answer.body)] if answer.status == 200 else []
    faults = [f"listed {listed.count(one)} times: {one}" for one in set(listed) if listed.count(one) > 1]
    missing = ingest.acknowledged - ingest.removed - ingest.doubtful - set(listed)
    faults += [f"lost: {one}" for one in missing]
    faults += [f"removed and there again: {one}" for one in ingest.removed & set(listed)]
    faults += [f"never sent: {one}" for one in set(listed) - ingest.sent.keys()]
    faults += ingest.strange
    digests = stored_digests(server, ingest.study) if listed else []
    if sorted(digests) != sorted(ingest.sent[one] for one in listed):
        faults.append("the bytes that come back are not the bytes that were sent")
    return faults


def stored_digests(server: Server, study: str) -> list[str]:
    """SHA-256 of every instance of a study as it comes back."""
    accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    answer = ask(server, f"/studies/{uid(study)}", accept)
    assert answer.status == 200
    assert answer.whole
    return [hashlib.sha256(data).hexdigest() for data in parts_of(answer)]


def parts_of(answer: RawAnswer) -> list[bytes]:
    """The parts of a multipart answer."""
    boundary = answer.body[: answer.body.index(b"\r\n")]
    pieces = answer.body.split(boundary)[1:-1]
    return [piece[piece.index(b"\r\n\r\n") + 4 : -2] for piece in pieces]
