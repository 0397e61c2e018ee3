// The settings in force. Of secrets only how many there are is told.

import { debounce, fill, h } from "../dom.js";
import { bytes } from "../format.js";
import { t } from "../texts.js";

const UNITS = { seconds: "duration.seconds", days: "system.days" };

export function settingsView(settings) {
  const body = h("div", { class: "settings" });
  const input = h("input", { type: "search", class: "field tag-search", placeholder: t("settings.search"), "aria-label": t("settings.search"), spellcheck: "false" });
  const draw = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    fill(body, settings.filter((one) => words.every((word) => `${one.name} ${one.help}`.toLowerCase().includes(word))).map(row));
  };
  input.addEventListener("input", debounce(50, draw));
  draw();
  return h("section", {}, h("div", { class: "tag-head" }, h("h2", { class: "grow" }, t("system.settings")), input), body);
}

function row(one) {
  return h("div", { class: "setting" },
    h("code", {}, one.name, one.changed && h("span", { class: "badge changed" }, t("settings.changed"))),
    h("span", { class: "tag-value code" }, shown(one)),
    h("span", { class: "soft" }, one.help.replaceAll("`", "")));
}

function shown(one) {
  if (one.secret) return t("settings.secret", { count: one.value });
  if (Array.isArray(one.value)) return one.value.join(", ") || "–";
  if (typeof one.value === "boolean") return t(one.value ? "yes" : "no");
  if (one.unit === "bytes") return bytes(one.value);
  if (UNITS[one.unit]) return t(UNITS[one.unit], { count: one.value });
  return one.value === "" ? "–" : String(one.value);
}
