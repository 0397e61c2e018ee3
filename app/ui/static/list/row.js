// A study as a row: who, what, when, how much.

import { count, names, TAG, text, values } from "../dicom.js";
import { bdi, fill, h } from "../dom.js";
import { clock, date, personName } from "../format.js";
import { address } from "../router.js";
import { studyPath } from "../server.js";
import { t } from "../texts.js";
import { labelSigns } from "./labels.js";

const MOST_BADGES = 4;
const shown = new WeakMap(); // row to what it shows

export function badges(modalities) {
  const first = modalities.filter(Boolean).slice(0, MOST_BADGES);
  const more = modalities.length - first.length;
  return [...first.map((one) => h("span", { class: "badge", data: { modality: one } }, one)), more > 0 && h("span", { class: "badge" }, `+${more}`)];
}

export function patientTitle(match) {
  const [first, ...others] = names(match, TAG.patientName);
  return [bdi(first ? personName(first) : t("patient.unnamed"), first ? {} : { class: "none" }),
    others.length ? h("span", { class: "other-name" }, bdi(personName(others[0]))) : null];
}

export function fillRow(row, study) {
  const told = study ? JSON.stringify(study) : "";
  if (told && shown.get(row) === told) return;
  shown.set(row, told);
  if (!study) {
    row.className = "row waiting";
    fill(row, ["who", "what", "kinds", "when", "much"].map((name) => h("div", { class: `cell ${name}`, role: "gridcell" }, h("span", { class: "ghost" }))));
    return;
  }
  row.className = "row";
  const uid = text(study, TAG.study);
  const birth = text(study, TAG.birthDate);
  fill(row,
    cell("who",
      h("a", { href: address(studyPath(uid)), class: "row-link" }, patientTitle(study)),
      h("span", { class: "below" }, bdi(text(study, TAG.patientId) || "–"), birth && h("span", { class: "dot" }, date(birth)), text(study, TAG.sex) && h("span", { class: "dot" }, text(study, TAG.sex)))),
    cell("what",
      h("span", { class: "main" }, bdi(text(study, TAG.studyDescription) || t("study.undescribed"), text(study, TAG.studyDescription) ? {} : { class: "none" })),
      h("span", { class: "below" }, bdi(text(study, TAG.accession) || "–"), labelSigns(study))),
    cell("kinds", badges(values(study, TAG.modalities))),
    cell("when",
      h("span", { class: "main" }, date(text(study, TAG.studyDate)) || "–"),
      h("span", { class: "below" }, clock(text(study, TAG.studyTime)))),
    cell("much",
      h("span", { class: "main" }, t("count.images", { count: count(study, TAG.studyInstances) })),
      h("span", { class: "below" }, t("count.series", { count: count(study, TAG.studySeries) }))));
}

function cell(name, ...content) {
  return h("div", { class: `cell ${name}`, role: "gridcell" }, content);
}

