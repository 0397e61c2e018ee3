// The frames of a stack: read nearest first, kept as long as there is room, each read once.

import { Unreachable } from "../server.js";
import { back } from "../connection.js";
import { readFrame } from "./reading.js";

const AT_ONCE = 5;
const MOST_BYTES = (navigator.deviceMemory ?? 4) >= 4 ? 768e6 : 256e6;

export class Stack {
  // `changed(at)` is called when a frame has come, or could not be had.
  constructor(slides, { signal, changed }) {
    this.slides = slides;
    this.here = 0;
    this.step = 1;
    this.bytes = 0;
    this.loaded = new Map();
    this.failed = new Map();
    this.reading = new Map();
    this.changed = changed;
    this.signal = signal;
    signal.addEventListener("abort", () => this.end(), { once: true });
  }

  get length() {
    return this.slides.length;
  }

  frame(at) {
    return this.loaded.get(at);
  }

  // Somebody looks at this one: it comes first, then what lies in the direction of going.
  look(at) {
    if (at !== this.here) this.step = Math.sign(at - this.here);
    this.here = at;
    this.fill();
  }

  retry(at) {
    this.failed.delete(at);
    this.fill();
  }

  end() {
    for (const ending of this.reading.values()) ending.abort();
    for (const frame of this.loaded.values()) frame.bitmap?.close();
    this.loaded.clear();
    this.ended = true;
  }

  fill() {
    if (this.ended) return;
    const wanted = [];
    for (const at of this.byNearness()) {
      if (this.loaded.has(at) || this.failed.has(at)) continue;
      wanted.push(at);
      if (wanted.length === AT_ONCE) break;
    }
    // what is far from where the reader is now gives way
    for (const [at, ending] of this.reading) if (!wanted.includes(at)) ending.abort();
    for (const at of wanted) if (!this.reading.has(at) && this.reading.size < AT_ONCE) this.read(at);
  }

  *byNearness() {
    const room = this.room();
    yield this.here;
    for (let far = 1; far < Math.min(this.length, room); far += 1) {
      const ahead = this.here + far * this.step;
      const behind = this.here - Math.ceil(far / 2) * this.step;
      if (ahead >= 0 && ahead < this.length) yield ahead;
      if (far % 2 && behind >= 0 && behind < this.length) yield behind;
    }
  }

  // How many frames there is room for; all sorts of frames may stand in a stack, so by what came so far.
  room() {
    const usual = this.loaded.size ? this.bytes / this.loaded.size : 1e6;
    return Math.max(2, Math.floor(MOST_BYTES / usual));
  }

  async read(at) {
    const ending = new AbortController();
    this.reading.set(at, ending);
    try {
      const slide = this.slides[at];
      if (slide.kind === "values" || slide.kind === "picture") this.keep(at, await readFrame(slide, ending.signal));
      else this.keep(at, { document: true, bytes: 0 });
    } catch (error) {
      if (error instanceof Unreachable) await this.waitForServer();
      else if (error.name !== "AbortError") this.failed.set(at, error);
    }
    this.reading.delete(at);
    if (this.ended) return;
    this.changed(at);
    this.fill();
  }

  async waitForServer() {
    try {
      await back(this.signal);
    } catch {
      // the page was left
    }
  }

  keep(at, frame) {
    if (this.ended) {
      frame.bitmap?.close();
      return;
    }
    this.loaded.set(at, frame);
    this.bytes += frame.bytes;
    const farthest = [...this.loaded.keys()].sort((a, b) => Math.abs(b - this.here) - Math.abs(a - this.here));
    while (this.bytes > MOST_BYTES && farthest.length > 2) {
      const gone = farthest.shift();
      this.bytes -= this.loaded.get(gone).bytes;
      this.loaded.get(gone).bitmap?.close();
      this.loaded.delete(gone);
    }
  }
}
