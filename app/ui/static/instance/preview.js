// The picture of an instance as the server renders it: through a window, of one frame. A new one is shown when it is
// there, so that moving the slider does not flicker.

import { count, TAG, text } from "../dicom.js";
import { debounce, fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { ask, dicomweb } from "../server.js";
import { back, isAway } from "../connection.js";
import { t } from "../texts.js";
import { hasWindow, windowsOf } from "./windows.js";

const SIDE = 1024;
const WAIT = 30;
const DOCUMENTS = { "1.2.840.10008.5.1.4.1.1.104.1": "preview.pdf", "1.2.840.10008.5.1.4.1.1.104.2": "preview.document" };
const VIDEO = /^1\.2\.840\.10008\.1\.2\.4\.10/;

export function preview({ path, data, signal }) {
  const frames = count(data, TAG.frames) || 1;
  const state = { frame: 1, center: undefined, width: undefined };
  const image = h("img", { class: "picture", alt: t("preview.alt") });
  const stage = h("div", { class: "stage", "aria-busy": "true" }, image);
  let wanted = 0;

  function url() {
    const where = frames > 1 ? `${path}/frames/${state.frame}/rendered` : `${path}/rendered`;
    const window = state.width === undefined ? "" : `${state.center},${state.width},linear`;
    return dicomweb(where, { accept: "image/jpeg", viewport: `${SIDE},${SIDE}`, window });
  }

  async function draw() {
    const mine = (wanted += 1);
    const next = new Image();
    next.src = url().href;
    stage.setAttribute("aria-busy", "true");
    try {
      await next.decode();
      if (mine !== wanted || signal.aborted) return;
      image.src = next.src;
      fill(stage, image);
    } catch {
      if (mine !== wanted || signal.aborted) return;
      await explain(next.src);
    } finally {
      if (mine === wanted) stage.setAttribute("aria-busy", "false");
    }
  }

  // Pictures do not say why they failed; asking once more does.
  async function explain(source) {
    try {
      await ask(source, { signal, accept: "image/jpeg" });
      fill(stage, h("p", { class: "problem" }, icon("alert"), t("preview.failed")));
    } catch (error) {
      if (isAway()) back(signal).then(draw, () => {});
      else if (error.name !== "AbortError") fill(stage, h("p", { class: "problem" }, icon("alert"), error.message));
    }
  }

  const drawSoon = debounce(WAIT, draw);
  const controls = h("div", { class: "controls" });
  if (hasWindow(data)) controls.append(windowControl(data, (center, width) => { Object.assign(state, { center, width }); drawSoon(); }));
  if (frames > 1) controls.append(frameControl(frames, (frame) => { state.frame = frame; drawSoon(); }));
  const links = h("div", { class: "controls end" }, original(path, data), h("a", { class: "button small", href: dicomweb(`${path}/rendered`, { accept: "image/png" }).href, download: "image.png" }, icon("download"), "PNG"));
  controls.append(links);
  draw();
  return { node: h("section", { class: "preview", "aria-label": t("preview.alt") }, stage, controls) };
}

// What is not a picture opens as what it is.
function original(path, data) {
  const key = DOCUMENTS[text(data, TAG.sopClass)] ?? (VIDEO.test(text(data, TAG.transferSyntax)) ? "preview.video" : text(data, TAG.modality) === "SR" ? "preview.report" : "");
  return key && h("a", { class: "button small", href: dicomweb(`${path}/rendered`).href, target: "_blank", rel: "noopener" }, icon("open"), t(key));
}

function windowControl(data, pick) {
  const all = windowsOf(data);
  const center = h("input", { type: "number", class: "field number", step: "any", placeholder: "C", "aria-label": t("window.center") });
  const width = h("input", { type: "number", class: "field number", min: 1, step: "any", placeholder: "W", "aria-label": t("window.width") });
  const select = h("select", { class: "field", "aria-label": t("window.name"), on: { change: () => {
    const chosen = all[select.value];
    center.value = chosen?.[1] ?? "";
    width.value = chosen?.[2] ?? "";
    pick(chosen?.[1], chosen?.[2]);
  } } }, all.map(([name], at) => h("option", { value: String(at) }, name)), h("option", { value: "own", hidden: true }, t("window.own")));
  const own = () => {
    if (center.value === "" || !(Number(width.value) >= 1)) return;
    select.value = "own";
    pick(Number(center.value), Number(width.value));
  };
  center.addEventListener("input", own);
  width.addEventListener("input", own);
  return h("div", { class: "control" }, h("span", { class: "soft" }, t("window.name")), select, center, width);
}

function frameControl(frames, pick) {
  const told = h("output", { class: "soft" }, t("frame.of", { at: 1, all: frames }));
  const slider = h("input", { type: "range", min: 1, max: frames, value: "1", step: 1, "aria-label": t("frame.name"), on: { input: () => {
    told.textContent = t("frame.of", { at: Number(slider.value), all: frames });
    pick(Number(slider.value));
  } } });
  return h("div", { class: "control frames" }, slider, told);
}
