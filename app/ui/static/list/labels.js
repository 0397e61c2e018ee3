// Labels: of a match, as small signs, and the menu that filters by them.

import { TAG, values } from "../dicom.js";
import { fill, h } from "../dom.js";
import { askJson, dicomweb } from "../server.js";
import { t } from "../texts.js";

const MOST = 200; // of the menu; whoever has more types a part of one
const LABEL = /^[A-Za-z0-9_-]{1,64}$/;

export function isLabel(text) {
  return LABEL.test(text);
}

export function labelSigns(match) {
  return values(match, TAG.labels).map((one) => h("span", { class: "label" }, one));
}

// The labels in use: [{ label, studies, series, instances }].
export async function labelsInUse(signal) {
  return askJson(dicomweb("labels"), { signal });
}

// `pick(labels)` takes those that every study is to bear.
export function labelMenu(state, pick) {
  const chosen = new Set(state.labels);
  const list = h("fieldset", { class: "checks" });
  const field = h("input", { type: "search", class: "field", placeholder: t("label.find"), "aria-label": t("label.find"), autocomplete: "off", spellcheck: "false", on: { input: () => draw() } });
  let all = state.labels.map((label) => ({ label }));
  const draw = () => {
    const wanted = field.value.trim().toLowerCase();
    const found = all.filter((one) => one.label.toLowerCase().includes(wanted)).slice(0, MOST);
    fill(list, h("legend", { class: "visually-hidden" }, t("label.name")), found.map(line), !found.length && h("p", { class: "soft none-yet" }, t("label.none")));
  };
  const line = ({ label, studies }) => h("label", { class: "check" },
    h("input", { type: "checkbox", checked: chosen.has(label), on: { change: (event) => {
      if (event.target.checked) chosen.add(label);
      else chosen.delete(label);
      pick([...chosen]);
    } } }),
    h("span", { class: "label" }, label),
    h("span", { class: "check-name" }, studies === undefined ? "" : t("count.studies", { count: studies })));
  labelsInUse().then((used) => {
    const names = new Set(used.map((one) => one.label));
    all = [...used.filter((one) => one.studies || chosen.has(one.label)), ...state.labels.filter((one) => !names.has(one)).map((label) => ({ label }))];
    draw();
  }).catch(() => draw()); // what keeps it from coming is told at the head of the page
  return [field, list];
}
