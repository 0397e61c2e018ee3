// A long list of rows of one height: only those in sight are elements, the rest is a height. The page scrolls, not
// a box in it. One row is the active one; keys move it, and it alone is in the order of the Tab key.

import { h } from "../dom.js";

const AROUND = 8;
const TALLEST = 16_000_000; // browsers lose count of pixels beyond about 33 million

export class Rows {
  // `fill(row, index)` puts into a row's element what stands there now; `seen(first, last)` tells what is in sight.
  constructor({ fill, seen, label, columns }) {
    this.fill = fill;
    this.seen = seen;
    this.total = 0;
    this.active = 0;
    this.rows = new Map();
    this.body = h("div", { class: "rows", role: "rowgroup" });
    this.node = h("div", { class: "table", role: "grid", "aria-label": label, "aria-colcount": columns }, this.body);
    this.pending = 0;
  }

  start(signal) {
    const draw = () => this.draw();
    addEventListener("scroll", draw, { passive: true, signal });
    addEventListener("resize", () => { this.height = 0; this.draw(); }, { signal });
  }

  setTotal(total) {
    this.total = total;
    this.node.setAttribute("aria-rowcount", String(total + 1));
    this.active = Math.min(this.active, Math.max(0, total - 1));
  }

  // Draw on the next frame, however often this is called until then.
  draw() {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      this.drawNow();
    });
  }

  // `anew`: what is drawn stands for other things now.
  drawNow({ anew = false } = {}) {
    if (!this.node.isConnected) return;
    this.height ||= parseFloat(getComputedStyle(this.node).getPropertyValue("--row-height")) || 60;
    const shown = Math.min(this.total, Math.floor(TALLEST / this.height));
    this.body.style.height = `${shown * this.height}px`;
    const above = -this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / this.height) - AROUND);
    const last = Math.min(shown - 1, Math.ceil((above + innerHeight) / this.height) + AROUND);
    for (const [index, row] of this.rows) {
      if (index < first || index > last) {
        row.remove();
        this.rows.delete(index);
      }
    }
    for (let index = first; index <= last; index += 1) this.place(index, anew);
    this.seen(first, last);
  }

  place(index, anew) {
    let row = this.rows.get(index);
    if (!row) {
      row = h("div", { class: "row", role: "row", "aria-rowindex": index + 2 });
      row.style.transform = `translateY(${index * this.height}px)`;
      this.rows.set(index, row);
      this.body.append(row);
      anew = true;
    }
    if (anew || row.classList.contains("waiting")) {
      const focused = row.contains(document.activeElement);
      this.fill(row, index);
      if (focused) row.querySelector("a")?.focus({ preventScroll: true });
    }
    this.mark(row, index);
  }

  mark(row, index) {
    const link = row.querySelector("a");
    if (link) link.tabIndex = index === this.active ? 0 : -1;
  }

  // Make a row the active one and bring it into sight, below what sticks to the top.
  activate(index, { top = 0, focus = true } = {}) {
    if (!this.total) return;
    const before = this.active;
    this.active = Math.max(0, Math.min(this.total - 1, index));
    const at = this.body.getBoundingClientRect().top + this.active * this.height;
    if (at < top) scrollBy({ top: at - top, behavior: "instant" });
    else if (at + this.height > innerHeight - 8) scrollBy({ top: at + this.height - innerHeight + 8, behavior: "instant" });
    this.drawNow();
    for (const one of [before, this.active]) if (this.rows.has(one)) this.mark(this.rows.get(one), one);
    if (focus) this.rows.get(this.active)?.querySelector("a")?.focus({ preventScroll: true });
  }
}
