// Menus below a button, and dialogs. Both give the focus back to where it was.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./texts.js";

// A button and what opens below it. `content(close)` makes that each time.
export function dropdown({ label, name, className = "", content }) {
  const button = h("button", { type: "button", class: className, "aria-expanded": "false", "aria-haspopup": "true", "aria-label": name }, label);
  const holder = h("div", { class: "dropdown" }, button);
  let panel = null;

  function close(refocus = true) {
    if (!panel) return;
    panel.remove();
    panel = null;
    button.setAttribute("aria-expanded", "false");
    removeEventListener("pointerdown", outside, true);
    if (refocus) button.focus();
  }
  function outside(event) {
    if (!holder.contains(event.target)) close(false);
  }
  function open() {
    panel = h("div", { class: "panel", on: { keydown: (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        event.preventDefault();
        close();
      } else if (event.key === "ArrowDown" || event.key === "ArrowUp") move(panel, event);
    } } }, content(close));
    holder.append(panel);
    if (panel.getBoundingClientRect().right > innerWidth - 8) panel.classList.add("end");
    button.setAttribute("aria-expanded", "true");
    addEventListener("pointerdown", outside, true);
    panel.querySelector("[aria-checked=true], [role^=menuitem], input, button")?.focus();
  }
  button.addEventListener("click", () => (panel ? close() : open()));
  holder.addEventListener("focusout", (event) => {
    if (panel && event.relatedTarget && !holder.contains(event.relatedTarget)) close(false);
  });
  return { node: holder, button, close };
}

function move(panel, event) {
  if (event.target.matches("input[type=date], input[type=number]")) return;
  const items = [...panel.querySelectorAll("[role^=menuitem], input, button")];
  const at = items.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
  items[(at + items.length) % items.length]?.focus();
  event.preventDefault();
}

export function choice({ text, chosen, pick }) {
  return h("button", { type: "button", role: "menuitemradio", "aria-checked": String(Boolean(chosen)), class: "choice", on: { click: pick } },
    h("span", { class: "tick" }, chosen && icon("check")), h("span", {}, text));
}

export function dialog({ title, body, actions = [], wide = false }) {
  const shown = h("dialog", { class: wide ? "dialog wide" : "dialog", "aria-labelledby": "dialog-title" },
    h("form", { method: "dialog", class: "dialog-inner" },
      h("header", {}, h("h2", { id: "dialog-title" }, title),
        h("button", { class: "icon-button", value: "", "aria-label": t("close"), formnovalidate: true }, icon("close"))),
      h("div", { class: "dialog-body" }, body),
      actions.length ? h("footer", {}, actions) : null));
  document.body.append(shown);
  const closed = new Promise((resolve) => {
    shown.addEventListener("close", () => {
      resolve(shown.returnValue);
      shown.remove();
    }, { once: true });
  });
  shown.addEventListener("click", (event) => { if (event.target === shown) shown.close(""); });
  shown.showModal();
  shown.querySelector("[autofocus]")?.focus();
  return closed;
}

// True if the user says yes.
export async function confirm({ title, text, yes, danger = false }) {
  const told = await dialog({
    title,
    body: h("p", {}, text),
    actions: [
      h("button", { value: "", class: "button" }, t("cancel")),
      h("button", { value: "yes", class: danger ? "button danger" : "button primary", autofocus: true }, yes),
    ],
  });
  return told === "yes";
}
