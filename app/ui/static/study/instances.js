// The instances of a series in their order; those of the last series are remembered while one goes through them.

import { search, studyPath } from "../server.js";

const KEPT = 20_000; // milliseconds
let last = { key: "", at: 0, found: null };

export function instancesOf(study, series, signal) {
  const key = `${study}/${series}`;
  if (last.key === key && Date.now() - last.at < KEPT) return last.found;
  const found = search(`${studyPath(study, series)}/instances`, { includefield: "NumberOfFrames" }, signal).then((one) => one.matches);
  last = { key, at: Date.now(), found };
  found.catch(() => { last.key = ""; });
  return found;
}

addEventListener("dicomlake:changed", () => { last.key = ""; });
