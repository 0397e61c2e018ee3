// Attributes out of DICOM JSON (PS3.18 F.2). Whatever is missing is an empty text.

export const TAG = {
  studyDate: "00080020",
  studyTime: "00080030",
  accession: "00080050",
  modality: "00080060",
  modalities: "00080061",
  institution: "00080080",
  referrer: "00080090",
  studyDescription: "00081030",
  seriesDescription: "0008103E",
  sopClass: "00080016",
  sop: "00080018",
  patientName: "00100010",
  patientId: "00100020",
  birthDate: "00100030",
  sex: "00100040",
  study: "0020000D",
  series: "0020000E",
  studyId: "00200010",
  seriesNumber: "00200011",
  instanceNumber: "00200013",
  studySeries: "00201206",
  studyInstances: "00201208",
  seriesInstances: "00201209",
  frames: "00280008",
  rows: "00280010",
  columns: "00280011",
  transferSyntax: "00083002",
  labels: "4C411001", // the archive's own, told if asked for
};

export function values(match, tag) {
  return match?.[tag]?.Value ?? [];
}

export function text(match, tag) {
  const first = values(match, tag)[0];
  if (first === undefined || first === null) return "";
  return typeof first === "object" ? nameGroups(first)[0] ?? "" : String(first).trim();
}

export function count(match, tag) {
  return Number(text(match, tag)) || 0;
}

// The groups of a person name that say something: alphabetic, ideographic, phonetic.
export function nameGroups(name) {
  return [name?.Alphabetic, name?.Ideographic, name?.Phonetic].filter(Boolean);
}

export function names(match, tag) {
  return nameGroups(values(match, tag)[0]);
}
