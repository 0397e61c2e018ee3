// Lengths and angles drawn on a picture: what they say, how they look, how they stand in a link.

import { number } from "../format.js";
import { t } from "../texts.js";
import { toScreen } from "./camera.js";

export const POINTS = { length: 2, angle: 3 };
const GRIP = 12;

// What it says: millimetres where the spacing is known, else pixels; degrees.
export function told(measure, slide) {
  const across = slide.spacing ?? { row: 1, column: 1 };
  const step = (from, to) => [(to.x - from.x) * across.column, (to.y - from.y) * across.row];
  const [a, b, c] = measure.points;
  if (measure.kind === "length") {
    const long = number(Math.hypot(...step(a, b)), { maximumFractionDigits: 1, minimumFractionDigits: 1 });
    if (!slide.spacing) return `${long} px`;
    return slide.measuredAt === "detector" ? `${long} mm ${t("view.atDetector")}` : `${long} mm`;
  }
  const [ax, ay] = step(b, a);
  const [cx, cy] = step(b, c);
  const turn = Math.abs(Math.atan2(ax * cy - ay * cx, ax * cx + ay * cy)) * (180 / Math.PI);
  return `${number(turn, { maximumFractionDigits: 1, minimumFractionDigits: 1 })}°`;
}

export function draw(context, map, measures, slide, held) {
  for (const measure of measures) {
    const points = measure.points.map((point) => toScreen(map, point));
    stroke(context, points, measure === held);
    if (points.length === POINTS[measure.kind]) label(context, points, told(measure, slide));
  }
}

function stroke(context, points, held) {
  for (const [width, colour] of [[4, "rgb(0 0 0 / 60%)"], [1.5, held ? "#ffd166" : "#7dd3fc"]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    points.forEach(({ x, y }, at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.stroke();
    for (const { x, y } of points) {
      context.beginPath();
      context.arc(x, y, 3.5, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

function label(context, points, words) {
  const at = points[points.length - 1];
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = "rgb(0 0 0 / 75%)";
  context.fillStyle = "#e6f6ff";
  context.strokeText(words, at.x + 10, at.y - 10);
  context.fillText(words, at.x + 10, at.y - 10);
}

// The end that lies under a place on the screen: [measure, which point], or null.
export function grip(map, measures, place) {
  for (const measure of [...measures].reverse()) {
    for (const [at, point] of measure.points.entries()) {
      const { x, y } = toScreen(map, point);
      if (Math.hypot(x - place.x, y - place.y) <= GRIP) return [measure, at];
    }
  }
  return null;
}

// "length,3,10.5,20,40.2,20" for a length on the fourth slide.
export function toText(measures) {
  return measures
    .filter((one) => one.points.length === POINTS[one.kind])
    .map((one) => [one.kind, one.slide, ...one.points.flatMap(({ x, y }) => [round(x), round(y)])].join(","))
    .join(";");
}

export function fromText(text) {
  return text.split(";").flatMap((one) => {
    const [kind, slide, ...numbers] = one.split(",");
    const places = numbers.map(Number);
    if (!(kind in POINTS) || places.length !== POINTS[kind] * 2 || !places.every(Number.isFinite)) return [];
    const points = Array.from({ length: POINTS[kind] }, (_, at) => ({ x: places[at * 2], y: places[at * 2 + 1] }));
    return [{ kind, slide: Number(slide) || 0, points }];
  });
}

function round(value) {
  return Math.round(value * 10) / 10;
}
