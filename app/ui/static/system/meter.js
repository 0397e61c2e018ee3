// A number that moves, with the line of its last minutes.

import { fill, h, svg } from "../dom.js";

const POINTS = 60;

export function meter(name, shown) {
  const value = h("strong", {}, "–");
  const line = svg("polyline", { points: "", fill: "none" });
  const area = svg("polygon", { points: "" });
  const picture = svg("svg", { viewBox: `0 0 ${POINTS} 20`, preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" }, area, line);
  const past = [];
  const node = h("div", { class: "meter" }, h("span", { class: "soft" }, name), value, picture);
  return {
    node,
    add(number) {
      fill(value, shown(number));
      past.push(number);
      if (past.length > POINTS) past.shift();
      const most = Math.max(...past, 1e-9);
      const points = past.map((one, at) => `${POINTS - past.length + at},${(19 - (one / most) * 17).toFixed(2)}`);
      line.setAttribute("points", points.join(" "));
      area.setAttribute("points", `${POINTS - past.length},20 ${points.join(" ")} ${POINTS - 1},20`);
    },
  };
}
