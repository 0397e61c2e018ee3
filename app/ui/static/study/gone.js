// Instead of a page of something that is not there: whether it was deleted, when, and the way to bring it back.

import { h } from "../dom.js";
import { ago } from "../format.js";
import { icon } from "../icons.js";
import { ServerError, askJson, dicomweb, studyPath } from "../server.js";
import { has, t } from "../texts.js";
import { undelete } from "./actions.js";
import { scopeOf } from "./history.js";
import { listAddress } from "../list/place.js";

export async function gonePage(scope, signal) {
  let deletion = null;
  let known = true;
  try {
    const told = await askJson(dicomweb(`${studyPath(scope.study, scope.series, scope.instance)}/history`), { signal });
    deletion = told.history.find((one) => one.event === "deleted" && one.undelete);
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    known = false;
  }
  const level = scope.instance ? "instance" : scope.series ? "series" : "study";
  const title = t(known ? `gone.${level}` : `unknown.${level}`);
  const by = deletion && (has(`door.${deletion.door}`) ? t(`door.${deletion.door}`) : deletion.door);
  const node = h("div", { class: "empty" }, icon(known ? "trash" : "search"), h("h1", {}, title),
    deletion ? h("p", {}, t("gone.when", { when: ago(deletion.time), by })) : h("p", {}, t(known ? "gone.forever" : "unknown.hint")),
    h("p", { class: "actions" },
      deletion && h("button", { type: "button", class: "button primary", on: { click: () => undelete(scopeOf(deletion, scope), deletion.revision) } }, icon("undo"), t("undelete")),
      h("a", { class: "button", href: listAddress() }, t("nav.studies"))));
  return { node, title };
}
