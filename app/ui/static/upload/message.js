// A store request as it goes out, and what its answer says of each file (PS3.18 10.5). Pure.

const FAILED = "00081198";
const REFERENCED = "00081199";
const OTHER = "0008119A";
const COMMENT = "00000902";
const INSTANCE = "00081155";
const RETRIEVE_URL = "00081190";

export function isZip(file) {
  return /\.zip$/i.test(file.name) || file.type === "application/zip" || file.type === "application/x-zip-compressed";
}

// Body and Content-Type for a zip, or for files together. The bytes stay where they are until they are sent.
export function requestOf(files) {
  if (files.length === 1 && isZip(files[0])) return { body: files[0], type: "application/zip" };
  const boundary = `dicomlake-${crypto.getRandomValues(new Uint32Array(4)).join("-")}`;
  const parts = files.flatMap((file) => [`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`, file, "\r\n"]);
  return { body: new Blob([...parts, `--${boundary}--\r\n`]), type: `multipart/related; type="application/dicom"; boundary=${boundary}` };
}

// { stored, problems: Map from part to its reason, others, studies }: parts are counted from 1.
export function readAnswer(module) {
  const items = (tag) => module?.[tag]?.Value ?? [];
  const problems = new Map();
  const others = [];
  for (const item of [...items(FAILED), ...items(OTHER)]) {
    const comment = String(item[COMMENT]?.Value?.[0] ?? "");
    const found = /^part (\d+): (.*)$/s.exec(comment);
    if (found && !problems.has(Number(found[1]))) problems.set(Number(found[1]), found[2]);
    else others.push(comment);
  }
  const studies = new Set();
  for (const item of items(REFERENCED)) {
    const found = /\/studies\/([^/]+)/.exec(item[RETRIEVE_URL]?.Value?.[0] ?? "");
    if (found) studies.add(decodeURIComponent(found[1]));
  }
  return { stored: items(REFERENCED).filter((item) => item[INSTANCE]).length, problems, others, studies };
}
