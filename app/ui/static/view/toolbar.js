// What can be chosen above the stage: tool, window, how the picture lies, playing, tags, the link.

import { fill, h } from "../dom.js";
import { choice, dropdown } from "../menus.js";
import { copy } from "../notices.js";
import { t } from "../texts.js";
import { glyph } from "./glyphs.js";
import { TOOLS } from "./tools.js";
import { PRESETS } from "./window.js";

export const TOOL_KEYS = { window: "w", scroll: "s", pan: "p", zoom: "z", length: "l", angle: "a" };

export function makeToolbar(viewer) {
  const tools = TOOLS.map((name) => button(name, t(`view.tool.${name}`), TOOL_KEYS[name], () => viewer.choose(name)));
  const invert = button("invert", t("view.invert"), "i", () => viewer.invert());
  const play = button("play", t("view.play"), "Space", () => viewer.play());
  const tags = button("tags", t("view.tags"), "t", () => viewer.toggleTags());
  const rate = h("input", { type: "number", class: "view-rate", min: 1, max: 60, value: 15, "aria-label": t("view.rate"), title: t("view.rate"),
    on: { change: (event) => viewer.setRate(Number(event.target.value)) } });
  const windows = dropdown({ label: glyph("presets"), name: t("view.presets"), className: "icon-button", content: (close) => presets(viewer, close) });
  const node = h("div", { class: "view-tools", role: "toolbar", "aria-label": t("view.tools") },
    h("div", { class: "view-group" }, tools, windows.node),
    h("div", { class: "view-group" }, invert,
      button("turn", t("view.turn"), "r", () => viewer.turn()),
      button("flip", t("view.flip"), "h", () => viewer.flip()),
      button("fit", t("view.fit"), "f", () => viewer.fit())),
    h("div", { class: "view-group" }, play, rate),
    h("div", { class: "view-group" },
      button("erase", t("view.erase"), "Delete", () => viewer.erase()),
      tags,
      button("link", t("view.link"), "c", () => copy(viewer.link()))));

  function show() {
    tools.forEach((one, at) => one.setAttribute("aria-pressed", String(viewer.tool === TOOLS[at])));
    invert.setAttribute("aria-pressed", String(viewer.state.invert));
    tags.setAttribute("aria-pressed", String(viewer.tagsShown));
    const playing = viewer.cine.playing;
    if (play.dataset.playing !== String(playing)) {
      play.dataset.playing = String(playing);
      fill(play, glyph(playing ? "pause" : "play"));
      play.setAttribute("aria-label", t(playing ? "view.pause" : "view.play"));
    }
    if (document.activeElement !== rate) rate.value = String(viewer.cine.rate);
  }
  return { node, show };
}

function button(name, words, key, work) {
  return h("button", { type: "button", class: "icon-button", data: { action: name }, "aria-label": words, title: `${words} (${key})`, on: { click: work } }, glyph(name));
}

function presets(viewer, close) {
  const slide = viewer.slide();
  const now = viewer.state.window;
  const of = (words, window) => choice({
    text: words,
    chosen: window ? now && Math.abs(now.center - window.center) < 0.5 && Math.abs(now.width - window.width) < 0.5 : !now,
    pick: () => {
      viewer.setWindow(window);
      close();
    },
  });
  const own = (slide?.windows ?? []).map((one, at) => of(one.name || t("view.windowNumber", { number: at + 1 }), one));
  const usual = (PRESETS[viewer.modality()] ?? []).map(([name, center, width]) => of(t(`view.preset.${name}`), { center, width }));
  return h("div", { role: "menu" }, of(t("view.asStored"), null), own, of(t("view.wholeRange"), viewer.wholeRange()), usual);
}
