// What stands around every page: the bar with its places, the choices of theme and language, notices.

import { connectionBar } from "./connection.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { addKeys, setPageKeys, showHelp } from "./keys.js";
import { choice, dropdown } from "./menus.js";
import { noticeList } from "./notices.js";
import { setTheme, theme } from "./preferences.js";
import { address, navigate } from "./router.js";
import { LANGUAGES, language, setLanguage, t } from "./texts.js";

const PLACES = [["", "nav.studies"], ["deleted", "nav.deleted"], ["system", "nav.system"]];
const THEMES = [["auto", "theme.auto"], ["light", "theme.light"], ["dark", "theme.dark"]];

const main = h("main", { id: "main", tabindex: "-1" });
const links = new Map();
let shownBefore = false;

export function startShell({ upload }) {
  const uploadButton = h("button", { type: "button", class: "button primary", id: "upload-button", "aria-label": t("upload.open"), on: { click: upload } },
    icon("upload"), h("span", { class: "wide-only" }, t("upload.open")));
  for (const [path, text] of PLACES) links.set(path, h("a", { href: address(path) }, t(text)));
  fill(document.body,
    h("a", { class: "skip", href: "#main" }, t("nav.skip")),
    connectionBar(),
    h("header", { class: "bar" },
      h("a", { class: "brand", href: address() }, h("img", { src: new URL("icon.svg", import.meta.url).href, alt: "", width: 26, height: 26 }), h("span", {}, "Dicomlake")),
      h("nav", { "aria-label": t("nav.label") }, [...links.values()]),
      h("div", { class: "bar-end" }, preferencesMenu(), uploadButton)),
    main,
    noticeList());
  // relative addresses move with that of the page
  document.querySelector("link[rel=icon]").href = new URL("icon.svg", import.meta.url).href;
  addKeys([
    ["u", upload, "help.upload"],
    ["g", () => navigate(address()), "help.studies"],
    ["?", showHelp, "help.help"],
  ]);
}

export function showPage(page) {
  document.title = page.title ? `${page.title} · Dicomlake` : "Dicomlake";
  fill(main, page.node);
  setPageKeys(page.keys);
  const path = location.href.split(/[?#]/)[0];
  for (const [place, link] of links) {
    const here = place === "" ? path === address() || path.startsWith(address("studies/")) : path === address(place);
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shownBefore) main.focus({ preventScroll: true });
  shownBefore = true;
}

function preferencesMenu() {
  const group = (name, choices) => h("div", { role: "group", "aria-label": name }, h("p", { class: "menu-title", "aria-hidden": "true" }, name), choices);
  return dropdown({
    label: icon("sliders"),
    name: t("preferences"),
    className: "icon-button",
    content: (close) => h("div", { role: "menu" },
      group(t("theme.name"), THEMES.map(([name, text]) => choice({ text: t(text), chosen: theme() === name, pick: () => { setTheme(name); close(); } }))),
      group(t("language.name"), Object.entries(LANGUAGES).map(([code, name]) => choice({ text: name, chosen: language() === code, pick: () => setLanguage(code) }))),
      h("hr", {}),
      h("button", { type: "button", role: "menuitem", class: "choice", on: { click: () => { close(); showHelp(); } } }, h("span", { class: "tick" }, icon("help")), h("span", {}, t("help.title")))),
  }).node;
}
