"""Searches, metadata and frames as viewers ask for them: wall time at HTTP, and the server's CPU time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from tests.benchmarks.scale.figures import Spread, quantile
from tests.benchmarks.scale.population import Study, patient_name
from tests.benchmarks.scale.server import Client, Server

_LIST = "/dicom-web/studies?limit=101&includefield=00081030,00080060,00080090,00100030"
"""As OHIF asks for its study list."""
_FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request: each time another one of it."""

    name: str
    path: Callable[[random.Random], str]
    target: str
    """`list`, `exact` or empty: which of the targets holds."""


def searches(studies: Sequence[Study], total: int) -> list[Kind]:
    """The searches of the table: `studies` are some to ask for, `total` are all there are."""

    def some(text: Callable[[Study, random.Random], str]) -> Callable[[random.Random], str]:
        return lambda chance: f"{_LIST}&{quote(text(chance.choice(studies), chance), safe='=&*^')}"

    def week(study: Study, _: random.Random) -> str:
        date = study.columns["study_date"]
        return f"StudyDate={date[:6]}01-{date[:6]}07"

    def month(study: Study, _: random.Random) -> str:
        date = study.columns["study_date"]
        return f"StudyDate={date[:6]}01-{date[:6]}31"

    last = max(total - 101, 0)
    return [
        Kind("study list, first page", lambda _: f"{_LIST}&offset=0", "list"),
        Kind("study list, any page", lambda chance: f"{_LIST}&offset={chance.randrange(last + 1)}", "list"),
        Kind(
            "study list, page in the middle",
            lambda chance: f"{_LIST}&offset={last // 2 + chance.randrange(9)}",
            "list",
        ),
        Kind("study list, last page", lambda _: f"{_LIST}&offset={last}", "list"),
        Kind("PatientID", some(lambda study, _: f"PatientID={study.columns['patient_id']}"), "exact"),
        Kind(
            "AccessionNumber",
            some(lambda study, _: f"AccessionNumber={study.columns['accession_number']}"),
            "exact",
        ),
        Kind("StudyInstanceUID", some(lambda study, _: f"StudyInstanceUID={study.uid}"), "exact"),
        Kind("name prefix, four letters", some(lambda _, chance: f"PatientName={_name(chance)[:4]}*"), "list"),
        Kind("name prefix, whole family name", some(lambda _, chance: f"PatientName={_name(chance)}^*"), "list"),
        Kind("name within", some(lambda _, chance: f"PatientName=*{_name(chance)[2:6]}*"), "list"),
        Kind("date, one day", some(lambda study, _: f"StudyDate={study.columns['study_date']}"), "list"),
        Kind("date, one week", some(week), "list"),
        Kind("date, one month", some(month), "list"),
        Kind(
            "modality",
            lambda chance: f"{_LIST}&ModalitiesInStudy={chance.choice(('CT', 'MR', 'PT', 'MG'))}",
            "list",
        ),
        Kind("modality and month", some(lambda s, c: f"{month(s, c)}&ModalitiesInStudy=CT"), "list"),
        Kind("name prefix and month", some(lambda s, c: f"{month(s, c)}&PatientName={_name(c)[:4]}*"), "list"),
        Kind("series of a study", lambda chance: f"/dicom-web/studies/{chance.choice(studies).uid}/series", ""),
        Kind(
            "instances of a series",
            lambda chance: f"/dicom-web/studies/{(s := chance.choice(studies)).uid}/series/{s.uid}.1/instances",
            "",
        ),
    ]


def _name(chance: random.Random) -> str:
    """The family name of a patient."""
    return patient_name(chance.randrange(10**6)).partition("^")[0]


def metadata_of_synthetic(studies: Sequence[Study]) -> Kind:
    """Metadata of series whose headers lie in the table."""

    def path(chance: random.Random) -> str:
        study = chance.choice(studies)
        return f"/dicom-web/studies/{study.uid}/series/{study.uid}.1/metadata"

    return Kind("metadata of synthetic series, each once", path, "")


def ask(server: Server, client: Client, paths: Iterator[str], accept: str = "application/dicom+json") -> Spread:
    """Ask one after the other."""
    wall, cpu, size = [], [], 0
    for path in paths:
        before, begun = server.cpu_seconds(), time.perf_counter()
        content = client.get(path, accept)
        wall.append((time.perf_counter() - begun) * 1000)
        cpu.append((server.cpu_seconds() - before) * 1000)
        size = len(content)
    return Spread(quantile(wall, 0.5), quantile(wall, 0.95), quantile(cpu, 0.5), quantile(cpu, 0.95), size)


def measure(server: Server, client: Client, kind: Kind, *, requests: int, seed: int = 1) -> Spread:
    """A kind of request so many times; two before that are not counted."""
    chance = random.Random(seed)
    paths = [kind.path(chance) for _ in range(requests + 2)]
    for path in paths[:2]:
        client.get(path)
    return ask(server, client, iter(paths[2:]))


def all_studies(client: Client) -> int:
    """How many studies a search can find: the last page is found by halving."""
    low, high = 0, 1
    while _page(client, high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _page(client, middle) else (low, middle)
    return high


def _page(client: Client, offset: int) -> int:
    content = client.get(f"/dicom-web/studies?limit=1&offset={offset}")
    return len(orjson.loads(content)) if content else 0


def frame_path(study: str, series: str, instance: str) -> str:
    """Path of the only frame of an image."""
    return f"/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/1"


def ask_frames(server: Server, client: Client, paths: Iterator[str]) -> Spread:
    """Frames as they are stored."""
    return ask(server, client, paths, _FRAME)
