// What happened to a study, series or instance, the last first; deletions can be undone here.

import { h } from "../dom.js";
import { ago, moment } from "../format.js";
import { icon } from "../icons.js";
import { askJson, dicomweb, studyPath } from "../server.js";
import { has, t } from "../texts.js";
import { undelete } from "./actions.js";
import { arriving } from "./parts.js";

const PICTURES = { stored: "upload", replaced: "copy", kept: "copy", deleted: "trash", restored: "undo", erased: "close", voided: "close", unreadable: "alert", labelled: "tag", unlabelled: "tag" };

// What a deletion was about, as it can be undone.
export function scopeOf(happening, scope) {
  const series = happening.level === "study" ? undefined : (happening.series?.[0] ?? scope.series);
  return { study: scope.study, series, instance: happening.level === "instance" ? happening.instance : undefined };
}

export function historyView(scope, signal) {
  const url = dicomweb(`${studyPath(scope.study, scope.series, scope.instance)}/history`);
  return arriving(askJson(url, { signal }), (told) => {
    const list = h("ol", { class: "history" });
    const more = h("button", { type: "button", class: "button" }, t("more"));
    const show = (page) => {
      list.append(...page.history.map((one) => line(one, scope)));
      more.hidden = !page.next;
      more.onclick = async () => {
        const before = new URL(page.next).searchParams.get("before");
        more.disabled = true;
        show(await askJson(dicomweb(`${studyPath(scope.study, scope.series, scope.instance)}/history`, { before }), { signal }));
        more.disabled = false;
      };
    };
    show(told);
    return h("div", {}, list, more);
  });
}

function line(one, scope) {
  const event = one.label ? t(`event.${one.event}`, { label: one.label }) : has(`event.${one.event}.other`) ? t(`event.${one.event}`, { count: one.instances ?? 0 }) : one.event;
  const door = one.door && (has(`door.${one.door}`) ? t(`door.${one.door}`) : one.door);
  const from = [door, one.peer, one.node && t("history.node", { node: one.node })].filter(Boolean).join(" · ");
  const item = h("li", { data: { event: one.event } },
    h("span", { class: "history-mark" }, icon(PICTURES[one.event] ?? "file")),
    h("div", { class: "grow" }, h("strong", {}, event), h("span", { class: "below" }, from)),
    h("time", { datetime: one.time, title: one.time && moment(one.time), class: "soft" }, one.time ? ago(one.time) : ""));
  if (one.undelete) {
    const button = h("button", { type: "button", class: "button small", on: { click: () => undelete(scopeOf(one, scope), one.revision) } }, icon("undo"), t("undelete"));
    item.append(button);
  }
  return item;
}

