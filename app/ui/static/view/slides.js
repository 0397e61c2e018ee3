// The pictures of a series, in the order a reader expects them, with all that drawing them takes.
//
// A slide is one frame. What it says comes out of `/metadata`: at the top level for single frames, in the shared and
// per-frame functional groups for enhanced multi-frame objects (PS3.3 C.7.6.16).

import { TAG, text, values } from "../dicom.js";
import { studyPath } from "../server.js";

const DOCUMENT = "document";
const VIDEO = "video";
const VALUES = "values";
const PICTURE = "picture";

const SHARED = "52009229";
const PER_FRAME = "52009230";
const GROUPS = {
  "00280030": "00289110", "00180050": "00289110",
  "00281050": "00289132", "00281051": "00289132",
  "00281052": "00289145", "00281053": "00289145",
  "00200032": "00209113",
  "00200037": "00209116",
};
const MPEG = /^1\.2\.840\.10008\.1\.2\.4\.10[0-8]/;
const JPEG_BASELINE = "1.2.840.10008.1.2.4.50";
const SAME_PLACE = 0.01;

export function slidesOf(study, instances) {
  const sorted = [...instances].sort((a, b) => number(a, TAG.instanceNumber) - number(b, TAG.instanceNumber));
  const slides = sorted.flatMap((header) => framesOf(study, header));
  return byPosition(slides) ?? slides;
}

function framesOf(study, header) {
  const series = text(header, TAG.series);
  const path = studyPath(study, series, text(header, TAG.sop));
  const whole = { header, path, sop: text(header, TAG.sop), kind: kindOf(header), number: text(header, TAG.instanceNumber) };
  if (whole.kind === DOCUMENT || whole.kind === VIDEO) return [{ ...whole, frame: 1, frames: 1 }];
  const frames = Math.max(1, number(header, TAG.frames));
  return Array.from({ length: frames }, (_, at) => ({ ...whole, frame: at + 1, frames, ...planeOf(header, at) }));
}

function kindOf(header) {
  const rows = number(header, TAG.rows);
  if (MPEG.test(text(header, TAG.transferSyntax))) return VIDEO;
  if (!rows) return DOCUMENT;
  const grey = number(header, "00280002") === 1 && /^MONOCHROME[12]$/.test(text(header, "00280004"));
  const bits = number(header, "00280100");
  const curved = values(header, "00283000").length > 0;  // a Modality LUT Sequence: the server draws it
  return grey && (bits === 8 || bits === 16) && !curved ? VALUES : PICTURE;
}

function planeOf(header, at) {
  const of = (tag) => grouped(header, tag, at).map(Number);
  const [spacing, measuredAt] = spacingOf(header, at);
  return {
    rows: number(header, TAG.rows),
    columns: number(header, TAG.columns),
    stored: {
      allocated: number(header, "00280100"),
      bits: number(header, "00280101") || number(header, "00280100"),
      high: number(header, "00280102"),
      signed: number(header, "00280103") === 1,
    },
    syntax: text(header, TAG.transferSyntax),
    jpeg: text(header, TAG.transferSyntax) === JPEG_BASELINE && number(header, "00280100") === 8,
    rgb: isRgb(header),
    inverted: text(header, "00280004") === "MONOCHROME1",
    slope: of("00281053")[0] || 1,
    intercept: of("00281052")[0] || 0,
    windows: windowsOf(header, at),
    exact: text(header, "00281056") === "LINEAR_EXACT",
    sigmoid: text(header, "00281056") === "SIGMOID",
    padding: values(header, "00280120")[0],
    spacing,
    measuredAt,
    position: of("00200032"),
    orientation: of("00200037"),
    thickness: of("00180050")[0],
    unit: unitOf(header),
  };
}

// Colours that need nothing but to be shown: 8 bits of red, green and blue once decoded, without profile or overlay.
function isRgb(header) {
  const plain = ["00280100", "00280101"].every((tag) => number(header, tag) === 8) && number(header, "00280103") === 0;
  const more = ["00282000", "00480105"].some((tag) => tag in header) || Object.keys(header).some((tag) => /^60..(3000|0010)$/.test(tag));
  return plain && !more && number(header, "00280002") === 3 && /^(RGB|YBR_RCT|YBR_ICT)$/.test(text(header, "00280004"));
}

function grouped(header, tag, at) {
  const group = GROUPS[tag];
  for (const item of [values(header, PER_FRAME)[at], values(header, SHARED)[0]]) {
    const found = values(values(item, group)[0], tag);
    if (found.length) return found;
  }
  return values(header, tag);
}

function windowsOf(header, at) {
  const centers = grouped(header, "00281050", at).map(Number);
  const widths = grouped(header, "00281051", at).map(Number);
  const names = values(header, "00281055");
  return centers
    .map((center, one) => ({ center, width: widths[one], name: names[one] ?? "" }))
    .filter((one) => Number.isFinite(one.center) && one.width >= 1);
}

// Millimetres between rows and columns, and where they hold: in the patient, or at the detector (PS3.3 10.7.1.3).
function spacingOf(header, at) {
  for (const [tag, where] of [["00280030", "patient"], ["00181164", "detector"]]) {
    const [row, column] = grouped(header, tag, at).map(Number);
    if (row > 0 && column > 0) return [{ row, column }, where];
  }
  const region = values(header, "00186011")[0];  // Sequence of Ultrasound Regions, in centimetres (C.8.5.5)
  if (text(region, "00186024") === "3" && text(region, "00186026") === "3") {
    const [column, row] = [number(region, "0018602C") * 10, number(region, "0018602E") * 10];
    if (row > 0 && column > 0 && values(header, "00186011").length === 1) return [{ row, column }, "patient"];
  }
  return [null, ""];
}

function unitOf(header) {
  if (text(header, TAG.modality) === "CT" && number(header, "00281053") !== 0) return "HU";
  return text(header, "00541001") || text(header, "00281054");
}

// By where they lie along the normal of their plane, if they all lie in one direction and no two in the same place.
function byPosition(slides) {
  const first = slides[0];
  if (slides.length < 2 || first.orientation?.length !== 6 || slides.some((one) => one.position?.length !== 3)) return null;
  const [a, b, c, d, e, f] = first.orientation;
  const normal = [b * f - c * e, c * d - a * f, a * e - b * d];
  const parallel = (one) => one.orientation?.length === 6 && one.orientation.every((value, at) => Math.abs(value - first.orientation[at]) < SAME_PLACE);
  if (!slides.every(parallel)) return null;
  const placed = slides.map((slide, at) => ({ slide, at, depth: slide.position.reduce((sum, value, axis) => sum + value * normal[axis], 0) }));
  placed.sort((one, other) => one.depth - other.depth);
  if (placed.some((one, at) => at && one.depth - placed[at - 1].depth < SAME_PLACE)) return null;
  // from the side from which the instances are numbered
  const rising = placed.reduce((sum, one, at) => sum + (one.at - (slides.length - 1) / 2) * at, 0);
  if (rising < 0) placed.reverse();
  return placed.map((one) => one.slide);
}

function number(header, tag) {
  return Number(text(header, tag)) || 0;
}
