"""Who is in a synthetic archive: patients, studies and series of a hospital, the same ones for the same numbers.

Studies come in the order of their days, some 270 a day, from a dozen devices with a UID root each; a tenth are
older ones brought from elsewhere. A study has 1 to 10 series, 4 on average; nearly all series have a few images,
64 of 4 000 have 300 (of CT, MR, PT), 7 on average. Study k is the same in an archive of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import orjson

SERIES_A_STUDY, INSTANCES_A_STUDY = 4, 28
BIG = 300
"""Instances of a big series."""
_BIG_SHARE = 0.064
"""Big series for each study."""
_A_DAY = 274
_BEGIN = datetime(2015, 1, 1, 6, tzinfo=UTC)
_SEED = 20_260_401

_FAMILIES = (
    *("SMITH", "JONES", "GARCIA", "MÜLLER", "ROSSI", "DUPONT", "KIM", "TANAKA", "SILVA", "IVANOV", "NGUYEN"),
    *("O'NEILL", "KOWALSKI", "ANDERSSON", "HANSEN", "VAN DIJK", "POPESCU", "NOVAK", "SANTOS", "WANG"),
)
_ENDINGS = tuple(
    a + b for a in ("", "BERG", "DAL", "STEIN", "FELD") for b in ("", "A", "E", "I", "O", "SON", "EZ")
)
_GIVEN = (
    *("ANNA", "JOHN", "MARIA", "PETER", "LI", "KENJI", "OLGA", "JOSÉ", "EMMA", "NOAH", "MIA", "LUCAS", "SOFIA"),
    *("AMIR", "INGRID", "PAUL", "CLARA", "IVAN", "YUKI", "ELENA"),
)


@dataclass(frozen=True, slots=True)
class _Device:
    modality: str
    sop_class: str
    rows: int
    columns: int
    spacing: float
    maker: str
    model: str
    parts: tuple[str, ...]


_CT, _MR, _CR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.1"
_US, _MG, _PT = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.128"
_DEVICES = (
    _Device("CT", _CT, 512, 512, 0.703125, "GE MEDICAL SYSTEMS", "Revolution CT", ("CHEST", "ABDOMEN", "HEAD")),
    _Device("CT", _CT, 512, 512, 0.976562, "SIEMENS", "SOMATOM Force", ("CHEST", "ABDOMEN", "PELVIS")),
    _Device("CT", _CT, 512, 512, 0.78125, "TOSHIBA", "Aquilion ONE", ("HEAD", "CSPINE", "CHEST")),
    _Device("MR", _MR, 320, 320, 0.6875, "SIEMENS", "MAGNETOM Vida", ("HEAD", "KNEE", "LSPINE")),
    _Device("MR", _MR, 256, 256, 0.9375, "Philips Medical Systems", "Ingenia", ("HEAD", "SHOULDER", "ABDOMEN")),
    _Device("CR", _CR, 2500, 2048, 0.1, "FUJIFILM Corporation", "CR-XG", ("CHEST", "HAND", "FOOT", "KNEE")),
    _Device("CR", _CR, 2500, 2048, 0.1, "Agfa-Gevaert", "DX-D 300", ("CHEST", "PELVIS", "WRIST")),
    _Device("CR", _CR, 3056, 2544, 0.139, "Carestream", "DRX-1", ("CHEST", "ANKLE", "LSPINE")),
    _Device("US", _US, 768, 1024, 0.2, "GE Healthcare", "LOGIQ E10", ("ABDOMEN", "NECK", "PELVIS")),
    _Device("US", _US, 768, 1024, 0.2, "Philips Medical Systems", "EPIQ 7G", ("HEART", "ABDOMEN")),
    _Device("MG", _MG, 3328, 2560, 0.07, "HOLOGIC, Inc.", "Selenia Dimensions", ("BREAST",)),
    _Device("PT", _PT, 200, 200, 4.07283, "SIEMENS", "Biograph64", ("WHOLEBODY",)),
)
_SHARES = (0.12, 0.11, 0.09, 0.1, 0.09, 0.13, 0.1, 0.08, 0.07, 0.06, 0.04, 0.01)
_OF_SLICES = ("CT", "MR", "PT")
_KERNELS = ("STANDARD", "LUNG", "BONEPLUS", "Br40d", "Bl57d")
_THICKNESSES = (0.625, 1.25, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class Study:
    """A study and what its images say of it; texts as DICOM JSON has them."""

    uid: str
    device: int
    came: int
    """When its first instance came, microseconds since 1970 UTC."""
    columns: dict[str, str]
    """The columns of the log at study level."""
    texts: dict[str, str]
    """All its values as JSON."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series and what its images say of it."""

    uid: str
    study: int
    """Place of its study in the block."""
    instances: int
    columns: dict[str, str | int]
    texts: dict[str, str]
    """All its values as JSON, those of the study among them."""
    spacing: float
    """Millimetres between two images."""
    first_z: float
    begun: int
    """When the first image was taken, in seconds of the day."""
    came: int
    """When the first instance came, microseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Block:
    """Studies that are made together."""

    first: int
    studies: list[Study]
    series: list[Series]
    chance: np.random.Generator
    """For what is drawn for each image."""


def sizes_of(studies: int, chance: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of so many studies: the number of series of each, and sizes of the small series, the big ones last.

    Together always `SERIES_A_STUDY` and `INSTANCES_A_STUDY` times as many.
    """
    series, instances = SERIES_A_STUDY * studies, INSTANCES_A_STUDY * studies
    counts = 1 + chance.multinomial(series - studies, np.full(studies, 1 / studies))
    big = min(round(_BIG_SHARE * studies), (instances - series) // (BIG - 1))
    small = series - big
    weights = chance.exponential(size=small)
    more = chance.multinomial(instances - BIG * big - small, weights / weights.sum())
    return counts, np.concatenate((1 + more, np.full(big, BIG)))


def block(first: int, studies: int) -> Block:
    """Studies `first`, `first` + 1, ..."""
    chance = np.random.default_rng((_SEED, first))
    counts, sizes = sizes_of(studies, chance)
    made = [_study(first + at, chance) for at in range(studies)]
    owners = np.repeat(np.arange(studies), counts)
    placed = _place_sizes(
        np.array([_DEVICES[made[at].device].modality in _OF_SLICES for at in owners]), sizes, chance
    )
    series: list[Series] = []
    number = 0
    for at, (owner, size) in enumerate(zip(owners.tolist(), placed.tolist(), strict=True)):
        number = number + 1 if at and owners[at - 1] == owner else 1
        series.append(_series(made[owner], owner, number, size, chance))
    return Block(first, made, series, chance)


def _place_sizes(
    sliced: npt.NDArray[np.bool_], sizes: npt.NDArray[np.int64], chance: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Sizes for series in order, the big ones where there are slices."""
    order = np.concatenate(
        (chance.permutation(np.flatnonzero(~sliced)), chance.permutation(np.flatnonzero(sliced)))
    )
    placed = np.empty(len(sizes), dtype=np.int64)
    placed[order] = sizes
    return placed


def patient_name(number: int) -> str:
    """The name of a patient."""
    family = _FAMILIES[number % len(_FAMILIES)] + _ENDINGS[number // 7 % len(_ENDINGS)]
    given = _GIVEN[number // 3 % len(_GIVEN)]
    return f"{family}^{given}" if number % 5 else f"{family}^{given}^{chr(65 + number % 26)}"


def _study(number: int, chance: np.random.Generator) -> Study:
    patient = int(chance.integers(0, number * 2 // 5 + 1))
    device = int(chance.choice(len(_DEVICES), p=_SHARES))
    came = _BEGIN + timedelta(days=number // _A_DAY, seconds=number % _A_DAY * 180)
    done = came - timedelta(days=int(chance.integers(30, 3000)) if chance.random() < 0.1 else 0, seconds=600)
    what = _DEVICES[device]
    part = what.parts[int(chance.integers(len(what.parts)))]
    born = 1925 + patient * 7919 % 95
    columns = {
        "study_date": f"{done:%Y%m%d}",
        "study_time": f"{done:%H%M%S}.{int(chance.integers(10**6)):06}",
        "accession_number": f"A{number:08}",
        "referring_physician_name": f"{_FAMILIES[patient % 20]}^{_GIVEN[patient // 20 % 20]}^^Dr.",
        "timezone_offset": "+0100",
        "study_description": f"{what.modality} {part} {('ROUTINE', 'FOLLOW UP', 'CONTRAST')[number % 3]}",
        "patient_name": patient_name(patient),
        "patient_id": f"P{patient:07}",
        "issuer_of_patient_id": "NEWTOWN",
        "patient_birth_date": f"{born}{1 + patient % 12:02}{1 + patient % 28:02}",
        "patient_sex": "MF"[patient % 2],
        "patient_age": f"{max(done.year - born, 0):03}Y",
        "study_id": str(number),
        "institution_name": "Newtown General Hospital",
    }
    texts = {name: f'"{value}"' for name, value in columns.items()}
    for name in ("patient_name", "referring_physician_name"):
        texts[name] = f'{{"Alphabetic":"{columns[name]}"}}'
    uid = f"1.2.826.0.1.3680043.10.99.{device + 1}.{done:%Y%m%d%H%M%S}.{number}"
    texts |= {
        "study": f'"{uid}"',
        "weight": str(40 + patient % 70 + 0.5),
        "step": f'"PPS{number}"',
        "operator": f'{{"Alphabetic":"{_FAMILIES[number % 20]}^{_GIVEN[device]}"}}',
        "performed_step": '{"00081150":{"vr":"UI","Value":["1.2.840.10008.3.1.2.3.3"]},'
        f'"00081155":{{"vr":"UI","Value":["{uid}.9"]}}}}',
        "localizer": f'{{"00081150":{{"vr":"UI","Value":["{what.sop_class}"]}},'
        f'"00081155":{{"vr":"UI","Value":["{uid}.1.1"]}}}}',
    }
    return Study(uid, device, round(came.timestamp()) * 10**6, columns, texts)


def _series(study: Study, place: int, number: int, size: int, chance: np.random.Generator) -> Series:
    what = _DEVICES[study.device]
    drawn = chance.integers(0, 1 << 30, 4).tolist()
    uid = f"{study.uid}.{number}"
    clock = study.columns["study_time"]
    begun = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:6]) + 90 * number
    time = f"{begun // 3600 % 24:02}{begun // 60 % 60:02}{begun % 60:02}.{drawn[0] % 10**6:06}"
    thickness = _THICKNESSES[drawn[1] % 4] if size < BIG else 1.25
    kernel = _KERNELS[drawn[2] % 5]
    asked = {"00400009": {"vr": "SH", "Value": [f"SPS{study.columns['study_id']}"]}}
    asked["00401001"] = {"vr": "SH", "Value": [f"RP{study.columns['study_id']}"]}
    columns: dict[str, str | int] = {
        "series_date": study.columns["study_date"],
        "series_time": time,
        "modality": what.modality,
        "manufacturer": what.maker,
        "station_name": f"{what.modality}{study.device:02}",
        "series_description": f"{study.columns['study_description'].split()[1]} {thickness} {kernel}",
        "manufacturer_model_name": what.model,
        "performing_physician_name": f"{_FAMILIES[drawn[3] % 20]}^{_GIVEN[drawn[3] // 20 % 20]}",
        "body_part_examined": study.columns["study_description"].split()[1],
        "protocol_name": f"{study.device}.{drawn[1] % 9} {study.columns['study_description'].title()}",
        "series_number": number,
        "frame_of_reference_uid": f"{study.uid}.{number}.{drawn[0] % 10**5}",
        "procedure_step_start_date": study.columns["study_date"],
        "procedure_step_start_time": time,
        "request_attributes": orjson.dumps([asked]).decode(),
        "image_type": "ORIGINAL\\PRIMARY\\AXIAL" if number < 4 else "DERIVED\\SECONDARY\\REFORMATTED",
        "content_date": study.columns["study_date"],
        "acquisition_date": study.columns["study_date"],
        "acquisition_number": 1,
        "rows": what.rows,
        "columns": what.columns,
        "bits_allocated": 16,
    }
    texts = study.texts | {name: f'"{v}"' if isinstance(v, str) else str(v) for name, v in columns.items()}
    corner = f"{-what.columns * what.spacing / 2:.3f},{-what.rows * what.spacing / 2 + drawn[2] % 90 / 8 + 0.0625}"
    texts |= {
        "image_type": ",".join(f'"{value}"' for value in str(columns["image_type"]).split("\\")),
        "performing_physician_name": f'{{"Alphabetic":"{columns["performing_physician_name"]}"}}',
        "request_attributes": orjson.dumps(asked).decode(),
        "series": f'"{uid}"',
        "sop_class": f'"{what.sop_class}"',
        "thickness": str(thickness),
        "kernel": f'"{kernel}"',
        "serial_number": f'"{study.device * 7919 + 60000}"',
        "software": f'"{what.model[:3].lower()}_coreload.{study.device}.{drawn[0] % 2}"',
        "diameter": str(round(what.columns * what.spacing, 3)),
        "table_height": str(150 + drawn[3] % 400 / 8 + 0.0625),
        "spacing": f"{what.spacing},{what.spacing}",
        "corner": corner,
    }
    first_z = -200 + drawn[1] % 3000 / 8
    came = study.came + 10**6 * 20 * number
    return Series(uid, place, size, columns, texts, thickness, first_z, begun, came)
