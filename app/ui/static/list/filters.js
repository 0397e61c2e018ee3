// The fields above the list: words, dates, modalities, labels, order. They show a state and tell what was chosen.

import { fill, h } from "../dom.js";
import { date as shownDate } from "../format.js";
import { icon } from "../icons.js";
import { choice, dropdown } from "../menus.js";
import { has, t } from "../texts.js";
import { ends, fromField, PRESETS, rangeOf, toField } from "./dates.js";
import { labelMenu } from "./labels.js";
import { ALL, isNarrowed, NEWEST, SORTS } from "./state.js";

const MODALITIES = ["CT", "MR", "US", "CR", "DX", "MG", "XA", "RF", "NM", "PT", "SM", "OP", "OPT", "ES", "XC", "ECG", "SEG", "SR", "PR", "KO", "RTSTRUCT", "RTDOSE", "RTPLAN", "DOC", "OT", "SC"];

// `change(part)` takes what is new of the state. Returns the node, and `show(state)`.
export function makeFilters({ change, typed }) {
  let state = {};
  const input = h("input", {
    type: "search", id: "search", class: "search-input", placeholder: t("search.placeholder"), "aria-label": t("search.label"),
    autocomplete: "off", spellcheck: "false", enterkeyhint: "search",
    on: { input: () => typed(input.value) },
  });
  const dates = dropdown({ name: t("date.name"), className: "chip", label: "", content: (close) => dateMenu(state, (date) => { close(); change({ date }); }) });
  const kinds = dropdown({ name: t("modality.name"), className: "chip", label: "", content: () => modalityMenu(state, (modalities) => change({ modalities })) });
  const labels = dropdown({ name: t("label.name"), className: "chip", label: "", content: () => labelMenu(state, (chosen) => change({ labels: chosen })) });
  const order = dropdown({ name: t("sort.title"), className: "chip sort-chip", label: "", content: (close) => sortMenu(state, (sort) => { close(); change({ sort }); }) });
  const clear = h("button", { type: "button", class: "chip clear", on: { click: () => { change(ALL); input.focus(); } } }, icon("close"), t("search.clear"));
  const total = h("p", { class: "total", role: "status", "aria-live": "polite" });
  const node = h("search", { class: "filters" },
    h("div", { class: "search" }, icon("search"), input, h("kbd", { class: "hint", "aria-hidden": "true" }, "/")),
    h("div", { class: "chips" }, dates.node, kinds.node, labels.node, order.node, clear, total));

  function show(next) {
    state = next;
    if (input.value.trim() !== state.words.trim()) input.value = state.words;
    label(dates.button, icon("calendar"), dateText(state.date) || t("column.date"), state.date);
    label(kinds.button, null, state.modalities.join(", ") || t("column.modality"), state.modalities.length);
    label(labels.button, icon("tag"), state.labels.join(", ") || t("label.name"), state.labels.length);
    label(order.button, icon("sort"), sortText(state.sort), false);
    clear.hidden = !isNarrowed(state);
  }
  return { node, input, show, setTotal: (text) => { total.textContent = text; } };
}

function label(button, before, text, chosen) {
  fill(button, before, h("span", {}, text), icon("down"));
  button.classList.toggle("chosen", Boolean(chosen));
  button.setAttribute("aria-label", `${button.getAttribute("aria-label").split(":")[0]}: ${text}`);
}

export function dateText(range) {
  if (!range) return "";
  if (PRESETS.includes(range)) return t(`date.${range}`);
  const [from, to] = ends(range).map((one) => one && shownDate(one));
  return from === to ? from : `${from || "…"} – ${to || "…"}`;
}

function dateMenu(state, pick) {
  const [from, to] = ends(state.date);
  const fields = [from, to].map((one, at) => h("input", { type: "date", value: toField(one), "aria-label": t(at ? "date.to" : "date.from") }));
  const apply = () => pick(rangeOf(...fields.map((one) => fromField(one.value))));
  return [
    h("div", { role: "menu" }, ["", ...PRESETS].map((one) => choice({ text: one ? t(`date.${one}`) : t("date.any"), chosen: state.date === one, pick: () => pick(one) }))),
    h("form", { class: "range", on: { submit: (event) => { event.preventDefault(); apply(); } } },
      h("label", {}, h("span", {}, t("date.from")), fields[0]), h("label", {}, h("span", {}, t("date.to")), fields[1]),
      h("button", { type: "submit", class: "button small" }, t("date.apply"))),
  ];
}

function modalityMenu(state, pick) {
  const chosen = new Set(state.modalities);
  const all = [...new Set([...MODALITIES, ...chosen])];
  return h("fieldset", { class: "checks" }, h("legend", { class: "visually-hidden" }, t("modality.name")), all.map((one) => h("label", { class: "check" },
    h("input", { type: "checkbox", checked: chosen.has(one), on: { change: (event) => {
      if (event.target.checked) chosen.add(one);
      else chosen.delete(one);
      pick([...chosen]);
    } } }),
    h("span", { class: "badge", data: { modality: one } }, one),
    h("span", { class: "check-name" }, has(`modality.${one}`) ? t(`modality.${one}`) : ""))));
}

export function sortText(sort) {
  const falling = sort.startsWith("-");
  return `${t(`sort.${sort.replace("-", "")}`)} ${falling ? "↓" : "↑"}`;
}

function sortMenu(state, pick) {
  const all = [NEWEST, "date", ...Object.keys(SORTS).filter((one) => one !== "date").flatMap((one) => (one === "images" ? [`-${one}`, one] : [one, `-${one}`]))];
  return h("div", { role: "menu" }, all.map((one) => choice({ text: sortText(one), chosen: state.sort === one, pick: () => pick(one) })));
}
