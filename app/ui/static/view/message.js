// What stands in place of a picture: that it comes, that it failed, or what is stored instead of one.

import { fill, h } from "../dom.js";
import { dicomweb } from "../server.js";
import { t } from "../texts.js";

const LATE = 300;

export function makeMessage(retry) {
  const node = h("div", { class: "view-message", role: "status" });
  let shown = "";
  let late = 0;

  function put(key, ...children) {
    if (shown === key) return;
    shown = key;
    clearTimeout(late);
    fill(node, ...children);
  }

  function wait() {
    if (shown === "wait") return;
    put("wait");
    late = setTimeout(() => fill(node, h("span", { class: "view-spinner", "aria-label": t("view.loading") })), LATE);
  }

  function say(words, { again } = {}) {
    put(`say ${words}`, h("p", {}, words), again && h("button", { type: "button", class: "button", on: { click: again } }, t("view.again")));
  }

  function show(slide, frame, error) {
    if (error) say(t("view.failed", { why: error.message }), { again: () => { wait(); retry(); } });
    else if (!slide || !frame) wait();
    else if (!frame.document) put("");
    else if (slide.kind === "video") {
      put(slide.path, h("video", { src: dicomweb(`${slide.path}/rendered`, { accept: "video/mp4" }).href, controls: true, muted: true, loop: true, playsinline: true }));
    } else {
      const rendered = dicomweb(`${slide.path}/rendered`).href;
      const picture = dicomweb(`${slide.path}/thumbnail`, { viewport: "512,512" }).href;
      put(slide.path,
        h("img", { src: picture, alt: "", class: "view-card" }),
        h("p", {}, t("view.document")),
        h("a", { class: "button primary", href: rendered, target: "_blank", rel: "noopener" }, t("view.openDocument")));
    }
  }
  return { node, wait, say, show };
}
