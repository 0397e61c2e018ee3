// What was deleted and can be brought back, until retention ends.

import { h } from "../dom.js";
import { ago, moment } from "../format.js";
import { icon } from "../icons.js";
import { address } from "../router.js";
import { askJson, studyPath, UI } from "../server.js";
import { undelete } from "../study/actions.js";
import { t } from "../texts.js";

export async function show({ signal }) {
  const told = await askJson(new URL("data/deleted.json", UI), { signal });
  const list = told.deleted.length
    ? h("ol", { class: "history boxed" }, told.deleted.map(row))
    : h("div", { class: "empty" }, icon("trash"), h("h2", {}, t("deleted.none")), h("p", {}, t("deleted.hint")));
  const node = h("div", { class: "page" }, h("header", { class: "page-head" }, h("div", { class: "grow" }, h("h1", {}, t("nav.deleted")), told.deleted.length > 0 && h("p", { class: "under-title" }, t("deleted.hint")))), list,
    told.more > 0 && h("p", { class: "soft" }, t("deleted.more", { count: told.more })));
  return { node, title: t("nav.deleted") };
}

function row(one) {
  const uid = one.instance ?? one.series ?? one.study;
  return h("li", {},
    h("span", { class: "history-mark" }, icon("trash")),
    h("div", { class: "grow" }, h("strong", {}, t(`deleted.${one.level}`, { count: one.instances })),
      h("a", { class: "below code", href: address(studyPath(one.study, one.series, one.instance)) }, uid)),
    h("time", { class: "soft", datetime: one.time, title: moment(one.time) }, ago(one.time)),
    h("button", { type: "button", class: "button small", on: { click: () => undelete(one, one.revision) } }, icon("undo"), t("undelete")));
}
