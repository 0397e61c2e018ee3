// Parts that the pages of studies, series and instances have in common: the way up, facts, tabs, pictures.

import { append, bdi, h } from "../dom.js";
import { icon } from "../icons.js";
import { listAddress } from "../list/place.js";
import { copy } from "../notices.js";
import { t } from "../texts.js";

// The way up: [[address, text], ...]; the last is where we are.
export function crumbs(steps) {
  const last = steps.length - 1;
  return h("nav", { class: "crumbs", "aria-label": t("crumbs.label") }, h("ol", {}, steps.map(([href, text], at) => h("li", {},
    at === last ? h("span", { "aria-current": "page" }, bdi(text)) : h("a", { href: at === 0 ? listAddress() : href }, at === 0 && icon("back"), bdi(text))))));
}

// Facts with a name each; empty ones are left out. `copied`: for what is long and meant for machines.
export function facts(all) {
  return h("dl", { class: "facts" }, all.filter((one) => one && one[1]).map(([name, value, copied]) => h("div", {},
    h("dt", {}, name),
    h("dd", {}, copied ? copyable(value) : value instanceof Node ? value : bdi(value)))));
}

export function copyable(text) {
  return h("span", { class: "copyable" }, h("span", { class: "code" }, bdi(text)),
    h("button", { type: "button", class: "icon-button small", "aria-label": t("copy"), title: t("copy"), on: { click: () => copy(text) } }, icon("copy")));
}

// Tabs: [[id, text, make]]; `make(signal)` gives the node when first looked at.
export function tabs(all, { label, chosen }) {
  const panel = h("div", { class: "tab-panel", role: "tabpanel", id: "tab-panel", tabindex: "0" });
  const made = new Map();
  const buttons = all.map(([id, text]) => h("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "tab-panel", on: { click: () => pick(id), keydown: (event) => step(event) } }, text));
  function pick(id) {
    all.forEach(([one], at) => {
      buttons[at].setAttribute("aria-selected", String(one === id));
      buttons[at].tabIndex = one === id ? 0 : -1;
    });
    if (!made.has(id)) made.set(id, all.find(([one]) => one === id)[2]());
    panel.setAttribute("aria-labelledby", `tab-${id}`);
    panel.replaceChildren(made.get(id));
  }
  function step(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.stopPropagation();
    const next = buttons[(buttons.indexOf(event.target) + by + buttons.length) % buttons.length];
    next.focus();
    next.click();
  }
  pick(chosen ?? all[0][0]);
  return h("div", { class: "tabs" }, h("div", { role: "tablist", "aria-label": label, class: "tab-list" }, buttons), panel);
}

// A small picture, fetched when it comes into sight; what has none shows a sheet.
export function thumbnail(url, text) {
  const frame = h("div", { class: "thumb" });
  const image = h("img", { src: url.href, alt: text, loading: "lazy", decoding: "async", on: { error: () => { frame.classList.add("failed"); image.replaceWith(icon("file")); } } });
  append(frame, [image]);
  return frame;
}

// Word of something that has not come yet; made before it is known.
export function arriving(promise, make) {
  const node = h("div", { class: "arriving", "aria-busy": "true" }, h("span", { class: "ghost" }), h("span", { class: "ghost" }), h("span", { class: "ghost" }));
  promise.then((found) => node.replaceWith(make(found))).catch((error) => {
    if (error.name !== "AbortError") node.replaceWith(h("p", { class: "problem" }, icon("alert"), error.message));
  });
  return node;
}
