// What is looked at and how, as it stands in the address: a link shows another reader the same.

import { START } from "./camera.js";
import { fromText, toText } from "./measures.js";

export function startState() {
  return { series: "", at: 0, window: null, invert: false, view: { ...START }, measures: [] };
}

export function readState(parameters) {
  const state = startState();
  const number = (name, otherwise) => {
    const value = Number.parseFloat(parameters.get(name));
    return Number.isFinite(value) ? value : otherwise;
  };
  state.series = parameters.get("series") ?? "";
  state.at = Math.max(0, Math.round(number("slice", 1)) - 1);
  const [center, width] = [number("center", null), number("width", null)];
  if (center !== null && width >= 1) state.window = { center, width };
  state.invert = parameters.has("invert");
  state.view = {
    zoom: Math.min(40, Math.max(0.1, number("zoom", 1))),
    x: number("x", 0),
    y: number("y", 0),
    turn: (Math.round(number("turn", 0) / 90) * 90 + 360) % 360,
    flip: parameters.has("flip"),
  };
  state.measures = fromText(parameters.get("measures") ?? "");
  return state;
}

export function toParameters({ series, at, window, invert, view, measures }) {
  const told = new URLSearchParams({ series, slice: String(at + 1) });
  const put = (name, value, otherwise) => {
    const text = String(Math.round(value * 1000) / 1000);
    if (text !== String(otherwise)) told.set(name, text);
  };
  if (window) {
    put("center", window.center);
    put("width", window.width);
  }
  for (const name of ["zoom", "x", "y", "turn"]) put(name, view[name], START[name]);
  if (invert) told.set("invert", "");
  if (view.flip) told.set("flip", "");
  const drawn = toText(measures);
  if (drawn) told.set("measures", drawn);
  return told;
}
