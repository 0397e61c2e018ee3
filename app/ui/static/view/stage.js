// Where the picture is drawn: one canvas as large as its place, the picture on a canvas of its own beneath.

import { h } from "../dom.js";
import { fit, matrix } from "./camera.js";
import { draw } from "./measures.js";
import { paint } from "./window.js";

export class Stage {
  // `draws()` says what is to be seen: { slide, frame, window, invert, view, measures, held }, frame null while it comes.
  constructor(draws) {
    this.draws = draws;
    this.canvas = h("canvas", { class: "view-canvas", tabindex: "0" });
    this.node = h("div", { class: "view-stage" }, this.canvas);
    this.picture = document.createElement("canvas");
    this.painted = {};
    this.due = 0;
    this.size = { width: 1, height: 1 };
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.node);
  }

  end() {
    this.observer.disconnect();
    cancelAnimationFrame(this.due);
    this.due = -1;
  }

  resize() {
    const { width, height } = this.node.getBoundingClientRect();
    const fine = devicePixelRatio || 1;
    this.size = { width: Math.max(1, width), height: Math.max(1, height) };
    this.canvas.width = Math.round(this.size.width * fine);
    this.canvas.height = Math.round(this.size.height * fine);
    this.drawSoon();
  }

  drawSoon() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      this.draw();
    });
  }

  // From places in the picture to places on the stage, in CSS pixels.
  map(slide, view) {
    return matrix(fit(slide, this.size), view);
  }

  draw() {
    const context = this.canvas.getContext("2d", { alpha: false });
    const fine = this.canvas.width / this.size.width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const seen = this.draws();
    this.canvas.dataset.shown = seen?.frame ? `${seen.slide.sop}/${seen.slide.frame}` : "";
    if (!seen?.frame) return;
    const map = this.map(seen.slide, seen.view);
    context.setTransform(new DOMMatrix().scale(fine).multiply(map));
    context.imageSmoothingEnabled = seen.view.zoom < 12;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.pictureOf(seen), 0, 0);
    context.setTransform(fine, 0, 0, fine, 0, 0);
    draw(context, map, seen.measures, seen.slide, seen.held);
  }

  pictureOf({ slide, frame, window, invert }) {
    if (frame.bitmap) return frame.bitmap;
    const { painted, picture } = this;
    const same = painted.frame === frame && painted.center === window.center && painted.width === window.width && painted.invert === invert;
    if (same) return picture;
    if (picture.width !== frame.columns || picture.height !== frame.rows) [picture.width, picture.height] = [frame.columns, frame.rows];
    const context = picture.getContext("2d", { alpha: false });
    const pixels = context.createImageData(frame.columns, frame.rows);
    paint(slide, frame, window, invert, pixels);
    context.putImageData(pixels, 0, 0);
    this.painted = { frame, center: window.center, width: window.width, invert };
    return picture;
  }
}
