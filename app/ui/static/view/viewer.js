// The viewer: what is looked at, and what happens to it. Stage, strip, toolbar and tools ask it and tell it.

import { TAG, text } from "../dicom.js";
import { h } from "../dom.js";
import { askJson, dicomweb, studyPath } from "../server.js";
import { rewrite } from "../router.js";
import { t } from "../texts.js";
import { START, toPicture } from "./camera.js";
import { Cine, usualRate } from "./cine.js";
import { makeCorners, showHow, showPlace, showWho } from "./corners.js";
import { makeMessage } from "./message.js";
import { makeSlider } from "./slider.js";
import { slidesOf } from "./slides.js";
import { Stack } from "./stack.js";
import { Stage } from "./stage.js";
import { toParameters } from "./state.js";
import { makeStrip } from "./strip.js";
import { makeTagPanel } from "./tagpanel.js";
import { makeToolbar } from "./toolbar.js";
import { startTools } from "./tools.js";
import { usualWindow } from "./window.js";

const ADDRESS_PAUSE = 250;
const JSON_TYPE = "application/dicom+json";

export class Viewer {
  constructor(study, state, signal) {
    this.study = study;
    this.state = state;
    this.signal = signal;
    this.tool = "window";
    this.held = null;
    this.tagsShown = false;
    this.stack = null;
    this.pointer = null;
    this.stage = new Stage(() => this.seen());
    this.cine = new Cine(() => this.advance());
    this.strip = makeStrip((uid) => this.open(uid));
    this.toolbar = makeToolbar(this);
    this.corners = makeCorners();
    this.message = makeMessage(() => this.stack?.retry(this.state.at));
    this.slider = makeSlider((at) => this.go(at));
    this.tags = makeTagPanel();
    this.stage.node.append(...this.corners.nodes, this.message.node, this.slider.node);
    this.node = h("div", { class: "view" }, this.toolbar.node,
      h("div", { class: "view-body" }, this.strip.node, this.stage.node, this.tags.node));
    this.stage.canvas.setAttribute("aria-label", t("view.picture"));
    this.stage.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.stage.canvas.addEventListener("pointerleave", () => { this.pointer = null; });
    startTools(this);
    signal.addEventListener("abort", () => this.end(), { once: true });
  }

  end() {
    this.cine.stop();
    this.stage.end();
    clearTimeout(this.telling);
  }

  // Reads the study and opens the series of the address, or the first one with pictures.
  async start() {
    const path = studyPath(this.study);
    const options = { signal: this.signal, accept: JSON_TYPE };
    const found = (await askJson(dicomweb(`${path}/series`, { includefield: "00080021" }), options)) ?? [];
    const [study] = (await askJson(dicomweb("studies", { StudyInstanceUID: this.study }), options)) ?? [];
    this.series = found.sort((a, b) => Number(text(a, TAG.seriesNumber)) - Number(text(b, TAG.seriesNumber)));
    if (!this.series.length) {
      this.message.say(t("view.nothing"));
      return;
    }
    this.title = text(study, TAG.studyDescription) || t("view.title");
    this.strip.show(this.study, this.series);
    showWho(this.corners, study);
    const known = this.series.some((one) => text(one, TAG.series) === this.state.series);
    const first = this.series.find((one) => !/^(SR|PR|KO|SEG|RTSTRUCT|RTPLAN|DOC)$/.test(text(one, TAG.modality))) ?? this.series[0];
    await this.load(known ? this.state.series : text(first, TAG.series));
  }

  // Another series, looked at from its beginning.
  async open(uid) {
    Object.assign(this.state, { series: uid, at: 0, window: null, invert: false, view: { ...START }, measures: [] });
    await this.load(uid);
  }

  async load(uid) {
    this.ending?.abort();
    this.ending = new AbortController();
    const ending = this.ending;
    const signal = AbortSignal.any([this.signal, ending.signal]);
    this.cine.stop();
    this.stack = null;
    this.state.series = uid;
    this.strip.mark(uid);
    this.message.wait();
    this.stage.drawSoon();
    try {
      const url = dicomweb(`${studyPath(this.study, uid)}/metadata`);
      const headers = (await askJson(url, { signal, accept: JSON_TYPE })) ?? [];
      const slides = slidesOf(this.study, headers);
      if (!slides.length) throw new Error(t("view.nothing"));
      this.stack = new Stack(slides, { signal, changed: (at) => this.came(at) });
      this.cine.rate = usualRate(slides[0]);
      this.slider.length(slides.length);
      this.go(this.state.at, { anyway: true });
    } catch (error) {
      if (error.name !== "AbortError") this.message.say(error.message, { again: () => this.load(uid) });
    }
  }

  came(at) {
    this.slider.loaded([...this.stack.loaded.keys()]);
    if (at === this.state.at) this.touched();
  }

  slide() {
    return this.stack?.slides[this.state.at];
  }

  frame() {
    return this.stack?.frame(this.state.at);
  }

  window() {
    const [slide, frame] = [this.slide(), this.frame()];
    return this.state.window ?? (frame?.values ? usualWindow(slide, frame) : null);
  }

  wholeRange() {
    const [slide, frame] = [this.slide(), this.frame()];
    return frame?.values ? usualWindow({ ...slide, windows: [] }, frame) : null;
  }

  modality() {
    return text(this.slide()?.header, TAG.modality);
  }

  map() {
    return this.stage.map(this.planar(), this.state.view);
  }

  // The slide with its size as it came: a drawn picture may have another than the header says.
  planar() {
    const [slide, frame] = [this.slide(), this.frame()];
    return frame?.bitmap ? { ...slide, columns: frame.columns, rows: frame.rows } : slide;
  }

  seen() {
    const frame = this.frame();
    if (!frame || frame.document) return null;
    const { view, invert, measures, at } = this.state;
    return { slide: this.planar(), frame, window: this.window(), invert, view, measures: measures.filter((one) => one.slide === at), held: this.held };
  }

  // To a frame of the stack, held within it.
  go(at, { anyway = false } = {}) {
    if (!this.stack) return;
    const to = Math.max(0, Math.min(this.stack.length - 1, at));
    if (to === this.state.at && !anyway) return;
    this.state.at = to;
    this.stack.look(to);
    showPlace(this.corners, this.slide(), to, this.stack.length);
    this.slider.at(to);
    if (this.tagsShown) this.tags.show(this.slide());
    this.touched();
  }

  advance() {
    if (!this.stack) return false;
    const next = (this.state.at + 1) % this.stack.length;
    if (!this.stack.frame(next) && !this.stack.failed.has(next)) {
      this.stack.look(next);
      return false;
    }
    this.go(next);
    return true;
  }

  // Something is to be seen another way.
  touched() {
    this.message.show(this.slide(), this.frame(), this.stack?.failed.get(this.state.at));
    showHow(this.corners, this.window(), this.state.view, this.pointed());
    this.toolbar.show();
    this.stage.drawSoon();
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.tell(), ADDRESS_PAUSE);
  }

  tell() {
    if (!this.signal.aborted) rewrite(this.link());
  }

  link() {
    const url = new URL(location.href);
    url.search = toParameters(this.state).toString();
    return url.href;
  }

  // Where the pointer rests; what lies under it changes with the picture too.
  point(event) {
    const { left, top } = this.stage.canvas.getBoundingClientRect();
    this.pointer = event.buttons ? null : { x: event.clientX - left, y: event.clientY - top };
    if (!event.buttons) showHow(this.corners, this.window(), this.state.view, this.pointed());
  }

  // The value under the pointer, with its unit.
  pointed() {
    const [slide, frame] = [this.slide(), this.frame()];
    if (!this.pointer || !frame?.values) return "";
    const { x, y } = toPicture(this.map(), this.pointer);
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= frame.columns || row >= frame.rows) return "";
    const value = frame.values[row * frame.columns + column] * slide.slope + slide.intercept;
    return `${Math.round(value * 100) / 100} ${slide.unit}`.trim();
  }

  choose(tool) {
    this.tool = tool;
    this.stage.canvas.dataset.tool = tool;
    this.touched();
  }

  setWindow(window) {
    this.state.window = window && { center: window.center, width: window.width };
    this.touched();
  }

  setView(view) {
    this.state.view = view;
    this.touched();
  }

  fit() {
    this.setView({ ...this.state.view, zoom: 1, x: 0, y: 0 });
  }

  turn() {
    this.setView({ ...this.state.view, turn: (this.state.view.turn + 90) % 360 });
  }

  flip() {
    this.setView({ ...this.state.view, flip: !this.state.view.flip });
  }

  invert() {
    this.state.invert = !this.state.invert;
    this.touched();
  }

  erase() {
    const { measures, at } = this.state;
    const gone = measures.includes(this.held) && this.held.slide === at ? this.held : measures.findLast((one) => one.slide === at);
    if (gone) measures.splice(measures.indexOf(gone), 1);
    this.held = null;
    this.touched();
  }

  play() {
    if (this.cine.playing) this.cine.stop();
    else if (this.stack?.length > 1) this.cine.play();
    this.toolbar.show();
  }

  setRate(rate) {
    this.cine.rate = Math.min(60, Math.max(1, rate || 1));
  }

  toggleTags() {
    this.tagsShown = !this.tagsShown;
    this.tags.node.hidden = !this.tagsShown;
    if (this.tagsShown && this.slide()) this.tags.show(this.slide());
    this.toolbar.show();
  }

  // The series before or behind this one.
  neighbour(step) {
    const uids = this.series?.map((one) => text(one, TAG.series)) ?? [];
    const to = uids[uids.indexOf(this.state.series) + step];
    if (to) this.open(to);
  }
}
