// Instead of a page that could not be made: why.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { Unreachable } from "./server.js";
import { t } from "./texts.js";

export function problemPage(error) {
  const away = error instanceof Unreachable;
  const title = t(away ? "problem.away" : "problem.title");
  const node = h("div", { class: "empty" }, icon("alert"), h("h1", {}, title), h("p", {}, away ? t("problem.wait") : error.message));
  return { node, title };
}
