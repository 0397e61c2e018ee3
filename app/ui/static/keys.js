// Keys: those of every page, and those of the page that is shown. Letters do nothing while somebody is typing.

import { h } from "./dom.js";
import { dialog } from "./menus.js";
import { t } from "./texts.js";

const everywhere = new Map();
let here = new Map();

// `keys` is a list of [key, what it does, the text of the help, as it is shown].
export function setPageKeys(keys = []) {
  here = new Map(keys.map((one) => [one[0], one]));
}

export function addKeys(keys) {
  for (const one of keys) everywhere.set(one[0], one);
}

export function startKeys() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const typing = isField(event.target);
    if (typing && event.key !== "Escape") return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && event.target.closest?.("a, button, summary")) return;
    const found = here.get(event.key) ?? everywhere.get(event.key);
    if (!found) return;
    if (found[1](event) !== false) event.preventDefault();
  });
}

function isField(element) {
  return element instanceof HTMLElement
    && (element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox]):not([type=range])"));
}

export function showHelp() {
  const row = ([key, , text, shownAs]) => text && h("div", { class: "key-row" }, h("dt", {}, (shownAs ?? key).split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, t(text)));
  dialog({
    title: t("help.title"),
    body: h("dl", { class: "key-list" }, [...here.values()].map(row), [...everywhere.values()].map(row)),
  });
}
