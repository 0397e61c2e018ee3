// Whether the server answers. When it does not, a bar says so, it is asked again with growing pauses, and whoever
// waits is told when it is back.

import { h, fill } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./texts.js";

const READY = new URL("../../../health/ready", import.meta.url);
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;

const bar = h("div", { class: "connection", role: "status", "aria-live": "polite", hidden: true });
const waiting = new Set();
let away = false;
let timer = 0;

export function connectionBar() {
  return bar;
}

export function isAway() {
  return away;
}

export function seen() {
  if (!away) return;
  away = false;
  clearTimeout(timer);
  fill(bar, icon("check"), h("span", {}, t("connection.back")));
  bar.classList.add("good");
  setTimeout(() => { if (!away) bar.hidden = true; }, 2500);
  for (const resume of [...waiting]) resume();
  waiting.clear();
}

export function lost(why) {
  if (away) return;
  away = true;
  bar.classList.remove("good");
  fill(bar, icon("alert"), h("span", {}, why ? t("connection.refused", { why }) : t("connection.lost")),
    h("button", { class: "plain", on: { click: () => tryNow() } }, t("connection.now")));
  bar.hidden = false;
  retry(FIRST_PAUSE);
}

// Resolves when the server answers again; at once if it does.
export function back(signal) {
  if (!away) return Promise.resolve();
  return new Promise((resolve, reject) => {
    waiting.add(resolve);
    signal?.addEventListener("abort", () => {
      waiting.delete(resolve);
      reject(signal.reason);
    }, { once: true });
  });
}

// Look whether the server is there, where something else failed than a question to it.
export async function check() {
  try {
    const answer = await fetch(READY, { cache: "no-store" });
    if (answer.ok) seen();
    else lost();
  } catch {
    lost();
  }
}

function tryNow() {
  clearTimeout(timer);
  retry(0);
}

function retry(pause) {
  timer = setTimeout(async () => {
    try {
      const answer = await fetch(READY, { cache: "no-store" });
      if (answer.ok) {
        seen();
        return;
      }
    } catch {
      // still away
    }
    retry(Math.min(LONGEST_PAUSE, Math.max(FIRST_PAUSE, pause * 1.7)));
  }, pause);
}

window.addEventListener("online", () => { if (away) tryNow(); });
