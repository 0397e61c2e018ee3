// What can be done with a study, series or instance: open it elsewhere, download, delete, bring back.

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { choice, confirm, dropdown } from "../menus.js";
import { notice } from "../notices.js";
import { address, navigate, reload } from "../router.js";
import { ask, dicomweb, ROOT, studyPath, Unreachable } from "../server.js";
import { openers } from "../config.js";
import { t } from "../texts.js";

// Buttons for the viewers: those that are installed, the first by itself and the others in a menu, and our own.
export async function openIn(scope, modalities) {
  const able = (await openers()).filter((one) => !one.modalities.length || one.modalities.some((modality) => modalities.includes(modality)));
  const ways = able.map((one) => [one, scope.series ? one.series : one.study]).filter(([, way]) => way);
  if (!ways.length) return viewLink(scope, "button primary");
  const href = (way) => new URL(way.replaceAll("{study}", encodeURIComponent(scope.study)).replaceAll("{series}", encodeURIComponent(scope.series ?? "")), ROOT).href;
  const [[first, way], ...others] = ways;
  const button = h("a", { class: "button primary", href: href(way), target: "_blank", rel: "noopener", data: { opener: first.id } }, icon("open"), t("open.in", { name: first.name }));
  if (!others.length) return [button, viewLink(scope)];
  const menu = dropdown({ name: t("open.more"), className: "button primary", label: icon("down"), content: (close) => h("div", { role: "menu" }, others.map(([one, other]) => choice({ text: t("open.in", { name: one.name }), pick: () => { close(); open(href(other), "_blank", "noopener"); } }))) });
  return [h("span", { class: "split" }, button, menu.node), viewLink(scope)];
}

function viewLink(scope, look = "button") {
  const href = address(`view/${encodeURIComponent(scope.study)}`, scope.series ? { series: scope.series } : undefined);
  return h("a", { class: look, href, data: { opener: "view" } }, t("view.open"));
}

export function downloadButton(scope) {
  const url = dicomweb(studyPath(scope.study, scope.series, scope.instance), scope.instance ? { accept: "application/dicom; transfer-syntax=*" } : { accept: "application/zip" });
  return h("a", { class: "button", href: url.href, download: scope.instance ? `${scope.instance}.dcm` : "" }, icon("download"), scope.instance ? t("download.file") : t("download.zip"));
}

// `up`: the address to go to once it is gone; `count`: images that go with it.
export function deleteButton(scope, { level, count, up }) {
  return h("button", { type: "button", class: "button quiet-danger", on: { click: () => remove(scope, { level, count, up }) } }, icon("trash"), t("delete"));
}

async function remove(scope, { level, count, up }) {
  const sure = await confirm({ title: t(`delete.${level}.title`), text: t("delete.text", { count }), yes: t("delete"), danger: true });
  if (!sure) return;
  try {
    const answer = await ask(dicomweb(studyPath(scope.study, scope.series, scope.instance)), { method: "DELETE" });
    const revision = answer.headers.get("X-Dicomlake-Revision");
    notice(t("delete.done", { count }), { label: t("undo"), action: () => undelete(scope, revision) });
    navigate(up);
    changed();
  } catch (error) {
    notice(error instanceof Unreachable ? t("connection.later") : error.message, { bad: true });
  }
}

// Undo the deletion of that revision; true if it is undone.
export async function undelete(scope, revision) {
  try {
    const answer = await ask(dicomweb(`${studyPath(scope.study, scope.series, scope.instance)}/undelete`, { revision }), { method: "POST" });
    const { instances } = await answer.json();
    notice(t("undelete.done", { count: instances }));
    changed();
    reload();
    return true;
  } catch (error) {
    notice(error instanceof Unreachable ? t("connection.later") : error.message, { bad: true });
    return false;
  }
}

// Tell the pages that show studies that there is something new.
export function changed() {
  dispatchEvent(new Event("dicomlake:changed"));
}
