// The panel at the foot of the page: how far an upload has come, file by file, what was refused and why, and at its
// end the way to what was stored.

import { fill, h, bdi, append } from "../dom.js";
import { bytes, duration } from "../format.js";
import { icon } from "../icons.js";
import { dialog } from "../menus.js";
import { changed } from "../study/actions.js";
import { t } from "../texts.js";
import { gather } from "./gather.js";
import { Queue } from "./queue.js";
import { studyLinks } from "./results.js";

const SHOWN = 200;
const DRAWN = 80; // milliseconds between two pictures of how far it is
const ORDER = [["failed"], ["sending", "held"], ["waiting"], ["stored"]];

let queue = null;
let drawing = 0;
let told = false;
let folded = false;

const node = h("section", { class: "upload-panel", "aria-label": t("upload.open"), hidden: true });
const title = h("strong", { class: "grow" });
const bar = h("progress", { class: "upload-bar", max: 1, "aria-label": t("upload.open") });
const status = h("p", { class: "soft upload-status", role: "status", "aria-live": "polite" });
const list = h("ul", { class: "upload-list" });
const ending = h("div", { class: "upload-ending" });
const fold = h("button", { type: "button", class: "icon-button small", "aria-label": t("upload.fold"), "aria-expanded": "true", on: { click: () => setFolded(!folded) } }, icon("down"));
const close = h("button", { type: "button", class: "icon-button small", "aria-label": t("close"), on: { click: () => (queue && !queue.done ? queue.stop() : (node.hidden = true)) } }, icon("close"));
append(node, [h("header", {}, title, fold, close), bar, status, ending, list]);
document.body.append(node);
addEventListener("beforeunload", (event) => { if (queue && !queue.done) event.preventDefault(); });

// Files, or what was dropped.
export function take(dropped) {
  if (!queue || queue.done) {
    queue = new Queue(draw);
    fill(ending);
    setFolded(false);
  }
  told = false;
  node.hidden = false;
  queue.add(gather(dropped));
}

// Ask which files.
export function choose() {
  const input = (folder) => {
    const field = h("input", { type: "file", multiple: true, class: "visually-hidden", tabindex: "-1", webkitdirectory: folder, "aria-hidden": "true", data: { upload: folder ? "folder" : "files" }, on: { change: () => {
      const files = [...field.files];
      field.closest("dialog").close();
      if (files.length) take(files);
    } } });
    return field;
  };
  const [files, folder] = [input(false), input(true)];
  dialog({
    title: t("upload.open"),
    body: h("div", { class: "welcome" }, icon("upload"), h("p", {}, t("upload.hint")), files, folder,
      h("p", { class: "actions" }, h("button", { type: "button", class: "button primary", autofocus: true, on: { click: () => files.click() } }, t("upload.choose")), h("button", { type: "button", class: "button", on: { click: () => folder.click() } }, t("upload.folder")))),
  });
}

function setFolded(now) {
  folded = now;
  node.classList.toggle("folded", folded);
  fold.setAttribute("aria-expanded", String(!folded));
}

function draw() {
  drawing ||= setTimeout(() => {
    drawing = 0;
    drawNow();
  }, DRAWN);
}

function drawNow() {
  const { counts, files } = queue;
  const sent = queue.sent;
  bar.value = queue.bytes ? Math.min(1, sent / queue.bytes) : queue.done ? 1 : 0;
  if (queue.done) {
    title.textContent = files.length ? t("upload.done", { count: counts.images }) : t("upload.nothing");
    status.textContent = counts.failed ? t("upload.refusedFiles", { count: counts.failed }) : "";
    node.classList.toggle("some-failed", counts.failed > 0);
    if (!told) finish();
  } else {
    node.classList.remove("some-failed");
    const rate = sent / ((performance.now() - queue.started) / 1000);
    title.textContent = t("upload.going", { done: counts.stored + counts.failed, all: files.length });
    status.textContent = [t("upload.bytes", { sent: bytes(sent), all: bytes(queue.bytes) }), sent > 1e6 && !queue.gathering && t("upload.left", { time: duration((queue.bytes - sent) / rate) })].filter(Boolean).join(" · ");
  }
  close.setAttribute("aria-label", queue.done ? t("close") : t("upload.stop"));
  close.title = queue.done ? t("close") : t("upload.stop");
  drawList(files);
}

function drawList(files) {
  const shown = [];
  for (const states of ORDER) {
    for (const one of files) {
      if (shown.length >= SHOWN) break;
      if (states.includes(one.state)) shown.push(one);
    }
  }
  fill(list, shown.map(row), files.length > SHOWN && h("li", { class: "soft" }, t("upload.others", { count: files.length - SHOWN })));
}

function row(one) {
  const marks = { stored: "check", failed: "alert", waiting: "file", held: "file", sending: "upload" };
  return h("li", { class: "upload-row", data: { state: one.state } }, icon(marks[one.state]),
    h("div", { class: "grow" },
      h("span", { class: "upload-name", title: one.path }, bdi(one.path)),
      one.reason && h("span", { class: "below reason" }, one.reason),
      one.problems?.slice(0, 5).map((problem) => h("span", { class: "below reason" }, problem)),
      one.state === "held" && h("span", { class: "below" }, t("upload.held"))),
    one.state === "sending" ? h("progress", { max: 1, value: String(one.size ? one.sent / one.size : 0), "aria-label": one.path }) : h("span", { class: "soft" }, bytes(one.size)));
}

async function finish() {
  told = true;
  changed();
  const again = queue.files.some((one) => one.state === "failed") && h("button", { type: "button", class: "button small", on: { click: () => { told = false; fill(ending); queue.retry(); } } }, t("upload.retry"));
  fill(ending, again);
  if (queue.studies.size) fill(ending, await studyLinks([...queue.studies]), again);
}
