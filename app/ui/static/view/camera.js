// From places in the picture to places on the screen, and back.
//
// A place in the picture is counted in its columns and rows, the middle of the first pixel at (0.5, 0.5). `zoom` 1
// shows the whole picture; `x` and `y` say by how much the picture is moved, in shares of the screen's smaller side,
// so that a link shows the same on another screen.

export const START = { zoom: 1, x: 0, y: 0, turn: 0, flip: false };

export function fit(slide, screen) {
  const ratio = slide.spacing ? slide.spacing.row / slide.spacing.column : 1;
  const [wide, high] = [slide.columns, slide.rows * ratio];
  return { ratio, wide, high, screen };
}

function scaleOf(fitting, view) {
  const sideways = view.turn % 180 !== 0;
  const [wide, high] = sideways ? [fitting.high, fitting.wide] : [fitting.wide, fitting.high];
  return view.zoom * Math.min(fitting.screen.width / wide, fitting.screen.height / high);
}

export function matrix(fitting, view) {
  const { screen } = fitting;
  const side = Math.min(screen.width, screen.height);
  const scale = scaleOf(fitting, view);
  return new DOMMatrix()
    .translate(screen.width / 2 + view.x * side, screen.height / 2 + view.y * side)
    .rotate(view.turn)
    .scale(view.flip ? -scale : scale, scale)
    .scale(1, fitting.ratio)
    .translate(-fitting.wide / 2, -fitting.high / fitting.ratio / 2);
}

export function toScreen(map, point) {
  const { x, y } = map.transformPoint(point);
  return { x, y };
}

export function toPicture(map, point) {
  const { x, y } = map.inverse().transformPoint(point);
  return { x, y };
}

// Nearer or farther, the place under `at` staying where it is.
export function zoomed(fitting, view, factor, at) {
  const zoom = Math.min(40, Math.max(0.1, view.zoom * factor));
  const { screen } = fitting;
  const side = Math.min(screen.width, screen.height);
  const from = { x: (at.x - screen.width / 2) / side, y: (at.y - screen.height / 2) / side };
  const grown = zoom / view.zoom;
  return { ...view, zoom, x: from.x - (from.x - view.x) * grown, y: from.y - (from.y - view.y) * grown };
}

export function moved(fitting, view, by) {
  const side = Math.min(fitting.screen.width, fitting.screen.height);
  return { ...view, x: view.x + by.x / side, y: view.y + by.y / side };
}
