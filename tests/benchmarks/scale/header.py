"""The header of a typical CT image as the archive's own reader tells it: DICOM JSON with some places to fill.

112 attributes, as scanners write them without private groups. Each is the same for all images, or belongs to the
study, the series or the image; the text between two values of images is made once a series, and a million headers
are made by joining columns. A test holds that what comes out says what its row says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_OWN = re.compile(r"\{!(\w+)\}")
_SHARED = re.compile(r"\{(\w+)\}")
_PIXEL_DATA = '"7FE00010":{"vr":"OW","BulkDataURI":"7FE00010"}}'

_STUDY_AND_SERIES = """
00080005 CS "ISO_IR 192"
00080008 CS {image_type}
00080012 DA {series_date}
00080013 TM {!creation_time}
00080016 UI {sop_class}
00080018 UI {!sop}
00080020 DA {study_date}
00080021 DA {series_date}
00080022 DA {series_date}
00080023 DA {series_date}
00080030 TM {study_time}
00080031 TM {series_time}
00080032 TM {!acquisition_time}
00080033 TM {!content_time}
00080050 SH {accession_number}
00080060 CS {modality}
00080070 LO {manufacturer}
00080080 LO {institution_name}
00080081 ST "Hospital Road 1, 12345 Newtown"
00080090 PN {referring_physician_name}
00080201 SH "+0100"
00081010 SH {station_name}
00081030 LO {study_description}
0008103E LO {series_description}
00081040 LO "Radiology"
00081050 PN {performing_physician_name}
00081070 PN {operator}
00081090 LO {manufacturer_model_name}
00081111 SQ {performed_step}
00081140 SQ {localizer}
00100010 PN {patient_name}
00100020 LO {patient_id}
00100021 LO "NEWTOWN"
00100030 DA {patient_birth_date}
00100040 CS {patient_sex}
00101010 AS {patient_age}
00101030 DS {weight}
00102160 SH -
001021C0 US 4
00104000 LT -
00180010 LO "APPLIED"
00180015 CS {body_part_examined}
00180022 CS "HELICAL MODE"
00180050 DS {thickness}
00180060 DS 120.0
00180088 DS {thickness}
00180090 DS 500.0
00181000 LO {serial_number}
00181020 LO {software}
00181030 LO {protocol_name}
00181040 LO "IV"
00181044 DS 80.0
00181100 DS {diameter}
00181110 DS 949.147
00181111 DS 541.0
00181120 DS 0.0
00181130 DS {table_height}
00181140 CS "CW"
00181150 IS 600
00181151 IS {!current}
00181152 IS {!exposure}
00181160 SH "BODY FILTER"
00181170 IS 48
00181190 DS 1.2
00181200 DA "20250106"
00181201 TM "063412.000000"
00181210 SH {kernel}
00185100 CS "FFS"
00189305 FD 0.6
00189306 FD 0.625
00189307 FD 40.0
00189309 FD 65.625
00189310 FD 39.375
00189311 FD 0.984375
00189323 CS "XYZ_EC"
00189345 FD {!dose}
"""
_IMAGE = """
0020000D UI {study}
0020000E UI {series}
00200010 SH {study_id}
00200011 IS {series_number}
00200012 IS 1
00200013 IS {!instance_number}
00200032 DS {corner},{!z}
00200037 DS 1.0,0.0,0.0,0.0,1.0,0.0
00200052 UI {frame_of_reference_uid}
00201040 LO "SN"
00201041 DS {!z}
00204000 LT -
00280002 US 1
00280004 CS "MONOCHROME2"
00280010 US {rows}
00280011 US {columns}
00280030 DS {spacing}
00280100 US 16
00280101 US 16
00280102 US 15
00280103 US 1
00280106 SS {!least}
00280107 SS {!greatest}
00280120 SS -2000
00281050 DS {!window_center}
00281051 DS {!window_width}
00281052 DS -1024.0
00281053 DS 1.0
00281054 LO "HU"
00281055 LO "WINDOW1"
00400244 DA {series_date}
00400245 TM {series_time}
00400253 SH {step}
00400254 LO {study_description}
00400275 SQ {request_attributes}
"""
_LINES = tuple((_STUDY_AND_SERIES.rstrip() + _IMAGE).strip().splitlines())
ATTRIBUTES = len(_LINES) + 1
"""Pixel data among them."""


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a header, cut where an image has values of its own."""

    stretches: tuple[str, ...]
    """Before, between and behind those values; with places for what belongs to study and series."""
    own: tuple[str, ...]
    """Names of the values of an image, one fewer than `stretches`."""

    def of_series(self, values: Mapping[str, str]) -> list[str]:
        """The stretches of a series, from the JSON texts of its values and those of its study."""
        return [stretch % values for stretch in self.stretches]


def _text() -> str:
    elements = []
    for line in _LINES:
        tag, vr, value = line.split(" ", 2)
        values = "" if value == "-" else f',"Value":[{value}]'
        elements.append(f'"{tag}":{{"vr":"{vr}"{values}}}')
    return "{" + ",".join(elements) + "," + _PIXEL_DATA


def template() -> Template:
    """The header to fill."""
    stretches, own = [], []
    for at, piece in enumerate(_OWN.split(_text())):
        if at % 2:
            own.append(piece)
        else:
            stretches.append(_SHARED.sub(r"%(\1)s", piece))
    return Template(tuple(stretches), tuple(own))
