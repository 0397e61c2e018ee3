// Files may be dropped anywhere on the page.

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { t } from "../texts.js";

export function startDropping() {
  const veil = h("div", { class: "veil", hidden: true }, h("div", { class: "veil-inner" }, icon("upload"), h("strong", {}, t("upload.drop")), h("span", {}, t("upload.drop.hint"))));
  document.body.append(veil);
  let depth = 0;
  const files = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    depth += 1;
    veil.hidden = false;
  });
  addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("dragleave", (event) => {
    if (!files(event)) return;
    depth = Math.max(0, depth - 1);
    if (!depth) veil.hidden = true;
  });
  addEventListener("drop", async (event) => {
    if (!files(event)) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    // what was dropped can be asked for within this event only
    const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
    const { take } = await import("./panel.js");
    take(dropped);
  });
}
