// The slider at the edge of the stage: where in the stack, and which of its frames have come.

import { h } from "../dom.js";
import { t } from "../texts.js";

export function makeSlider(go) {
  const range = h("input", { type: "range", min: 1, max: 1, value: 1, step: 1, "aria-label": t("view.slice"), on: { input: () => go(Number(range.value) - 1) } });
  const came = h("canvas", { class: "view-came", width: 4, height: 400, "aria-hidden": "true" });
  const node = h("div", { class: "view-slider", hidden: true }, came, range);
  let frames = 1;

  function length(count) {
    frames = count;
    range.max = String(count);
    node.hidden = count < 2;
    loaded([]);
  }

  function at(place) {
    range.value = String(place + 1);
    range.setAttribute("aria-valuetext", `${place + 1} / ${frames}`);
  }

  function loaded(places) {
    const context = came.getContext("2d");
    context.clearRect(0, 0, came.width, came.height);
    context.fillStyle = "#7dd3fc";
    const high = came.height / frames;
    for (const place of places) context.fillRect(0, place * high, came.width, Math.max(1, high));
    came.dataset.loaded = String(places.length);
  }
  return { node, length, at, loaded };
}
