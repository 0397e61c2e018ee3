// What pointers do on the stage. The left button and one finger do what the chosen tool does; the middle button
// moves, the right one zooms, two fingers do both; the wheel goes through the stack, with Ctrl it zooms.

import { fit, moved, toPicture, zoomed } from "./camera.js";
import { POINTS, grip } from "./measures.js";

export const TOOLS = ["window", "scroll", "pan", "zoom", "length", "angle"];
const DRAG_A_SLICE = 8;
const WHEEL_A_SLICE = 40;

// `viewer` has: tool, state, slide(), frame(), window(), go(at), setWindow(w), setView(v), touched(), stage.
export function startTools(viewer) {
  const { canvas } = viewer.stage;
  const fingers = new Map();
  let drag = null;
  let wheeled = 0;

  const place = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  };

  function begin(event) {
    if (!viewer.slide()?.columns) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    fingers.set(event.pointerId, at);
    if (fingers.size === 2) {
      drag?.cancel?.();
      drag = pinch(viewer, fingers);
      return;
    }
    if (fingers.size > 2) return;
    const tool = event.button === 1 ? "pan" : event.button === 2 ? "zoom" : viewer.tool;
    drag = DRAGS[tool](viewer, at);
    event.preventDefault();
  }

  function move(event) {
    if (!fingers.has(event.pointerId)) return;
    const at = place(event);
    const from = fingers.get(event.pointerId);
    fingers.set(event.pointerId, at);
    drag?.move(at, { x: at.x - from.x, y: at.y - from.y });
  }

  function end(event) {
    if (!fingers.delete(event.pointerId)) return;
    drag?.end?.(place(event));
    drag = null;
  }

  function wheel(event) {
    event.preventDefault();
    if (!viewer.slide()) return;
    if (event.ctrlKey || event.metaKey) {
      viewer.setView(zoomed(fit(viewer.slide(), viewer.stage.size), viewer.state.view, Math.exp(-event.deltaY / 300), place(event)));
      return;
    }
    const pixels = event.deltaMode ? event.deltaY * WHEEL_A_SLICE : event.deltaY;
    wheeled += Math.sign(pixels) * Math.min(Math.abs(pixels), WHEEL_A_SLICE);
    const slices = Math.trunc(wheeled / WHEEL_A_SLICE);
    wheeled -= slices * WHEEL_A_SLICE;
    if (slices) viewer.go(viewer.state.at + slices);
  }

  canvas.addEventListener("pointerdown", begin);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("wheel", wheel, { passive: false });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => POINTS[viewer.tool] || viewer.fit());
}

const DRAGS = {
  scroll(viewer, from) {
    const first = viewer.state.at;
    return { move: (at) => viewer.go(first + Math.round((at.y - from.y) / DRAG_A_SLICE)) };
  },
  window(viewer) {
    const frame = viewer.frame();
    if (!frame?.values) return { move() {} };
    const range = (frame.greatest - frame.least) * Math.abs(viewer.slide().slope);
    const step = Math.max(range / 1500, 0.01);
    return {
      move(_, by) {
        const { center, width } = viewer.window();
        viewer.setWindow({ center: center + by.y * step, width: Math.max(1, width + by.x * step) });
      },
    };
  },
  pan(viewer) {
    return { move: (_, by) => viewer.setView(moved(fit(viewer.slide(), viewer.stage.size), viewer.state.view, by)) };
  },
  zoom(viewer, from) {
    return { move: (_, by) => viewer.setView(zoomed(fit(viewer.slide(), viewer.stage.size), viewer.state.view, Math.exp(-by.y / 150), from)) };
  },
  length: (viewer, from) => drawn(viewer, "length", from),
  angle: (viewer, from) => drawn(viewer, "angle", from),
};

// An end that is there is moved; else a new line begins. The third point of an angle is set by a second drag.
function drawn(viewer, kind, from) {
  const map = viewer.map();
  const { state } = viewer;
  const here = state.measures.filter((one) => one.slide === state.at);
  let [measure, at] = grip(map, here, from) ?? [null, 0];
  const open = here.find((one) => one.kind === kind && one.points.length < POINTS[kind]);
  if (open) {
    [measure, at] = [open, open.points.length];
    open.points.push(toPicture(map, from));
  } else if (!measure) {
    measure = { kind, slide: state.at, points: [toPicture(map, from), toPicture(map, from)] };
    at = 1;
    state.measures.push(measure);
  }
  viewer.held = measure;
  viewer.touched();
  const forget = () => state.measures.splice(state.measures.indexOf(measure), 1);
  return {
    move(to) {
      measure.points[at] = toPicture(map, to);
      viewer.touched();
    },
    end(to) {
      if (!open && measure.points.length === 2 && Math.hypot(to.x - from.x, to.y - from.y) < 3 && at === 1) forget();
      viewer.touched();
    },
    cancel: forget,
  };
}

function pinch(viewer, fingers) {
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { long: Math.hypot(a.x - b.x, a.y - b.y), middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } };
  };
  let before = spread();
  return {
    move() {
      if (fingers.size < 2) return;
      const now = spread();
      const fitting = fit(viewer.slide(), viewer.stage.size);
      const by = { x: now.middle.x - before.middle.x, y: now.middle.y - before.middle.y };
      viewer.setView(zoomed(fitting, moved(fitting, viewer.state.view, by), now.long / Math.max(1, before.long), now.middle));
      before = now;
    },
  };
}
