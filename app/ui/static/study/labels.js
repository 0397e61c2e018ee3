// The labels of a study, series or instance: shown, put on, taken off.

import { fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { isLabel, labelsInUse } from "../list/labels.js";
import { notice } from "../notices.js";
import { address } from "../router.js";
import { ask, askJson, dicomweb, studyPath, Unreachable } from "../server.js";
import { t } from "../texts.js";
import { changed } from "./actions.js";

const SECONDS = 10;

export function labelEditor(scope, signal) {
  const path = `${studyPath(scope.study, scope.series, scope.instance)}/labels`;
  const list = h("ul", { class: "labels", "aria-label": t("label.name") });
  const known = h("datalist", { id: "labels-in-use" });
  const input = h("input", {
    class: "field label-input", list: known.id, maxlength: "64", placeholder: t("label.add"), "aria-label": t("label.add"), autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    on: { focus: () => suggest(), input: () => input.setCustomValidity(""), keydown: (event) => { if (event.key === "Escape" && input.value) { input.value = ""; event.stopPropagation(); } } },
  });
  const form = h("form", { class: "label-form", on: { submit: (event) => { event.preventDefault(); add(input.value.trim()); } } }, icon("tag"), input, known);
  let borne = null;

  const show = (labels) => {
    if (JSON.stringify(labels) === JSON.stringify(borne)) return;
    borne = labels;
    fill(list, labels.map((one) => h("li", { class: "label" },
      // the list is one of studies: it finds those that bear the label themselves
      scope.series ? h("span", {}, one) : h("a", { href: address("", { label: one }) }, one),
      h("button", { type: "button", class: "label-off", "aria-label": t("label.remove", { label: one }), title: t("label.remove", { label: one }), on: { click: () => drop(one) } }, icon("close")))));
  };
  const load = () => askJson(dicomweb(path), { signal }).then((labels) => { if (!signal.aborted) show(labels); }).catch(() => {}); // gone or away: the page itself says so
  const suggest = () => labelsInUse(signal).then((used) => fill(known, used.filter((one) => !borne?.includes(one.label)).map((one) => h("option", { value: one.label })))).catch(() => {});

  async function add(label) {
    if (!isLabel(label)) {
      input.setCustomValidity(t("label.hint"));
      input.reportValidity();
      return;
    }
    const labels = await change("PUT", label);
    if (!labels) return;
    input.value = "";
    show(labels);
    suggest();
  }
  async function drop(label) {
    if (!(await change("DELETE", label))) return;
    show(borne.filter((one) => one !== label));
    input.focus();
  }
  // The labels as they are now, or an empty answer; null if it could not be done.
  async function change(method, label) {
    try {
      const answer = await ask(dicomweb(`${path}/${encodeURIComponent(label)}`), { method });
      const labels = answer.status === 204 ? [] : await answer.json();
      changed();
      return labels;
    } catch (error) {
      notice(error instanceof Unreachable ? t("connection.later") : error.message, { bad: true });
      return null;
    }
  }

  load();
  const timer = setInterval(() => { if (!document.hidden) load(); }, SECONDS * 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
  addEventListener("focus", load, { signal });
  return h("div", { class: "label-line" }, list, form);
}
