// Short notices at the foot of the page, with a thing to do if there is one.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./texts.js";

const SECONDS = 8;
const list = h("div", { class: "notices", role: "status", "aria-live": "polite" });

export function noticeList() {
  return list;
}

export function notice(text, { action, label, bad = false, seconds = SECONDS } = {}) {
  const close = () => item.remove();
  const item = h("div", { class: bad ? "notice bad" : "notice" },
    icon(bad ? "alert" : "check"),
    h("span", { class: "grow" }, text),
    action && h("button", { class: "button small", on: { click: () => { close(); action(); } } }, label),
    h("button", { class: "icon-button small", "aria-label": t("close"), on: { click: close } }, icon("close")));
  list.append(item);
  if (!bad) setTimeout(close, seconds * 1000);
  return close;
}

export async function copy(text) {
  await navigator.clipboard.writeText(text);
  notice(t("copied"), { seconds: 2 });
}
