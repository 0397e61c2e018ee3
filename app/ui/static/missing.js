// An address below /ui/ that means nothing.

import { h } from "./dom.js";
import { address } from "./router.js";
import { t } from "./texts.js";

export async function show() {
  const node = h("div", { class: "empty" }, h("h2", {}, t("missing.title")), h("p", {}, t("missing.text")), h("a", { class: "button", href: address() }, t("nav.studies")));
  return { node, title: t("missing.title") };
}
