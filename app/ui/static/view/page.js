// The page of the viewer: /ui/view/<study>?series=...&slice=...

import { readState } from "./state.js";
import { TOOL_KEYS } from "./toolbar.js";
import { Viewer } from "./viewer.js";

export async function show({ variables, parameters, signal }) {
  await styled();
  const viewer = new Viewer(variables.study, readState(parameters), signal);
  document.body.classList.add("viewing");
  signal.addEventListener("abort", () => document.body.classList.remove("viewing"), { once: true });
  viewer.choose("window");
  viewer.start().catch((error) => {
    if (error.name !== "AbortError") viewer.message.say(error.message, { again: () => location.reload() });
  });
  return { node: viewer.node, title: viewer.title, keys: keysOf(viewer), update: () => {} };
}

function keysOf(viewer) {
  const go = (by) => () => viewer.go(viewer.state.at + by);
  return [
    ["ArrowDown", go(1), "view.key.next", "↓"],
    ["ArrowUp", go(-1), "view.key.previous", "↑"],
    ["j", go(1)],
    ["k", go(-1)],
    ["PageDown", go(10), "view.key.ten", "PgDn"],
    ["PageUp", go(-10)],
    ["Home", () => viewer.go(0), "view.key.first", "Home"],
    ["End", () => viewer.go(Infinity), "view.key.last", "End"],
    [" ", () => viewer.play(), "view.play", "Space"],
    ...Object.entries(TOOL_KEYS).map(([tool, key]) => [key, () => viewer.choose(tool), `view.tool.${tool}`]),
    ["i", () => viewer.invert(), "view.invert"],
    ["r", () => viewer.turn(), "view.turn"],
    ["h", () => viewer.flip(), "view.flip"],
    ["f", () => viewer.fit(), "view.fit"],
    ["t", () => viewer.toggleTags(), "view.tags"],
    ["Delete", () => viewer.erase(), "view.erase", "Del"],
    ["]", () => viewer.neighbour(1), "view.key.nextSeries"],
    ["[", () => viewer.neighbour(-1), "view.key.previousSeries"],
  ];
}

function styled() {
  const href = new URL("../style/view.css", import.meta.url).href;
  if (document.querySelector(`link[href="${href}"]`)) return null;
  return new Promise((resolve) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}
