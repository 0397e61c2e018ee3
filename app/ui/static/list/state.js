// What the list shows: words, dates, modalities, labels, order. It stands in the address, so it can be shared and gone back
// to; and it becomes the parameters of a search.

import { dicomRange, isRange } from "./dates.js";
import { isLabel } from "./labels.js";

export const SORTS = { name: "PatientName", date: "StudyDate,StudyTime", description: "StudyDescription", images: "NumberOfStudyRelatedInstances" };
export const NEWEST = "-date";
const TOLD = "StudyDescription,InstitutionName,labels";

// A state that narrows nothing.
export const ALL = { words: "", date: "", modalities: [], labels: [] };

export function readState(parameters) {
  const sort = parameters.get("sort") ?? NEWEST;
  const date = parameters.get("date") ?? "";
  return {
    words: parameters.get("q") ?? "",
    date: isRange(date) ? date : "",
    modalities: (parameters.get("modality") ?? "").split(",").filter((one) => /^[A-Z0-9]{1,16}$/.test(one)),
    labels: (parameters.get("label") ?? "").split(",").filter(isLabel),
    sort: sort.replace("-", "") in SORTS ? sort : NEWEST,
  };
}

export function writeState(state) {
  const parameters = new URLSearchParams();
  if (state.words.trim()) parameters.set("q", state.words.trim());
  if (state.date) parameters.set("date", state.date);
  if (state.modalities.length) parameters.set("modality", state.modalities.join(","));
  if (state.labels.length) parameters.set("label", state.labels.join(","));
  if (state.sort !== NEWEST) parameters.set("sort", state.sort);
  return parameters;
}

export function isNarrowed(state) {
  return Boolean(state.words.trim() || state.date || state.modalities.length || state.labels.length);
}

// The parameters of the search. The newest first is the archive's own order, so nothing is said of it.
export function searchParameters(state) {
  const falling = state.sort.startsWith("-");
  const sort = SORTS[state.sort.replace("-", "")];
  return {
    search: state.words.trim(),
    StudyDate: dicomRange(state.date),
    ModalitiesInStudy: state.modalities.join(","),
    label: state.labels.join(","),
    includefield: TOLD,
    orderby: state.sort === NEWEST ? "" : sort.split(",").map((one) => (falling ? `-${one}` : one)).join(","),
  };
}
